#include "tests/unit/adaptors/adaptor_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace fractos {
namespace {

constexpr int kPatienceMs = 20'000;  // generous: sanitizers and a busy machine

void AppendFrame(const v1::ToAdaptor& message, std::string* out) {
  std::string body = message.SerializeAsString();
  for (size_t i = 0, length = body.size(); i < 4; ++i, length >>= 8) {
    out->push_back(static_cast<char>(length & 0xff));
  }
  *out += body;
}

UniqueFd SealedFile(const std::string& bytes) {
  UniqueFd fd(::memfd_create("input", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
  return fd;
}

}  // namespace

AdaptorProcess::AdaptorProcess(const std::vector<std::string>& command, const std::string& folder) {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  socket_ = UniqueFd(ends[0]);
  UniqueFd theirs(ends[1]);
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ != 0) return;
  if (!folder.empty() && ::chdir(folder.c_str()) != 0) ::_exit(127);
  ::fcntl(theirs.get(), F_SETFD, 0);
  ::setenv("FRACTOS_ADAPTOR_FD", std::to_string(theirs.get()).c_str(), 1);
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

AdaptorProcess::~AdaptorProcess() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::optional<std::string> AdaptorProcess::Configure(const std::string& options_json) {
  v1::ToAdaptor message;
  message.mutable_configure()->set_options_json(options_json);
  SendMessage(message, {});
  Flush();
  std::optional<v1::FromAdaptor> answer = Receive();
  if (!answer.has_value()) return std::nullopt;
  if (answer->has_description()) return answer->description().json();
  const v1::Failure& failure = answer->result().failure();
  return failure.reason() + ": " + failure.message();
}

void AdaptorProcess::Execute(uint64_t id, const std::string& operation,
                             const std::string& arguments_json,
                             const std::vector<TestInput>& inputs, uint64_t timeout_ms) {
  v1::ToAdaptor message;
  v1::Execute& execute = *message.mutable_execute();
  execute.set_id(id);
  execute.set_operation(operation);
  execute.set_arguments_json(arguments_json);
  execute.set_idempotency_key("key");
  execute.set_timeout_ms(timeout_ms);
  std::vector<UniqueFd> fds;
  for (const TestInput& input : inputs) {
    v1::Input& to = *execute.add_inputs();
    to.set_name(input.name);
    to.set_size(input.bytes.size());
    if (input.passed) {
      to.set_passed(true);
    } else if (input.file) {
      to.set_file(true);
      fds.push_back(SealedFile(input.bytes));
    } else {
      to.set_inline_(input.bytes);
    }
  }
  SendMessage(message, std::move(fds));
}

void AdaptorProcess::Cancel(uint64_t id) {
  v1::ToAdaptor message;
  message.mutable_cancel()->set_id(id);
  SendMessage(message, {});
  Flush();
}

void AdaptorProcess::SendMessage(const v1::ToAdaptor& message, std::vector<UniqueFd> fds) {
  if (fds.empty()) return AppendFrame(message, &out_);
  Flush();
  std::string frame;
  AppendFrame(message, &frame);
  std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
  iovec part{frame.data(), frame.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  cmsghdr* c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
  for (size_t i = 0; i < fds.size(); ++i) {
    int fd = fds[i].get();
    std::memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(int));
  }
  EXPECT_EQ(::sendmsg(socket_.get(), &header, MSG_NOSIGNAL), static_cast<ssize_t>(frame.size()));
}

void AdaptorProcess::SendRaw(const std::string& bytes) {
  out_ += bytes;
  Flush();
}

void AdaptorProcess::Flush() {
  for (size_t done = 0; done < out_.size();) {
    ssize_t n = ::send(socket_.get(), out_.data() + done, out_.size() - done, MSG_NOSIGNAL);
    if (n <= 0) break;  // the adaptor has gone: the test sees it when it reads
    done += static_cast<size_t>(n);
  }
  out_.clear();
}

std::optional<v1::FromAdaptor> AdaptorProcess::Receive() {
  while (true) {
    if (in_.size() >= 4) {
      uint32_t length = 0;
      for (size_t i = 4; i-- > 0;) length = length << 8 | static_cast<unsigned char>(in_[i]);
      if (in_.size() >= 4 + static_cast<size_t>(length)) {
        v1::FromAdaptor message;
        bool parsed = message.ParseFromString(in_.substr(4, length));
        in_.erase(0, 4 + static_cast<size_t>(length));
        EXPECT_TRUE(parsed);
        return parsed ? std::optional(message) : std::nullopt;
      }
    }
    pollfd wait{socket_.get(), POLLIN, 0};
    if (::poll(&wait, 1, kPatienceMs) <= 0) return std::nullopt;
    char block[1 << 16];
    alignas(cmsghdr) char control[CMSG_SPACE(64 * sizeof(int))];
    iovec part{block, sizeof(block)};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    ssize_t n = ::recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC);
    if (n <= 0) return std::nullopt;
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
        fds_.emplace_back(fd);
      }
    }
    in_.append(block, static_cast<size_t>(n));
  }
}

std::optional<TestAnswer> AdaptorProcess::Next() {
  std::optional<v1::FromAdaptor> message = Receive();
  if (!message.has_value()) return std::nullopt;
  TestAnswer answer;
  answer.result = message->result();
  answer.bytes = answer.result.inline_();
  if (!answer.result.has_file()) return answer;
  EXPECT_FALSE(fds_.empty()) << "a file was announced and did not come";
  if (fds_.empty()) return answer;
  UniqueFd fd = std::move(fds_.front());
  fds_.pop_front();
  answer.was_file = true;
  answer.sealed_well =
      ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) == 0;
  answer.bytes.resize(answer.result.file().size());
  ssize_t n = ::pread(fd.get(), answer.bytes.data(), answer.bytes.size(), 0);
  EXPECT_EQ(n, static_cast<ssize_t>(answer.bytes.size()));
  return answer;
}

TestAnswer AdaptorProcess::Call(const std::string& operation, const std::string& arguments_json,
                                const std::vector<TestInput>& inputs) {
  uint64_t id = next_id_++;
  Execute(id, operation, arguments_json, inputs);
  Flush();
  std::optional<TestAnswer> answer = Next();
  EXPECT_TRUE(answer.has_value()) << operation << " was not answered";
  if (!answer.has_value()) return TestAnswer();
  EXPECT_EQ(answer->result.id(), id);
  return *std::move(answer);
}

std::optional<int> AdaptorProcess::WaitForExit() {
  if (pid_ <= 0) return std::nullopt;
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  pollfd wait{pidfd.get(), POLLIN, 0};
  if (::poll(&wait, 1, kPatienceMs) <= 0) return std::nullopt;
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TempFolder::TempFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "fractos-test-XXXXXX").string();
  EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace fractos
