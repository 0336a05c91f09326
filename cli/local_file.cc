#include "cli/local_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "cli/complain.h"
#include "lib/runtime/atomic_file.h"

namespace fractos {
namespace {

absl::Status FolderError(const std::string& file, absl::string_view way_out) {
  return absl::InvalidArgumentError(absl::StrCat(file, " is a folder; ", way_out));
}

// A signal handler reaches nothing but globals.
std::atomic<const char*> g_unfinished{nullptr};
static_assert(std::atomic<const char*>::is_always_lock_free);

// While it lives, SIGINT, SIGTERM and SIGHUP remove the file of that name before they end us,
// unless the caller ignores them. One to a process.
class UnfinishedFile {
 public:
  explicit UnfinishedFile(const std::string& name) {
    g_unfinished = name.c_str();
    struct sigaction action = {};
    action.sa_handler = [](int) {
      if (const char* const unfinished = g_unfinished.load(); unfinished != nullptr) {
        ::unlink(unfinished);
      }
      ::_exit(kExitInterrupted);
    };
    for (size_t i = 0; i < kSignals.size(); ++i) {
      ::sigaction(kSignals[i], nullptr, &before_[i]);
      if (before_[i].sa_handler != SIG_IGN) ::sigaction(kSignals[i], &action, nullptr);
    }
  }
  ~UnfinishedFile() {
    for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
    g_unfinished = nullptr;
  }
  UnfinishedFile(const UnfinishedFile&) = delete;
  UnfinishedFile& operator=(const UnfinishedFile&) = delete;

 private:
  static constexpr std::array<int, 3> kSignals = {SIGINT, SIGTERM, SIGHUP};
  std::array<struct sigaction, 3> before_;
};

// Fills a new file beside `file` and has it take its place, with these permissions.
ExitCode Replace(const std::string& file, mode_t mode, const FillFile& fill) {
  std::string unfinished = absl::StrCat(file, ".XXXXXX");
  const UnfinishedFile ends_with_us(unfinished);  // before it is made
  const UniqueFd out(::mkostemp(unfinished.data(), O_CLOEXEC));
  if (!out.valid()) return Complain(ErrnoError(errno, "cannot write", file), kExitBadInput);
  const ExitCode code = fill(out.get(), /*is_new=*/true);
  if (code != kExitSucceeded) {
    ::unlink(unfinished.c_str());
    return code;
  }
  ::fchmod(out.get(), mode);
  if (std::rename(unfinished.c_str(), file.c_str()) == 0) return kExitSucceeded;
  const int error = errno;
  ::unlink(unfinished.c_str());
  return Complain(ErrnoError(error, "cannot write", file));
}

// Fills a file that is not there yet.
ExitCode Create(const std::string& file, const FillFile& fill) {
  struct stat info = {};
  if (::lstat(file.c_str(), &info) == 0) {
    return Complain(absl::InvalidArgumentError(absl::StrCat(
                        file,
                        " is a symbolic link to nothing; remove it, or name the file that is "
                        "to be made")),
                    kExitBadInput);
  }
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return Replace(file, 0666 & ~mask, fill);
}

// As in `fractosctl cp storage:KEY /dev/stdout >>FILE`.
bool IsStandardOutput(const struct stat& info) {
  struct stat out = {};
  return ::fstat(STDOUT_FILENO, &out) == 0 && out.st_dev == info.st_dev &&
         out.st_ino == info.st_ino;
}

}  // namespace

absl::StatusOr<UniqueFd> OpenLocalFile(const std::string& file) {
  UniqueFd in(file == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                          : ::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info = {};
  if (!in.valid() || ::fstat(in.get(), &info) != 0) return ErrnoError(errno, "cannot read", file);
  if (S_ISDIR(info.st_mode)) return FolderError(file, "cp copies one file: name one in it");
  return in;
}

ExitCode ReceiveLocalFile(const std::string& file, const FillFile& fill) {
  struct stat info = {};
  if (::stat(file.c_str(), &info) != 0) {
    if (errno == ENOENT) return Create(file, fill);
    return Complain(ErrnoError(errno, "cannot write", file), kExitBadInput);
  }
  if (S_ISDIR(info.st_mode)) {
    return Complain(FolderError(file, "name the file that is to be made in it"), kExitBadInput);
  }
  if (S_ISREG(info.st_mode) && !IsStandardOutput(info)) {
    std::error_code error;
    const std::string target = std::filesystem::canonical(file, error).string();
    if (error) return Complain(ErrnoError(error.value(), "cannot write", file), kExitBadInput);
    return Replace(target, info.st_mode & 0777, fill);
  }
  const UniqueFd out(S_ISREG(info.st_mode) ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                                           : ::open(file.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
  if (!out.valid()) return Complain(ErrnoError(errno, "cannot write", file), kExitBadInput);
  return fill(out.get(), /*is_new=*/false);
}

absl::StatusOr<UniqueFd> NewMemoryFile() {
  UniqueFd file(::memfd_create("fractosctl", MFD_CLOEXEC));
  if (!file.valid()) return absl::ErrnoToStatus(errno, "cannot make a memory file");
  return file;
}

absl::StatusOr<uint64_t> CopyBytes(int from, int to) {
  std::string block(64 * 1024, '\0');
  uint64_t copied = 0;
  while (true) {
    const ssize_t n = ::read(from, block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "cannot read");
    if (n == 0) return copied;
    for (ssize_t done = 0; done < n;) {
      const ssize_t written = ::write(to, block.data() + done, static_cast<size_t>(n - done));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return absl::ErrnoToStatus(errno, "cannot write");
      done += written;
    }
    copied += static_cast<uint64_t>(n);
  }
}

}  // namespace fractos
