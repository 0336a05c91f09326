#include "adaptors/kit/serve.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <iostream>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "adaptors/kit/codec.h"
#include "adaptors/kit/frames.h"
#include "lib/base/descriptor_limit.h"

namespace fractos::adaptor {
namespace {

// Between tries to reach a daemon that is not there yet.
constexpr std::chrono::milliseconds kFirstConnectPause{20};
constexpr std::chrono::milliseconds kLastConnectPause{500};

// What ServeDaemon adds to Serve: told how reading ended, before executing requests are awaited.
using OnClosed = std::function<void(const absl::Status&)>;

// The device's description under these options; what it throws is an error like others.
absl::StatusOr<std::string> DescribeDevice(Device& device, absl::string_view options_json) {
  absl::StatusOr<Arguments> options = Arguments::Parse(options_json, "option");
  if (!options.ok()) return options.status();
  try {
    return device.Configure(*options);
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat("the device threw: ", e.what()));
  }
}

// One connection. The thread in Run reads; it answers quick requests itself and gives the others to
// workers, which it starts as they are needed.
class Server {
 public:
  Server(Device& device, int socket) : device_(device), reader_(socket), writer_(socket) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  absl::Status Run(const OnClosed& on_closed) {
    absl::Status status = ReadAll();
    if (on_closed) on_closed(status);
    StopWorkers();
    return status;
  }

 private:
  struct Job {
    uint64_t id;
    Request request;
  };

  absl::Status ReadAll() {
    while (true) {
      absl::StatusOr<std::optional<absl::string_view>> frame = reader_.Next();
      if (!frame.ok()) return frame.status();
      if (frame->has_value()) {
        if (absl::Status status = Handle(**frame); !status.ok()) return status;
        continue;
      }
      // Only now, so that the answers to all frames that came together leave together.
      if (!writer_.Flush().ok()) return absl::OkStatus();  // the daemon has gone
      absl::StatusOr<bool> more = reader_.Fill();
      if (!more.ok()) return more.status();
      if (!*more) return absl::OkStatus();
    }
  }

  absl::Status Handle(absl::string_view frame) {
    if (!message_.ParseFromArray(frame.data(), static_cast<int>(frame.size()))) {
      return absl::InvalidArgumentError("a frame from the daemon is no ToAdaptor message");
    }
    switch (message_.kind_case()) {
      case v1::ToAdaptor::kConfigure:
        return HandleConfigure(message_.configure());
      case v1::ToAdaptor::kExecute:
        return HandleExecute(*message_.mutable_execute());
      case v1::ToAdaptor::kCancel:
        HandleCancel(message_.cancel().id());
        return absl::OkStatus();
      default:
        return absl::InvalidArgumentError("the daemon speaks a newer protocol than this adaptor");
    }
  }

  absl::Status HandleConfigure(const v1::Configure& configure) {
    if (configured_) return absl::InvalidArgumentError("the daemon configures twice");
    configured_ = true;
    absl::StatusOr<std::string> description = DescribeDevice(device_, configure.options_json());
    if (description.ok()) {
      max_workers_ = static_cast<size_t>(std::max(1, device_.concurrency()));
      Send(EncodeDescription(*description));
      return absl::OkStatus();
    }
    Send(EncodeResult(0, Answer::Fail(description.status())));
    writer_.Flush().IgnoreError();
    return description.status();
  }

  absl::Status HandleExecute(v1::Execute& execute) {
    if (!configured_) return absl::InvalidArgumentError("Execute came before Configure");
    absl::StatusOr<Request> request = DecodeRequest(execute, reader_, clock_.Now());
    if (!request.ok()) return request.status();
    if (device_.IsQuick(*request)) {
      Send(EncodeResult(execute.id(), Execute(*request)));
    } else {
      Enqueue(execute.id(), *std::move(request));
    }
    return absl::OkStatus();
  }

  // One that still waits its turn is answered here: its turn may be far off, and the daemon kills
  // an adaptor that keeps silent about what was cancelled.
  void HandleCancel(uint64_t id) ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      auto stop = stops_.find(id);
      if (stop == stops_.end()) return;
      stop->second.request_stop();
      auto job = std::find_if(jobs_.begin(), jobs_.end(),
                              [id](const Job& queued) { return queued.id == id; });
      if (job == jobs_.end()) return;
      jobs_.erase(job);
      stops_.erase(stop);
    }
    Send(EncodeResult(id, NotWanted()));
  }

  static Answer NotWanted() { return Answer::Fail(absl::CancelledError("not wanted")); }

  Answer Execute(const Request& request) {
    if (request.stop.stop_requested()) return NotWanted();
    if (clock_.Now() >= request.deadline) {
      return Answer::Fail(absl::DeadlineExceededError("its time passed while it waited its turn"));
    }
    try {
      return device_.Execute(request);
    } catch (const std::exception& e) {
      return Answer::Fail("Internal", absl::StrCat("the device threw: ", e.what()));
    } catch (...) {
      return Answer::Fail("Internal", "the device threw something that is no std::exception");
    }
  }

  void Send(EncodedFrame encoded) {
    writer_.Append(std::move(encoded.frame), std::move(encoded.descriptors));
  }

  void Enqueue(uint64_t id, Request request) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (idle_ <= jobs_.size() && workers_.size() < max_workers_) {
      workers_.emplace_back([this] { Work(); });
    }
    std::stop_source& stop = stops_[id];
    stop = std::stop_source();
    request.stop = stop.get_token();
    jobs_.push_back({id, std::move(request)});
  }

  void Work() ABSL_LOCKS_EXCLUDED(mutex_) {
    while (true) {
      mutex_.Lock();
      ++idle_;
      mutex_.Await(absl::Condition(this, &Server::HasWork));
      --idle_;
      if (stopping_) {
        mutex_.Unlock();
        return;
      }
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      mutex_.Unlock();
      Answer answer = Execute(job.request);
      {
        // Before the answer leaves: the daemon may use the id again once it has it.
        absl::MutexLock lock(&mutex_);
        stops_.erase(job.id);
      }
      Send(EncodeResult(job.id, std::move(answer)));
      writer_.Flush().IgnoreError();  // the reader sees that the daemon has gone
    }
  }

  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !jobs_.empty(); }

  void StopWorkers() ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
      for (auto& [id, stop] : stops_) stop.request_stop();
    }
    for (std::thread& worker : workers_) worker.join();
  }

  Device& device_;
  FrameReader reader_;
  FrameWriter writer_;
  SystemClock clock_;
  v1::ToAdaptor message_;  // reused, so that a small request costs few allocations
  bool configured_ = false;
  size_t max_workers_ = 1;
  // Touched by the reading thread only.
  std::vector<std::thread> workers_;
  absl::Mutex mutex_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, std::stop_source> stops_ ABSL_GUARDED_BY(mutex_);
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;  // workers that wait for a job
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

// Which errors of connect(2) say that the daemon is not there yet, or busy.
bool NotThereYet(int error) {
  return error == ENOENT || error == ECONNREFUSED || error == EAGAIN || error == EINTR;
}

absl::StatusOr<UniqueFd> Connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::FailedPreconditionError(
        absl::StrCat("'", path, "' is empty or too long for a socket's path"));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  std::chrono::milliseconds pause = kFirstConnectPause;
  while (true) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd.valid() &&
        ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
      return fd;
    }
    if (!fd.valid() || !NotThereYet(errno)) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot connect to ", path));
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, kLastConnectPause);
  }
}

// As the first process of a container an adaptor would be deaf to SIGTERM, and one that waits for
// its daemon has nothing to finish. One that serves does: the daemon, which is told to end at the
// same moment, may need it for its last steps, and hangs up when it does not.
void ObeySigterm() {
  struct sigaction end {};
  end.sa_handler = [](int) { ::_exit(0); };
  ::sigaction(SIGTERM, &end, nullptr);
}
void IgnoreSigterm() { ::signal(SIGTERM, SIG_IGN); }

bool IsUnixStream(int fd) {
  int value = 0;
  socklen_t size = sizeof(value);
  if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &size) != 0 || value != AF_UNIX) return false;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size) == 0 && value == SOCK_STREAM;
}

}  // namespace

absl::StatusOr<UniqueFd> OpenDaemonSocket() {
  if (const char* number = std::getenv("FRACTOS_ADAPTOR_FD"); number != nullptr) {
    int fd = -1;
    if (!absl::SimpleAtoi(number, &fd) || fd < 0 || !IsUnixStream(fd)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "FRACTOS_ADAPTOR_FD is '", number, "', which is not an inherited Unix stream socket"));
    }
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    return UniqueFd(fd);
  }
  if (const char* path = std::getenv("FRACTOS_ADAPTOR_SOCKET"); path != nullptr) {
    return ConnectToDaemon(path);
  }
  return absl::FailedPreconditionError(
      "an adaptor is started by its daemon, which sets FRACTOS_ADAPTOR_FD, or told by --connect or "
      "FRACTOS_ADAPTOR_SOCKET where its daemon listens");
}

absl::StatusOr<UniqueFd> ConnectToDaemon(const std::string& path) {
  ObeySigterm();
  absl::StatusOr<UniqueFd> socket = Connect(path);
  IgnoreSigterm();
  return socket;
}

absl::Status Serve(Device& device, int socket) { return Server(device, socket).Run(nullptr); }

namespace {

int PrintDescription(Device& device, absl::string_view options_json) {
  const absl::StatusOr<std::string> description = DescribeDevice(device, options_json);
  if (!description.ok()) {
    std::cerr << description.status().message() << "\n";
    return 2;
  }
  std::cout << *description << (absl::EndsWith(*description, "\n") ? "" : "\n") << std::flush;
  // Not exit: what Configure started in the background is not waited for.
  std::_Exit(std::cout.good() ? 0 : 1);
}

int ServeDaemon(Device& device, absl::StatusOr<UniqueFd> socket) {
  RaiseDescriptorLimit();
  if (!socket.ok()) {
    std::cerr << socket.status().message() << "\n";
    return 2;
  }
  Server server(device, socket->get());
  // _exit, because a worker may be in the middle of an operation that never returns.
  server
      .Run([](const absl::Status& status) {
        if (!status.ok()) std::cerr << status.message() << std::endl;
        std::_Exit(status.ok() ? 0 : 1);
      })
      .IgnoreError();
  return 0;
}

}  // namespace

int AdaptorMain(Device& device, const std::vector<std::string>& arguments) {
  if (arguments.empty()) return ServeDaemon(device, OpenDaemonSocket());
  if (arguments[0] == "--connect" && arguments.size() == 2) {
    return ServeDaemon(device, ConnectToDaemon(arguments[1]));
  }
  if (arguments[0] == "--describe" && arguments.size() == 1) return PrintDescription(device, "{}");
  if (arguments[0] == "--describe" && arguments.size() == 3 && arguments[1] == "--options") {
    return PrintDescription(device, arguments[2]);
  }
  std::cerr << "the only arguments are: --connect PATH, or --describe [--options JSON]\n";
  return 2;
}

}  // namespace fractos::adaptor
