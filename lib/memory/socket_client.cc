#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "lib/memory/sealed_file.h"
#include "lib/memory/socket_transfer.h"
#include "lib/memory/socket_wire.h"
#include "lib/runtime/socket_address.h"
#include "lib/runtime/waker.h"

namespace fractos {
namespace {

using std::chrono::steady_clock;

// Requests that a reader leaves unanswered at once on one connection: far fewer than the answers
// that fit in a socket's buffer, for the owner cuts off who does not read them.
constexpr size_t kMaxAsked = 64;

struct Received {
  ssize_t got = 0;  // what recvmsg returned
  MemoryAnswer answer{};
  std::vector<UniqueFd> files;
  bool cut = false;  // there were more descriptors than there was room for here
};

Received ReceiveAnswer(int socket) {
  Received received;
  iovec part{&received.answer, sizeof(received.answer)};
  // More room than for the one that an answer may bring, whoever sends more. All are taken, so that
  // none stays open unseen.
  alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  received.got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (received.got < 0) return received;
  received.cut = (message.msg_flags & MSG_CTRUNC) != 0;
  for (cmsghdr* h = CMSG_FIRSTHDR(&message); h != nullptr; h = CMSG_NXTHDR(&message, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      ::memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
      received.files.emplace_back(fd);
    }
  }
  return received;
}

}  // namespace

class SocketMemoryClient::Impl {
 public:
  ~Impl() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    waker_.Wake();
    if (thread_.joinable()) thread_.join();
  }

  void Pull(const Value& value, const std::string& path, Duration timeout,
            std::function<void(absl::StatusOr<UniqueFd>)> done) {
    {
      absl::MutexLock lock(&mutex_);
      queued_.push_back(
          {value.object, value.size, path, steady_clock::now() + timeout, std::move(done), false});
      // A daemon that never pulls needs no thread for it.
      if (!thread_.joinable()) thread_ = std::thread([this] { Serve(); });
    }
    waker_.Wake();
  }

 private:
  struct Request {
    ObjectId object;
    uint64_t size;
    std::string path;
    Time deadline;
    std::function<void(absl::StatusOr<UniqueFd>)> done;  // null: has been answered, by the deadline
    bool retried;

    void Finish(absl::StatusOr<UniqueFd> result) {
      if (done != nullptr) std::exchange(done, nullptr)(std::move(result));
    }
  };
  struct Connection {
    UniqueFd socket;
    bool used = false;            // has answered before
    std::deque<Request> waiting;  // in the order in which the answers come
    size_t asked = 0;             // that many of them, from the front, have been sent
  };

  void Serve() {
    std::map<std::string, Connection> connections;
    while (true) {
      std::deque<Request> requests;
      {
        absl::MutexLock lock(&mutex_);
        if (stopping_) break;
        requests.swap(queued_);
      }
      for (Request& request : requests) Ask(std::move(request), &connections);
      const Time next = Expire(&connections);
      std::vector<pollfd> polled{waker_.Poll()};
      std::vector<std::string> paths;
      for (const auto& [path, connection] : connections) {
        polled.push_back({connection.socket.get(), POLLIN, 0});
        paths.push_back(path);
      }
      int timeout = -1;
      if (next != Time::max()) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(next - steady_clock::now()).count();
        timeout = static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
      }
      if (::poll(polled.data(), polled.size(), timeout) <= 0) continue;
      if (polled[0].revents != 0) waker_.Clear();
      for (size_t i = 0; i < paths.size(); ++i) {
        if (polled[i + 1].revents != 0) Receive(paths[i], &connections);
      }
    }
    std::deque<Request> left;
    for (auto& [path, connection] : connections) {
      for (Request& request : connection.waiting) left.push_back(std::move(request));
    }
    {
      absl::MutexLock lock(&mutex_);
      for (Request& request : queued_) left.push_back(std::move(request));
      queued_.clear();
    }
    for (Request& request : left) request.Finish(absl::CancelledError("the client is closed"));
  }

  void Ask(Request request, std::map<std::string, Connection>* connections) {
    auto found = connections->find(request.path);
    if (found == connections->end()) {
      absl::StatusOr<UniqueFd> socket = Dial(request.path);
      if (!socket.ok()) return request.Finish(socket.status());
      found = connections->try_emplace(request.path).first;
      found->second.socket = *std::move(socket);
    }
    found->second.waiting.push_back(std::move(request));
    if (!SendMore(&found->second)) Close(found->first, connections);
  }

  // Whether the connection is of use still.
  static bool SendMore(Connection* connection) {
    while (connection->asked < std::min(connection->waiting.size(), kMaxAsked)) {
      const absl::string_view id = connection->waiting[connection->asked].object.bytes();
      if (::send(connection->socket.get(), id.data(), id.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
          static_cast<ssize_t>(id.size())) {
        // With this few under way a full buffer is an owner that does not read: the deadline's.
        return errno == EAGAIN && connection->asked > 0;
      }
      ++connection->asked;
    }
    return true;
  }

  static absl::StatusOr<UniqueFd> Dial(const std::string& path) {
    absl::StatusOr<sockaddr_un> address = SocketAddress(path);
    if (!address.ok()) return address.status();
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // Says nothing of the owner, which may well have the value.
    if (!socket.valid()) return absl::ErrnoToStatus(errno, "cannot make a socket");
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) !=
        0) {
      return absl::UnavailableError(
          absl::StrCat("nobody serves Memory at ", path, ": ", ::strerror(errno)));
    }
    return socket;
  }

  void Receive(const std::string& path, std::map<std::string, Connection>* connections) {
    Connection& connection = connections->at(path);
    Received received = ReceiveAnswer(connection.socket.get());
    if (received.got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    const MemoryAnswer& answer = received.answer;
    if (received.got != sizeof(answer) || connection.asked == 0 || received.files.size() > 1 ||
        absl::string_view(answer.object, ObjectId::kSize) !=
            connection.waiting.front().object.bytes()) {
      return Close(path, connections);
    }
    connection.used = true;
    Request request = std::move(connection.waiting.front());
    connection.waiting.pop_front();
    --connection.asked;
    if (!SendMore(&connection)) Close(path, connections);
    if (answer.found == MemoryFound::kNotFound) {
      return request.Finish(absl::NotFoundError(
          absl::StrCat("the owner has no Memory object ", request.object.ToShortHex())));
    }
    if (answer.found == MemoryFound::kNotNow || received.cut) {
      return request.Finish(absl::ResourceExhaustedError(
          absl::StrCat(received.cut ? "this process" : "the owner",
                       " has no descriptor left for Memory object ", request.object.ToShortHex())));
    }
    UniqueFd file = received.files.empty() ? UniqueFd() : std::move(received.files.front());
    const absl::Status status = CheckSealed(file.get(), request.size);
    if (!status.ok()) return request.Finish(status);
    request.Finish(std::move(file));
  }

  // The connection is of no use any more. What waited on one that had worked before is asked once
  // more on a new one: the owner may have been restarted since.
  void Close(const std::string& path_in, std::map<std::string, Connection>* connections) {
    const auto entry = connections->extract(path_in);
    const std::string& path = entry.key();  // `path_in` may have been the key itself
    Connection& connection = entry.mapped();
    for (Request& request : connection.waiting) {
      if (request.done == nullptr) continue;
      if (connection.used && !std::exchange(request.retried, true)) {
        Ask(std::move(request), connections);
      } else {
        request.Finish(absl::UnavailableError(absl::StrCat("the owner at ", path, " hung up")));
      }
    }
  }

  // Ends what is overdue; says when the next will be. An owner that owes many answers is given up.
  Time Expire(std::map<std::string, Connection>* connections) {
    Time next = Time::max();
    const Time now = steady_clock::now();
    std::vector<std::string> dead;
    for (auto& [path, connection] : *connections) {
      size_t overdue = 0;
      for (Request& request : connection.waiting) {
        if (request.done != nullptr && request.deadline <= now) {
          request.Finish(absl::DeadlineExceededError(
              absl::StrCat("the owner at ", path, " did not answer in time")));
        }
        if (request.done == nullptr) {
          ++overdue;
        } else {
          next = std::min(next, request.deadline);
        }
      }
      if (overdue > 0 && overdue == connection.waiting.size()) dead.push_back(path);
    }
    for (const std::string& path : dead) Close(path, connections);
    return next;
  }

  Waker waker_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Request> queued_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // started under the lock
};

SocketMemoryClient::SocketMemoryClient() : impl_(std::make_unique<Impl>()) {}
SocketMemoryClient::~SocketMemoryClient() = default;
void SocketMemoryClient::Pull(const Value& value, const std::string& path, Duration timeout,
                              std::function<void(absl::StatusOr<UniqueFd>)> done) {
  impl_->Pull(value, path, timeout, std::move(done));
}

}  // namespace fractos
