#include "lib/memory/sealed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

absl::Status CheckSize(int fd, uint64_t size) {
  struct stat info;
  if (::fstat(fd, &info) != 0) return absl::ErrnoToStatus(errno, "fstat");
  if (static_cast<uint64_t>(info.st_size) == size) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the memory file is ", info.st_size, " bytes long, said to be ", size));
}

}  // namespace

absl::Status Seal(int fd, uint64_t size) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0) return absl::InvalidArgumentError("the descriptor is no memory file");
  if ((seals & kSeals) != kSeals && ::fcntl(fd, F_ADD_SEALS, kSeals) != 0) {
    if (errno == EBUSY) {
      return absl::FailedPreconditionError(
          "the memory file cannot be sealed: a writable mapping of it is still open");
    }
    return absl::InvalidArgumentError(
        "the memory file cannot be sealed: create it with MFD_ALLOW_SEALING");
  }
  return CheckSize(fd, size);
}

absl::Status CheckSealed(int fd, uint64_t size) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) {
    return absl::DataLossError("the bytes came in a file that is not sealed");
  }
  const absl::Status status = CheckSize(fd, size);
  return status.ok() ? status : absl::DataLossError(status.message());
}

absl::StatusOr<UniqueFd> SealedFileOf(absl::string_view bytes) {
  UniqueFd file(::memfd_create("fractos", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.valid()) return absl::ErrnoToStatus(errno, "memfd_create");
  absl::string_view left = bytes;
  while (!left.empty()) {
    const ssize_t written = ::write(file.get(), left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return absl::ErrnoToStatus(errno, "cannot write a memory file");
    left.remove_prefix(static_cast<size_t>(written));
  }
  if (absl::Status status = Seal(file.get(), bytes.size()); !status.ok()) return status;
  return file;
}

}  // namespace fractos
