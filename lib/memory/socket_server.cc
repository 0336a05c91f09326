#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/memory/sealed_file.h"
#include "lib/memory/socket_transfer.h"
#include "lib/memory/socket_wire.h"
#include "lib/runtime/socket_address.h"
#include "lib/runtime/waker.h"

namespace fractos {
namespace {

constexpr size_t kMaxReaders = 256;
// A server that cannot take a reader now looks again after this long.
constexpr int kRestMilliseconds = 100;

// Room for one descriptor beside a message.
union Control {
  char bytes[CMSG_SPACE(sizeof(int))];
  cmsghdr align;
};

bool SendAnswer(int socket, MemoryAnswer answer, int fd) {
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

}  // namespace

class SocketMemoryServer::Impl {
 public:
  Impl(UniqueFd listener, std::string path, const MemoryStore* store)
      : listener_(std::move(listener)), path_(std::move(path)), store_(store) {
    thread_ = std::thread([this] { Serve(); });
  }
  ~Impl() {
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
    MemoryAnswer answer{};
    ::memcpy(answer.object, request, ObjectId::kSize);
    absl::StatusOr<BytesPtr> bytes = store_->GetCommitted(*object);
    if (!bytes.ok()) return SendAnswer(socket, answer, -1);
    UniqueFd copy;  // of bytes that are held inline: they get a file when somebody asks
    int fd = (*bytes)->fd();
    if (fd < 0) {
      absl::StatusOr<UniqueFd> file = SealedFileOf((*bytes)->view());
      if (!file.ok()) {
        answer.found = MemoryFound::kNotNow;
        return SendAnswer(socket, answer, -1);
      }
      copy = *std::move(file);
      fd = copy.get();
    }
    answer.found = MemoryFound::kFound;
    return SendAnswer(socket, answer, fd);
  }

  const UniqueFd listener_;
  const std::string path_;
  const MemoryStore* const store_;
  Waker waker_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<SocketMemoryServer>> SocketMemoryServer::Start(
    const std::string& path, const MemoryStore* store) {
  absl::StatusOr<sockaddr_un> address = SocketAddress(path);
  if (!address.ok()) return address.status();
  UniqueFd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ::unlink(path.c_str());  // of the process that served here before
  if (!listener.valid() ||
      ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0 ||
      ::listen(listener.get(), 128) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot serve Memory at ", path));
  }
  return std::unique_ptr<SocketMemoryServer>(
      new SocketMemoryServer(std::make_unique<Impl>(std::move(listener), path, store)));
}

SocketMemoryServer::SocketMemoryServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SocketMemoryServer::~SocketMemoryServer() = default;

}  // namespace fractos
