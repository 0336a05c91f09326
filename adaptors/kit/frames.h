// Frames on a Unix stream socket: 4 bytes of little-endian length, the body, descriptors beside it.
#ifndef FRACTOS_ADAPTORS_KIT_FRAMES_H_
#define FRACTOS_ADAPTORS_KIT_FRAMES_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/unique_fd.h"

namespace fractos::adaptor {

inline constexpr size_t kFrameHeaderBytes = 4;

// Reads frames. Does not own the socket. Not thread-safe.
class FrameReader {
 public:
  explicit FrameReader(int socket) : socket_(socket) {}

  // The next frame that is here in full, valid until the next call of Fill; nothing when more must
  // be read first. InvalidArgument for a frame of more than kMaxMessageBytes.
  absl::StatusOr<std::optional<absl::string_view>> Next();

  // Waits for more bytes, with one system call. False when the other side has closed.
  absl::StatusOr<bool> Fill();

  // The next descriptor that came, in order; a frame's come with its first byte, so that they are
  // here when the frame is. InvalidArgument when none did.
  absl::StatusOr<UniqueFd> TakeDescriptor();

 private:
  const int socket_;
  std::string buffer_;
  size_t begin_ = 0;  // of what has not been returned yet
  size_t end_ = 0;    // of what has been read
  std::deque<UniqueFd> descriptors_;
};

// Writes frames, several with one system call when several are queued. Does not own the socket.
// Thread-safe; a Flush may block until the other side reads.
class FrameWriter {
 public:
  explicit FrameWriter(int socket) : socket_(socket) {}

  // Queues a frame: `frame` is kFrameHeaderBytes to be filled in here and then the body.
  void Append(std::string frame, std::vector<UniqueFd> descriptors) ABSL_LOCKS_EXCLUDED(mutex_);

  // Writes all that is queued. Returns at once when another thread is writing: it takes that along.
  // After an error every later call returns the same one.
  absl::Status Flush() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // What one sendmsg starts: descriptors belong to its first byte.
  struct Batch {
    std::string bytes;
    std::vector<UniqueFd> descriptors;
  };
  absl::Status Write(const Batch& batch);

  const int socket_;
  absl::Mutex mutex_;
  std::deque<Batch> queue_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fractos::adaptor

#endif  // FRACTOS_ADAPTORS_KIT_FRAMES_H_
