#include "lib/runtime/otlp_exporter.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <set>

#include "absl/strings/match.h"
#include "tests/unit/lib/runtime/small_collector.h"

namespace fractos {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using Json = nlohmann::json;

Span Numbered(uint64_t id) {
  Span span;
  span.trace = TraceId::FromHex("4bf92f3577b34da6a3ce929d0e0e4736").value();
  span.id = id;
  span.name = "step";
  return span;
}

class OtlpExporterTest : public ::testing::Test {
 protected:
  // Gathers for ever, unless a batch is full or it is destroyed.
  OtlpExporter::Options Options() {
    OtlpExporter::Options options;
    options.url = collector_.endpoint() + "/v1/traces";
    options.resource = {{"service.name", "test"}};
    options.delay = hours(1);
    options.retry_delay = milliseconds(1);
    options.on_error = [this](const absl::Status& why) { errors_.emplace_back(why.message()); };
    return options;
  }

  SmallCollector collector_;
  std::vector<std::string> errors_;  // read when the exporter is gone
};

// Names, types and spelling of opentelemetry-proto's JSON: ids in hexadecimal, 64 bits as text,
// enums as numbers.
// promise: S-04
TEST_F(OtlpExporterTest, SpansAreWrittenAsTheProtocolHasThem) {
  Span span = Numbered(0x0102030405060708);
  span.parent = 0xfe;
  span.links = {0xab};
  span.kind = Span::Kind::kConsumer;
  span.start_us = 1'700'000'000'000'001;
  span.end_us = 1'700'000'000'000'003;
  span.attributes = {{"fractos.step", std::string("read")}, {"fractos.bytes", int64_t{42}}};
  span.events = {{"executing", 1'700'000'000'000'002}};
  span.failed = true;
  span.message = "no such key";
  EXPECT_EQ(Json::parse(OtlpTraces({{"service.name", "fractos-daemon"}}, {span})),
            Json::parse(R"json({"resourceSpans": [{
    "resource": {"attributes": [
      {"key": "service.name", "value": {"stringValue": "fractos-daemon"}}]},
    "scopeSpans": [{
      "scope": {"name": "fractos", "version": ")json" FRACTOS_VERSION R"json("},
      "spans": [{
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId": "0102030405060708",
        "parentSpanId": "00000000000000fe",
        "name": "step",
        "kind": 5,
        "startTimeUnixNano": "1700000000000001000",
        "endTimeUnixNano": "1700000000000003000",
        "attributes": [{"key": "fractos.step", "value": {"stringValue": "read"}},
                       {"key": "fractos.bytes", "value": {"intValue": "42"}}],
        "events": [{"timeUnixNano": "1700000000000002000", "name": "executing"}],
        "links": [{"traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00000000000000ab"}],
        "status": {"code": 2, "message": "no such key"}}]}]}]})json"));
}

TEST_F(OtlpExporterTest, WhatASpanHasNotIsLeftOutAndNoneEndsBeforeItStarts) {
  Span span = Numbered(1);
  span.start_us = 2;
  span.message = "\xff";
  const Json body = Json::parse(OtlpTraces({}, {span}));
  const Json& written = body["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
  for (const char* field : {"parentSpanId", "attributes", "events", "links", "status"}) {
    EXPECT_FALSE(written.contains(field)) << field;
  }
  EXPECT_EQ(written["endTimeUnixNano"], "2000");
}

// promise: S-04, S-05
TEST_F(OtlpExporterTest, SpansTravelTogetherAndTheLastWhenTheExporterEnds) {
  OtlpExporter::Options options = Options();
  options.max_batch = 3;
  {
    OtlpExporter exporter(options);
    for (uint64_t i = 1; i <= 3; ++i) exporter.Export(Numbered(i));
    ASSERT_TRUE(collector_.AwaitRequests(1));
    for (uint64_t i = 4; i <= 5; ++i) exporter.Export(Numbered(i));
  }
  const std::vector<Json> bodies = collector_.bodies();
  ASSERT_EQ(bodies.size(), 2u);
  EXPECT_EQ(bodies[0]["resourceSpans"][0]["scopeSpans"][0]["spans"].size(), 3u);
  EXPECT_EQ(bodies[1]["resourceSpans"][0]["scopeSpans"][0]["spans"].size(), 2u);
  EXPECT_EQ(collector_.types()[0], "application/json");
}

// promise: S-05
TEST_F(OtlpExporterTest, WhatHasNoRoomIsDroppedAndCountedWhileTheCollectorHangs) {
  OtlpExporter::Options options = Options();
  options.max_batch = 1;
  options.max_queue = 2;
  std::optional<OtlpExporter> exporter(options);
  collector_.Hold(true);
  exporter->Export(Numbered(1));
  ASSERT_TRUE(collector_.AwaitRequests(1));
  for (uint64_t i = 2; i <= 6; ++i) exporter->Export(Numbered(i));  // two have room
  EXPECT_EQ(exporter->stats().dropped, 3u);
  EXPECT_EQ(exporter->stats().exported, 0u);
  collector_.Hold(false);
  exporter.reset();
  std::set<std::string> arrived;  // what took too long was sent twice
  for (const Json& span : collector_.Spans()) arrived.insert(span["spanId"]);
  EXPECT_EQ(arrived.size(), 3u);
}

// promise: S-05
TEST_F(OtlpExporterTest, ABusyCollectorIsAskedAgainAndOneThatRefusesIsNot) {
  OtlpExporter::Options options = Options();
  options.max_batch = 1;
  std::optional<OtlpExporter> exporter(options);
  collector_.Refuse({503, 429});
  exporter->Export(Numbered(1));
  ASSERT_TRUE(collector_.AwaitRequests(3));
  collector_.Refuse({400, 503, 503, 503, 503, 503});
  exporter->Export(Numbered(2));
  ASSERT_TRUE(collector_.AwaitRequests(4));
  exporter->Export(Numbered(3));
  ASSERT_TRUE(collector_.AwaitRequests(9));
  exporter->Export(Numbered(4));
  ASSERT_TRUE(collector_.AwaitRequests(10));
  EXPECT_EQ(exporter->stats().dropped, 2u);
  exporter.reset();
  EXPECT_EQ(collector_.Spans().size(), 2u);
  ASSERT_EQ(errors_.size(), 1u) << "not again until one got through";
  EXPECT_TRUE(absl::StrContains(errors_[0], "answered 400")) << errors_[0];
}

TEST_F(OtlpExporterTest, WhereNobodyListensIsSaid) {
  OtlpExporter::Options options = Options();
  {
    SmallCollector gone;
    options.url = gone.endpoint() + "/v1/traces";
  }
  { OtlpExporter(options).Export(Numbered(1)); }
  ASSERT_EQ(errors_.size(), 1u);
  EXPECT_TRUE(absl::StrContains(errors_[0], options.url)) << errors_[0];
}

class OtlpEnvironmentTest : public OtlpExporterTest {
 protected:
  ~OtlpEnvironmentTest() override {
    for (const char* name : {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                             "OTEL_SERVICE_NAME"}) {
      ::unsetenv(name);
    }
  }
  static absl::StatusOr<std::unique_ptr<OtlpExporter>> Make(const std::string& endpoint = "") {
    return OtlpExporter::FromEnvironment("fractos-daemon", "lab/cnn/0", endpoint, nullptr);
  }
  // What arrives when a span is exported by it.
  Json Exported(const std::string& endpoint = "") {
    Make(endpoint).value()->Export(Numbered(1));
    const std::vector<Json> bodies = collector_.bodies();
    return bodies.empty() ? Json() : bodies.back()["resourceSpans"][0]["resource"]["attributes"];
  }
};

// promise: S-06
TEST_F(OtlpEnvironmentTest, WithoutAnEndpointNobodyTraces) {
  const auto none = Make();
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(*none, nullptr);
}

// promise: S-06
TEST_F(OtlpEnvironmentTest, TheStandardVariablesSayWhereToAndFromWhom) {
  ::setenv("OTEL_EXPORTER_OTLP_ENDPOINT", (collector_.endpoint() + "/").c_str(), 1);
  Json resource = Exported();
  EXPECT_EQ(resource[0]["value"]["stringValue"], "fractos-daemon");
  EXPECT_EQ(resource[1]["key"], "service.version");
  EXPECT_EQ(resource[2]["value"]["stringValue"], "lab/cnn/0");
  ::setenv("OTEL_SERVICE_NAME", "mine", 1);
  EXPECT_EQ(Exported()[0]["value"]["stringValue"], "mine");

  ::setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1", 1);
  ::setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", (collector_.endpoint() + "/v1/traces").c_str(), 1);
  Exported();
  ::setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1/v1/traces", 1);
  Exported(collector_.endpoint());
  EXPECT_EQ(collector_.bodies().size(), 4u);
}

TEST_F(OtlpEnvironmentTest, WhatIsNoPlainHttpIsRefusedByName) {
  for (const char* wrong : {"https://collector:4318", "collector:4318", "http://", "http:///x"}) {
    ::setenv("OTEL_EXPORTER_OTLP_ENDPOINT", wrong, 1);
    const auto made = Make();
    EXPECT_TRUE(absl::IsInvalidArgument(made.status())) << wrong;
    EXPECT_TRUE(absl::StrContains(made.status().message(), "OTEL_EXPORTER_OTLP_ENDPOINT"))
        << made.status();
  }
}

}  // namespace
}  // namespace fractos
