#include "cli/paths.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "gtest/gtest.h"

namespace fractos {
namespace {

namespace fs = std::filesystem;

TEST(HomeFolderTest, WithoutHomeItIsTheOneThatTheSystemKnows) {
  const char* const home = ::getenv("HOME");
  const std::string before = home == nullptr ? "" : home;
  for (const char* name : {"FRACTOS_HOME", "XDG_DATA_HOME", "HOME"}) ::unsetenv(name);
  const passwd* const user = ::getpwuid(::geteuid());
  if (user == nullptr) {
    EXPECT_EQ(HomeFolder(), "");
    EXPECT_NE(CheckHome().message().find("FRACTOS_HOME"), absl::string_view::npos);
  } else {
    EXPECT_EQ(HomeFolder(), std::string(user->pw_dir) + "/.local/share/fractos");
    EXPECT_TRUE(CheckHome().ok());
  }
  ::setenv("HOME", "/somewhere", 1);
  EXPECT_EQ(HomeFolder(), "/somewhere/.local/share/fractos");
  ::setenv("HOME", before.c_str(), 1);
}

TEST(HomeFolderTest, ARelativeOneStaysWhereItIsInAnotherFolder) {
  const std::string before = fs::current_path();
  for (const char* name : {"FRACTOS_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"}) {
    ::setenv(name, "./kept", 1);
  }
  SettleFolders();
  fs::current_path("/");
  EXPECT_EQ(HomeFolder(), before + "/kept");
  EXPECT_EQ(::getenv("XDG_RUNTIME_DIR"), before + "/kept");
  ::unsetenv("FRACTOS_HOME");
  EXPECT_EQ(HomeFolder(), before + "/kept/fractos");
  fs::current_path(before);
  for (const char* name : {"XDG_DATA_HOME", "XDG_RUNTIME_DIR"}) ::unsetenv(name);
}

}  // namespace
}  // namespace fractos
