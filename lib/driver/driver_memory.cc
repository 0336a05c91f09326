#include "lib/driver/driver_memory.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"

namespace fractos {
namespace {

// A pull that takes longer is taken as an owner that has gone; the core then looks again.
constexpr Duration kPullTimeout = std::chrono::seconds(10);

}  // namespace

DriverMemory::DriverMemory(Incarnation self, uint64_t quota_bytes, Random* random,
                           OnPulled on_pulled)
    : self_(std::move(self)),
      on_pulled_(std::move(on_pulled)),
      store_(self_, quota_bytes, random) {}

absl::Status DriverMemory::Serve(const std::string& endpoint) {
  absl::StatusOr<std::unique_ptr<MemoryServer>> server = MemoryServer::Start(endpoint, &store_);
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  return absl::OkStatus();
}

// Small values are there already; larger ones are pulled from their owner on another thread.
std::optional<absl::StatusOr<Value>> DriverMemory::Bring(const RunId& run, const PullValue& pull,
                                                         const PeerInfo* owner, OfRun* of_run) {
  const Value& value = pull.value;
  if (value.owner == self_) return WithBytes(value);
  if (value.IsInline()) return Own(store_.StageInline(*value.inline_bytes), of_run);
  if (owner == nullptr) {
    return absl::NotFoundError(
        absl::StrCat(value.owner.address.ToString(), ", which had it, is gone"));
  }
  // Rather than move what cannot be kept. What others are fetching counts, too: it is in memory,
  // and the store hears of it only when it is here.
  const uint64_t size = value.size;
  if (absl::Status room = store_.CheckRoom(size); !room.ok()) return room;
  uint64_t number;
  {
    const absl::MutexLock lock(&mutex_);
    if (absl::Status room = store_.CheckRoom(pulling_bytes_ + size); !room.ok()) return room;
    pulling_bytes_ += size;
    number = ++last_pull_;
  }
  of_run->pulls[number] = client_.Pull(
      value, std::string(absl::StripPrefix(owner->memory_endpoint, "unix:")), kPullTimeout,
      [this, run, number, step = pull.step, size](absl::StatusOr<UniqueFd> file) {
        {
          const absl::MutexLock lock(&mutex_);
          pulling_bytes_ -= size;
        }
        on_pulled_(run, {number, step, file.ok() ? Stage(*std::move(file), size) : file.status()});
      });
  return std::nullopt;
}

bool DriverMemory::Keep(Pulled* pulled, OfRun* of_run) {
  if (of_run->pulls.erase(pulled->number) == 0) return false;
  pulled->value = Own(std::move(pulled->value), of_run);
  return true;
}

void DriverMemory::Drop(const Pulled& pulled) {
  if (pulled.value.ok()) store_.Release(pulled.value->object);
}

void DriverMemory::Cancel(const Pulls& pulls) {
  for (const auto& [number, pull] : pulls) client_.Cancel(pull);
}

void DriverMemory::Release(const OfRun& of_run) {
  for (const ObjectId& object : of_run.objects) store_.Release(object);
}

// A value of our own: a report may name it without its bytes, and lie of it.
absl::StatusOr<Value> DriverMemory::WithBytes(Value own) const {
  if (own.IsInline()) return own;
  absl::StatusOr<BytesPtr> bytes = store_.Get(own.object);
  if (!bytes.ok()) return bytes.status();
  const absl::string_view view = (*bytes)->view();
  if (view.size() != own.size) {
    return absl::DataLossError(absl::StrCat("the driver's own Memory object ",
                                            own.object.ToShortHex(), " has ", view.size(),
                                            " bytes, and was reported with ", own.size));
  }
  if (own.size <= kMaxInlineValueBytes) {
    own.inline_bytes = std::make_shared<const std::string>(view);
  }
  return own;
}

// What is small enough is held with its bytes, wherever it came from: a core that asks for a
// refinement, or an output, wants to read it.
absl::StatusOr<Value> DriverMemory::Stage(UniqueFd file, uint64_t size) {
  if (size > kMaxInlineValueBytes) return store_.StageFile(std::move(file), size);
  std::string bytes(size, '\0');
  for (size_t got = 0; got < size;) {
    const ssize_t n = ::pread(file.get(), &bytes[got], size - got, static_cast<off_t>(got));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return absl::DataLossError("a value is shorter than its owner said");
    got += static_cast<size_t>(n);
  }
  return store_.StageInline(std::move(bytes));
}

// Makes a staged value readable by the daemons, for as long as the run is here.
absl::StatusOr<Value> DriverMemory::Own(absl::StatusOr<Value> staged, OfRun* of_run) {
  if (!staged.ok()) return staged;
  of_run->objects.push_back(staged->object);
  const absl::Status committed = store_.Commit(staged->object);
  if (!committed.ok()) return committed;
  return staged;
}

}  // namespace fractos
