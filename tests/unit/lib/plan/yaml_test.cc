#include "lib/plan/yaml.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/random.h"
#include "lib/plan/duration.h"
#include "lib/plan/yaml_node.h"
#include "tests/unit/lib/plan/shipped.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr char kGraph[] = R"(apiVersion: fractos.dev/v1alpha1
kind: TaskGraph
metadata:
  name: everything
  generateName: every-
  namespace: photos
  labels: {app: demo}
  annotations: {note: "yes"}
spec:
  parameters:
  - {name: image, value: cat.png}
  - {name: "n"}
  steps:
  - name: read
    device: storage
    operation: get
    arguments: {key: $(parameters.image), b: 1, a: [true, 2.5, "x"]}
  - name: what
    device: other/cnn
    operation: classify
    inputs: {image: read}
    after: [read]
    when: {input: image, matches: "a+"}
    retry: {limit: 3, backoff: 20ms}
    timeout: 1500ms
  onFailure:
  - {name: mend, device: echo, operation: copy}
  mode: Centralized
  deadline: 5m
)";

constexpr char kCluster[] = R"(apiVersion: fractos.dev/v1alpha1
kind: DeviceCluster
metadata: {name: storage, namespace: photos}
spec:
  replicas: 3
  adaptor:
    command: [fractos-adaptor, storage]
    image: registry.example/storage:1
    options: {root: /data, immutable: true}
    env: [{name: LANG, value: C}, {name: _X1, value: ""}]
  maxInFlight: 8
)";

// The faults of a graph whose spec ends in `spec`, which needs no devices.
std::string SpecFaults(absl::string_view spec) {
  return Faults(absl::StrCat("apiVersion: fractos.dev/v1alpha1\nkind: TaskGraph\n"
                             "metadata: {name: x}\nspec:\n",
                             spec),
                "f", {}, {}, {"default/d"});
}

// The arguments that a step gets, as JSON.
std::string Arguments(absl::string_view yaml) {
  const Documents documents = ParseDocuments(
      absl::StrCat("apiVersion: fractos.dev/v1alpha1\nkind: TaskGraph\nmetadata: {name: x}\n"
                   "spec: {steps: [{name: s, device: d, operation: o, arguments: ",
                   yaml, "}]}"),
      "f");
  if (!documents.diagnostics.empty()) return documents.diagnostics[0].message;
  return documents.graphs[0].steps[0].arguments;
}

// promise: G-18
TEST(YamlTest, ReadsEveryFieldOfATaskGraph) {
  const Documents documents = ParseDocuments(kGraph, "graph.yaml");
  ASSERT_THAT(documents.diagnostics, IsEmpty()) << documents.diagnostics[0].ToString();
  ASSERT_THAT(documents.graphs, SizeIs(1));
  EXPECT_THAT(documents.clusters, IsEmpty());
  const TaskGraph& graph = documents.graphs[0];
  EXPECT_EQ(graph.name, "everything");
  EXPECT_EQ(graph.generate_name, "every-");
  EXPECT_EQ(graph.ns, "photos");
  EXPECT_EQ(graph.mode, Mode::kCentralized);
  EXPECT_EQ(graph.deadline, std::chrono::minutes(5));
  EXPECT_EQ(graph.mark.line, 1);
  ASSERT_THAT(graph.parameters, SizeIs(2));
  EXPECT_EQ(graph.parameters[0].name, "image");
  EXPECT_EQ(graph.parameters[0].value, "cat.png");
  EXPECT_EQ(graph.parameters[1].name, "n");
  EXPECT_EQ(graph.parameters[1].value, std::nullopt);
  EXPECT_EQ(graph.parameters[1].mark.line, 12);
  ASSERT_THAT(graph.steps, SizeIs(2));
  const TaskGraphStep& read = graph.steps[0];
  EXPECT_EQ(read.name, "read");
  EXPECT_EQ(read.device, "storage");
  EXPECT_EQ(read.operation, "get");
  EXPECT_EQ(read.arguments, R"j({"a":[true,2.5,"x"],"b":1,"key":"$(parameters.image)"})j");
  EXPECT_THAT(read.inputs, IsEmpty());
  EXPECT_FALSE(read.when.has_value());
  EXPECT_FALSE(read.retry.has_value());
  EXPECT_FALSE(read.timeout.has_value());
  const TaskGraphStep& what = graph.steps[1];
  EXPECT_EQ(what.device, "other/cnn");
  EXPECT_EQ(what.arguments, "{}");
  EXPECT_THAT(what.inputs, ElementsAre(Pair("image", "read")));
  EXPECT_THAT(what.after, ElementsAre("read"));
  ASSERT_TRUE(what.when.has_value());
  EXPECT_EQ(what.when->input, "image");
  EXPECT_EQ(what.when->comparison, Comparison::kMatches);
  EXPECT_EQ(what.when->operand, "a+");
  ASSERT_TRUE(what.retry.has_value());
  EXPECT_EQ(what.retry->limit, 3);
  EXPECT_EQ(what.retry->backoff, milliseconds(20));
  EXPECT_EQ(what.timeout, milliseconds(1500));
  ASSERT_THAT(graph.on_failure, SizeIs(1));
  EXPECT_EQ(graph.on_failure[0].name, "mend");
}

// promise: G-15
TEST(YamlTest, RemembersWhereEachFieldStands) {
  const Documents documents = ParseDocuments(kGraph, "graph.yaml");
  const TaskGraphStep& what = documents.graphs[0].steps[1];
  EXPECT_EQ(what.mark.file, "graph.yaml");
  EXPECT_EQ(what.mark.line, 18);
  EXPECT_EQ(what.mark.column, 5);
  EXPECT_EQ(what.MarkOf("device").line, 19);
  EXPECT_EQ(what.MarkOf("device").column, 13);
  EXPECT_EQ(what.MarkOf("inputs.image").line, 21);
  EXPECT_EQ(what.MarkOf("after[0]").line, 22);
  EXPECT_EQ(what.MarkOf("when.matches").line, 23);
  EXPECT_EQ(what.MarkOf("retry.backoff").column, 32);
  EXPECT_EQ(what.MarkOf("timeout").line, 25);
  EXPECT_EQ(documents.graphs[0].steps[0].MarkOf("arguments.b").column, 46);
  EXPECT_EQ(what.MarkOf("arguments.b").line, 18);  // unknown: where the step is
  EXPECT_EQ(documents.graphs[0].deadline_mark.line, 29);
}

// promise: G-10
TEST(YamlTest, DefaultsOfATaskGraph) {
  const Documents documents = ParseDocuments(
      "apiVersion: fractos.dev/v1alpha1\nkind: TaskGraph\nmetadata: {generateName: a-}\n"
      "spec: {steps: [{name: s, device: d, operation: o, retry: {limit: 0}}]}",
      "f");
  ASSERT_THAT(documents.diagnostics, IsEmpty());
  const TaskGraph& graph = documents.graphs[0];
  EXPECT_EQ(graph.name, "");
  EXPECT_EQ(graph.generate_name, "a-");
  EXPECT_EQ(graph.DisplayName(), "a");
  EXPECT_EQ(graph.ns, "default");
  EXPECT_EQ(graph.mode, Mode::kDistributed);
  EXPECT_EQ(graph.deadline, seconds(60));
  EXPECT_EQ(graph.steps[0].arguments, "{}");
  EXPECT_EQ(graph.steps[0].retry->backoff, milliseconds(50));
  EXPECT_THAT(graph.on_failure, IsEmpty());
}

// promise: G-18
TEST(YamlTest, ReadsEveryFieldOfADeviceCluster) {
  const Documents documents = ParseDocuments(kCluster, "f");
  ASSERT_THAT(documents.diagnostics, IsEmpty()) << documents.diagnostics[0].ToString();
  ASSERT_THAT(documents.clusters, SizeIs(1));
  const DeviceCluster& cluster = documents.clusters[0];
  EXPECT_EQ(cluster.FullName(), "photos/storage");
  EXPECT_EQ(cluster.replicas, 3);
  EXPECT_THAT(cluster.adaptor.command, ElementsAre("fractos-adaptor", "storage"));
  EXPECT_EQ(cluster.adaptor.options, R"({"immutable":true,"root":"/data"})");
  EXPECT_THAT(cluster.adaptor.env, ElementsAre(Pair("LANG", "C"), Pair("_X1", "")));
  EXPECT_EQ(cluster.max_in_flight, 8);
  EXPECT_EQ(cluster.mark.line, 1);
}

TEST(YamlTest, DefaultsOfADeviceCluster) {
  const Documents documents = ParseDocuments(
      "apiVersion: fractos.dev/v1alpha1\nkind: DeviceCluster\nmetadata: {name: a}\n"
      "spec: {adaptor: {command: [x]}}",
      "f");
  ASSERT_THAT(documents.diagnostics, IsEmpty());
  const DeviceCluster& cluster = documents.clusters[0];
  EXPECT_EQ(cluster.FullName(), "default/a");
  EXPECT_EQ(cluster.replicas, 1);
  EXPECT_EQ(cluster.adaptor.options, "{}");
  EXPECT_EQ(cluster.max_in_flight, 64);
}

// promise: G-01
TEST(YamlTest, AFileHoldsSeveralDocuments) {
  const Documents documents =
      ParseDocuments(absl::StrCat("---\n---\n", kCluster, "---\n", kGraph, "---\n# end\n"), "f");
  EXPECT_THAT(documents.diagnostics, IsEmpty());
  EXPECT_THAT(documents.graphs, SizeIs(1));
  EXPECT_THAT(documents.clusters, SizeIs(1));
  EXPECT_EQ(documents.clusters[0].mark.line, 3);
}

// The same name may be a graph's and a cluster's, or stand in two namespaces.
// promise: B-14
TEST(YamlTest, NamesAreUniqueByKindAndNamespace) {
  const std::string head = "apiVersion: fractos.dev/v1alpha1\nkind: DeviceCluster\n";
  const std::string spec = "spec: {adaptor: {command: [x]}}\n";
  EXPECT_EQ(Faults(head + "metadata: {name: a}\n" + spec + "---\n" + head +
                       "metadata: {name: a, namespace: b}\n" + spec,
                   "f", {}),
            "");
  EXPECT_EQ(Faults(head + "metadata: {name: a}\n" + spec + "---\n" + head +
                       "metadata: {name: a, namespace: default}\n" + spec,
                   "f", {}),
            "f:8:18: metadata.name: this file has a DeviceCluster \"a\" already, on line 3\n");
}

// Plain integers become JSON integers (beyond int64: strings), plain true and false booleans, plain
// decimals numbers, and what is quoted strings.
TEST(YamlScalarTest, PlainScalarsHaveTheTypeTheyLookLike) {
  EXPECT_EQ(Arguments("{a: 0, b: -5, c: +7, d: 123}"), R"({"a":0,"b":-5,"c":7,"d":123})");
  EXPECT_EQ(Arguments("{a: 9223372036854775807, b: -9223372036854775808}"),
            R"({"a":9223372036854775807,"b":-9223372036854775808})");
  EXPECT_EQ(Arguments("{a: 9223372036854775808}"), R"({"a":"9223372036854775808"})");
  EXPECT_EQ(Arguments("{a: true, b: false}"), R"({"a":true,"b":false})");
  EXPECT_EQ(Arguments("{a: 2.5, b: -.5, c: 1e3, d: 4.}"),
            R"({"a":2.5,"b":-0.5,"c":1000.0,"d":4.0})");
  EXPECT_EQ(Arguments("{a: '5', b: \"true\", c: '', d: 'yes'}"),
            R"({"a":"5","b":"true","c":"","d":"yes"})");
  EXPECT_EQ(Arguments("{a: cat.png, b: 1.2.3, c: 2024-01-02, d: nn, e: 5s, f: e5, g: .}"),
            R"({"a":"cat.png","b":"1.2.3","c":"2024-01-02","d":"nn","e":"5s","f":"e5","g":"."})");
  EXPECT_EQ(Arguments("{a: {b: [{c: []}]}}"), R"({"a":{"b":[{"c":[]}]}})");
}

// The file must never be silently misread: what YAML's versions read differently is refused.
TEST(YamlScalarTest, AmbiguousScalarsAreRefused) {
  for (const char* scalar : {"yes", "No", "ON", "off", "y", "N", "True", "FALSE", "010", "0x1F",
                             "0o17", "0b1", "1_000", ".inf", "-.INF", ".nan", "00", "007.5"}) {
    EXPECT_THAT(Arguments(absl::StrCat("{a: ", scalar, "}")),
                HasSubstr("read differently by different programs"))
        << scalar;
  }
  EXPECT_THAT(Arguments("{a: 1e999}"), HasSubstr("too large for a number"));
  EXPECT_THAT(Arguments("{a: [null]}"), HasSubstr("has no value"));
  EXPECT_THAT(Arguments("{a: ~}"), HasSubstr("has no value"));
}

// kubectl would make another key of them; the entry counts all the same.
TEST(YamlScalarTest, KeysThatAreTruthValuesToKubectlTakeQuotes) {
  EXPECT_THAT(Arguments("{n: 5}"), HasSubstr("write \"n\": kubectl reads it as false"));
  EXPECT_THAT(Arguments("{a: {Yes: 5}}"), HasSubstr("write \"Yes\": kubectl reads it as true"));
  EXPECT_EQ(Arguments("{'n': 5, \"y\": 6, true: 7, ny: 8}"), R"({"n":5,"ny":8,"true":7,"y":6})");
}

TEST(YamlTest, AliasesStandForWhatTheyName) {
  EXPECT_EQ(Arguments("{a: &x [1, {b: 2}], c: *x, d: [*x]}"),
            R"({"a":[1,{"b":2}],"c":[1,{"b":2}],"d":[[1,{"b":2}]]})");
  EXPECT_EQ(Arguments("{a: &x text, c: *x}"), R"({"a":"text","c":"text"})");
}

TEST(YamlTest, AnAliasToAnEarlierDocumentIsUnknown) {
  EXPECT_THAT(Faults("a: &x 1\n---\nb: *x\n", "f", {}), HasSubstr("f:3:4: not YAML"));
}

// A file of 256 KiB, at the bound.
// promise: L-03, B-13
TEST(YamlLimitsTest, AFileHasAtMost256KiB) {
  std::string text = kCluster;
  text.resize(256 * 1024 - 1, '\n');
  EXPECT_THAT(ParseDocuments(text, "f").diagnostics, IsEmpty());
  text.push_back('\n');
  EXPECT_THAT(ParseDocuments(text, "f").diagnostics, IsEmpty());
  text.push_back('\n');
  EXPECT_EQ(Faults(text, "f", {}),
            "f: the file is 262145 bytes long, at most 262144 are allowed\n");
}

TEST(YamlLimitsTest, NestsThirtyTwoDeep) {
  const auto nested = [](size_t depth) {
    std::vector<Diagnostic> faults;
    LoadYaml(std::string(depth, '[') + std::string(depth, ']'), "f", &faults);
    return faults;
  };
  EXPECT_THAT(nested(kMaxYamlDepth), IsEmpty());
  EXPECT_THAT(nested(kMaxYamlDepth + 1), SizeIs(1));
  // With an alias for the innermost part, too.
  const auto by_alias = [](size_t outer) {
    std::vector<Diagnostic> faults;
    LoadYaml(absl::StrCat("- &a [[x]]\n- ", std::string(outer, '['), "*a", std::string(outer, ']')),
             "f", &faults);
    return faults;
  };
  EXPECT_THAT(by_alias(kMaxYamlDepth - 4), IsEmpty());
  EXPECT_THAT(by_alias(kMaxYamlDepth - 3), SizeIs(1));
}

// Text that aliases stand for counts each time.
// promise: L-14
TEST(YamlLimitsTest, AliasesStandForABoundedNumberOfBytes) {
  constexpr size_t kText = 64 * 1024;
  const auto faults = [](size_t aliases) {
    std::string text = "- &a " + std::string(kText, 'x') + "\n";
    for (size_t i = 0; i < aliases; ++i) text += "- *a\n";
    std::vector<Diagnostic> diagnostics;
    LoadYaml(text, "file.yaml", &diagnostics);
    return diagnostics;
  };
  EXPECT_THAT(faults(kMaxYamlCopiedBytes / kText), IsEmpty());
  EXPECT_THAT(faults(kMaxYamlCopiedBytes / kText + 1), SizeIs(1));
}

// The walk has a budget: all values of the file count, those that aliases stand for included.
TEST(YamlLimitsTest, HasAtMost65536Values) {
  // A list of `items` values and `aliases` aliases to a list of 99 (100 values with the list).
  const auto faults = [](int items, int aliases) {
    std::string text = "- &a [";
    for (int i = 0; i < 99; ++i) text += "x,";
    text += "]\n";
    for (int i = 0; i < items; ++i) text += "- x\n";
    for (int i = 0; i < aliases; ++i) text += "- *a\n";
    std::vector<Diagnostic> result;
    LoadYaml(text, "f", &result);
    return result;
  };
  // 1 for the outer list, 100 for the anchor, 654 * 100 for aliases, and 35 items: 65536.
  EXPECT_THAT(faults(35, 654), IsEmpty());
  EXPECT_THAT(faults(36, 654), SizeIs(1));
}

// promise: B-02
TEST(YamlLimitsTest, NestingThatIsHardToParseEndsQuickly) {
  for (const char* piece :
       {"[", "{", "- ", "? ", "[{", "{a: ", "!a ", "&a ", "\"", "|\n ", "a: "}) {
    std::string text;
    while (text.size() < 250'000) text += piece;
    EXPECT_FALSE(ParseDocuments(text, "f").diagnostics.empty()) << piece;
  }
}

// promise: B-14
TEST(YamlTest, DuplicateKeysAreAnErrorAtAnyDepth) {
  EXPECT_THAT(SpecFaults("  steps:\n  - {name: a, name: b, device: d, operation: o}\n"),
              HasSubstr("f:6:15: spec.steps[0].name: is there twice"));
  EXPECT_THAT(Arguments("{x: {a: [0, {z: 1, z: 2}]}}"), HasSubstr("is there twice"));
}

// All errors of a file are reported, not only the first, in file order.
TEST(YamlTest, AllFaultsAreReportedInFileOrder) {
  EXPECT_EQ(SpecFaults("  mode: 5\n  bogus: 1\n  deadline: soon\n  steps: 7\n"),
            "f:5:9: spec.mode: must be text; write it in quotes: \"5\"\n"
            "f:6:3: spec.bogus: unknown field\n"
            "f:7:13: spec.deadline: must be a number with a unit, like \"1500ms\", \"60s\", \"5m\" "
            "or \"1h\", not \"soon\"\n"
            "f:8:10: spec.steps: must be a list, not a number\n");
}

// promise: B-04
TEST(YamlTest, WrongTypesAreNamed) {
  EXPECT_EQ(SpecFaults("  deadline: [1s]\n  steps: []\n"),
            "f:5:13: spec.deadline: must be a duration like \"60s\", not a list\n");
  EXPECT_THAT(SpecFaults("  steps:\n  - {name: [], device: d, operation: o}\n"),
              HasSubstr("spec.steps[0].name: must be text, not a list"));
  EXPECT_THAT(SpecFaults("  steps:\n  - {name: s, device: d, operation: o, inputs: [a]}\n"),
              HasSubstr("spec.steps[0].inputs: must be a map, not a list"));
  EXPECT_THAT(SpecFaults("  steps:\n  - {name: s, device: d, operation: o, inputs: {a: }}\n"),
              HasSubstr("f:6:49: spec.steps[0].inputs.a: must be text, not nothing"));
  EXPECT_THAT(SpecFaults("  steps:\n  - {name: s, device: d, operation: o, after: s}\n"),
              HasSubstr("spec.steps[0].after: must be a list, not text"));
  EXPECT_THAT(SpecFaults("  steps:\n  - {name: s, device: d, operation: o, retry: 3}\n"),
              HasSubstr("spec.steps[0].retry: must be a map, not a number"));
  EXPECT_THAT(SpecFaults("  steps:\n  - {name: s, device: d, operation: o, retry: {}}\n"),
              HasSubstr("spec.steps[0].retry.limit: is required"));
  EXPECT_THAT(SpecFaults("  steps:\n  - {name: s, device: d, operation: o, when: true}\n"),
              HasSubstr("spec.steps[0].when: must be a map, not true or false"));
  EXPECT_THAT(SpecFaults("  steps:\n  - {name: s, device: d, operation: o, when: {equals: a}}\n"),
              HasSubstr("spec.steps[0].when.input: is required"));
  EXPECT_THAT(
      SpecFaults("  steps:\n  - {name: s, device: d, operation: o, when: {input: a, a: b}}\n"),
      HasSubstr("spec.steps[0].when.a: unknown field"));
  EXPECT_THAT(SpecFaults("  steps: []\n  \"a.b\": 1\n"),
              HasSubstr("f:6:3: spec.\"a.b\": unknown field"));
  EXPECT_THAT(SpecFaults("  steps: []\n  parameters: [{name: a, value: b, default: c}]\n"),
              HasSubstr("spec.parameters[0].default: unknown field"));
}

TEST(YamlLimitsTest, RetriesAreZeroToTen) {
  const auto faults = [](absl::string_view limit) {
    return SpecFaults(absl::StrCat(
        "  steps:\n  - {name: s, device: d, operation: o, retry: {limit: ", limit, "}}\n"));
  };
  EXPECT_EQ(faults("0"), "");
  EXPECT_EQ(faults("10"), "");
  EXPECT_THAT(faults("11"), HasSubstr("retry.limit: must be 0 to 10, not \"11\""));
  EXPECT_THAT(faults("-1"), HasSubstr("must be 0 to 10"));
  EXPECT_THAT(faults("99999999999999999999"), HasSubstr("must be 0 to 10"));
  EXPECT_THAT(faults("1.5"), HasSubstr("must be an integer, not a number"));
  EXPECT_THAT(faults("'1'"), HasSubstr("must be an integer, not text"));
}

// promise: G-24
TEST(YamlTest, AGraphMayBeCancelled) {
  const auto read = [](absl::string_view cancel) {
    return ParseDocuments(absl::StrCat("apiVersion: fractos.dev/v1alpha1\nkind: TaskGraph\n"
                                       "metadata: {name: x}\nspec:\n  cancel: ",
                                       cancel, "\n  steps: [{name: s, device: d, operation: o}]"),
                          "f");
  };
  EXPECT_TRUE(read("true").graphs.at(0).cancel);
  EXPECT_FALSE(read("false").graphs.at(0).cancel);
  EXPECT_FALSE(ParseDocuments(kGraph, "f").graphs.at(0).cancel);
  for (const auto& [bad, said] : {std::pair("'true'", "text"), std::pair("1", "a number"),
                                  std::pair("yes", "\"yes\""), std::pair("[true]", "a list")}) {
    ASSERT_THAT(read(bad).diagnostics, SizeIs(1)) << bad;
    EXPECT_EQ(read(bad).diagnostics[0].message, absl::StrCat("must be true or false, not ", said));
  }
}

TEST(YamlLimitsTest, ObjectsStayForAYearAtMost) {
  const auto faults = [](absl::string_view ttl) {
    return SpecFaults(absl::StrCat("  steps: [{name: s, device: d, operation: o}]\n",
                                   "  ttlSecondsAfterFinished: ", ttl, "\n"));
  };
  EXPECT_EQ(faults("0"), "");
  EXPECT_EQ(faults("31536000"), "");
  EXPECT_THAT(faults("-1"), HasSubstr("spec.ttlSecondsAfterFinished: must be 0 to 31536000"));
  EXPECT_THAT(faults("31536001"), HasSubstr("must be 0 to 31536000, not \"31536001\""));
  EXPECT_THAT(faults("60s"), HasSubstr("must be an integer, not text"));
}

TEST(YamlLimitsTest, GeneratedNamesLeaveRoomForFiveCharacters) {
  const auto faults = [](size_t size) {
    return Faults(absl::StrCat("apiVersion: fractos.dev/v1alpha1\nkind: TaskGraph\nmetadata: "
                               "{generateName: ",
                               std::string(size, 'a'),
                               "}\nspec: {steps: [{name: s, device: d, operation: o}]}"),
                  "f", {}, {}, {"default/d"});
  };
  EXPECT_EQ(faults(35), "");
  EXPECT_THAT(faults(36), HasSubstr("metadata.generateName: must be"));
}

TEST(DiagnosticTest, LeavesOutWhatIsNotKnown) {
  EXPECT_EQ((Diagnostic{{"f", 3, 5}, "spec.x", "is bad"}).ToString(), "f:3:5: spec.x: is bad");
  EXPECT_EQ((Diagnostic{{"f", 0, 0}, "spec.x", "is bad"}).ToString(), "f: spec.x: is bad");
  EXPECT_EQ((Diagnostic{{"f", 1, 1}, "", "is bad"}).ToString(), "f:1:1: is bad");
  EXPECT_EQ((Diagnostic{{"", 3, 5}, "", "is bad"}).ToString(), "3:5: is bad");
  EXPECT_EQ((Diagnostic{{}, "", "is bad"}).ToString(), "is bad");
}

TEST(DiagnosticTest, SortsByLineThenColumnAndKeepsTheRest) {
  std::vector<Diagnostic> all = {{{"f", 2, 1}, "a", ""},
                                 {{"f", 1, 9}, "b", ""},
                                 {{"f", 1, 2}, "c", ""},
                                 {{"f", 0, 0}, "d", ""},
                                 {{"f", 1, 2}, "e", ""}};
  SortByPlace(&all);
  std::string order;
  for (const Diagnostic& each : all) order += each.field;
  EXPECT_EQ(order, "dceba");
}

TEST(DurationTest, Reads) {
  EXPECT_EQ(*ParseDuration("1500ms"), milliseconds(1500));
  EXPECT_EQ(*ParseDuration("60s"), seconds(60));
  EXPECT_EQ(*ParseDuration("5m"), std::chrono::minutes(5));
  EXPECT_EQ(*ParseDuration("1h"), std::chrono::hours(1));
  EXPECT_EQ(*ParseDuration("7us"), std::chrono::microseconds(7));
  EXPECT_EQ(*ParseDuration("9ns"), std::chrono::nanoseconds(9));
  EXPECT_EQ(*ParseDuration("0s"), Duration::zero());
  EXPECT_EQ(ParseDuration("9223372036854775807ns")->count(), 9223372036854775807);
  EXPECT_EQ(ParseDuration("9223372036s")->count(), 9223372036000000000);
}

TEST(DurationTest, Refuses) {
  for (const char* bad : {"", "5", "s", "-5s", "+5s", "1.5s", " 5s", "5 s", "5s ", "5sec", "5S",
                          "1m30s", "9223372037s", "9223372036854775808ns", "2562048h"}) {
    EXPECT_EQ(ParseDuration(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(DurationTest, WritesWithTheLargestUnitThatIsExact) {
  EXPECT_EQ(FormatDuration(Duration::zero()), "0s");
  for (const char* text : {"1ns", "999ns", "1us", "1500us", "1ms", "1500ms", "1s", "59s", "61s",
                           "1m", "90m", "1h", "25h"}) {
    EXPECT_EQ(FormatDuration(*ParseDuration(text)), text);
  }
  EXPECT_EQ(FormatDuration(*ParseDuration("60s")), "1m");
  EXPECT_EQ(FormatDuration(seconds(-5)), "-5s");
}

// Parsing any bytes must never crash: seeded, bounded mutations of valid files.
TEST(YamlFuzzTest, MutatedFilesNeverCrash) {
  const Descriptions devices = ShippedDevices();
  SeededRandom random(20220407);
  const std::string seeds[] = {kGraph, kCluster, absl::StrCat(kCluster, "---\n", kGraph),
                               ReadFileOrDie(FRACTOS_SOURCE_DIR "/tests/crds/every_field.yaml")};
  const std::string pieces[] = {"[",
                                "]",
                                "{",
                                "}",
                                ": ",
                                "- ",
                                "\n",
                                "&a ",
                                "*a",
                                "<<: ",
                                "!!str ",
                                "'",
                                "\"",
                                "|",
                                "%",
                                "---\n",
                                "$(",
                                "$$(",
                                ")",
                                "null",
                                "\t",
                                "\xff",
                                "# ",
                                "? ",
                                "9999999999999999999",
                                "$(parameters.n)",
                                "name"};
  int valid = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = seeds[random.Below(std::size(seeds))];
    for (uint64_t edits = random.Below(6); edits > 0 && !text.empty(); --edits) {
      const size_t at = random.Below(text.size());
      switch (random.Below(4)) {
        case 0:
          text[at] = static_cast<char>(random.Next());
          break;
        case 1:
          text.erase(at, random.Below(12));
          break;
        case 2:
          text.insert(at, pieces[random.Below(std::size(pieces))]);
          break;
        default:
          text.insert(at, text.substr(random.Below(text.size()), random.Below(40)));
      }
    }
    const Documents documents = ParseDocuments(text, "f");
    for (const TaskGraph& graph : documents.graphs) {
      const bool ok = Validate(graph, devices, {{"n", "5"}}).empty();
      EXPECT_EQ(Compile(graph, devices, {{"n", "5"}}).ok(), ok) << text;
    }
    if (documents.diagnostics.empty()) ++valid;
  }
  EXPECT_GT(valid, 300);  // or the mutations get no further than the parser
}

}  // namespace
}  // namespace fractos
