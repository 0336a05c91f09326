#include "cli/inputs.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <string>

#include "absl/strings/str_replace.h"
#include "cli/copy.h"
#include "cli/draw.h"
#include "cli/known_devices.h"
#include "cli/run_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/limits.h"
#include "lib/base/unique_fd.h"

namespace fractos {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kGraph = R"(apiVersion: fractos.dev/v1alpha1
kind: TaskGraph
metadata: {name: classify}
spec:
  parameters: [{name: image, value: cat.png}]
  steps:
  - {name: read, device: storage, operation: get, arguments: {key: $(parameters.image)}}
  - {name: classify, device: cnn, operation: classify, inputs: {image: read}}
  - {name: write, device: storage, operation: put, arguments: {key: out}, inputs: {data: classify},
     after: [read]}
  onFailure:
  - {name: tell, device: echo, operation: identity, inputs: {data: read}}
)";

constexpr const char* kDevices = R"(apiVersion: fractos.dev/v1alpha1
kind: DeviceCluster
metadata: {name: storage}
spec:
  replicas: 3
  adaptor: {command: [fractos-adaptor, storage], options: {root: data}}
)";

TEST(InputsTest, WithoutDevicesTheDataCentreOfTheAdaptorsThatShipIsUsed) {
  const Inputs inputs = ParseInputs({{"g.yaml", kGraph, "/here"}}, "/mine");
  ASSERT_THAT(inputs.diagnostics, IsEmpty()) << FormatDiagnostics(inputs.diagnostics);
  EXPECT_TRUE(inputs.default_clusters);
  ASSERT_THAT(inputs.clusters, SizeIs(4));
  EXPECT_EQ(inputs.clusters[0].cluster.FullName(), "default/storage");
  EXPECT_EQ(inputs.clusters[0].cluster.adaptor.options, R"({"root":"/mine/storage"})");
  EXPECT_THAT(CheckGraph(inputs.graphs[0], inputs, {}), IsEmpty());
}

TEST(InputsTest, EveryAdaptorThatShipsHasADescriptionThatCanBeRead) {
  for (const DeviceCluster& cluster : DefaultDataCentre("/x")) {
    const auto description = KnownDescription(cluster);
    ASSERT_TRUE(description.has_value()) << cluster.name;
    EXPECT_THAT(description->operations, Not(IsEmpty())) << cluster.name;
  }
}

TEST(InputsTest, OwnDevicesReplaceTheDefaultAndStartInTheirFilesFolder) {
  const Inputs inputs =
      ParseInputs({{"g.yaml", kGraph, "/here"}, {"d.yaml", kDevices, "/there"}}, "/mine");
  ASSERT_THAT(inputs.diagnostics, IsEmpty()) << FormatDiagnostics(inputs.diagnostics);
  EXPECT_FALSE(inputs.default_clusters);
  ASSERT_THAT(inputs.clusters, SizeIs(1));
  EXPECT_EQ(inputs.clusters[0].folder, "/there");
  // cnn is not among them now.
  EXPECT_THAT(FormatDiagnostics(CheckGraph(inputs.graphs[0], inputs, {})), HasSubstr("cnn"));
}

TEST(InputsTest, WhoMissesADeviceHearsThatADataCentreIsUp) {
  Inputs inputs =
      ParseInputs({{"g.yaml", kGraph, "/here"}, {"d.yaml", kDevices, "/there"}}, "/mine");
  EXPECT_THAT(FormatDiagnostics(CheckGraph(inputs.graphs[0], inputs, {})), Not(HasSubstr("is up")));
  inputs.clusters_are_up = true;
  EXPECT_THAT(FormatDiagnostics(CheckGraph(inputs.graphs[0], inputs, {})),
              HasSubstr("there is no device \"cnn\"; the data centre that is up has storage; "
                        "`fractosctl down` ends it\n"));
}

TEST(InputsTest, OfAFileGivenByDevicesOnlyTheDevicesAreMeant) {
  const std::string both =
      absl::StrReplaceAll(kGraph, {{"classify}", "other}"}}) + std::string("---\n") + kDevices;
  const Inputs inputs =
      ParseInputs({{"g.yaml", kGraph, "/here"}, {"d.yaml", both, "/there", true}}, "/mine");
  ASSERT_THAT(inputs.diagnostics, IsEmpty()) << FormatDiagnostics(inputs.diagnostics);
  EXPECT_THAT(inputs.graphs, SizeIs(1));
  EXPECT_THAT(inputs.clusters, SizeIs(1));
}

TEST(InputsTest, AFileGivenByDevicesHasOne) {
  const Inputs inputs =
      ParseInputs({{"g.yaml", kGraph, "/here"}, {"d.yaml", kGraph, "/there", true}}, "/mine");
  EXPECT_EQ(FormatDiagnostics(inputs.diagnostics), "d.yaml: defines no DeviceCluster\n");
}

TEST(InputsTest, OneFileMayBeGivenBothWays) {
  const std::string both = std::string(kGraph) + "---\n" + kDevices;
  const Inputs inputs =
      ParseInputs({{"b.yaml", both, "/here"}, {"b.yaml", both, "/here", true}}, "/mine");
  ASSERT_THAT(inputs.diagnostics, IsEmpty()) << FormatDiagnostics(inputs.diagnostics);
  EXPECT_THAT(inputs.clusters, SizeIs(1));
}

TEST(InputsTest, ADeviceInTwoFilesIsRefused) {
  const Inputs inputs =
      ParseInputs({{"a.yaml", kDevices, "/a"}, {"b.yaml", kDevices, "/b"}}, "/mine");
  ASSERT_THAT(inputs.diagnostics, SizeIs(1));
  EXPECT_THAT(inputs.diagnostics[0].ToString(), HasSubstr("stands in a.yaml too"));
}

TEST(InputsTest, AnAdaptorThatDoesNotShipIsRefusedBeforeItIsWaitedFor) {
  const std::string text =
      absl::StrReplaceAll(kDevices, {{"adaptor, storage", "adaptor, storrage"}});
  const Inputs inputs = ParseInputs({{"d.yaml", text, "/"}}, "/");
  ASSERT_THAT(inputs.diagnostics, SizeIs(1));
  EXPECT_THAT(inputs.diagnostics[0].ToString(), HasSubstr("d.yaml:"));
  EXPECT_THAT(inputs.diagnostics[0].ToString(),
              HasSubstr("spec.adaptor.command[1]: no adaptor \"storrage\" ships, did you mean "
                        "\"storage\"?"));
}

TEST(InputsTest, ParametersAreNameValue) {
  const auto values = ParseParameters({"image=dog.png", "empty=", "eq=a=b"});
  ASSERT_TRUE(values.ok());
  EXPECT_EQ(values->at("image"), "dog.png");
  EXPECT_EQ(values->at("empty"), "");
  EXPECT_EQ(values->at("eq"), "a=b");
  EXPECT_FALSE(ParseParameters({"image"}).ok());
  EXPECT_FALSE(ParseParameters({"=x"}).ok());
  EXPECT_THAT(std::string(ParseParameters({"a=1", "a=2"}).status().message()),
              HasSubstr("given twice"));
}

TEST(InputsTest, OneRunIsOneGraph) {
  EXPECT_FALSE(OnlyGraph(ParseInputs({{"d.yaml", kDevices, "/"}}, "/")).ok());
  Inputs inputs = ParseInputs({{"a.yaml", kGraph, "/"}}, "/");
  inputs.graphs.push_back(inputs.graphs.front());
  EXPECT_FALSE(OnlyGraph(inputs).ok());
}

TEST(DrawTest, MermaidHasEveryStepAndEdge) {
  const Inputs inputs = ParseInputs({{"g.yaml", kGraph, "/"}}, "/");
  ASSERT_THAT(inputs.graphs, SizeIs(1));
  const std::string drawn = DrawMermaid(inputs.graphs[0]);
  EXPECT_THAT(drawn, HasSubstr("flowchart LR\n"));
  EXPECT_THAT(drawn, HasSubstr("step_read[\"<b>read</b><br/>storage.get\"]:::device0\n"));
  EXPECT_THAT(drawn, HasSubstr("step_read -->|image| step_classify\n"));
  EXPECT_THAT(drawn, HasSubstr("step_read -.-> step_write\n"));
  EXPECT_THAT(drawn, HasSubstr("subgraph on_failure"));
}

TEST(InputsTest, WhoDefinesADeviceHearsThatThoseThatShipAreNotThere) {
  const Inputs inputs =
      ParseInputs({{"g.yaml", kGraph, "/here"}, {"d.yaml", kDevices, "/there"}}, "/mine");
  EXPECT_THAT(
      FormatDiagnostics(CheckGraph(inputs.graphs[0], inputs, {})),
      HasSubstr("there is no device \"cnn\"; d.yaml defines DeviceClusters, so those that "
                "ship are not there: define cnn, too, with command [fractos-adaptor, cnn]"));
}

TEST(InputsTest, AnAdaptorThatDoesNotShipIsNamedWhereItStands) {
  const std::string text = absl::StrReplaceAll(kDevices, {{"adaptor, storage", "adaptor, stor"}});
  EXPECT_THAT(FormatDiagnostics(ParseInputs({{"d.yaml", text, "/"}}, "/").diagnostics),
              HasSubstr("d.yaml:6:40: spec.adaptor.command[1]: no adaptor \"stor\" ships"));
}

std::string AllFaultsOf(const std::map<std::string, std::string>& changes) {
  const Inputs inputs =
      ParseInputs({{"g.yaml", absl::StrReplaceAll(kGraph, changes), "/here"}}, "/mine");
  return FormatDiagnostics(CheckInputs(inputs, {}));
}

// promise: C-10
TEST(InputsTest, WhatCouldBeReadIsCheckedBesidesWhatCouldNot) {
  EXPECT_EQ(AllFaultsOf({}), "");
  EXPECT_EQ(AllFaultsOf({{"metadata: {name", "metadata: {label: x, name"},
                         {"operation: classify", "operation: clasify"}}),
            "g.yaml:3:12: metadata.label: unknown field, did you mean \"labels\"?\n"
            "g.yaml:8:46: spec.steps[1].operation: the device \"cnn\" has no operation "
            "\"clasify\", did you mean \"classify\"?\n");
}

// promise: C-10
TEST(InputsTest, WhatMayOnlyFollowFromAFaultIsNotSaidButThatThereMayBeMore) {
  EXPECT_EQ(AllFaultsOf({{"{name: classify, device", "{nam: classify, device"},
                         {"operation: classify", "operation: clasify"}}),
            "g.yaml:8:5: spec.steps[1].name: is required\n"
            "g.yaml:8:6: spec.steps[1].nam: unknown field, did you mean \"name\"?\n"
            "more may show once these are right\n");
  EXPECT_THAT(AllFaultsOf({{"kind: TaskGraph", "kind: Graph"}}),
              HasSubstr("\nmore may show once these are right\n"));
  EXPECT_THAT(AllFaultsOf({{"device: cnn", "device: cnm"}}),
              AllOf(HasSubstr("there is no device \"cnm\", did you mean \"cnn\"?\n"),
                    HasSubstr("\nmore may show once these are right\n")));
}

TEST(DrawTest, DotHasEveryStepAndEdge) {
  const Inputs inputs = ParseInputs({{"g.yaml", kGraph, "/"}}, "/");
  const std::string drawn = DrawDot(inputs.graphs[0]);
  EXPECT_THAT(drawn, HasSubstr("digraph \"classify\""));
  EXPECT_THAT(drawn, HasSubstr("\"read\" -> \"classify\" [label=\"image\"];"));
  EXPECT_THAT(drawn, HasSubstr("\"read\" -> \"write\" [style=dashed];"));
  EXPECT_THAT(drawn, HasSubstr("cluster_on_failure"));
}

TEST(DrawTest, TextFromTheGraphCannotLeaveItsLabel) {
  TaskGraph graph;
  graph.name = "x\"y";
  TaskGraphStep step;
  step.name = "a";
  step.device = "echo";
  step.operation = "identity";
  step.when = WhenSpec{"in", Comparison::kMatches, "\"] --> <b>\\"};
  graph.steps = {step};
  EXPECT_THAT(DrawMermaid(graph), HasSubstr("&quot;] --&gt; &lt;b&gt;"));
  EXPECT_THAT(DrawDot(graph), HasSubstr("\\\"] --> <b>\\\\"));
}

TEST(RunFolderTest, InputsComeBackAsTheyWere) {
  RunInputs inputs;
  inputs.sources = {{"g.yaml", std::string("a\0b\xff", 4), "/here"}};
  inputs.parameters = {{"image", "cat.png"}};
  inputs.name = "n";
  inputs.mode = Mode::kCentralized;
  inputs.deadline = std::chrono::milliseconds(1500);
  inputs.traceparent = "of who asked";
  inputs.restart = true;
  inputs.data_centre = "/tmp/fractos-x";
  inputs.data_centre_kept = true;
  const auto read = DecodeRunInputs(EncodeRunInputs(inputs));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->sources[0].text, inputs.sources[0].text);
  EXPECT_EQ(read->sources[0].folder, "/here");
  EXPECT_EQ(read->parameters, inputs.parameters);
  EXPECT_EQ(read->mode, Mode::kCentralized);
  EXPECT_EQ(read->deadline, inputs.deadline);
  EXPECT_EQ(read->traceparent, "of who asked");
  EXPECT_TRUE(read->restart);
  EXPECT_EQ(read->data_centre, "/tmp/fractos-x");
  EXPECT_TRUE(read->data_centre_kept);
  EXPECT_FALSE(DecodeRunInputs("{}").ok());
  EXPECT_FALSE(DecodeRunInputs("x").ok());
}

TEST(CopyTest, TellsKeysFromFiles) {
  EXPECT_EQ(ParseRemoteName("storage:cat.png", "default")->cluster, "default/storage");
  EXPECT_EQ(ParseRemoteName("storage:a/b:c", "default")->key, "a/b:c");
  EXPECT_EQ(ParseRemoteName("lab/disk:x", "default")->cluster, "lab/disk");
  EXPECT_FALSE(ParseRemoteName("cat.png", "default").has_value());
  EXPECT_FALSE(ParseRemoteName("./storage:x", "default").has_value());
  EXPECT_FALSE(ParseRemoteName("/a:b", "default").has_value());
  EXPECT_FALSE(ParseRemoteName(":x", "default").has_value());
}

// Which cannot be opened by the name that a file or a pipe has.
TEST(InputsTest, StandardInputMayBeASocket) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  ASSERT_EQ(::write(ends[0], "kind: TaskGraph\n", 16), 16);
  ::close(ends[0]);
  const UniqueFd kept(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  ::dup2(ends[1], STDIN_FILENO);
  ::close(ends[1]);
  const absl::StatusOr<SourceFile> source = ReadSource("-");
  ::dup2(kept.get(), STDIN_FILENO);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ(source->name, "<stdin>");
  EXPECT_EQ(source->text, "kind: TaskGraph\n");
}

}  // namespace
}  // namespace fractos
