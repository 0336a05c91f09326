#include "daemon/device/adaptor.h"

#include <poll.h>

#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/device/answer.h"
#include "daemon/device/request.h"

namespace fractos {
namespace {

// How long an adaptor whose socket closed may take to end by itself, so that its exit can be told.
constexpr std::chrono::milliseconds kExitGrace{100};

}  // namespace

absl::StatusOr<std::shared_ptr<Adaptor>> Adaptor::Launch(AdaptorLauncher* launcher,
                                                         std::shared_ptr<Waker> waker) {
  auto exit = std::make_shared<Exit>();
  absl::StatusOr<UniqueFd> socket =
      launcher->Launch([exit, waker = std::move(waker)](const std::string& how) {
        {
          absl::MutexLock lock(&exit->mutex);
          exit->happened = true;
          exit->how = how;
        }
        waker->Wake();
      });
  if (!socket.ok()) return socket.status();
  return std::shared_ptr<Adaptor>(new Adaptor(launcher, std::move(exit), *std::move(socket)));
}

absl::StatusOr<DeviceDescription> Adaptor::Describe(absl::string_view options_json,
                                                    Duration timeout, const Clock& clock,
                                                    PollFunction poll) {
  absl::Status written = stream_.Write(ConfigureFrame(options_json));
  if (!written.ok()) return written;
  std::optional<absl::StatusOr<DeviceDescription>> description;
  const auto on_frame = [&description](absl::string_view frame) -> absl::Status {
    if (description.has_value()) {
      return absl::InvalidArgumentError("the adaptor spoke before it was asked to execute");
    }
    description = JudgeDescription(frame);
    return absl::OkStatus();
  };
  Time deadline = clock.Now() + timeout;
  while (!description.has_value()) {
    absl::StatusOr<int> ready = poll(POLLIN | (stream_.WantsWrite() ? POLLOUT : 0), deadline);
    if (!ready.ok()) return ready.status();
    if ((*ready & POLLOUT) != 0) {
      absl::Status flushed = stream_.Flush();
      if (!flushed.ok()) return flushed;
    }
    bool has_ended = ended();
    if ((*ready & ~POLLOUT) != 0 || has_ended) {
      absl::Status read = stream_.Read(on_frame);
      if (description.has_value()) break;  // whatever came after it
      if (!read.ok()) return read;
      if (has_ended) return absl::UnavailableError("the adaptor ended");
    } else if (clock.Now() >= deadline) {
      return absl::DeadlineExceededError("the adaptor did not describe itself in time");
    }
  }
  return *std::move(description);
}

absl::Status Adaptor::Read(absl::FunctionRef<absl::Status(absl::string_view frame)> on_frame) {
  absl::MutexLock lock(&read_mutex_);
  return stream_.Read(on_frame);
}

bool Adaptor::ended() const {
  absl::MutexLock lock(&exit_->mutex);
  return exit_->happened;
}

absl::Status Adaptor::End(absl::Status why) {
  if (absl::IsUnavailable(why)) {
    absl::MutexLock lock(&exit_->mutex);
    exit_->mutex.AwaitWithTimeout(absl::Condition(&exit_->happened), absl::FromChrono(kExitGrace));
    std::string how = exit_->happened ? exit_->how : "its socket closed";
    why = absl::UnavailableError(absl::StrCat("the adaptor ended: ", how));
  }
  launcher_->Kill();
  return why;
}

}  // namespace fractos
