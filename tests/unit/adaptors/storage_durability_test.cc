// What the storage adaptor has made sure of on disk when it answers, whatever became of those who
// began it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "adaptors/storage/root.h"
#include "tests/unit/adaptors/adaptor_process.h"
#include "tests/unit/adaptors/syncs.h"

namespace fractos {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class StorageDurabilityTest : public testing::Test {
 protected:
  StorageDurabilityTest()
      : root_path_(std::filesystem::canonical(folder_.path()).string() + "/root"),
        root_(Root::Open(root_path_).value()),
        syncs_([this](const std::string& path) { return OnSync(path); }) {}

  std::string In(const std::string& key) { return root_path_ + "/" + key; }
  // What was synced since the last call, without what is staged.
  std::vector<std::string> Synced() { return std::exchange(synced_, {}); }

  TempFolder folder_;
  const std::string root_path_;
  Root root_;
  std::string broken_;  // the folder whose sync fails

 private:
  int OnSync(const std::string& path) {
    if (path == broken_) return EIO;
    if (!absl::StrContains(path, kStagingFolder)) synced_.push_back(path);
    return 0;
  }
  std::vector<std::string> synced_;
  Syncs syncs_;
};

// promise: A-25
TEST_F(StorageDurabilityTest, EveryFolderThatLeadsToAFileIsOnDisk) {
  std::filesystem::create_directories(In("a/b"));  // by a replica that then died before its syncs
  ASSERT_TRUE(root_.Put("a/b/c/key", "x").ok());
  EXPECT_THAT(Synced(), ElementsAre(In("a/b/c"), In("a/b"), In("a"), root_path_));
  ASSERT_TRUE(root_.Put("a/b/c/key", "x").ok()) << "as if it had died before those";
  EXPECT_THAT(Synced(), ElementsAre(In("a/b/c"), In("a/b"), In("a"), root_path_));
  for (const char* key : {"a/b/c/key", "a/b/c/other"}) {
    for (const std::string& folder : {In("a/b/c"), In("a/b"), In("a"), root_path_}) {
      broken_ = folder;
      EXPECT_FALSE(root_.Put(key, "x").ok()) << key << ", and " << folder << " cannot be synced";
    }
  }
}

// promise: A-24
TEST_F(StorageDurabilityTest, WhatSomebodyElseDeletedIsDeletedOnDiskToo) {
  ASSERT_TRUE(root_.Put("a/b/key", "x").ok());
  std::filesystem::remove(In("a/b/key"));  // by a replica that then died before its sync
  Synced();
  EXPECT_TRUE(root_.Delete("a/b/key").ok());
  EXPECT_THAT(Synced(), ElementsAre(In("a/b")));
  broken_ = In("a/b");
  EXPECT_FALSE(root_.Delete("a/b/key").ok()) << "what cannot be promised";
  EXPECT_TRUE(root_.Delete("no/such/key").ok());
  EXPECT_THAT(Synced(), IsEmpty());
}

}  // namespace
}  // namespace fractos
