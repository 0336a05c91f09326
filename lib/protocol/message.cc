#include "lib/protocol/message.h"

#include <algorithm>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace fractos {
namespace {

std::string EdgeText(const EdgeKey& edge) {
  return absl::StrCat(edge.run.ToShortHex(), " ->", edge.step, " from ", edge.from.ToShortHex());
}

struct Describe {
  std::string operator()(const HandOver& m) const {
    return absl::StrCat("HandOver(", EdgeText(m.key()), " R=", m.redrive, " by ",
                        m.sender.address.ToString(), " epoch ", m.sender_epoch, ")");
  }
  std::string operator()(const Accepted& m) const {
    return absl::StrCat("Accepted(", EdgeText(m.edge), " R=", m.redrive, ")");
  }
  std::string operator()(const Passed& m) const {
    return absl::StrCat("Passed(", EdgeText(m.edge), " R=", m.redrive, ")");
  }
  std::string operator()(const Nack& m) const {
    return absl::StrCat("Nack(", EdgeText(m.edge), " R=", m.redrive, " ", RefusalName(m.reason),
                        " seen=", m.seen, ")");
  }
  std::string operator()(const StaleEpoch& m) const {
    return absl::StrCat("StaleEpoch(", m.cluster, " seen=", m.seen, ")");
  }
  std::string operator()(const Report& m) const {
    return absl::StrCat("Report(", m.run.ToShortHex(), " R=", m.redrive, " [",
                        absl::StrJoin(m.results, " ",
                                      [](std::string* out, const ResultPtr& r) {
                                        absl::StrAppend(out, r->path, "=", r->id.ToShortHex());
                                      }),
                        "] lost ", m.lost.size(), " executing ", m.executing.size(), ")");
  }
  std::string operator()(const Recorded& m) const {
    return absl::StrCat("Recorded(", m.run.ToShortHex(), " R=", m.redrive, " ", m.steps.size(),
                        " steps, ", m.refused.size(), " refused, ", m.release.size(), " released)");
  }
  std::string operator()(const Query& m) const {
    return absl::StrCat("Query(", m.run.ToShortHex(), " R=", m.redrive, " pinned ", m.pinned.size(),
                        ")");
  }
  std::string operator()(const FetchRedrive& m) const {
    return absl::StrCat("FetchRedrive(", m.run.ToShortHex(), ")");
  }
  std::string operator()(const Holding& m) const {
    return absl::StrCat("Holding(", m.run.ToShortHex(), " R=", m.redrive, " attempts ",
                        m.attempts.size(), " holds ", m.holds.size(), " candidates ",
                        m.candidates.size(), ")");
  }
  std::string operator()(const Abort& m) const {
    return absl::StrCat("Abort(", m.run.ToShortHex(), " R=", m.redrive, ")");
  }
  std::string operator()(const End& m) const {
    return absl::StrCat("End(", m.run.ToShortHex(), ")");
  }
};

}  // namespace

int64_t WallMicros(Time time, int64_t wall_offset_us) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count() +
         wall_offset_us;
}

std::string DebugString(const Message& message) { return std::visit(Describe{}, message); }

absl::string_view ResultStateName(ResultState state) {
  switch (state) {
    case ResultState::kSucceeded:
      return "Succeeded";
    case ResultState::kFailed:
      return "Failed";
    case ResultState::kSkipped:
      return "Skipped";
    case ResultState::kRefined:
      return "Refined";
  }
  return "Unknown";
}

absl::string_view RefusalName(Refusal refusal) {
  switch (refusal) {
    case Refusal::kStaleRedrive:
      return "StaleRedrive";
    case Refusal::kNotLeader:
      return "NotLeader";
    case Refusal::kInvalid:
      return "Invalid";
    case Refusal::kOverloaded:
      return "Overloaded";
    case Refusal::kEnded:
      return "Ended";
  }
  return "Unknown";
}

}  // namespace fractos
