#include "cli/private_folder.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "gtest/gtest.h"

namespace fractos {
namespace {

namespace fs = std::filesystem;

class PrivateFolderTest : public ::testing::Test {
 protected:
  PrivateFolderTest() {
    char path[] = "/tmp/fractos-folders-XXXXXX";
    base_ = ::mkdtemp(path);
    ::setenv("XDG_RUNTIME_DIR", base_.c_str(), 1);
  }
  ~PrivateFolderTest() override {
    ::unsetenv("XDG_RUNTIME_DIR");
    fs::remove_all(base_);
  }

  // What one that was killed leaves behind: a lock that nobody holds, sockets, logs.
  fs::path Abandoned(const std::string& name) {
    const fs::path folder = fs::path(base_) / name;
    fs::create_directories(folder / "clusters");
    std::ofstream(folder / "lock") << "";
    std::ofstream(folder / "math-0.log") << "words";
    return folder;
  }

  std::string base_;
};

TEST_F(PrivateFolderTest, IsThereAsLongAsItsOwner) {
  std::string path;
  {
    absl::StatusOr<PrivateFolder> folder = PrivateFolder::Create();
    ASSERT_TRUE(folder.ok()) << folder.status();
    path = folder->path();
    std::ofstream(path + "/x.log") << "words";
    EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_all);
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(PrivateFolderTest, WhatADeadOneLeftGoesAndWhatHasAnOwnerStays) {
  const fs::path abandoned = Abandoned("fractos-aB3dE6");
  const fs::path foreign = Abandoned("fractos-with-another-name");
  absl::StatusOr<PrivateFolder> first = PrivateFolder::Create();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(fs::exists(abandoned));
  EXPECT_TRUE(fs::exists(foreign));
  absl::StatusOr<PrivateFolder> second = PrivateFolder::Create();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(fs::exists(first->path()));
  EXPECT_NE(first->path(), second->path());
}

TEST_F(PrivateFolderTest, OneThatIsJustBeingMadeStays) {
  const fs::path fresh = fs::path(base_) / "fractos-aB3dE6";
  fs::create_directories(fresh);
  RemoveAbandonedFolders(base_);
  EXPECT_TRUE(fs::exists(fresh));
}

}  // namespace
}  // namespace fractos
