#include "lib/memory/transfer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "lib/memory/sealed_file.h"
#include "lib/memory/tcp_transfer.h"
#include "lib/runtime/waker.h"

namespace fractos {
namespace {

using std::chrono::steady_clock;

constexpr size_t kMaxReaders = 256;
// Requests that a reader leaves unanswered at once on one connection: far fewer than the answers
// that fit in a socket's buffer, for the owner cuts off who does not read them.
constexpr size_t kMaxAsked = 64;

// A server that cannot take a reader now looks again after this long.
constexpr int kRestMilliseconds = 100;

enum Found : uint8_t {
  kNotFound,
  kFound,   // its descriptor is beside the answer
  kNotNow,  // it is there, and the owner has nothing left to hand it over with
};

// What travels, in packets that keep their boundaries: a request is an object's id, the answer
// this.
struct Answer {
  char object[ObjectId::kSize];
  Found found;
  uint8_t unused[7];
};
static_assert(sizeof(Answer) == 24);

absl::StatusOr<sockaddr_un> SocketAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", path, "\" cannot be a socket path: it is empty or longer than ",
                     sizeof(address.sun_path) - 1, " bytes"));
  }
  ::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// Room for one descriptor beside a message.
union Control {
  char bytes[CMSG_SPACE(sizeof(int))];
  cmsghdr align;
};

bool SendAnswer(int socket, Answer answer, int fd) {
  iovec part{&answer, sizeof(answer)};
  Control control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = &control;
    message.msg_controllen = sizeof(control.bytes);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    ::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  }
  // Does not wait: a reader that asks and asks but never reads is cut off.
  return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(answer);
}

struct Received {
  ssize_t got = 0;  // what recvmsg returned
  Answer answer{};
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

class MemoryServer::SocketServer {
 public:
  SocketServer(UniqueFd listener, std::string path, const MemoryStore* store)
      : listener_(std::move(listener)), path_(std::move(path)), store_(store) {
    thread_ = std::thread([this] { Serve(); });
  }
  ~SocketServer() {
    stopping_.store(true);
    waker_.Wake();
    thread_.join();
    ::unlink(path_.c_str());
  }

 private:
  void Serve() {
    std::vector<UniqueFd> readers;
    bool rests = false;  // nobody can be let in now
    while (!stopping_.load()) {
      std::vector<pollfd> polled{waker_.Poll(), {listener_.get(), POLLIN, 0}};
      // They wait in the backlog.
      if (rests || readers.size() >= kMaxReaders) polled[1].events = 0;
      for (const UniqueFd& reader : readers) polled.push_back({reader.get(), POLLIN, 0});
      const int ready = ::poll(polled.data(), polled.size(), rests ? kRestMilliseconds : -1);
      rests = false;
      if (ready <= 0) continue;
      for (size_t i = readers.size(); i-- > 0;) {
        if (polled[i + 2].revents == 0 || AnswerOne(readers[i].get())) continue;
        readers.erase(readers.begin() + static_cast<std::ptrdiff_t>(i));
      }
      if (polled[1].revents == 0) continue;
      UniqueFd reader(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (reader.valid()) {
        readers.push_back(std::move(reader));
      } else {
        // The one who knocks still does so, and without a rest this would go round at full speed.
        rests = errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
      }
    }
  }

  // Whether the reader may stay.
  bool AnswerOne(int socket) const {
    char request[ObjectId::kSize + 1];  // one more, to see that there is more
    const ssize_t got = ::recv(socket, request, sizeof(request), MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    absl::StatusOr<ObjectId> object =
        ObjectId::FromBytes(absl::string_view(request, static_cast<size_t>(got)));
    if (!object.ok()) return false;
    Answer answer{};
    ::memcpy(answer.object, request, ObjectId::kSize);
    absl::StatusOr<BytesPtr> bytes = store_->GetCommitted(*object);
    if (!bytes.ok()) return SendAnswer(socket, answer, -1);
    UniqueFd copy;  // of bytes that are held inline: they get a file when somebody asks
    int fd = (*bytes)->fd();
    if (fd < 0) {
      absl::StatusOr<UniqueFd> file = SealedFileOf((*bytes)->view());
      if (!file.ok()) {
        answer.found = kNotNow;
        return SendAnswer(socket, answer, -1);
      }
      copy = *std::move(file);
      fd = copy.get();
    }
    answer.found = kFound;
    return SendAnswer(socket, answer, fd);
  }

  const UniqueFd listener_;
  const std::string path_;
  const MemoryStore* const store_;
  Waker waker_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<MemoryServer>> MemoryServer::Start(const std::string& where,
                                                                  const MemoryStore* store) {
  std::unique_ptr<MemoryServer> server(new MemoryServer());
  if (IsHostPort(where)) {
    absl::StatusOr<std::unique_ptr<TcpMemoryServer>> tcp = TcpMemoryServer::Start(where, store);
    if (!tcp.ok()) return tcp.status();
    server->tcp_ = *std::move(tcp);
    return server;
  }
  absl::StatusOr<sockaddr_un> address = SocketAddress(where);
  if (!address.ok()) return address.status();
  UniqueFd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ::unlink(where.c_str());  // of the process that served here before
  if (!listener.valid() ||
      ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0 ||
      ::listen(listener.get(), 128) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot serve Memory at ", where));
  }
  server->socket_ = std::make_unique<SocketServer>(std::move(listener), where, store);
  return server;
}

MemoryServer::MemoryServer() = default;
MemoryServer::~MemoryServer() = default;
int MemoryServer::port() const { return tcp_ == nullptr ? 0 : tcp_->port(); }
uint64_t MemoryServer::served_bytes() const { return tcp_ == nullptr ? 0 : tcp_->served_bytes(); }

class MemoryClient::Impl {
 public:
  ~Impl() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    waker_.Wake();
    if (thread_.joinable()) thread_.join();
  }

  TcpMemoryClient& tcp() { return tcp_; }

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
    const Answer& answer = received.answer;
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
    if (answer.found == kNotFound) {
      return request.Finish(absl::NotFoundError(
          absl::StrCat("the owner has no Memory object ", request.object.ToShortHex())));
    }
    if (answer.found == kNotNow || received.cut) {
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
  TcpMemoryClient tcp_;
};

MemoryClient::MemoryClient() : impl_(std::make_unique<Impl>()) {}
MemoryClient::~MemoryClient() = default;
uint64_t MemoryClient::Pull(const Value& value, const std::string& where, Duration timeout,
                            std::function<void(absl::StatusOr<UniqueFd>)> done) {
  if (IsHostPort(where)) return impl_->tcp().Pull(value, where, timeout, std::move(done));
  impl_->Pull(value, where, timeout, std::move(done));
  return 0;
}
void MemoryClient::Cancel(uint64_t pull) {
  if (pull != 0) impl_->tcp().Cancel(pull);
}

bool IsHostPort(absl::string_view where) {
  const size_t colon = where.rfind(':');
  uint32_t port;
  return !where.empty() && where[0] != '/' && where[0] != '.' && colon != 0 &&
         colon != absl::string_view::npos && absl::SimpleAtoi(where.substr(colon + 1), &port) &&
         port <= 65535;
}

}  // namespace fractos
