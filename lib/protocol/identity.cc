#include "lib/protocol/identity.h"

#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

// 128 bits are plenty for ids: nobody gains by making two of a run's own results collide.
template <typename Id>
Id Truncate(const Digest& digest) {
  return Id::FromBytesOrDie(digest.bytes());
}

}  // namespace

std::string AttemptKey::IdempotencyKey() const {
  return FieldHasher("fractos/idempotency")
      .Add(run.bytes())
      .Add(step)
      .Add(lineage.bytes())
      .Finish()
      .ToHex();
}

Lineage ComputeLineage(const std::vector<ResultId>& predecessors) {
  FieldHasher hasher("fractos/lineage");
  for (const ResultId& id : predecessors) hasher.Add(id.bytes());
  return Truncate<Lineage>(hasher.Finish());
}

ResultId ComputeResultId(const AttemptKey& attempt, absl::string_view state, const Digest& output) {
  return Truncate<ResultId>(FieldHasher("fractos/result")
                                .Add(attempt.run.bytes())
                                .Add(attempt.step)
                                .Add(attempt.lineage.bytes())
                                .Add(state)
                                .Add(output.bytes())
                                .Finish());
}

}  // namespace fractos
