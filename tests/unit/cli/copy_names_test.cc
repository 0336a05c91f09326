// What `cp` takes for a key, and what for a file.
#include "cli/copy.h"
#include "gtest/gtest.h"

namespace fractos {
namespace {

TEST(CopyNamesTest, ADeviceWithoutNamespaceIsInTheOneMeant) {
  EXPECT_EQ(ParseRemoteName("storage:k", "ns")->cluster, "ns/storage");
  EXPECT_EQ(ParseRemoteName("files/storage:k", "ns")->cluster, "files/storage");
}

TEST(CopyNamesTest, OneEndIsAKeyAndTheOtherAFile) {
  const absl::StatusOr<CopyEnds> put = ParseCopyEnds({"-", "storage:k", {}}, "ns");
  ASSERT_TRUE(put.ok());
  EXPECT_TRUE(put->puts);
  EXPECT_EQ(put->file, "-");
  EXPECT_FALSE(ParseCopyEnds({"storage:k", "f", {}}, "ns")->puts);
  EXPECT_FALSE(ParseCopyEnds({"storage:k", "storage:j", {}}, "ns").ok());
  EXPECT_FALSE(ParseCopyEnds({"f", "g", {}}, "ns").ok());
  EXPECT_FALSE(ParseCopyEnds({"f", "storage:", {}}, "ns").ok());
}

}  // namespace
}  // namespace fractos
