#include "cli/local_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "cli/complain.h"
#include "lib/runtime/atomic_file.h"

namespace fractos {

absl::StatusOr<UniqueFd> OpenLocalFile(const std::string& file) {
  UniqueFd in(file == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                          : ::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in.valid()) return ErrnoError(errno, "cannot read", file);
  return in;
}

ExitCode ReceiveLocalFile(const std::string& file, const std::function<ExitCode(int out)>& write) {
  std::string unfinished = absl::StrCat(file, ".XXXXXX");
  const UniqueFd out(::mkostemp(unfinished.data(), O_CLOEXEC));
  if (!out.valid()) return Complain(ErrnoError(errno, "cannot write", file), kExitBadInput);
  const ExitCode code = write(out.get());
  if (code != kExitSucceeded) {
    ::unlink(unfinished.c_str());
    return code;
  }
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(out.get(), 0666 & ~mask);
  if (std::rename(unfinished.c_str(), file.c_str()) == 0) return kExitSucceeded;
  const int error = errno;
  ::unlink(unfinished.c_str());
  return Complain(ErrnoError(error, "cannot write", file));
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
