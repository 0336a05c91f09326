#include "cli/standard_output.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <iostream>

namespace fractos {
namespace {

// Asked of the descriptor itself: errno is long gone when the write failed somewhere before.
bool ReaderHasGone() {
  pollfd output = {STDOUT_FILENO, 0, 0};
  return ::poll(&output, 1, 0) == 1 && (output.revents & (POLLERR | POLLHUP)) != 0;
}

}  // namespace

void OpenStandardDescriptors() {
  constexpr int kFlags[] = {O_WRONLY, O_RDONLY, O_WRONLY};
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
    // One that closes on exec is not the caller's: gRPC, when it is loaded, tries whether there are
    // eventfds, and leaves the one that it got open.
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) continue;
    const int null = ::open("/dev/null", kFlags[fd]);
    if (::dup2(null, fd) != fd) ::_exit(kExitFailed);
    if (null != fd) ::close(null);
  }
}

void SurviveBrokenPipes() {
  // A handler that does nothing, not SIG_IGN: programs that are started would inherit the latter.
  struct sigaction nothing = {};
  nothing.sa_handler = [](int) {};
  nothing.sa_flags = SA_RESTART;
  ::sigaction(SIGPIPE, &nothing, nullptr);
}

int FinishOutput(int code) {
  std::cout.flush();
  const bool flushed = std::fflush(stdout) == 0;
  if (flushed && std::cout.good() && std::ferror(stdout) == 0) return code;
  if (ReaderHasGone()) return code == kExitSucceeded ? kExitBrokenPipe : code;
  std::cerr << "fractosctl: cannot write standard output\n";
  return code == kExitSucceeded ? kExitFailed : code;
}

}  // namespace fractos
