// One adaptor process, from its launch to its end.
#ifndef FRACTOS_DAEMON_DEVICE_ADAPTOR_H_
#define FRACTOS_DAEMON_DEVICE_ADAPTOR_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "daemon/device/adaptor_launcher.h"
#include "daemon/device/frame_stream.h"
#include "lib/base/clock.h"
#include "lib/plan/operation.h"
#include "lib/runtime/waker.h"

namespace fractos {

// The stream to an adaptor, what it says of itself first, and how it ended. Whoever holds it may
// write to it and read from it, even when the adaptor is gone: both fail then. To let go of it ends
// nothing: call End, once, before the next Launch.
//
// Threads: Launch, Describe and End are for the one thread that uses the launcher. The rest is
// thread-safe.
class Adaptor {
 public:
  // Starts one. `waker` is woken once it has ended. `launcher` outlives what is returned; its
  // errors are this one's.
  static absl::StatusOr<std::shared_ptr<Adaptor>> Launch(AdaptorLauncher* launcher,
                                                         std::shared_ptr<Waker> waker);
  Adaptor(const Adaptor&) = delete;
  Adaptor& operator=(const Adaptor&) = delete;

  // Waits for `events` on the stream's socket, for a wake-up or until the time, and returns what
  // the socket has. An error ends the waiting.
  using PollFunction = absl::FunctionRef<absl::StatusOr<int>(int events, Time until)>;

  // Hands it its options and awaits its description: once, before anything else, while nobody else
  // reads. Fails as JudgeDescription, the stream and `poll` do, and with DeadlineExceeded after
  // `timeout`. What it says before it ends counts.
  absl::StatusOr<DeviceDescription> Describe(absl::string_view options_json, Duration timeout,
                                             const Clock& clock, PollFunction poll);

  FrameStream& stream() { return stream_; }
  // The stream's Read, by one thread at a time.
  absl::Status Read(absl::FunctionRef<absl::Status(absl::string_view frame)> on_frame)
      ABSL_LOCKS_EXCLUDED(read_mutex_);

  // Whether the process has ended by itself, or been killed.
  bool ended() const;

  // Sees it dead: kills it, if it is not. `why` is the reason; if that is Unavailable, it was about
  // to end by itself, is given a moment for it, and what is returned says how it did.
  absl::Status End(absl::Status why);

 private:
  // Shared with whoever watches the process.
  struct Exit {
    absl::Mutex mutex;
    bool happened ABSL_GUARDED_BY(mutex) = false;
    std::string how ABSL_GUARDED_BY(mutex);
  };

  Adaptor(AdaptorLauncher* launcher, std::shared_ptr<Exit> exit, UniqueFd socket)
      : launcher_(launcher), exit_(std::move(exit)), stream_(std::move(socket)) {}

  AdaptorLauncher* const launcher_;
  const std::shared_ptr<Exit> exit_;
  FrameStream stream_;
  absl::Mutex read_mutex_;
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_DEVICE_ADAPTOR_H_
