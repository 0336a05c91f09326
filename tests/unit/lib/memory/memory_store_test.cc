#include "lib/memory/memory_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "lib/base/limits.h"
#include "lib/memory/sealed_file.h"

namespace fractos {
namespace {

using testing::HasSubstr;

constexpr uint64_t kQuota = 1 << 20;

class MemoryStoreTest : public testing::Test {
 protected:
  static UniqueFd FileOf(const std::string& bytes, unsigned flags = MFD_ALLOW_SEALING) {
    UniqueFd file(::memfd_create("test", flags | MFD_CLOEXEC));
    EXPECT_EQ(::write(file.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    return file;
  }

  SystemRandom random_;
  const Incarnation self_{{"default/storage", 0}, random_.NewId<BootId>()};
  MemoryStore store_{self_, kQuota, &random_};
  const std::string large_ = std::string(kMaxInlineValueBytes + 1, 'x');
};

TEST_F(MemoryStoreTest, SmallBytesTravelInlineUpToTheBound) {
  const std::string bytes(kMaxInlineValueBytes, 'x');
  absl::StatusOr<Value> value = store_.StageInline(bytes);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(*value->inline_bytes, bytes);
  EXPECT_EQ(value->digest, Digest::Of(bytes));
  EXPECT_EQ(value->size, bytes.size());
  EXPECT_EQ(value->owner, self_);
  absl::StatusOr<Value> larger = store_.StageInline(large_);
  ASSERT_TRUE(larger.ok());
  EXPECT_FALSE(larger->IsInline());
  EXPECT_EQ((*store_.Get(larger->object))->view(), large_);
}

// promise: M-02
TEST_F(MemoryStoreTest, AFileIsSealedHashedAndMapped) {
  UniqueFd file = FileOf(large_);
  UniqueFd writer(::dup(file.get()));
  absl::StatusOr<Value> value = store_.StageFile(std::move(file), large_.size());
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_FALSE(value->IsInline());
  EXPECT_EQ(value->digest, Digest::Of(large_));
  // Promise: committed bytes cannot change.
  EXPECT_EQ(::pwrite(writer.get(), "y", 1, 0), -1);
  EXPECT_NE(::ftruncate(writer.get(), 0), 0);
  BytesPtr bytes = store_.Get(value->object).value();
  EXPECT_EQ(bytes->view(), large_);
  EXPECT_TRUE(CheckSealed(bytes->fd(), large_.size()).ok());
}

TEST_F(MemoryStoreTest, ASmallFileBecomesInline) {
  for (const std::string& bytes : {std::string("small"), std::string()}) {
    absl::StatusOr<Value> value = store_.StageFile(FileOf(bytes), bytes.size());
    ASSERT_TRUE(value.ok()) << value.status();
    EXPECT_EQ(*value->inline_bytes, bytes);
  }
}

// Promise: a writable mapping still open makes sealing fail, and the step with it.
// promise: M-03
TEST_F(MemoryStoreTest, AFileWithAWritableMappingIsRefused) {
  UniqueFd file = FileOf(large_);
  void* mapping = ::mmap(nullptr, large_.size(), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  ASSERT_NE(mapping, MAP_FAILED);
  absl::Status status = store_.StageFile(UniqueFd(::dup(file.get())), large_.size()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("writable mapping"));
  EXPECT_EQ(store_.used_bytes(), 0u);
  ::munmap(mapping, large_.size());
  EXPECT_TRUE(store_.StageFile(std::move(file), large_.size()).ok());
}

// promise: M-04
TEST_F(MemoryStoreTest, WhatIsNoMemoryFileIsRefused) {
  UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_TRUE(absl::IsInvalidArgument(store_.StageFile(std::move(null), 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store_.StageFile(UniqueFd(), 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store_.StageFile(FileOf(large_, 0), large_.size()).status()));
  absl::Status status = store_.StageFile(FileOf("12345"), 6).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("5 bytes long, said to be 6"));
  EXPECT_EQ(store_.used_bytes(), 0u);
}

// promise: M-01
TEST_F(MemoryStoreTest, OthersReadOnlyWhatIsCommitted) {
  Value value = store_.StageInline("bytes").value();
  EXPECT_TRUE(absl::IsNotFound(store_.GetCommitted(value.object).status()));
  EXPECT_TRUE(store_.Get(value.object).ok());
  EXPECT_TRUE(store_.Commit(value.object).ok());
  EXPECT_EQ((*store_.GetCommitted(value.object))->view(), "bytes");
}

// promise: M-08
TEST_F(MemoryStoreTest, AReleasedObjectIsGoneWhileViewsOfItLast) {
  Value value = store_.StageFile(FileOf(large_), large_.size()).value();
  BytesPtr view = store_.Get(value.object).value();
  store_.Release(value.object);
  store_.Release(value.object);
  EXPECT_EQ(view->view(), large_);
  EXPECT_TRUE(absl::IsNotFound(store_.Get(value.object).status()));
  EXPECT_TRUE(absl::IsNotFound(store_.Commit(value.object)));
  EXPECT_EQ(store_.used_bytes(), 0u);
}

// Promise: a quota bounds them.
// promise: M-07
TEST_F(MemoryStoreTest, TheQuotaHoldsToTheByte) {
  Value all = store_.StageInline(std::string(kQuota, 'x')).value();
  EXPECT_EQ(store_.used_bytes(), kQuota);
  EXPECT_TRUE(absl::IsResourceExhausted(store_.StageInline("x").status()));
  EXPECT_TRUE(absl::IsResourceExhausted(store_.StageFile(FileOf("x"), 1).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(store_.StageFile(FileOf("x"), UINT64_MAX).status()));
  store_.Release(all.object);
  EXPECT_TRUE(store_.StageInline("x").ok());
}

// promise: M-16
TEST_F(MemoryStoreTest, TellsAFullMemoryFromOneThatIsTooSmall) {
  Value all = store_.StageInline(std::string(kQuota, 'x')).value();
  Value value = all;
  value.object = random_.NewId<ObjectId>();
  value.size = 1;
  EXPECT_TRUE(absl::IsResourceExhausted(store_.Cache(value, SealedFileOf("x").value())));
  value.size = kQuota + 1;
  UniqueFd larger = SealedFileOf(std::string(kQuota + 1, 'x')).value();
  EXPECT_TRUE(absl::IsOutOfRange(store_.Cache(value, std::move(larger))));
  EXPECT_TRUE(absl::IsOutOfRange(store_.CheckFits(kQuota + 1)));
  EXPECT_TRUE(store_.CheckFits(kQuota).ok());
}

TEST_F(MemoryStoreTest, PulledBytesAreKeptButNotServed) {
  MemoryStore owner({{"default/other", 0}, {}}, kQuota, &random_);
  Value value = owner.StageInline(large_).value();
  ASSERT_TRUE(store_.Cache(value, SealedFileOf(large_).value()).ok());
  ASSERT_TRUE(store_.Cache(value, SealedFileOf(large_).value()).ok());  // twice is once
  EXPECT_EQ(store_.used_bytes(), large_.size());
  EXPECT_EQ((*store_.Get(value.object))->view(), large_);
  EXPECT_TRUE(absl::IsNotFound(store_.GetCommitted(value.object).status()));
  EXPECT_TRUE(absl::IsNotFound(store_.Commit(value.object)));
  value.object = random_.NewId<ObjectId>();
  EXPECT_TRUE(absl::IsDataLoss(store_.Cache(value, FileOf(large_))));
  EXPECT_TRUE(absl::IsDataLoss(store_.Cache(value, SealedFileOf("short").value())));
}

}  // namespace
}  // namespace fractos
