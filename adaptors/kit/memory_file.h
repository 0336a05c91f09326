// Values too large for a frame: memory files, written by an adaptor or mapped from the daemon.
#ifndef FRACTOS_ADAPTORS_KIT_MEMORY_FILE_H_
#define FRACTOS_ADAPTORS_KIT_MEMORY_FILE_H_

#include <cstdint>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/unique_fd.h"

namespace fractos::adaptor {

// How many bytes are moved at most between two looks at a stop token: milliseconds' worth, for who
// is asked to stop has a second until all of the adaptor is killed.
inline constexpr size_t kStopBytes = 8 << 20;

// Cancelled once `stop` was asked to stop.
absl::Status CheckStop(const std::stop_token& stop);

// An output being written. The daemon seals it once it has been answered, which fails while anybody
// maps it writable: so it is written through its descriptor and never mapped here. Not thread-safe.
class MemoryFile {
 public:
  // ResourceExhausted when the machine gives none. `name` is seen in /proc only.
  static absl::StatusOr<MemoryFile> Create(const std::string& name);
  // A descriptor with the size that is claimed of it: for tests of what the daemon believes.
  static MemoryFile Forge(UniqueFd fd, uint64_t size);

  // ResourceExhausted when there is no memory left. Cancelled when asked to stop, with a part
  // appended.
  absl::Status Append(absl::string_view bytes, const std::stop_token& stop = {});
  // Appends `size` bytes of the regular file `source` from its current offset, copied by the
  // kernel. DataLoss when the file ends before that, Cancelled as above.
  absl::Status AppendFrom(int source, uint64_t size, const std::stop_token& stop = {});

  uint64_t size() const { return size_; }
  int fd() const { return fd_.get(); }
  UniqueFd Release() { return std::move(fd_); }

 private:
  explicit MemoryFile(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
  uint64_t size_ = 0;
};

// Read-only bytes of a memory file that the daemon sealed. Unmapped when destroyed.
class Mapping {
 public:
  Mapping() = default;
  // InvalidArgument unless the file holds `size` bytes and cannot shrink any more: reading a
  // mapping whose file shrinks would kill the adaptor.
  static absl::StatusOr<Mapping> Open(const UniqueFd& fd, uint64_t size);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  absl::string_view bytes() const { return {data_, size_}; }

 private:
  const char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace fractos::adaptor

#endif  // FRACTOS_ADAPTORS_KIT_MEMORY_FILE_H_
