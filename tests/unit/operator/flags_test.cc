#include "operator/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fractos {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<OperatorFlags> Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "fractos-operator");
  return ParseOperatorFlags(static_cast<int>(arguments.size()), arguments.data());
}

std::vector<const char*> With(std::vector<const char*> more) {
  more.insert(more.begin(), {"--daemon-image=d", "--adaptor-image=a", "--cnn-adaptor-image=c"});
  return more;
}

TEST(OperatorFlagsTest, DefaultsAreThoseOfControllerRuntime) {
  const absl::StatusOr<OperatorFlags> flags = Parse(With({}));
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_THAT(flags->namespaces, IsEmpty());
  EXPECT_FALSE(flags->leader_elect);
  EXPECT_EQ(flags->lease_duration, seconds(15));
  EXPECT_EQ(flags->renew_deadline, seconds(10));
  EXPECT_EQ(flags->retry_period, seconds(2));
  EXPECT_EQ(flags->metrics_address, ":8080");
  EXPECT_EQ(flags->health_address, ":8081");
  EXPECT_EQ(flags->defaults.cnn_adaptor_image, "c");
}

TEST(OperatorFlagsTest, ReadsWhatTheChartSets) {
  const absl::StatusOr<OperatorFlags> flags = Parse(
      With({"--namespaces=a,b", "--leader-elect", "--leader-elect-lease-duration=30s",
            "--leader-elect-renew-deadline=20s", "--leader-elect-retry-period=1500ms",
            "--metrics-bind-address=:1", "--health-probe-bind-address=:2", "--log-format=text",
            "--log-level=warning", "--otlp-endpoint=http://collector:4318"}));
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_THAT(flags->namespaces, ElementsAre("a", "b"));
  EXPECT_TRUE(flags->leader_elect);
  EXPECT_EQ(flags->lease_duration, seconds(30));
  EXPECT_EQ(flags->retry_period, std::chrono::milliseconds(1500));
  EXPECT_EQ(flags->log_format, EventLog::Format::kText);
  EXPECT_EQ(flags->log_level, EventLog::Level::kWarning);
  EXPECT_EQ(flags->otlp_endpoint, "http://collector:4318");
  EXPECT_EQ(flags->defaults.otlp_endpoint, "http://collector:4318") << "and daemons do, too";
}

TEST(OperatorFlagsTest, DaemonsAreVerboseWhenTheOperatorIs) {
  EXPECT_FALSE(Parse(With({}))->defaults.verbose);
  EXPECT_FALSE(Parse(With({"--log-level=info"}))->defaults.verbose);
  EXPECT_TRUE(Parse(With({"--log-level=debug"}))->defaults.verbose);
}

TEST(OperatorFlagsTest, SaysWhereItsValuesAreRead) {
  EXPECT_EQ(Parse(With({}))->memory_address, "");
  EXPECT_EQ(
      Parse(With({"--memory-bind-address=[::]:7448", "--pod-ip=10.1.2.3"}))->memory_advertised,
      "10.1.2.3:7448");
  EXPECT_EQ(Parse(With({"--memory-bind-address=[::]:7448", "--pod-ip=fd00::1"}))->memory_advertised,
            "[fd00::1]:7448");
  EXPECT_THAT(Parse(With({"--memory-bind-address=[::]:7448"})).status().message(),
              HasSubstr("POD_IP"));
}

// promise: O-50
TEST(OperatorFlagsTest, ItsValuesHaveAQuotaThatFitsTheChartsLimit) {
  EXPECT_EQ(Parse(With({}))->memory_quota_bytes, uint64_t{96} << 20);
  for (const char* flag : {"--memory-quota=512MiB", "--memory-quota=512Mi"}) {
    EXPECT_EQ(Parse(With({flag}))->memory_quota_bytes, uint64_t{512} << 20) << flag;
  }
  EXPECT_THAT(std::string(Parse(With({"--memory-quota=much"})).status().message()),
              HasSubstr("--memory-quota"));
}

TEST(OperatorFlagsTest, SaysWhatIsWrong) {
  EXPECT_THAT(std::string(Parse({}).status().message()), HasSubstr("--daemon-image"));
  EXPECT_THAT(std::string(Parse(With({"--leader-elect-retry-period=2"})).status().message()),
              HasSubstr("--leader-elect-retry-period"));
  EXPECT_THAT(std::string(Parse(With({"--colour=red"})).status().message()), HasSubstr("colour"));
  EXPECT_FALSE(Parse(With({"--log-level=loud"})).ok());
}

TEST(OperatorFlagsTest, AProbeNeedsNothingElse) {
  const absl::StatusOr<OperatorFlags> flags = Parse({"--probe=http://x/metrics"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->probe, "http://x/metrics");
}

}  // namespace
}  // namespace fractos
