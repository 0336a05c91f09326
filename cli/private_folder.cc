#include "cli/private_folder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/paths.h"
#include "lib/runtime/atomic_file.h"

namespace fractos {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kPrefix = "fractos-";
constexpr size_t kSuffixLength = 6;  // mkdtemp's
constexpr int kTries = 3;
// Leaves room in a socket's path for the folder and the name of the driver's own socket in it.
constexpr size_t kMaxBase =
    sizeof(sockaddr_un::sun_path) - 1 - absl::string_view("/fractos-XXXXXX/driver.memory").size();
// How long a folder may lack its lock: its owner makes that at once.
constexpr time_t kLocklessSeconds = 60;

std::string Base() {
  const char* const given = ::getenv("XDG_RUNTIME_DIR");
  if (given != nullptr && *given != '\0' && ::access(given, W_OK) == 0) return given;
  return "/tmp";
}

std::string LockOf(const std::string& folder) { return absl::StrCat(folder, "/lock"); }

// The lock goes last, so that what cannot be removed now is found again.
void Remove(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::error_code ignored;
    if (entry.path().filename() != "lock") fs::remove_all(entry.path(), ignored);
  }
  ::unlink(LockOf(folder).c_str());
  ::rmdir(folder.c_str());
}

// Whether `lock` is still what stands at `path`.
bool IsAt(const UniqueFd& lock, const std::string& path) {
  struct stat held;
  struct stat named;
  return ::fstat(lock.get(), &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
         held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

bool HasOurName(const std::string& name) {
  return absl::StartsWith(name, kPrefix) && name.size() == kPrefix.size() + kSuffixLength &&
         std::all_of(name.begin() + kPrefix.size(), name.end(), absl::ascii_isalnum);
}

}  // namespace

void RemoveAbandonedFolders(const std::string& base) {
  std::error_code error;
  for (fs::directory_iterator entries(base, error); !error && entries != fs::directory_iterator();
       entries.increment(error)) {
    if (!HasOurName(entries->path().filename().string())) continue;
    const std::string path = entries->path().string();
    struct stat info;
    if (::lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != ::geteuid()) {
      continue;
    }
    const UniqueFd lock(::open(LockOf(path).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (lock.valid()) {
      if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) Remove(path);
    } else if (errno == ENOENT && ::time(nullptr) - info.st_mtime > kLocklessSeconds) {
      ::rmdir(path.c_str());  // unless somebody keeps something in it
    }
  }
}

absl::StatusOr<PrivateFolder> PrivateFolder::Create() {
  const std::string base = Base();
  if (base.size() > kMaxBase) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the name of folder ", base, " is too long for sockets in it, with ", base.size(),
        " bytes; set XDG_RUNTIME_DIR to a shorter folder, of at most ", kMaxBase));
  }
  RemoveAbandonedFolders(base);
  // Somebody who removes what is abandoned may find the lock before we have taken it.
  absl::Status failed;
  for (int i = 0; i < kTries; ++i) {
    std::string path = absl::StrCat(base, "/", kPrefix, std::string(kSuffixLength, 'X'));
    if (::mkdtemp(path.data()) == nullptr) {
      return ErrnoError(errno, "cannot make a folder under", base);
    }
    absl::StatusOr<UniqueFd> lock = LockFile(LockOf(path));
    if (lock.ok() && IsAt(*lock, LockOf(path))) {
      return PrivateFolder(std::move(path), *std::move(lock));
    }
    failed = lock.ok() ? absl::AbortedError(absl::StrCat(path, " was removed")) : lock.status();
    Remove(path);
  }
  return failed;
}

PrivateFolder::~PrivateFolder() {
  if (!path_.empty()) Remove(path_);
}

}  // namespace fractos
