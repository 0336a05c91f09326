#include "lib/runtime/atomic_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status WriteAll(int fd, absl::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return ErrnoError(errno, "cannot write", path);
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status WriteNew(const std::string& path, absl::string_view bytes, bool sync,
                      const WriteFault& fault) {
  const auto before = [&fault](WriteStage stage) {
    return fault == nullptr ? absl::OkStatus() : fault(stage);
  };
  if (absl::Status status = before(WriteStage::kCreate); !status.ok()) return status;
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.valid()) return ErrnoError(errno, "cannot create", path);
  if (absl::Status status = before(WriteStage::kWrite); !status.ok()) return status;
  if (absl::Status status = WriteAll(file.get(), bytes, path); !status.ok()) return status;
  if (!sync) return absl::OkStatus();
  if (absl::Status status = before(WriteStage::kSync); !status.ok()) return status;
  if (::fsync(file.get()) != 0) return ErrnoError(errno, "cannot sync", path);
  return absl::OkStatus();
}

// Up to the renaming.
absl::Status Replace(const std::string& path, absl::string_view bytes, bool sync,
                     const WriteFault& fault) {
  // One writer at a time holds the folder's lock, so one name for the unfinished file is enough,
  // and what a killed writer leaves behind is overwritten by the next.
  const std::string unfinished = absl::StrCat(path, ".new");
  absl::Status status = WriteNew(unfinished, bytes, sync, fault);
  if (status.ok() && fault != nullptr) status = fault(WriteStage::kRename);
  if (status.ok() && std::rename(unfinished.c_str(), path.c_str()) != 0) {
    status = ErrnoError(errno, "cannot replace", path);
  }
  if (!status.ok()) ::unlink(unfinished.c_str());
  return status;
}

}  // namespace

absl::Status ErrnoError(int error, absl::string_view what, absl::string_view path) {
  const std::string message = absl::StrCat(what, " ", path, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(message);
    case EEXIST:
      return absl::AlreadyExistsError(message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view bytes,
                                 const WriteFault& fault) {
  absl::Status status = Replace(path, bytes, /*sync=*/true, fault);
  if (!status.ok()) return status;
  if (fault != nullptr) {
    if (absl::Status failed = fault(WriteStage::kSyncDirectory); !failed.ok()) return failed;
  }
  const std::string folder = FolderOf(path);
  const UniqueFd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid() || ::fsync(directory.get()) != 0) {
    return ErrnoError(errno, "cannot sync", folder);
  }
  return fault == nullptr ? absl::OkStatus() : fault(WriteStage::kDone);
}

absl::Status ReplaceFile(const std::string& path, absl::string_view bytes) {
  return Replace(path, bytes, /*sync=*/false, nullptr);
}

absl::StatusOr<std::string> ReadWholeFile(const std::string& path, size_t limit) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return ErrnoError(errno, "cannot read", path);
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, "cannot read", path);
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > limit) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, " is longer than ", limit, " bytes, which is the limit"));
    }
  }
}

namespace {

absl::StatusOr<UniqueFd> Lock(const std::string& path, int how, int tries) {
  constexpr int kPauseMilliseconds = 10;
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid()) return ErrnoError(errno, "cannot open", path);
  while (::flock(file.get(), how | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return ErrnoError(errno, "cannot lock", path);
    if (--tries <= 0) {
      return absl::FailedPreconditionError(absl::StrCat(path, " is locked by another process"));
    }
    ::poll(nullptr, 0, kPauseMilliseconds);
  }
  return file;
}

}  // namespace

absl::StatusOr<UniqueFd> LockFile(const std::string& path) {
  return Lock(path, LOCK_EX, /*tries=*/10);
}

absl::StatusOr<UniqueFd> ProbeLock(const std::string& path) {
  return Lock(path, LOCK_SH, /*tries=*/1);
}

}  // namespace fractos
