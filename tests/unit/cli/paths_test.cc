#include "cli/paths.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"

namespace fractos {
namespace {

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

}  // namespace
}  // namespace fractos
