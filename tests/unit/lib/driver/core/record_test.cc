#include "lib/driver/core/record.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/random.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;

RunRecord SampleRecord() {
  SeededRandom random(7);
  RunRecord record;
  record.run = random.NewId<RunId>();
  record.name = "power";
  record.phase = RunPhase::kFailing;
  record.redrive = 3;
  record.start_us = 1'700'000'000'000'001;
  record.end_us = 5;
  record.failure = {"DivisionByZero", "1 / 0"};
  record.failed_step = "divide";
  record.outputs = {{"show", "show"}, {"power", "power/0@00ff"}};

  auto succeeded = std::make_shared<StepResult>();
  succeeded->path = "read";
  succeeded->id = random.NewId<ResultId>();
  succeeded->lineage = random.NewId<Lineage>();
  succeeded->value.digest = Digest::Of("abc");
  succeeded->value.size = 3;
  succeeded->value.owner = {{"default/storage", 2}, random.NewId<BootId>()};
  succeeded->value.object = random.NewId<ObjectId>();
  succeeded->executor = succeeded->value.owner;
  succeeded->attempts = 2;
  succeeded->timing = {1, 2, 3, 4};
  succeeded->transfer = {5, 6, 7};
  record.steps[succeeded->path] = succeeded;

  auto refined = std::make_shared<StepResult>(*succeeded);
  refined->path = "power/0@00ff";
  refined->state = ResultState::kRefined;
  refined->value.size = 4;
  refined->value.inline_bytes = std::make_shared<const std::string>("\x00\xff\x80x", 4);
  record.steps[refined->path] = refined;

  auto failed = std::make_shared<StepResult>(*succeeded);
  failed->path = "divide";
  failed->state = ResultState::kFailed;
  failed->value = Value();
  failed->failure = {"DivisionByZero", "1 / 0"};
  record.steps[failed->path] = failed;
  return record;
}

// promise: R-10
TEST(RecordTest, DecodesWhatItEncodes) {
  const RunRecord record = SampleRecord();
  const absl::StatusOr<RunRecord> read = DecodeRecord(EncodeRecord(record));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->run, record.run);
  EXPECT_EQ(read->name, record.name);
  EXPECT_EQ(read->phase, record.phase);
  EXPECT_EQ(read->redrive, record.redrive);
  EXPECT_EQ(read->start_us, record.start_us);
  EXPECT_EQ(read->end_us, record.end_us);
  EXPECT_EQ(read->failure, record.failure);
  EXPECT_EQ(read->failed_step, record.failed_step);
  EXPECT_EQ(read->outputs, record.outputs);
  ASSERT_EQ(read->steps.size(), record.steps.size());
  for (const auto& [path, result] : record.steps) {
    ASSERT_TRUE(read->steps.contains(path)) << path;
    EXPECT_EQ(*read->steps.at(path), *result) << path;
  }
  ASSERT_TRUE(read->steps.at("power/0@00ff")->value.IsInline());
  EXPECT_EQ(*read->steps.at("power/0@00ff")->value.inline_bytes, std::string("\x00\xff\x80x", 4));
  EXPECT_FALSE(read->steps.at("read")->value.IsInline());
}

TEST(RecordTest, AFailureMessageThatIsNoUtf8DoesNotLoseTheRecord) {
  RunRecord record = SampleRecord();
  record.failure.message = "bad \xff bytes";
  const absl::StatusOr<RunRecord> read = DecodeRecord(EncodeRecord(record));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->failure.message, HasSubstr("bytes"));
}

TEST(RecordTest, RefusesEveryTruncation) {
  const std::string text = EncodeRecord(SampleRecord());
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_EQ(DecodeRecord(absl::string_view(text).substr(0, length)).status().code(),
              absl::StatusCode::kInvalidArgument)
        << length;
  }
}

TEST(RecordTest, RefusesAnotherShapeAndUnknownWords) {
  const std::string text = EncodeRecord(SampleRecord());
  const auto replaced = [&text](const std::string& from, const std::string& to) {
    std::string changed = text;
    const size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return changed.replace(at, from.size(), to);
  };
  for (const std::string& bad :
       {replaced("\"shape\": 1", "\"shape\": 2"), replaced("\"Failing\"", "\"Dozing\""),
        replaced("\"Refined\"", "\"Raffined\""), replaced("\"redrive\": 3", "\"redrive\": \"3\""),
        replaced("\"AP+AeA==\"", "\"AP+A\""), std::string("[]"), std::string("null")}) {
    EXPECT_EQ(DecodeRecord(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

// promise: R-10
TEST(RecordTest, RefusesTimesThatAreNone) {
  RunRecord record = SampleRecord();
  for (const int64_t time : {int64_t{-1}, INT64_MIN, INT64_MAX}) {
    record.start_us = time;
    EXPECT_EQ(DecodeRecord(EncodeRecord(record)).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

// promise: R-10
TEST(RecordTest, ReadsTimesThatAreSome) {
  RunRecord record = SampleRecord();
  for (const int64_t time : {int64_t{0}, int64_t{1}, int64_t{1} << 60}) {
    record.end_us = time;
    const absl::StatusOr<RunRecord> read = DecodeRecord(EncodeRecord(record));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->end_us, time);
  }
  record.end_us = (int64_t{1} << 60) + 1;
  EXPECT_FALSE(DecodeRecord(EncodeRecord(record)).ok()) << "two of them could not be subtracted";
}

TEST(RecordTest, EveryPhaseHasAName) {
  EXPECT_EQ(RunPhaseName(RunPhase::kPending), "Pending");
  EXPECT_EQ(RunPhaseName(RunPhase::kCancelled), "Cancelled");
  EXPECT_EQ(RunPhaseName(static_cast<RunPhase>(99)), "Unknown");
}

TEST(RecordTest, OnlyTheLastThreePhasesAreTheEnd) {
  EXPECT_FALSE(IsEnd(RunPhase::kPending));
  EXPECT_FALSE(IsEnd(RunPhase::kRunning));
  EXPECT_FALSE(IsEnd(RunPhase::kFailing));
  EXPECT_TRUE(IsEnd(RunPhase::kSucceeded));
  EXPECT_TRUE(IsEnd(RunPhase::kFailed));
  EXPECT_TRUE(IsEnd(RunPhase::kCancelled));
}

}  // namespace
}  // namespace fractos
