#include "lib/memory/transfer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "lib/base/limits.h"
#include "lib/memory/sealed_file.h"
#include "lib/runtime/socket_address.h"
#include "tests/unit/lib/runtime/no_descriptors.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class TransferTest : public testing::Test {
 protected:
  TransferTest() {
    std::string folder = testing::TempDir() + "memory-XXXXXX";
    folder_ = ::mkdtemp(folder.data());
    path_ = folder_ + "/memory";
  }
  ~TransferTest() override { std::filesystem::remove_all(folder_); }

  void Serve() {
    server_.reset();
    absl::StatusOr<std::unique_ptr<MemoryServer>> server = MemoryServer::Start(path_, &store_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  Value Committed(std::string bytes) {
    Value value = store_.StageInline(std::move(bytes)).value();
    EXPECT_TRUE(store_.Commit(value.object).ok());
    return value;
  }
  absl::StatusOr<UniqueFd> Pull(const Value& value, Duration timeout = seconds(10)) {
    absl::StatusOr<UniqueFd> result = absl::UnknownError("not called");
    absl::Notification done;
    client_.Pull(value, path_, timeout, [&](absl::StatusOr<UniqueFd> file) {
      result = std::move(file);
      done.Notify();
    });
    done.WaitForNotification();
    return result;
  }
  UniqueFd Raw(bool listen) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    const sockaddr_un address = SocketAddress(path_).value();
    const auto* raw = reinterpret_cast<const sockaddr*>(&address);
    if (listen) {
      EXPECT_EQ(::bind(socket.get(), raw, sizeof(address)), 0);
      EXPECT_EQ(::listen(socket.get(), 8), 0);
    } else {
      EXPECT_EQ(::connect(socket.get(), raw, sizeof(address)), 0);
    }
    return socket;
  }

  std::string folder_, path_;
  SystemRandom random_;
  MemoryStore store_{{{"default/storage", 0}, {}}, 1 << 24, &random_};
  std::unique_ptr<MemoryServer> server_;
  MemoryClient client_;
};

// promise: M-06
TEST_F(TransferTest, HandsOverTheSealedFileItself) {
  Serve();
  const std::string bytes(1 << 20, 'x');
  UniqueFd file = SealedFileOf(bytes).value();
  const int original = file.get();
  Value value = store_.StageFile(std::move(file), bytes.size()).value();
  ASSERT_TRUE(store_.Commit(value.object).ok());
  absl::StatusOr<UniqueFd> pulled = Pull(value);
  ASSERT_TRUE(pulled.ok()) << pulled.status();
  // Promise: on one node bytes are not copied at all: it is the same file.
  struct stat ours, theirs;
  ASSERT_EQ(::fstat(original, &ours), 0);
  ASSERT_EQ(::fstat(pulled->get(), &theirs), 0);
  EXPECT_EQ(ours.st_ino, theirs.st_ino);
}

TEST_F(TransferTest, BytesHeldInlineGetAFileWhenSomebodyAsks) {
  Serve();
  Value value = Committed("small");
  absl::StatusOr<UniqueFd> file = Pull(value);
  ASSERT_TRUE(file.ok()) << file.status();
  MemoryStore reader({}, 100, &random_);
  ASSERT_TRUE(reader.Cache(value, *std::move(file)).ok());
  EXPECT_EQ((*reader.Get(value.object))->view(), "small");
}

TEST_F(TransferTest, ManyAtOnce) {
  Serve();
  constexpr int kPulls = 500;
  std::vector<Value> values;
  for (int i = 0; i < kPulls; ++i) values.push_back(Committed("value " + std::to_string(i)));
  absl::Mutex mutex;
  int good = 0, ended = 0;
  for (const Value& value : values) {
    client_.Pull(value, path_, seconds(10), [&](absl::StatusOr<UniqueFd> file) {
      absl::MutexLock lock(&mutex);
      ++ended;
      good += file.ok();
    });
  }
  absl::MutexLock lock(&mutex);
  auto all = [&] { return ended == kPulls; };
  mutex.Await(absl::Condition(&all));
  EXPECT_EQ(good, kPulls);
}

// promise: M-13
TEST_F(TransferTest, SaysWhatIsWrong) {
  Value value = store_.StageInline("staged only").value();
  EXPECT_TRUE(absl::IsUnavailable(Pull(value).status()));
  Serve();
  EXPECT_TRUE(absl::IsNotFound(Pull(value).status()));
  ASSERT_TRUE(store_.Commit(value.object).ok());
  EXPECT_TRUE(Pull(value).ok());
  value.size += 1;
  EXPECT_TRUE(absl::IsDataLoss(Pull(value).status()));
  path_ = std::string(200, 'x');
  EXPECT_TRUE(absl::IsInvalidArgument(Pull(value).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MemoryServer::Start(path_, &store_).status()));
}

TEST_F(TransferTest, AnOwnerThatCameBackIsAskedAgain) {
  Serve();
  Value value = Committed("bytes");
  EXPECT_TRUE(Pull(value).ok());
  Serve();  // the connection that worked is dead now
  EXPECT_TRUE(Pull(value).ok());
  server_.reset();
  EXPECT_TRUE(absl::IsUnavailable(Pull(value).status()));
}

// promise: M-13
TEST_F(TransferTest, AnOwnerThatIsSilentTimesOut) {
  UniqueFd deaf = Raw(/*listen=*/true);
  Value value = store_.StageInline("bytes").value();
  EXPECT_TRUE(absl::IsDeadlineExceeded(Pull(value, milliseconds(5)).status()));
}

// Promise: what a peer says is hostile input.
TEST_F(TransferTest, AnOwnerThatAnswersGarbageIsRefused) {
  UniqueFd listener = Raw(/*listen=*/true);
  Value value = store_.StageInline("bytes").value();
  std::thread owner([&] {
    UniqueFd reader(::accept(listener.get(), nullptr, nullptr));
    char request[16];
    (void)!::read(reader.get(), request, sizeof(request));
    (void)!::write(reader.get(), "garbage", 7);
    char end;
    (void)!::read(reader.get(), &end, 1);
  });
  EXPECT_TRUE(absl::IsUnavailable(Pull(value).status()));
  owner.join();
}

// Promise: what a peer says is hostile input. None of its descriptors stays open.
TEST_F(TransferTest, AnOwnerThatSendsMoreDescriptorsThanOneIsRefused) {
  const int lowest = UniqueFd(::open("/", O_RDONLY)).get();
  for (const size_t count : {2u, 8u, 20u}) {
    ::unlink(path_.c_str());
    UniqueFd listener = Raw(/*listen=*/true);
    Value value = store_.StageInline("bytes").value();
    std::thread owner([&] {
      UniqueFd reader(::accept(listener.get(), nullptr, nullptr));
      char answer[24] = {};
      (void)!::read(reader.get(), answer, 16);
      answer[16] = 1;
      iovec part{answer, sizeof(answer)};
      std::vector<int> files(count, reader.get());
      std::vector<char> control(CMSG_SPACE(count * sizeof(int)));
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(count * sizeof(int));
      std::memcpy(CMSG_DATA(header), files.data(), count * sizeof(int));
      (void)!::sendmsg(reader.get(), &message, MSG_NOSIGNAL);
      char end;
      (void)!::read(reader.get(), &end, 1);
    });
    EXPECT_TRUE(absl::IsUnavailable(Pull(value).status())) << count;
    owner.join();
    listener.Reset();
    // When it has said this, it has done with what came before.
    EXPECT_TRUE(absl::IsUnavailable(Pull(value).status()));
    EXPECT_EQ(UniqueFd(::open("/", O_RDONLY)).get(), lowest)
        << count << " came, and some stay open";
  }
}

// promise: M-15
TEST_F(TransferTest, WithoutADescriptorLeftNothingIsSaidToBeLost) {
  Serve();
  const Value value = Committed("bytes");
  const Value before = Committed("others");
  {
    NoDescriptors none;
    EXPECT_TRUE(absl::IsResourceExhausted(Pull(value).status())) << "no socket can be made";
  }
  ASSERT_TRUE(Pull(before).ok());  // so that there is a connection
  // It answers one after the other: when it has said this, what it handed over is closed, and is
  // no descriptor that gets free while there should be none.
  const Value unknown = store_.StageInline("never committed").value();
  EXPECT_TRUE(absl::IsNotFound(Pull(unknown).status()));
  {
    NoDescriptors none;
    EXPECT_TRUE(absl::IsResourceExhausted(Pull(value).status())) << "no file can be made";
  }
  const std::string large(1 << 20, 'x');
  const Value held = store_.StageFile(SealedFileOf(large).value(), large.size()).value();
  ASSERT_TRUE(store_.Commit(held.object).ok());
  {
    NoDescriptors none;
    EXPECT_TRUE(absl::IsResourceExhausted(Pull(held).status())) << "none can be received";
  }
  EXPECT_TRUE(Pull(value).ok());
  EXPECT_TRUE(Pull(held).ok());
}

// promise: M-12
TEST_F(TransferTest, AReaderThatCannotBeLetInWaits) {
  Serve();
  const Value value = Committed("bytes");
  UniqueFd reader(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const sockaddr_un address = SocketAddress(path_).value();
  {
    NoDescriptors none;
    ASSERT_EQ(::connect(reader.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    ASSERT_EQ(::send(reader.get(), value.object.bytes().data(), 16, MSG_NOSIGNAL), 16);
  }
  char answer[24];
  EXPECT_EQ(::read(reader.get(), answer, sizeof(answer)), 24);
}

// promise: M-12
TEST_F(TransferTest, AReaderThatSendsGarbageOrStallsHarmsNobody) {
  Serve();
  Value value = Committed("bytes");
  UniqueFd garbage = Raw(/*listen=*/false);
  ASSERT_EQ(::write(garbage.get(), std::string(17, 'x').data(), 17), 17);
  char end;
  EXPECT_LE(::read(garbage.get(), &end, 1), 0);  // cut off
  UniqueFd deaf = Raw(/*listen=*/false);
  while (::send(deaf.get(), value.object.bytes().data(), 16, MSG_NOSIGNAL) == 16) {
  }  // asks, never reads, until it is cut off
  EXPECT_TRUE(Pull(value).ok());
}

TEST_F(TransferTest, ClosingTheClientEndsWhatWaits) {
  UniqueFd deaf = Raw(/*listen=*/true);
  absl::Status status;
  {
    MemoryClient client;
    client.Pull(store_.StageInline("x").value(), path_, seconds(100),
                [&](absl::StatusOr<UniqueFd> file) { status = file.status(); });
  }
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

}  // namespace
}  // namespace fractos
