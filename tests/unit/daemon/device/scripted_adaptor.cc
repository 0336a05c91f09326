#include "tests/unit/daemon/device/scripted_adaptor.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include <cstring>
#include <utility>

namespace fractos::testing {

const char kDescription[] = R"({
  "device": "scripted", "stateful": false,
  "operations": [{"name": "work", "inputs": [{"name": "data", "variadic": true}]}]
})";

bool AdaptorEnd::ReceiveBytes(size_t count, std::string* bytes,
                              std::vector<UniqueFd>* descriptors) {
  bytes->clear();
  while (bytes->size() < count) {
    char buffer[4096];
    iovec part{buffer, std::min(sizeof(buffer), count - bytes->size())};
    alignas(cmsghdr) char control[CMSG_SPACE(64 * sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    ssize_t got = recvmsg(socket_, &message, MSG_CMSG_CLOEXEC);
    if (got <= 0) return false;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
      size_t files = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < files; ++i) {
        int fd;
        std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
        descriptors->emplace_back(fd);
      }
    }
    bytes->append(buffer, static_cast<size_t>(got));
  }
  return true;
}

std::optional<AdaptorEnd::Received> AdaptorEnd::Receive() {
  Received received;
  std::string bytes;
  if (!ReceiveBytes(4, &bytes, &received.descriptors)) return std::nullopt;
  size_t length = 0;
  for (int i = 3; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(bytes[i]);
  if (!ReceiveBytes(length, &bytes, &received.descriptors)) return std::nullopt;
  if (!received.message.ParseFromString(bytes)) return std::nullopt;
  return received;
}

std::optional<v1::Execute> AdaptorEnd::ReceiveExecute() {
  std::optional<Received> received = Receive();
  if (!received.has_value() || !received->message.has_execute()) return std::nullopt;
  return received->message.execute();
}

void AdaptorEnd::Send(const v1::FromAdaptor& message, const std::vector<int>& descriptors) {
  std::string payload = message.SerializeAsString();
  std::string frame;
  for (int shift = 0; shift < 32; shift += 8) {
    frame.push_back(static_cast<char>((payload.size() >> shift) & 0xff));
  }
  SendRaw(frame + payload, descriptors);
}

void AdaptorEnd::SendRaw(absl::string_view bytes, const std::vector<int>& descriptors) {
  std::vector<char> control;
  bool first = true;
  while (!bytes.empty()) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (first && !descriptors.empty()) {
      size_t size = descriptors.size() * sizeof(int);
      control.resize(CMSG_SPACE(size));
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(size);
      std::memcpy(CMSG_DATA(header), descriptors.data(), size);
    }
    ssize_t sent = sendmsg(socket_, &message, MSG_NOSIGNAL);
    if (sent <= 0) return;
    first = false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

bool AdaptorEnd::Describe(absl::string_view json) {
  std::optional<Received> received = Receive();
  if (!received.has_value() || !received->message.has_configure()) return false;
  v1::FromAdaptor reply;
  reply.mutable_description()->set_json(std::string(json));
  Send(reply);
  return true;
}

void AdaptorEnd::AnswerInline(uint64_t id, absl::string_view bytes) {
  v1::FromAdaptor reply;
  reply.mutable_result()->set_id(id);
  reply.mutable_result()->set_inline_(std::string(bytes));
  Send(reply);
}

void AdaptorEnd::AnswerFile(uint64_t id, int file, uint64_t size) {
  v1::FromAdaptor reply;
  reply.mutable_result()->set_id(id);
  reply.mutable_result()->mutable_file()->set_size(size);
  if (file >= 0) {
    Send(reply, {file});
  } else {
    Send(reply);
  }
}

void AdaptorEnd::EchoForever() {
  while (std::optional<Received> received = Receive()) {
    if (!received->message.has_execute()) continue;
    const v1::Execute& execute = received->message.execute();
    AnswerInline(execute.id(),
                 execute.inputs().empty() ? "" : absl::string_view(execute.inputs(0).inline_()));
  }
}

void AdaptorEnd::SwallowForever() {
  while (Receive().has_value()) {
  }
}

ScriptLauncher::~ScriptLauncher() {
  Kill();
  for (std::thread& thread : threads_) thread.join();
}

absl::StatusOr<UniqueFd> ScriptLauncher::Launch(std::function<void(std::string how)> on_exit) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::InternalError("socketpair");
  }
  auto theirs = std::make_shared<UniqueFd>(ends[1]);
  absl::MutexLock lock(&mutex_);
  const Script& script = scripts_[std::min<size_t>(launches_++, scripts_.size() - 1)];
  current_ = theirs;
  killed_ = false;
  threads_.emplace_back([this, &script, theirs, on_exit = std::move(on_exit)] {
    AdaptorEnd end(theirs->get());
    script(end);
    bool killed;
    {
      absl::MutexLock exit_lock(&mutex_);
      killed = killed_;
      shutdown(theirs->get(), SHUT_RDWR);
    }
    on_exit(killed ? "killed by signal 9 (Killed)" : "exit code 3");
  });
  return UniqueFd(ends[0]);
}

void ScriptLauncher::Kill() {
  absl::MutexLock lock(&mutex_);
  killed_ = true;
  if (current_ != nullptr) shutdown(current_->get(), SHUT_RDWR);
}

UniqueFd MemoryFileOf(absl::string_view bytes) {
  UniqueFd file(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    return UniqueFd();
  }
  return file;
}

}  // namespace fractos::testing
