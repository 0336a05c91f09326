#include "adaptors/kit/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fractos::adaptor {

absl::Status CheckStop(const std::stop_token& stop) {
  return stop.stop_requested() ? absl::CancelledError("not wanted") : absl::OkStatus();
}

absl::StatusOr<MemoryFile> MemoryFile::Create(const std::string& name) {
  UniqueFd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "cannot create a memory file");
  return MemoryFile(std::move(fd));
}

MemoryFile MemoryFile::Forge(UniqueFd fd, uint64_t size) {
  MemoryFile file(std::move(fd));
  file.size_ = size;
  return file;
}

absl::Status MemoryFile::Append(absl::string_view bytes, const std::stop_token& stop) {
  while (!bytes.empty()) {
    if (absl::Status status = CheckStop(stop); !status.ok()) return status;
    ssize_t n = ::write(fd_.get(), bytes.data(), std::min(bytes.size(), kStopBytes));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "cannot write to a memory file");
    bytes.remove_prefix(static_cast<size_t>(n));
    size_ += static_cast<uint64_t>(n);
  }
  return absl::OkStatus();
}

absl::Status MemoryFile::AppendFrom(int source, uint64_t size, const std::stop_token& stop) {
  while (size > 0) {
    if (absl::Status status = CheckStop(stop); !status.ok()) return status;
    ssize_t n = ::sendfile(fd_.get(), source, nullptr, std::min<uint64_t>(size, kStopBytes));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "cannot copy into a memory file");
    if (n == 0) return absl::DataLossError("the file became shorter while it was read");
    size -= static_cast<uint64_t>(n);
    size_ += static_cast<uint64_t>(n);
  }
  return absl::OkStatus();
}

absl::StatusOr<Mapping> Mapping::Open(const UniqueFd& fd, uint64_t size) {
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return absl::ErrnoToStatus(errno, "a passed descriptor");
  if (static_cast<uint64_t>(info.st_size) < size) {
    return absl::InvalidArgumentError(absl::StrCat("a passed descriptor holds ", info.st_size,
                                                   " bytes where ", size, " are announced"));
  }
  int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    return absl::InvalidArgumentError("a passed descriptor is not a sealed memory file");
  }
  Mapping mapping;
  if (size == 0) return mapping;
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) return absl::ErrnoToStatus(errno, "cannot map an input");
  mapping.data_ = static_cast<const char*>(data);
  mapping.size_ = size;
  return mapping;
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);
}

}  // namespace fractos::adaptor
