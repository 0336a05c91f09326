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

// promise: L-09
TEST(DaemonFlagsTest, ANamespaceIsOneOfKubernetes) {
  const std::string longest = "1" + std::string(62, 'n') + "/" + std::string(40, 's');
  const absl::StatusOr<DaemonFlags> parsed = Parse({"-n", longest});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->cluster, longest);
  EXPECT_THAT(std::string(Parse({"-n", "ns/1s"}).status().message()), HasSubstr("--name"));
  EXPECT_FALSE(Parse({"-n", "n" + longest}).ok());
}

// promise: C-13
TEST(DaemonFlagsTest, CoordinationKnowsFileAndKubernetes) {
  const absl::StatusOr<DaemonFlags> parsed = Parse({"-n", "storage", "-z", "zookeeper"});
  ASSERT_FALSE(parsed.ok());
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("--coordination"));
}

absl::StatusOr<DaemonFlags> ParseRaw(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "fractos-daemon");
  return ParseDaemonFlags(static_cast<int>(arguments.size()), arguments.data());
}

std::string ErrorOf(std::vector<const char*> arguments) {
  return std::string(ParseRaw(std::move(arguments)).status().message());
}

// promise: E-28
TEST(DaemonFlagsTest, InAPodTheRestFollowsFromThePod) {
  const absl::StatusOr<DaemonFlags> parsed =
      ParseRaw({"--name", "storage", "-z", "kubernetes", "--pod-name", "storage-2",
                "--pod-namespace", "lab", "--pod-uid", "u-1", "--adaptor-socket", "/run/a.sock"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->cluster, "lab/storage");
  EXPECT_EQ(parsed->replica, 2u);
  EXPECT_EQ(parsed->endpoint, "[::]:7447");
  EXPECT_EQ(parsed->advertised, "storage-2.storage.lab.svc:7447");
  ASSERT_TRUE(parsed->kubernetes.has_value());
  EXPECT_EQ(parsed->kubernetes->lease, "storage");
  EXPECT_EQ(parsed->kubernetes->pod_uid, "u-1");
  EXPECT_EQ(parsed->kubernetes->lease_duration, std::chrono::seconds(5));
  EXPECT_EQ(parsed->adaptor_socket, "/run/a.sock");
}

// promise: E-28
TEST(DaemonFlagsTest, InAPodEverythingCanBeSaidOtherwise) {
  const absl::StatusOr<DaemonFlags> parsed = ParseRaw({"--name",
                                                       "lab/storage",
                                                       "-z",
                                                       "kubernetes",
                                                       "--pod-name",
                                                       "x",
                                                       "--pod-namespace",
                                                       "lab",
                                                       "--pod-uid",
                                                       "u",
                                                       "--replica",
                                                       "3",
                                                       "--service",
                                                       "s",
                                                       "--lease",
                                                       "l",
                                                       "--endpoint",
                                                       "0.0.0.0:9000",
                                                       "--lease-duration",
                                                       "15",
                                                       "--renew-deadline",
                                                       "10",
                                                       "--retry-period",
                                                       "2",
                                                       "--",
                                                       "adaptor"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->replica, 3u);
  EXPECT_EQ(parsed->advertised, "x.s.lab.svc:9000");
  EXPECT_EQ(parsed->kubernetes->lease, "l");
  EXPECT_EQ(parsed->kubernetes->renew_deadline, std::chrono::seconds(10));
}

TEST(DaemonFlagsTest, WhatIsMissingIsNamed) {
  EXPECT_THAT(ErrorOf({"-n", "s", "--endpoint", "unix:/e", "--", "a"}), HasSubstr("--directory"));
  EXPECT_THAT(ErrorOf({"-n", "s", "--directory", "/d", "--", "a"}), HasSubstr("--endpoint"));
  EXPECT_THAT(ErrorOf({"-n", "s", "--directory", "/d", "--endpoint", "unix:/e"}),
              HasSubstr("--adaptor-socket"));
  EXPECT_THAT(ErrorOf({"-n", "s", "--directory", "/d", "--endpoint", "unix:/e", "--adaptor-socket",
                       "/a", "--", "a"}),
              HasSubstr("--adaptor-socket"));
  EXPECT_THAT(ErrorOf({"-n", "s", "-z", "kubernetes", "--pod-name", "s-0", "--pod-namespace", "lab",
                       "--adaptor-socket", "/a"}),
              HasSubstr("POD_UID"));
  EXPECT_THAT(ErrorOf({"-n", "s", "-z", "kubernetes", "--pod-name", "s", "--pod-namespace", "lab",
                       "--pod-uid", "u", "--adaptor-socket", "/a"}),
              HasSubstr("ordinal"));
  EXPECT_THAT(ErrorOf({"-n", "other/s", "-z", "kubernetes", "--pod-name", "s-0", "--pod-namespace",
                       "lab", "--pod-uid", "u", "--adaptor-socket", "/a"}),
              HasSubstr("namespace"));
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
