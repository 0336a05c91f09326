// A run over a real data centre, as a collector of its spans sees it.
#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/integration/cli_process.h"
#include "tests/unit/lib/runtime/small_collector.h"

namespace fractos {
namespace {

using ::testing::IsEmpty;
using Json = nlohmann::json;

constexpr char kTheirTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kTheirSpan[] = "00f067aa0ba902b7";

// Two branches over two devices that meet in a join; one of them grows.
constexpr char kGraph[] = R"(apiVersion: fractos.dev/v1alpha1
kind: TaskGraph
metadata: {name: traced}
spec:
  steps:
  - {name: one, device: math, operation: add, arguments: {a: 1, b: 2}}
  - {name: copied, device: echo, operation: identity, inputs: {data: one}}
  - {name: power, device: math, operation: power, arguments: {base: 3, exponent: 4}}
  - {name: both, device: math, operation: add, inputs: {a: copied, b: power}}
)";

class CliTraceTest : public ::testing::Test {
 protected:
  CliTraceTest() : cli_(FRACTOS_BIN_DIR) {
    ::setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector_.endpoint().c_str(), 1);
  }
  ~CliTraceTest() override {
    ::unsetenv("OTEL_EXPORTER_OTLP_ENDPOINT");
    ::unsetenv("TRACEPARENT");
  }

  // Runs to its end, and that of its daemons: all spans have been sent then.
  Json Run(const std::string& graph, const std::vector<std::string>& more = {}, int code = 0) {
    std::vector<std::string> words = {"run", cli_.Write("graph.yaml", graph), "-o", "json"};
    words.insert(words.end(), more.begin(), more.end());
    const CommandResult result = cli_.Run(words);
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_TRUE(cli_.AllGone());
    for (Json& span : collector_.Spans()) {
      for (const Json& each : span["attributes"]) {
        const Json& value = each["value"];
        span["is"][each["key"]] =
            value.contains("intValue") ? value["intValue"] : value["stringValue"];
      }
      EXPECT_TRUE(spans_.emplace(span["spanId"], span).second) << span;
    }
    return Json::parse(result.out, nullptr, false);
  }
  std::vector<Json> Named(const std::string& beginning) const {
    std::vector<Json> found;
    for (const auto& [id, span] : spans_) {
      if (absl::StartsWith(span["name"].get<std::string>(), beginning)) found.push_back(span);
    }
    return found;
  }
  Json StepSpan(const std::string& path) const {
    for (const auto& [id, span] : spans_) {
      if (span["kind"] == 5 && span["is"]["fractos.step"] == path) return span;
    }
    ADD_FAILURE() << "no span of step " << path;
    return Json();
  }

  std::set<std::string> Traced() const {
    std::set<std::string> steps;
    for (const auto& [id, span] : spans_) {
      if (span["kind"] == 5) steps.insert(span["is"]["fractos.step"]);
    }
    return steps;
  }

  // One trace, in which every span's parents lead to the run's.
  void ExpectATree() {
    ASSERT_EQ(Named("run").size(), 1u);
    const Json run = Named("run")[0];
    for (const auto& [id, span] : spans_) {
      EXPECT_EQ(span["traceId"], run["traceId"]);
      std::string at = id;
      for (size_t up = 0; at != run["spanId"] && up <= spans_.size(); ++up) {
        ASSERT_TRUE(spans_.contains(at)) << "there is no span " << at;
        at = spans_.at(at).value("parentSpanId", "none");
      }
      EXPECT_EQ(at, run["spanId"]) << span;
    }
  }

  SmallCollector collector_;
  Cli cli_;
  std::map<std::string, Json> spans_;
};

class CliTraceModeTest : public CliTraceTest, public ::testing::WithParamInterface<const char*> {};

// promise: S-01, S-04
TEST_P(CliTraceModeTest, ARunIsOneTraceWithASpanForEveryStepAndHop) {
  const Json end = Run(kGraph, {"--mode", GetParam()});
  ASSERT_FALSE(end.is_discarded());
  ExpectATree();
  const Json run = Named("run")[0];
  EXPECT_EQ(run["traceId"], end["run"]);
  EXPECT_EQ(run["service"], "fractosctl");
  EXPECT_EQ(run["is"]["fractos.phase"], "Succeeded");
  EXPECT_EQ(run["is"]["fractos.mode"], GetParam());

  std::set<std::string> done;
  for (const Json& step : end["steps"]) done.insert(step["path"]);
  EXPECT_EQ(Traced(), done);
  // A hop of a Centralized run is one through the middle: there and back.
  const size_t edges = 8;
  EXPECT_EQ(Named("hand over").size(),
            run["is"]["fractos.mode"] == "Centralized" ? Json(edges) : end["transfer"]["hops"]);

  const Json copied = StepSpan("copied");
  EXPECT_EQ(copied["parentSpanId"], StepSpan("one")["spanId"]);
  EXPECT_EQ(copied["name"], "default/echo identity");
  EXPECT_EQ(copied["service"], "fractos-daemon");
  EXPECT_EQ(copied["is"]["fractos.executor"], "default/echo-0");
  EXPECT_EQ(copied["is"]["fractos.attempt"], "1");
  EXPECT_EQ(StepSpan("both")["parentSpanId"], copied["spanId"]);
  EXPECT_EQ(StepSpan("both")["links"].size(), 1u) << "the join's other input";
  EXPECT_EQ(StepSpan("power")["parentSpanId"], run["spanId"]);
}

INSTANTIATE_TEST_SUITE_P(Modes, CliTraceModeTest, ::testing::Values("Distributed", "Centralized"));

// promise: S-01
TEST_F(CliTraceTest, AFailedRunSaysWhereAndWhyAndItsErrorContinuationIsInTheTrace) {
  Run(R"(apiVersion: fractos.dev/v1alpha1
kind: TaskGraph
metadata: {name: traced}
spec:
  steps:
  - {name: divided, device: math, operation: divide, arguments: {a: 1, b: 0}}
  onFailure:
  - {name: note, device: echo, operation: copy, arguments: {text: $(failure.reason)}}
)",
      {}, 1);
  ExpectATree();
  EXPECT_EQ(Traced(), (std::set<std::string>{"divided", "note"}));
  const Json step = StepSpan("divided");
  EXPECT_EQ(step["status"]["code"], 2);
  EXPECT_EQ(step["is"]["fractos.reason"], "DivisionByZero");
  const Json run = Named("run")[0];
  EXPECT_EQ(run["status"]["code"], 2);
  EXPECT_EQ(run["is"]["fractos.failed_step"], "divided");
}

// promise: S-02
TEST_F(CliTraceTest, ARunGoesOnInTheTraceOfWhoeverStartsIt) {
  ::setenv("TRACEPARENT", absl::StrCat("00-", kTheirTrace, "-", kTheirSpan, "-01").c_str(), 1);
  Run(kGraph);
  ExpectATree();
  EXPECT_EQ(Named("run")[0]["traceId"], kTheirTrace);
  EXPECT_EQ(Named("run")[0]["parentSpanId"], kTheirSpan);
}

// promise: S-03
TEST_F(CliTraceTest, OfATraceThatIsNotSampledNothingIsExported) {
  ::setenv("TRACEPARENT", absl::StrCat("00-", kTheirTrace, "-", kTheirSpan, "-00").c_str(), 1);
  Run(kGraph);
  EXPECT_THAT(spans_, IsEmpty());
}

TEST_F(CliTraceTest, ACollectorThatIsNotThereDoesNotStopARun) {
  for (const char* nowhere : {"http://127.0.0.1:1", "https://127.0.0.1:1"}) {
    ::setenv("OTEL_EXPORTER_OTLP_ENDPOINT", nowhere, 1);
    Run(kGraph);
  }
  EXPECT_THAT(spans_, IsEmpty());
}

}  // namespace
}  // namespace fractos
