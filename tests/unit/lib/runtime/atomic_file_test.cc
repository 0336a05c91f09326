#include "lib/runtime/atomic_file.h"

#include <cstdlib>
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fractos {
namespace {

class AtomicFileTest : public ::testing::Test {
 protected:
  AtomicFileTest() {
    char path[] = "/tmp/fractos-atomic-XXXXXX";
    folder_ = ::mkdtemp(path);
  }
  ~AtomicFileTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(AtomicFileTest, ReadingStopsAtTheLimit) {
  const std::string path = folder_ + "/file";
  EXPECT_EQ(ReadWholeFile(path, 9).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(WriteFileAtomically(path, std::string(10, 'x')).ok());
  EXPECT_EQ(ReadWholeFile(path, 10)->size(), 10u);
  EXPECT_EQ(ReadWholeFile(path, 9).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(AtomicFileTest, ManyMayLookWhetherALockIsHeld) {
  const std::string path = folder_ + "/lock";
  ASSERT_TRUE(WriteFileAtomically(path, "").ok());
  {
    const absl::StatusOr<UniqueFd> one = ProbeLock(path);
    EXPECT_TRUE(one.ok());
    EXPECT_TRUE(ProbeLock(path).ok()) << "who looks does not hold it";
    EXPECT_EQ(LockFile(path).status().code(), absl::StatusCode::kFailedPrecondition);
  }
  const absl::StatusOr<UniqueFd> held = LockFile(path);
  EXPECT_TRUE(held.ok());
  EXPECT_EQ(ProbeLock(path).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(AtomicFileTest, ReplacingLeavesNothingBesideTheFile) {
  const std::string path = folder_ + "/file";
  ASSERT_TRUE(ReplaceFile(path, "a long first text").ok());
  ASSERT_TRUE(ReplaceFile(path, "short").ok());
  EXPECT_EQ(*ReadWholeFile(path, 100), "short");
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
  const absl::Status failed = ReplaceFile(folder_ + "/none/file", "x");
  EXPECT_EQ(failed.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(failed.message()), ::testing::HasSubstr("/none/file"));
}

}  // namespace
}  // namespace fractos
