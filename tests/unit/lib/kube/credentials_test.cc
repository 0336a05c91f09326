#include "lib/kube/credentials.h"

#include <gtest/gtest.h>

#include "tests/unit/lib/kube/temporary_folder.h"

namespace fractos::kube {
namespace {

using std::chrono::seconds;

class FileTokenSourceTest : public testing::Test {
 protected:
  std::string Token() {
    const absl::StatusOr<std::shared_ptr<const Credential>> credential = source_.Get({});
    return credential.ok() ? (*credential)->token : credential.status().ToString();
  }

  TemporaryFolder folder_;
  FakeClock clock_;
  FileTokenSource source_{folder_.Write("token", " first\n"), "", &clock_};
};

// promise: K-07
TEST_F(FileTokenSourceTest, IsReadAgainAfter50Seconds) {
  EXPECT_EQ(Token(), "first");
  folder_.Write("token", "second");
  clock_.Advance(seconds(50) - std::chrono::nanoseconds(1));
  EXPECT_EQ(Token(), "first");
  clock_.Advance(std::chrono::nanoseconds(1));
  EXPECT_EQ(Token(), "second");
}

// promise: K-07
TEST_F(FileTokenSourceTest, KeepsWhatItHasWhenTheFileIsOfNoUse) {
  EXPECT_EQ(Token(), "first");
  folder_.Write("token", " \n");
  clock_.Advance(seconds(60));
  EXPECT_EQ(Token(), "first");
  folder_.Remove("token");
  clock_.Advance(seconds(60));
  EXPECT_EQ(Token(), "first");
  // And looks again each time until it is.
  folder_.Write("token", "third");
  EXPECT_EQ(Token(), "third");
}

// promise: K-08
TEST_F(FileTokenSourceTest, ARejectedTokenIsReadAgainAtOnce) {
  const std::shared_ptr<const Credential> first = source_.Get({}).value();
  folder_.Write("token", "second");
  source_.Rejected(first);
  EXPECT_EQ(Token(), "second");
  // Another request with the old one, answered late, throws nothing away.
  folder_.Write("token", "third");
  source_.Rejected(first);
  EXPECT_EQ(Token(), "second");
}

TEST_F(FileTokenSourceTest, WithoutAFileThereIsNone) {
  FileTokenSource missing(folder_.path() + "/missing", "", &clock_);
  EXPECT_TRUE(absl::IsNotFound(missing.Get({}).status()));
  FileTokenSource initial(folder_.path() + "/missing", "initial", &clock_);
  EXPECT_EQ((*initial.Get({}))->token, "initial");
  FileTokenSource empty(folder_.Write("empty", ""), "", &clock_);
  EXPECT_TRUE(absl::IsFailedPrecondition(empty.Get({}).status()));
}

TEST_F(FileTokenSourceTest, FilesAreBounded) {
  const std::string path = folder_.Write("file", "12345");
  EXPECT_EQ(ReadSmallFile(path, 5).value(), "12345");
  EXPECT_TRUE(absl::IsResourceExhausted(ReadSmallFile(path, 4).status()));
}

}  // namespace
}  // namespace fractos::kube
