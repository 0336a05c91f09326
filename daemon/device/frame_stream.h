// Length-prefixed frames with file descriptors over one Unix stream socket: how a daemon and its
// adaptor speak (proto/fractos/v1/adaptor.proto).
#ifndef FRACTOS_DAEMON_DEVICE_FRAME_STREAM_H_
#define FRACTOS_DAEMON_DEVICE_FRAME_STREAM_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/limits.h"
#include "lib/base/unique_fd.h"
#include "lib/memory/memory_store.h"

namespace fractos {

// The most descriptors that may wait for the frames that name them. A frame from an adaptor names
// at most one, so more only come from one that has lost its way.
inline constexpr size_t kMaxPendingDescriptors = 16;

// A frame to be written, with what its descriptors belong to kept alive until the kernel has them.
struct OutFrame {
  std::string payload;
  std::vector<int> descriptors;
  std::vector<BytesPtr> views;
  std::vector<UniqueFd> files;
};

// One end of the stream. Never blocks: the socket is made non-blocking.
//
// Writing is thread-safe. The thread that writes also sends what others queue meanwhile, so a burst
// costs one system call, and nobody waits for another's write.
//
// Reading is for one thread at a time. What the peer sends is hostile: a frame over
// kMaxMessageBytes, descriptors that no frame names, or too many of them end the stream with an
// error.
//
// Descriptors are matched to frames by order alone. The kernel delivers them no later than the
// first byte of their frame, so when a frame is whole its descriptors are there.
class FrameStream {
 public:
  explicit FrameStream(UniqueFd socket);
  FrameStream(const FrameStream&) = delete;
  FrameStream& operator=(const FrameStream&) = delete;

  int fd() const { return socket_.get(); }

  // Puts `frame` behind those that wait for Send. No system call.
  void Queue(OutFrame frame);
  // Sends what is queued, as much as the socket takes. Unavailable once the peer is gone.
  absl::Status Send();
  absl::Status Write(OutFrame frame) {
    Queue(std::move(frame));
    return Send();
  }
  // Whether something is queued that the socket did not take: Flush when it becomes writable.
  bool WantsWrite() const;
  absl::Status Flush();

  // Calls `on_frame` for every frame that has arrived; its argument is valid during the call.
  // Unavailable when the peer closed, ResourceExhausted for a frame that is too large,
  // InvalidArgument for anything else that makes the stream untrustworthy. An error of `on_frame`
  // ends the reading and is returned.
  absl::Status Read(absl::FunctionRef<absl::Status(absl::string_view frame)> on_frame);

  // The next descriptor that the frame being handled names: nothing when none came, an invalid one
  // when this process had none left to receive it with. Only inside `on_frame`.
  std::optional<UniqueFd> TakeDescriptor();

 private:
  struct Queued {
    std::string bytes;  // header and payload
    size_t sent = 0;
    OutFrame frame;  // without its payload
  };

  absl::Status SendQueued(std::deque<Queued> batch) ABSL_LOCKS_EXCLUDED(write_mutex_);
  absl::Status SendSome(std::deque<Queued>* batch);
  absl::Status ReadChunk(bool* more);
  absl::Status TakeFrames(absl::FunctionRef<absl::Status(absl::string_view)> on_frame);

  const UniqueFd socket_;

  mutable absl::Mutex write_mutex_;
  bool writing_ ABSL_GUARDED_BY(write_mutex_) = false;
  bool blocked_ ABSL_GUARDED_BY(write_mutex_) = false;
  std::deque<Queued> queue_ ABSL_GUARDED_BY(write_mutex_);

  // The reader's own.
  std::string buffer_;
  size_t begin_ = 0;  // of what is not handled yet
  size_t end_ = 0;
  std::deque<UniqueFd> descriptors_;  // invalid: came, and could not be kept
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_DEVICE_FRAME_STREAM_H_
