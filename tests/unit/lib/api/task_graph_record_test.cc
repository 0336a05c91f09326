#include "lib/api/task_graph_record.h"

#include <gtest/gtest.h>

#include "lib/api/conditions.h"
#include "lib/base/limits.h"
#include "tests/unit/lib/protocol/builders.h"

namespace fractos {
namespace {

using kube::Json;

constexpr char kUid[] = "0123abcd-0000-4000-8000-0123456789ab";
const StatusContext kContext{"default", 2, 3, 1};

kube::Object Graph(Json status) {
  kube::Object object("fractos.dev/v1alpha1", "TaskGraph", "default", "run");
  object.mutable_metadata()["uid"] = kUid;
  object.mutable_status() = std::move(status);
  return object;
}

RunRecord Running() {
  RunRecord record;
  record.run = RunIdOf(kUid);
  record.name = "run";
  record.phase = RunPhase::kRunning;
  record.redrive = 2;
  record.start_us = 1'700'000'000'123'456;
  const auto read = NewStep("read"), classify = NewStep("classify", {"read"}, "default/cnn");
  const ResultPtr first =
      NewResult(record.run, *read, {}, LargeValue("cat", Replica("default/a", 2)));
  Value label = InlineValue("tabby", Replica("other/cnn", 1));
  const ResultPtr second = NewResult(record.run, *classify, {first}, label);
  record.steps = {{"read", first}, {"classify", second}};
  record.transfer = {4, 5, 600};
  record.centralized_bytes = 700;
  return record;
}

Json Status(const RunRecord& record, const Json& before = Json::object()) {
  return StatusFromRecord(record, kContext, before, WallTime(std::chrono::seconds(1'700'000'001)));
}

RunRecord ReadBack(const RunRecord& record) {
  absl::StatusOr<RunRecord> read = RecordFromObject(Graph(Status(record)));
  EXPECT_TRUE(read.ok()) << read.status();
  return read.value_or(RunRecord());
}

// promise: O-40
TEST(TaskGraphRecordTest, WhatARunGoesOnFromIsReadBack) {
  const RunRecord record = Running();
  const RunRecord read = ReadBack(record);
  EXPECT_EQ(read.run, record.run);
  EXPECT_EQ(read.name, "run");
  EXPECT_EQ(read.phase, RunPhase::kRunning);
  EXPECT_EQ(read.redrive, 2u);
  EXPECT_EQ(read.start_us, record.start_us) << "the deadline counts from here";
  ASSERT_EQ(read.steps.size(), 2u);
  for (const auto& [path, result] : record.steps) {
    SCOPED_TRACE(path);
    const StepResult& back = *read.steps.at(path);
    EXPECT_EQ(back.path, path);
    EXPECT_EQ(back.state, result->state);
    EXPECT_EQ(back.id, result->id);
    EXPECT_EQ(back.lineage, result->lineage);
    EXPECT_EQ(back.value, result->value);
    EXPECT_EQ(back.executor, result->executor);
    EXPECT_EQ(back.attempts, result->attempts);
  }
  ASSERT_TRUE(read.steps.at("classify")->value.IsInline());
  EXPECT_EQ(*read.steps.at("classify")->value.inline_bytes, "tabby");
  EXPECT_FALSE(read.steps.at("read")->value.IsInline()) << "never bytes but those of outputs";
  Transfer total;
  for (const auto& [path, result] : read.steps) total.hops += result->transfer.hops;
  EXPECT_EQ(total.hops, 4u);
}

// promise: O-40
TEST(TaskGraphRecordTest, AValueOfAnotherOwnerKeepsIt) {
  RunRecord record = Running();
  auto passed = std::make_shared<StepResult>(*record.steps.at("read"));
  passed->executor = Replica("default/b", 1, "second");
  record.steps["read"] = passed;
  EXPECT_EQ(ReadBack(record).steps.at("read")->value.owner, Replica("default/a", 2));
  passed = std::make_shared<StepResult>(*passed);
  passed->value.owner = {Address::Driver("fractos-operator.ns"), NamedId<BootId>("driver")};
  record.steps["read"] = passed;
  EXPECT_EQ(ReadBack(record).steps.at("read")->value.owner, passed->value.owner);
}

TEST(TaskGraphRecordTest, FailuresAndSkippedStepsAreReadBack) {
  RunRecord record = Running();
  auto failed = std::make_shared<StepResult>(*record.steps.at("classify"));
  failed->state = ResultState::kFailed;
  failed->value = Value();
  failed->failure = {"NotAPicture", "no picture"};
  record.steps["classify"] = failed;
  record.phase = RunPhase::kFailing;
  record.failed_step = "classify";
  record.failure = failed->failure;
  const RunRecord read = ReadBack(record);
  EXPECT_EQ(read.phase, RunPhase::kFailing);
  EXPECT_EQ(read.failed_step, "classify");
  EXPECT_EQ(read.failure, record.failure);
  EXPECT_EQ(read.steps.at("classify")->failure, failed->failure);
  EXPECT_EQ(Status(record)["ready"], "2/4") << "the steps of onFailure count once it runs";
}

// promise: O-41
TEST(TaskGraphRecordTest, SaysHowTheRunGoes) {
  const Json running = Status(Running());
  EXPECT_EQ(running["phase"], "Running");
  EXPECT_EQ(running["ready"], "2/3");
  EXPECT_EQ(running["transfer"]["hops"], 4);
  EXPECT_EQ(running["transfer"]["centralizedBytes"], 700);
  EXPECT_EQ(running["startTime"], "2023-11-14T22:13:20.123456Z");
  EXPECT_TRUE(IsTrue(running, "Accepted"));
  EXPECT_EQ(FindCondition(running, "Succeeded")["status"], "Unknown");
  EXPECT_EQ(FindCondition(running, "Finished")["status"], "False");

  RunRecord over = Running();
  over.phase = RunPhase::kSucceeded;
  over.end_us = over.start_us + 84'000;
  over.outputs = {{"classify", "classify"}};
  const Json ended = Status(over, running);
  EXPECT_TRUE(IsTrue(ended, "Succeeded"));
  EXPECT_TRUE(IsTrue(ended, "Finished"));
  EXPECT_EQ(ended["durationMilliseconds"], 84);
  ASSERT_EQ(ended["outputs"].size(), 1u);
  EXPECT_EQ(ended["outputs"][0]["text"], "tabby");
  EXPECT_EQ(ended["outputs"][0]["digest"], "sha256:" + Digest::Of("tabby").ToHex());

  over.phase = RunPhase::kFailed;
  over.failure = {"DeadlineExceeded", "too late"};
  const Json failed = Status(over, running);
  EXPECT_EQ(FindCondition(failed, "Succeeded")["reason"], "DeadlineExceeded");
  EXPECT_TRUE(IsTrue(failed, "Finished"));
}

TEST(TaskGraphRecordTest, OutputsThatAreNoTextAreBase64) {
  RunRecord record = Running();
  auto result = std::make_shared<StepResult>(*record.steps.at("classify"));
  result->value = InlineValue(std::string("\x00\xff", 2), result->executor);
  record.steps["classify"] = result;
  record.phase = RunPhase::kSucceeded;
  record.outputs = {{"classify", "classify"}};
  EXPECT_EQ(Status(record)["outputs"][0]["base64"], "AP8=");
  EXPECT_EQ(*ReadBack(record).steps.at("classify")->value.inline_bytes, std::string("\x00\xff", 2));
}

// promise: O-42
TEST(TaskGraphRecordTest, AStepTakesABoundedPlace) {
  RunRecord record;
  record.run = RunIdOf(kUid);
  record.phase = RunPhase::kRunning;
  record.redrive = 1;
  const std::string cluster = "ns/" + std::string(kMaxNameLength, 'c');
  for (size_t i = 0; i < kMaxSteps; ++i) {
    const auto step = NewStep(
        RefinedPath(std::string(kMaxNameLength, 's'), i, NamedId<ResultId>("parent")), {}, cluster);
    Value value = LargeValue("bytes", Replica(cluster, 63));
    value.size = uint64_t{1} << 40;
    record.steps[step->path] = NewResult(record.run, *step, {}, value);
  }
  const Json status = Status(record);
  for (const Json& entry : status["steps"]) {
    size_t bytes = 0;
    for (const auto& [key, field] : entry.items()) {
      if (key != "name") bytes += field.is_string() ? field.get<std::string>().size() : 4;
    }
    EXPECT_LE(bytes, kMaxStepStatusBytes) << entry;
  }
  // A tenth of what etcd takes, with the longest names there are.
  EXPECT_LE(kube::ToJsonText(status).size(), 150'000u);
}

// promise: O-43
TEST(TaskGraphRecordTest, ADamagedRecordIsNotBelieved) {
  EXPECT_TRUE(absl::IsNotFound(RecordFromObject(Graph(Json::object())).status()));
  const Json good = Status(Running());
  const auto read = [](Json status) { return RecordFromObject(Graph(std::move(status))).status(); };
  ASSERT_TRUE(read(good).ok());
  for (const char* field : {"state", "resultId", "lineage", "ref", "executor", "name"}) {
    SCOPED_TRACE(field);
    Json bad = good;
    bad["steps"][0][field] = "?";
    if (std::string(field) == "name") bad["steps"][0][field] = "";
    EXPECT_TRUE(absl::IsInvalidArgument(read(bad))) << read(bad);
  }
  Json bad = good;
  bad["phase"] = "Dreaming";
  EXPECT_TRUE(absl::IsInvalidArgument(read(bad)));
  bad = good;
  bad["outputs"][0]["text"] = "another";
  EXPECT_TRUE(absl::IsInvalidArgument(read(bad)));
}

// promise: C-52
TEST(TaskGraphRecordTest, WhatMakesNoSenseIsLeftOutWhereItIsOnlyShown) {
  RunRecord over = Running();
  over.phase = RunPhase::kSucceeded;
  over.outputs = {{"classify", "classify"}};
  Json status = Status(over);
  absl::Status fault;
  EXPECT_EQ(ReadRecord(Graph(status), &fault).transfer, over.transfer);
  EXPECT_TRUE(fault.ok()) << fault;

  status["steps"][0]["ref"] = "?";  // of classify
  status["steps"][0]["executor"] = "?";
  status["steps"].push_back({{"name", "odd"}, {"state", "Dreaming"}});
  status["steps"].push_back("odd");
  status["transfer"]["bytes"] = -1;
  const RunRecord read = ReadRecord(Graph(status), &fault);
  EXPECT_EQ(fault.message(), "\"?\" is no CLUSTER/REPLICA@BOOT") << "the first";
  ASSERT_EQ(read.steps.size(), 2u);
  EXPECT_EQ(*read.steps.at("read"), *over.steps.at("read"));
  const StepResult& classify = *read.steps.at("classify");
  EXPECT_EQ(classify.id, over.steps.at("classify")->id);
  EXPECT_EQ(classify.executor, Incarnation());
  EXPECT_EQ(classify.value, Value()) << "nor bytes that are not its digest's";
  EXPECT_EQ(read.transfer.bytes, 0u);
}

TEST(TaskGraphRecordTest, TheRunIsTheObjectsUid) {
  EXPECT_EQ(RunIdOf(kUid).ToHex(), "0123abcd0000400080000123456789ab");
  EXPECT_NE(RunIdOf("uid-1"), RunIdOf("uid-2"));
}

}  // namespace
}  // namespace fractos
