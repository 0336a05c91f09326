#include "daemon/device/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "tests/unit/daemon/device/scripted_adaptor.h"

namespace fractos {
namespace {

using ::fractos::testing::kDescription;
using ::testing::HasSubstr;

// What is left out of it is in what peers are told.
// promise: A-02
TEST(JudgeDescriptionTest, KeepsToItsBoundAlsoAsItIsPassedOn) {
  DeviceDescription description = ParseDeviceDescription(kDescription).value();
  while (DeviceDescriptionToJson(description).size() <= kMaxSpecBytes) {
    OperationSpec& operation = description.operations.emplace_back();
    operation.name = absl::StrCat("o", description.operations.size());
    operation.refines_to.assign(kMaxRefinesTo, "./" + std::string(kMaxNameLength, 'x'));
    for (size_t i = 0; i < kMaxArguments; ++i) {
      ArgumentSpec& argument = operation.arguments.emplace_back();
      argument.name = absl::StrCat("a", i);
      argument.description = std::string(kMaxDescriptionText, 'x');
    }
  }
  const auto judged = [&description](size_t told) {
    const auto trim = [&](std::string* text) {
      const size_t size = DeviceDescriptionToJson(description).size();
      if (size > told) text->resize(text->size() - std::min(text->size(), size - told));
    };
    for (ArgumentSpec& argument : description.operations.back().arguments) {
      trim(&argument.description);
    }
    std::string json = DeviceDescriptionToJson(description);
    EXPECT_EQ(json.size(), told);
    const std::string flag = ",\"stateful\":false";
    EXPECT_NE(json.find(flag), std::string::npos);
    json.erase(json.find(flag), flag.size());
    v1::FromAdaptor reply;
    reply.mutable_description()->set_json(json);
    return JudgeDescription(reply.SerializeAsString()).status();
  };
  const absl::Status above = judged(kMaxSpecBytes + 1);
  EXPECT_TRUE(absl::IsInvalidArgument(above)) << above;
  EXPECT_THAT(std::string(above.message()), HasSubstr("as it is passed on"));
  EXPECT_TRUE(judged(kMaxSpecBytes).ok());
}

}  // namespace
}  // namespace fractos
