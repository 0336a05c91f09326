#include "operator/reconcilers/task_graph_admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "lib/base/limits.h"
#include "lib/plan/document_reader.h"
#include "lib/plan/text_fault.h"
#include "lib/plan/yaml_node.h"
#include "lib/plan/yaml_reader.h"
#include "tests/unit/lib/plan/shipped.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

kube::Object Graph(const std::string& yaml) {
  std::vector<Diagnostic> wrong;
  YamlFaults faults("", &wrong);
  const std::vector<YamlNode> nodes = LoadYaml(yaml, "", &wrong);
  EXPECT_THAT(wrong, IsEmpty());
  EXPECT_THAT(nodes, SizeIs(1));
  return kube::Object(ReadJson({&nodes.at(0), ""}, &faults));
}

constexpr char kClassify[] = R"(
apiVersion: fractos.dev/v1alpha1
kind: TaskGraph
metadata: {name: classify, namespace: default, uid: u, resourceVersion: "7"}
spec:
  cancel: false
  ttlSecondsAfterFinished: 60
  parameters: [{name: image, value: cat.png}]
  steps:
  - {name: read, device: storage, operation: get, arguments: {key: $(parameters.image)}}
  - {name: classify, device: cnn, operation: classify, inputs: {image: read}}
  - {name: write, device: storage, operation: put, arguments: {key: label}, inputs: {data: classify}}
)";

class AdmissionTest : public ::testing::Test {
 protected:
  AdmissionTest() {
    for (const auto& [name, description] : ShippedDevices()) {
      devices_[name] = {true, true, "", true, description};
    }
  }
  Admission Try(const kube::Object& object) {
    return Admit(object,
                 [this](const std::string& cluster) {
                   const auto found = devices_.find(cluster);
                   return found == devices_.end() ? DeviceSight() : found->second;
                 },
                 {"storage", "math", "cnn", "echo"});
  }
  std::map<std::string, DeviceSight> devices_;
};

TEST_F(AdmissionTest, AGraphThatCanBeRunHasAPlan) {
  const Admission admission = Try(Graph(kClassify));
  EXPECT_EQ(DescribeFaults(admission.faults), "");
  ASSERT_TRUE(admission.plan.has_value());
  EXPECT_EQ(admission.plan->name, "classify");
  EXPECT_THAT(admission.plan->steps, SizeIs(3));
}

// promise: O-31
TEST_F(AdmissionTest, AMissingDeviceIsWaitedForAndNamed) {
  devices_.erase("default/cnn");
  Admission admission = Try(Graph(kClassify));
  EXPECT_THAT(admission.faults, IsEmpty());
  ASSERT_THAT(admission.missing, SizeIs(1));
  EXPECT_EQ(admission.missing[0].cluster, "default/cnn");
  EXPECT_EQ(admission.missing[0].diagnostic.field, "spec.steps[1].device");
  EXPECT_THAT(admission.missing[0].diagnostic.message, HasSubstr("there is no device"));

  devices_["default/cnn"] = {true, true, "", true, std::nullopt};
  admission = Try(Graph(kClassify));
  ASSERT_THAT(admission.missing, SizeIs(1));
  EXPECT_THAT(admission.missing[0].diagnostic.message, HasSubstr("has not described itself"));

  devices_["default/cnn"] = {true, true, "spec.volume: wrong", true, std::nullopt};
  admission = Try(Graph(kClassify));
  EXPECT_THAT(admission.missing[0].diagnostic.message, HasSubstr("spec.volume: wrong"));

  devices_["default/cnn"] = {true, true, "spec.volume: wrong", true,
                             ShippedDevices().at("default/cnn")};
  EXPECT_FALSE(Try(Graph(kClassify)).plan.has_value());
  kube::Object started = Graph(kClassify);
  started.mutable_status()["redriveEpoch"] = 1;
  EXPECT_TRUE(Try(started).plan.has_value()) << "it goes on with what serves";

  devices_["default/cnn"] = {true, true, "", /*published=*/false,
                             ShippedDevices().at("default/cnn")};
  admission = Try(Graph(kClassify));
  ASSERT_THAT(admission.missing, SizeIs(1));
  EXPECT_TRUE(admission.missing[0].quiet);
}

// What is wrong besides is wrong whatever the device says.
TEST_F(AdmissionTest, AFaultIsNotWaitedFor) {
  devices_.erase("default/cnn");
  kube::Object graph = Graph(kClassify);
  graph.mutable_spec()["steps"][0]["operation"] = "gett";
  const Admission admission = Try(graph);
  ASSERT_THAT(admission.faults, SizeIs(1));
  EXPECT_EQ(admission.faults[0].field, "spec.steps[0].operation");
}

// promise: O-32
TEST_F(AdmissionTest, ADeviceOfAnotherNamespaceNeedsItsOwnersLeave) {
  devices_["default/cnn"].allowed = false;
  const Admission admission = Try(Graph(kClassify));
  ASSERT_THAT(admission.faults, SizeIs(1));
  EXPECT_EQ(admission.faults[0].field, "spec.steps[1].device");
  EXPECT_THAT(admission.faults[0].message,
              HasSubstr("may not be used from namespace default; its owner can add it"));
}

// As `fractosctl validate` prints them: "file:line:column: field: message".
std::set<std::string> ExpectedFields(const std::filesystem::path& path) {
  std::set<std::string> fields;
  const std::string text =
      ReadFileOrDie(std::filesystem::path(path).replace_extension(".expected"));
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(": ", 2));
    fields.insert(parts.size() < 3 ? "" : parts[1]);
  }
  return fields;
}

// Whether the file is one document, of a kind and version that an API server serves; and what
// kubectl would send of it.
std::optional<kube::Object> AsSent(const std::string& text) {
  std::vector<Diagnostic> wrong;
  if (text.size() > kMaxSpecBytes || FindTextFault(text).has_value()) return std::nullopt;
  const std::vector<YamlNode> nodes = LoadYaml(text, "", &wrong);
  if (!wrong.empty() || nodes.size() != 1) return std::nullopt;
  YamlFaults faults("", &wrong);
  kube::Object object(ReadJson({&nodes[0], ""}, &faults));
  // What YAML's versions disagree on, kubectl decides, and nulls it drops.
  if (!wrong.empty()) return std::nullopt;
  const bool served = object.kind() == "TaskGraph" && object.api_version() == kApiVersion;
  return served ? std::optional(object) : std::nullopt;
}

// Every invalid graph of tests/invalid that could reach an API server is refused, naming the same
// fields as `fractosctl validate` does.
// promise: O-30
TEST_F(AdmissionTest, InvalidGraphsNameTheFieldsThatValidateNames) {
  int compared = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(absl::StrCat(FRACTOS_SOURCE_DIR, "/tests/invalid"))) {
    if (entry.path().extension() != ".yaml") continue;
    SCOPED_TRACE(entry.path().filename());
    const std::set<std::string> expected = ExpectedFields(entry.path());
    const std::optional<kube::Object> object = AsSent(ReadFileOrDie(entry.path()));
    if (!object.has_value()) continue;
    // The server itself has no such fields.
    if (expected.size() == 1 && !absl::StartsWith(*expected.begin(), "spec") &&
        !absl::StartsWith(*expected.begin(), "metadata.n")) {
      continue;
    }
    const Admission admission = Try(*object);
    EXPECT_FALSE(admission.plan.has_value());
    std::set<std::string> fields;
    for (const Diagnostic& fault : admission.faults) fields.insert(fault.field);
    for (const Admission::Missing& missing : admission.missing) {
      fields.insert(missing.diagnostic.field);
    }
    EXPECT_EQ(fields, expected);
    ++compared;
  }
  EXPECT_GE(compared, 60);
}

}  // namespace
}  // namespace fractos
