#include "daemon/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fractos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The flags that a daemon cannot do without, with `more` in front of its adaptor's command.
absl::StatusOr<DaemonFlags> Parse(const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"fractos-daemon", "--directory", "/d", "--endpoint",
                                        "unix:/e"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  arguments.insert(arguments.end(), {"--", "adaptor", "-v"});
  std::vector<const char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
  return ParseDaemonFlags(static_cast<int>(pointers.size()), pointers.data());
}

// promise: C-13
TEST(DaemonFlagsTest, ShortAndLongFormsSayTheSame) {
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{"-n", "team/storage", "-z", "file", "-v"},
        std::vector<std::string>{"--name", "team/storage", "--coordination", "file",
                                 "--verbose"}}) {
    const absl::StatusOr<DaemonFlags> parsed = Parse(flags);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(parsed->cluster, "team/storage");
    EXPECT_TRUE(parsed->verbose);
    EXPECT_THAT(parsed->command, ElementsAre("adaptor", "-v")) << "the adaptor's own stay its own";
  }
  EXPECT_FALSE(Parse({"-n", "storage"})->verbose);
}

// promise: C-13
TEST(DaemonFlagsTest, CoordinationKnowsFileAndNothingElse) {
  const absl::StatusOr<DaemonFlags> parsed = Parse({"-n", "storage", "-z", "zookeeper"});
  ASSERT_FALSE(parsed.ok());
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("--coordination"));
}

// promise: C-15
TEST(DaemonFlagsTest, LogsAreTextUnlessJsonIsAskedFor) {
  EXPECT_EQ(Parse({"-n", "storage"})->log_format, EventLog::Format::kText);
  EXPECT_EQ(Parse({"-n", "storage", "--log-format", "json"})->log_format, EventLog::Format::kJson);
  EXPECT_FALSE(Parse({"-n", "storage", "--log-format", "xml"}).ok());
}

TEST(DaemonFlagsTest, NumbersHaveTheBoundsOfADeviceCluster) {
  EXPECT_EQ(Parse({"-n", "storage", "--max-in-flight", "4096"})->max_in_flight, 4096u);
  EXPECT_FALSE(Parse({"-n", "storage", "--max-in-flight", "4097"}).ok());
  EXPECT_FALSE(Parse({"-n", "storage", "--max-in-flight", "0"}).ok());
  EXPECT_EQ(Parse({"-n", "storage", "--replica", "63"})->replica, 63u);
  EXPECT_FALSE(Parse({"-n", "storage", "--replica", "64"}).ok());
}

TEST(DaemonFlagsTest, TheNameIsOneOrTwoDnsNames) {
  EXPECT_EQ(Parse({"-n", "storage"})->cluster, "default/storage");
  for (const char* name : {"Storage", "a/b/c", "/a", "a-", "1a"}) {
    EXPECT_FALSE(Parse({"-n", name}).ok()) << name;
  }
}

}  // namespace
}  // namespace fractos
