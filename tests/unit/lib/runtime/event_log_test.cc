#include "lib/runtime/event_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace fractos {
namespace {

using Level = EventLog::Level;

// What a log of `format` writes of one event with a field that could break out of its line.
std::string Written(EventLog::Format format, Level level, Level lowest = Level::kInfo) {
  FakeClock clock;
  const EventLog log("default/a-0", format, lowest, &clock);
  testing::internal::CaptureStderr();
  log.Write(level, "step failed", {{"message", "it's line one\nline \"two\"\xff"}});
  return testing::internal::GetCapturedStderr();
}

// promise: C-15
TEST(EventLogTest, AsJsonItIsOneObjectALine) {
  const std::string text = Written(EventLog::Format::kJson, Level::kWarning);
  ASSERT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  const nlohmann::json line = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(line.is_object()) << text;
  EXPECT_EQ(line["level"], "warning");
  EXPECT_EQ(line["source"], "default/a-0");
  EXPECT_EQ(line["event"], "step failed");
  EXPECT_EQ(line["message"], "it's line one\nline \"two\"\xef\xbf\xbd")
      << "what is no text is replaced";
  EXPECT_EQ(line["time"].get<std::string>().substr(0, 10), "2023-11-14");
}

// promise: C-15
TEST(EventLogTest, AsTextItIsOneLineToo) {
  const std::string text = Written(EventLog::Format::kText, Level::kError);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_NE(text.find(" error default/a-0: step failed message=\"it's line one\\nline \\\"two\\\""),
            std::string::npos)
      << text;
}

TEST(EventLogTest, TellsDetailsOnlyWhenAsked) {
  EXPECT_EQ(Written(EventLog::Format::kText, Level::kDebug), "");
  EXPECT_EQ(Written(EventLog::Format::kText, Level::kInfo, Level::kWarning), "");
  EXPECT_NE(Written(EventLog::Format::kText, Level::kWarning, Level::kWarning), "");
  EXPECT_NE(Written(EventLog::Format::kText, Level::kDebug, Level::kDebug), "");
}

}  // namespace
}  // namespace fractos
