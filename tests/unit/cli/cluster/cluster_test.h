// What the tests of commands on a cluster share: an API server in memory, and what was printed.
#ifndef FRACTOS_TESTS_UNIT_CLI_CLUSTER_CLUSTER_TEST_H_
#define FRACTOS_TESTS_UNIT_CLI_CLUSTER_CLUSTER_TEST_H_

#include <functional>
#include <string>

#include "cli/cluster/target.h"
#include "cli/exit_code.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/api/record_text.h"
#include "lib/base/digest.h"
#include "lib/kube/errors.h"
#include "tests/unit/cli/cluster/raw_client.h"
#include "tests/unit/lib/kube/fake_client.h"
#include "tests/unit/lib/kube/fake_time.h"

namespace fractos::cluster {

// Three steps, of which the last one is a sink.
inline kube::Object Classify(const std::string& name = "classify-x7k2p") {
  kube::Object object("fractos.dev/v1alpha1", "TaskGraph", "default", name);
  object.mutable_metadata()["uid"] = kUid;
  object.mutable_metadata()["creationTimestamp"] = "2023-11-14T22:13:00Z";
  object.mutable_spec() = kube::Json::parse(R"({
    "steps": [
      {"name": "read", "device": "storage", "operation": "get", "arguments": {"key": "cat.png"}},
      {"name": "classify", "device": "cnn", "operation": "classify", "inputs": {"image": "read"}},
      {"name": "write", "device": "files/storage", "operation": "put",
       "arguments": {"key": "cat.txt"}, "inputs": {"data": "classify"}}],
    "mode": "Distributed", "deadline": "60s"})");
  return object;
}

inline kube::Json Condition(const std::string& type, const std::string& status,
                            const std::string& reason, const std::string& message = "") {
  return {{"type", type},
          {"status", status},
          {"reason", reason},
          {"message", message},
          {"lastTransitionTime", "2023-11-14T22:13:21Z"}};
}

// How a step says where its value is.
inline std::string RefTo(absl::string_view bytes) {
  return absl::StrCat(IdText(Digest::Of(bytes)), ".AAAAAAAAAAAAAAAAAAAAAg.", bytes.size());
}

inline kube::Json Running() {
  kube::Json status = kube::Json::parse(R"({
    "phase": "Running", "redriveEpoch": 1, "startTime": "2023-11-14T22:13:20.000000Z", "ready": "1/3",
    "steps": [
      {"name": "read", "state": "Succeeded", "resultId": "AAAAAAAAAAAAAAAAAAAAAQ",
       "ref": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU.AAAAAAAAAAAAAAAAAAAAAg.240531",
       "executor": "storage/0@AAAAAAAAAAAAAAAAAAAAqg", "attempts": 1}]})");
  status["conditions"] = {Condition("Accepted", "True", "Valid"),
                          Condition("Succeeded", "Unknown", "Running")};
  return status;
}

inline kube::Json Succeeded() {
  kube::Json status = Running();
  status["phase"] = "Succeeded";
  status["completionTime"] = "2023-11-14T22:13:20.043000Z";
  status["durationMilliseconds"] = 43;
  status["steps"].push_back({{"name", "classify"},
                             {"state", "Succeeded"},
                             {"executor", "cnn/1@AAAAAAAAAAAAAAAAAAAAuw"},
                             {"attempts", 2}});
  status["steps"].push_back({{"name", "write"},
                             {"state", "Succeeded"},
                             {"ref", RefTo("cat")},
                             {"executor", "files/storage/0@AAAAAAAAAAAAAAAAAAAAzA"}});
  status["outputs"] = {{{"name", "write"}, {"size", 3}, {"text", "cat"}}};
  status["transfer"] = {
      {"hops", 3}, {"messages", 9}, {"bytes", 240534}, {"centralizedBytes", 481068}};
  status["conditions"] = {Condition("Accepted", "True", "Valid"),
                          Condition("Succeeded", "True", "Succeeded"),
                          Condition("Finished", "True", "Succeeded")};
  return status;
}

inline kube::Json Failed(const std::string& phase, const std::string& reason,
                         const std::string& message) {
  kube::Json status = Running();
  status["phase"] = phase;
  status["completionTime"] = "2023-11-14T22:13:20.012000Z";
  status["durationMilliseconds"] = 12;
  status["failure"] = {{"step", "classify"}, {"reason", reason}, {"message", message}};
  status["steps"].push_back({{"name", "classify"}, {"state", "Failed"}, {"ref", reason}});
  status["conditions"] = {Condition("Accepted", "True", "Valid"),
                          Condition("Succeeded", "False", reason, message),
                          Condition("Finished", "True", reason)};
  return status;
}

inline kube::Json Refused(const std::string& message) {
  return {{"phase", "Failed"},
          {"conditions",
           {Condition("Accepted", "False", "Invalid", message),
            Condition("Succeeded", "False", "Invalid", message),
            Condition("Finished", "True", "Invalid", message)}}};
}

// What a command printed, and how it ended.
struct Printed {
  ExitCode code = kExitSucceeded;
  std::string out;
  std::string err;
};

inline Printed Capture(const std::function<ExitCode()>& command) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Printed printed;
  printed.code = command();
  printed.out = ::testing::internal::GetCapturedStdout();
  printed.err = ::testing::internal::GetCapturedStderr();
  return printed;
}

class ClusterTest : public ::testing::Test {
 protected:
  // The operator's hand: `object` with that status.
  void Put(kube::Object object, const kube::Json& status) {
    object.mutable_status() = status;
    const std::string ns = object.ns();
    server_.Put(TaskGraphs(ns), std::move(object));
  }
  // Does `then` once the API server has carried out the next call of `verb` on `resource`.
  void After(const std::string& verb, const std::string& resource, std::function<void()> then) {
    kube::Fault fault;
    fault.verb = verb;
    fault.resource = resource;
    fault.after = std::move(then);
    client_.Inject(std::move(fault));
  }
  void Fail(const std::string& verb, const std::string& resource, const absl::Status& error) {
    kube::Fault fault;
    fault.verb = verb;
    fault.resource = resource;
    fault.error = error;
    client_.Inject(std::move(fault));
  }
  // A storage that has described itself.
  void PutStorage(const std::string& name = "storage") {
    kube::Object storage("fractos.dev/v1alpha1", "DeviceCluster", "default", name);
    storage.mutable_spec() = kube::Json::parse(R"({
      "replicas": 3,
      "adaptor": {"command": ["fractos-adaptor", "storage"], "options": {"root": "/data"}}})");
    storage.mutable_status() = kube::Json::parse(R"({
      "readyReplicas": 3, "leaderEpoch": 4, "version": "0.1.0",
      "leader": {"pod": "storage-1", "endpoint": "h:1"},
      "operations": [
        {"name": "get", "arguments": [{"name": "key", "type": "string", "required": true}],
         "effect": "none"}]})");
    storage.mutable_status()["conditions"] = {Condition("Accepted", "True", "Accepted"),
                                              Condition("Ready", "True", "Leading")};
    server_.Put(DeviceClusters("default"), std::move(storage));
  }

  kube::FakeTime time_;
  kube::FakeApiServer server_{&time_};
  kube::FakeClient client_{&server_};
  std::function<absl::StatusOr<std::string>(absl::string_view)> raw_ = [](absl::string_view path) {
    return kube::NotFoundError({"", "v1", "paths"}, path);
  };
  RawClient asked_{&client_, [this](absl::string_view path) { return raw_(path); }};
  Target target_{.client = &asked_, .clock = &time_, .ns = "default"};
};

}  // namespace fractos::cluster

#endif  // FRACTOS_TESTS_UNIT_CLI_CLUSTER_CLUSTER_TEST_H_
