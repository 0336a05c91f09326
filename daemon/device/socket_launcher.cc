#include "daemon/device/socket_launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "lib/runtime/socket_address.h"
#include "lib/runtime/waker.h"

namespace fractos {
namespace {

// How long to leave the listener alone when a connection cannot be taken (no descriptors left):
// it stays readable, and would be tried again without end.
constexpr int kAcceptPauseMs = 200;

}  // namespace

class SocketLauncher::Impl {
 public:
  Impl(UniqueFd listener, std::string path)
      : listener_(std::move(listener)), path_(std::move(path)), thread_([this] { Serve(); }) {}

  ~Impl() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    wake_.Wake();
    thread_.join();
    unlink(path_.c_str());
  }

  absl::StatusOr<UniqueFd> Launch(std::function<void(std::string how)> on_exit) {
    absl::MutexLock lock(&mutex_);
    if (!waiting_.valid()) {
      return absl::UnavailableError(absl::StrCat("no adaptor has connected to ", path_));
    }
    incoming_.Clear();
    UniqueFd ours(fcntl(waiting_.get(), F_DUPFD_CLOEXEC, 0));
    if (!ours.valid()) {
      waiting_.Reset();  // it comes again
      return absl::ResourceExhaustedError(
          absl::StrCat("cannot take the adaptor's connection: ", strerror(errno)));
    }
    connected_ = std::move(waiting_);
    on_exit_ = std::move(on_exit);
    wake_.Wake();
    return ours;
  }

  void Kill() { End("its connection was shut down"); }

  int incoming() const { return incoming_.Poll().fd; }

 private:
  void End(const char* how) {
    std::function<void(std::string)> on_exit;
    {
      absl::MutexLock lock(&mutex_);
      if (!connected_.valid()) return;
      shutdown(connected_.get(), SHUT_RDWR);
      connected_.Reset();
      on_exit = std::exchange(on_exit_, nullptr);
    }
    wake_.Wake();
    if (on_exit != nullptr) on_exit(how);
  }

  // Accepts, and sees the adaptor go.
  void Serve() {
    while (true) {
      UniqueFd watched;
      {
        absl::MutexLock lock(&mutex_);
        if (stopping_) return;
        const int fd = connected_.valid() ? connected_.get() : waiting_.get();
        // A number that is closed meanwhile could be another's by the time poll looks at it.
        if (fd >= 0) watched = UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
      }
      pollfd polled[3] = {
          wake_.Poll(), {listener_.get(), POLLIN, 0}, {watched.get(), POLLRDHUP, 0}};
      if (poll(polled, watched.valid() ? 3 : 2, -1) < 0) continue;
      if (polled[0].revents != 0) {
        wake_.Clear();
        continue;  // whom to watch has changed
      }
      if (watched.valid() && polled[2].revents != 0) Gone();
      if (polled[1].revents != 0) Accept();
    }
  }

  // The adaptor, or whoever waits to be it, has hung up.
  void Gone() {
    bool connected;
    {
      absl::MutexLock lock(&mutex_);
      connected = connected_.valid();
      if (!connected && waiting_.valid()) {
        waiting_.Reset();
        incoming_.Clear();
      }
    }
    if (connected) End("it hung up");
  }

  void Accept() {
    UniqueFd adaptor(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!adaptor.valid()) {
      if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
      pollfd wake = wake_.Poll();
      poll(&wake, 1, kAcceptPauseMs);
      return;
    }
    absl::MutexLock lock(&mutex_);
    if (connected_.valid() || waiting_.valid()) return;  // closes this one
    waiting_ = std::move(adaptor);
    incoming_.Wake();
  }

  const UniqueFd listener_;
  const std::string path_;
  Waker incoming_;  // readable while somebody waits to be the adaptor
  Waker wake_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  UniqueFd waiting_ ABSL_GUARDED_BY(mutex_);
  UniqueFd connected_ ABSL_GUARDED_BY(mutex_);  // what Launch gave is a duplicate
  std::function<void(std::string)> on_exit_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // last: it uses the rest
};

absl::StatusOr<std::unique_ptr<SocketLauncher>> SocketLauncher::Listen(const std::string& path) {
  const absl::StatusOr<sockaddr_un> address = SocketAddress(path);
  if (!address.ok()) return address.status();
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  unlink(path.c_str());  // of the process that listened here before
  if (!listener.valid() ||
      bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0 ||
      chmod(path.c_str(), 0660) != 0 || listen(listener.get(), 8) != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot wait for an adaptor at ", path, ": ", strerror(errno)));
  }
  return std::unique_ptr<SocketLauncher>(
      new SocketLauncher(std::make_unique<Impl>(std::move(listener), path)));
}

SocketLauncher::SocketLauncher(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SocketLauncher::~SocketLauncher() { impl_->Kill(); }
absl::StatusOr<UniqueFd> SocketLauncher::Launch(std::function<void(std::string how)> on_exit) {
  return impl_->Launch(std::move(on_exit));
}
void SocketLauncher::Kill() { impl_->Kill(); }
int SocketLauncher::Incoming() const { return impl_->incoming(); }

}  // namespace fractos
