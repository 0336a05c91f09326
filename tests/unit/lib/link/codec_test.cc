#include "lib/link/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fractos/v1/link.pb.h"
#include "lib/base/limits.h"
#include "lib/base/random.h"
#include "lib/plan/names.h"

namespace fractos {
namespace {

namespace pb = ::fractos::v1;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::SizeIs;

SeededRandom& Chance() {
  static SeededRandom random(1);
  return random;
}
template <typename Id>
Id NewId() {
  return Chance().NewId<Id>();
}

Incarnation SomeIncarnation() { return {{"default/math", 2}, NewId<BootId>()}; }
EdgeKey SomeEdge() { return {NewId<RunId>(), "power", NewId<ResultId>()}; }

Value SomeValue(bool with_bytes) {
  std::string bytes = "the bytes";
  Value value{Digest::Of(bytes), bytes.size(), SomeIncarnation(), NewId<ObjectId>(), nullptr};
  if (with_bytes) value.inline_bytes = std::make_shared<const std::string>(bytes);
  return value;
}

ResultPtr SomeResult(ResultState state, bool with_bytes) {
  auto result = std::make_shared<StepResult>();
  result->path = "power/3@00112233445566778899aabbccddeeff";
  result->state = state;
  result->id = NewId<ResultId>();
  result->lineage = NewId<Lineage>();
  if (state == ResultState::kSucceeded || state == ResultState::kRefined) {
    result->value = SomeValue(with_bytes);
  } else {
    result->failure = {"DivisionByZero", "7 / 0"};
  }
  result->executor = SomeIncarnation();
  result->attempts = 3;
  result->timing = {1, 2, 3, 4};
  result->transfer = {5, 6, 7};
  return result;
}

StepPtr SomeStep(const std::string& path) {
  auto step = std::make_shared<Step>();
  step->path = path;
  step->cluster = "default/math";
  step->operation = "multiply";
  step->arguments = R"({"by":"3"})";
  step->inputs = {{"a", "read", false}, {"b", "other", true}};
  step->bound = {{"c", SomeValue(true), true}};
  step->after = {"first"};
  step->when = WhenSpec{"a", Comparison::kMatches, "[0-9]+"};
  step->retry = {2, milliseconds(70)};
  step->timeout = std::chrono::seconds(9);
  step->effect = Effect::kIdempotent;
  step->deterministic_so_far = true;
  step->waits_for_record = true;
  step->refines_to = {"default/math:multiply"};
  step->stands_for = "power";
  return step;
}

HandOver SomeHandOver() {
  auto continuation = std::make_shared<Continuation>();
  continuation->run = NewId<RunId>();
  continuation->driver = Address::Driver("operator");
  continuation->mode = Mode::kCentralized;
  continuation->traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  continuation->steps = {SomeStep("power/1@00112233445566778899aabbccddeeff"), SomeStep("write")};
  continuation->signatures = {
      {"default/math", "multiply", Effect::kIdempotent, true, {"*"}, {"default/math:add"}}};
  continuation->clusters = {{"default/math", {"unix:/tmp/m0", "[::1]:4000"}, 1, 8}};
  HandOver message;
  message.redrive = 4;
  message.remaining = milliseconds(5500);
  message.sender = SomeIncarnation();
  message.sender_epoch = 6;
  message.edge = "read";
  message.result = SomeResult(ResultState::kSucceeded, true);
  message.ancestors = {SomeResult(ResultState::kRefined, false),
                       SomeResult(ResultState::kSkipped, false)};
  message.continuation = std::move(continuation);
  return message;
}

std::vector<Message> OneOfEach() {
  Report report;
  report.run = NewId<RunId>();
  report.redrive = 2;
  report.results = {SomeResult(ResultState::kSucceeded, true),
                    SomeResult(ResultState::kFailed, false)};
  report.lost = {NewId<ObjectId>()};
  report.executing = {"a", "b"};
  Recorded recorded;
  recorded.run = NewId<RunId>();
  recorded.redrive = 3;
  recorded.steps = {{"a", NewId<ResultId>()}};
  recorded.refused = {NewId<ResultId>()};
  recorded.release = {NewId<ObjectId>(), NewId<ObjectId>()};
  Query query;
  query.run = NewId<RunId>();
  query.redrive = 4;
  query.driver = Address::Driver("ctl");
  query.remaining = std::chrono::seconds(50);
  query.pinned = {{"a", NewId<ResultId>()}};
  Holding holding;
  holding.run = NewId<RunId>();
  holding.redrive = 5;
  holding.attempts = {{"a", NewId<Lineage>(), true}};
  holding.holds = {SomeEdge()};
  holding.candidates = {SomeEdge(), SomeEdge()};
  holding.values = {NewId<ObjectId>()};
  HandOver root = SomeHandOver();
  root.edge.clear();
  root.result = nullptr;
  return {SomeHandOver(),
          root,
          Accepted{SomeEdge(), 7},
          Passed{SomeEdge(), 8},
          Nack{SomeEdge(), 9, Refusal::kOverloaded, 10, {"default/x", 1}, milliseconds(20), "full"},
          StaleEpoch{"default/x", 11},
          report,
          recorded,
          query,
          FetchRedrive{NewId<RunId>()},
          holding,
          Abort{NewId<RunId>(), 12},
          End{NewId<RunId>()}};
}

// Field by field: comparing encodings would miss what the encoder forgets. Each is a list of all
// fields, so that a message that gains one is looked at here too.
bool Same(const ResultPtr& a, const ResultPtr& b) {
  if (a == nullptr || b == nullptr) return a == b;
  const auto bytes = [](const ResultPtr& result) {
    return result->value.IsInline() ? *result->value.inline_bytes : std::string("none");
  };
  return *a == *b && bytes(a) == bytes(b);
}
bool Same(const std::vector<ResultPtr>& a, const std::vector<ResultPtr>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const ResultPtr& x, const ResultPtr& y) { return Same(x, y); });
}
bool Same(const Step& a, const Step& b) {
  const auto when = [](const Step& step) {
    return step.when.has_value()
               ? std::make_tuple(step.when->input, step.when->comparison, step.when->operand)
               : std::make_tuple(std::string(), Comparison(), std::string("none"));
  };
  const auto fields = [](const Step& step) {
    return std::tie(step.path, step.stands_for, step.cluster, step.operation, step.arguments,
                    step.inputs, step.bound, step.after, step.retry.limit, step.retry.backoff,
                    step.timeout, step.effect, step.deterministic_so_far, step.waits_for_record,
                    step.refines_to);
  };
  return fields(a) == fields(b) && when(a) == when(b);
}
bool Same(const ContinuationPtr& a, const ContinuationPtr& b) {
  const auto fields = [](const Continuation& one) {
    return std::tie(one.run, one.driver, one.mode, one.traceparent, one.signatures, one.clusters);
  };
  return fields(*a) == fields(*b) &&
         std::equal(a->steps.begin(), a->steps.end(), b->steps.begin(), b->steps.end(),
                    [](const StepPtr& x, const StepPtr& y) { return Same(*x, *y); });
}
bool Same(const HandOver& a, const HandOver& b) {
  const auto fields = [](const HandOver& one) {
    return std::tie(one.redrive, one.remaining, one.sender, one.sender_epoch, one.edge);
  };
  return fields(a) == fields(b) && Same(a.result, b.result) && Same(a.ancestors, b.ancestors) &&
         Same(a.continuation, b.continuation);
}
bool Same(const Accepted& a, const Accepted& b) {
  return std::tie(a.edge, a.redrive) == std::tie(b.edge, b.redrive);
}
bool Same(const Passed& a, const Passed& b) {
  return std::tie(a.edge, a.redrive) == std::tie(b.edge, b.redrive);
}
bool Same(const Nack& a, const Nack& b) {
  const auto fields = [](const Nack& one) {
    return std::tie(one.edge, one.redrive, one.reason, one.seen, one.leader, one.retry_after,
                    one.message);
  };
  return fields(a) == fields(b);
}
bool Same(const StaleEpoch& a, const StaleEpoch& b) {
  return std::tie(a.cluster, a.seen) == std::tie(b.cluster, b.seen);
}
bool Same(const Report& a, const Report& b) {
  const auto fields = [](const Report& one) {
    return std::tie(one.run, one.redrive, one.lost, one.executing);
  };
  return fields(a) == fields(b) && Same(a.results, b.results);
}
bool Same(const Recorded& a, const Recorded& b) {
  const auto fields = [](const Recorded& one) {
    return std::tie(one.run, one.redrive, one.steps, one.refused, one.release);
  };
  return fields(a) == fields(b);
}
bool Same(const Query& a, const Query& b) {
  const auto fields = [](const Query& one) {
    return std::tie(one.run, one.redrive, one.driver, one.remaining, one.pinned);
  };
  return fields(a) == fields(b);
}
bool Same(const FetchRedrive& a, const FetchRedrive& b) { return a.run == b.run; }
bool Same(const Holding& a, const Holding& b) {
  const auto fields = [](const Holding& one) {
    return std::tie(one.run, one.redrive, one.holds, one.candidates, one.values);
  };
  return fields(a) == fields(b) &&
         std::equal(a.attempts.begin(), a.attempts.end(), b.attempts.begin(), b.attempts.end(),
                    [](const HeldAttempt& x, const HeldAttempt& y) {
                      return std::tie(x.step, x.lineage, x.executing) ==
                             std::tie(y.step, y.lineage, y.executing);
                    });
}
bool Same(const Abort& a, const Abort& b) {
  return std::tie(a.run, a.redrive) == std::tie(b.run, b.redrive);
}
bool Same(const End& a, const End& b) { return a.run == b.run; }
bool Same(const Message& a, const Message& b) {
  if (a.index() != b.index()) return false;
  return std::visit(
      [&b](const auto& body) { return Same(body, std::get<std::decay_t<decltype(body)>>(b)); }, a);
}

// promise: H-42
TEST(CodecTest, EveryMessageComesBackAsItWas) {
  for (const Message& message : OneOfEach()) {
    const std::string bytes = EncodeMessage(message);
    absl::StatusOr<Frame> frame = DecodeFrame(bytes);
    ASSERT_TRUE(frame.ok()) << frame.status();
    ASSERT_THAT(frame->messages, SizeIs(1));
    EXPECT_TRUE(Same(frame->messages[0], message)) << DebugString(message);
    EXPECT_EQ(EncodeMessage(frame->messages[0]), bytes);
  }
}

// promise: H-42
TEST(CodecTest, ADurationOutOfRangeIsSentAsTheNearestOneWithin) {
  HandOver message = SomeHandOver();
  const Duration too_long = kMaxDeadline + milliseconds(1);
  for (const auto& [said, read] : {std::pair<Duration, Duration>(milliseconds(-1), {}),
                                   std::pair<Duration, Duration>(too_long, kMaxDeadline)}) {
    message.remaining = said;
    const absl::StatusOr<Frame> frame = DecodeFrame(EncodeMessage(message));
    ASSERT_TRUE(frame.ok()) << frame.status();
    EXPECT_EQ(std::get<HandOver>(frame->messages[0]).remaining, read);
  }
}

// promise: H-42
TEST(CodecTest, AHandOverComesBackFieldByField) {
  const HandOver in = SomeHandOver();
  absl::StatusOr<Frame> frame = DecodeFrame(EncodeMessage(in));
  ASSERT_TRUE(frame.ok()) << frame.status();
  const auto& out = std::get<HandOver>(frame->messages[0]);
  EXPECT_EQ(out.redrive, 4u);
  EXPECT_EQ(out.remaining, milliseconds(5500));
  EXPECT_EQ(out.sender, in.sender);
  EXPECT_EQ(out.sender_epoch, 6u);
  EXPECT_EQ(out.edge, "read");
  EXPECT_EQ(*out.result, *in.result);
  EXPECT_EQ(*out.result->value.inline_bytes, "the bytes");
  ASSERT_THAT(out.ancestors, SizeIs(2));
  EXPECT_EQ(*out.ancestors[0], *in.ancestors[0]);
  EXPECT_EQ(*out.ancestors[1], *in.ancestors[1]);
  EXPECT_EQ(out.continuation->run, in.continuation->run);
  EXPECT_EQ(out.continuation->driver, in.continuation->driver);
  EXPECT_EQ(out.continuation->mode, Mode::kCentralized);
  EXPECT_EQ(out.continuation->traceparent, in.continuation->traceparent);
  EXPECT_EQ(out.continuation->signatures, in.continuation->signatures);
  EXPECT_EQ(out.continuation->clusters, in.continuation->clusters);
  ASSERT_THAT(out.continuation->steps, SizeIs(2));
  const Step& step = out.step();
  const Step& was = in.step();
  EXPECT_EQ(step.path, was.path);
  EXPECT_EQ(step.cluster, was.cluster);
  EXPECT_EQ(step.operation, was.operation);
  EXPECT_EQ(step.arguments, was.arguments);
  EXPECT_EQ(step.inputs, was.inputs);
  EXPECT_EQ(step.bound, was.bound);
  EXPECT_EQ(step.after, was.after);
  EXPECT_EQ(step.when->input, "a");
  EXPECT_EQ(step.when->comparison, Comparison::kMatches);
  EXPECT_EQ(step.when->operand, "[0-9]+");
  EXPECT_EQ(step.retry.limit, 2);
  EXPECT_EQ(step.retry.backoff, milliseconds(70));
  EXPECT_EQ(step.timeout, std::chrono::seconds(9));
  EXPECT_EQ(step.effect, Effect::kIdempotent);
  EXPECT_TRUE(step.deterministic_so_far);
  EXPECT_TRUE(step.waits_for_record);
  EXPECT_EQ(step.refines_to, was.refines_to);
  EXPECT_EQ(step.stands_for, "power");
}

TEST(CodecTest, PiecesBehindEachOtherAreAFrame) {
  PeerInfo info{SomeIncarnation(), 3, "{}", "unix:/tmp/memory"};
  absl::StatusOr<Frame> frame =
      DecodeFrame(EncodeMessage(StaleEpoch{"a/b", 1}) + EncodeMessage(StaleEpoch{"a/b", 2}) +
                  EncodeHello(info) + EncodePing(4) + EncodePong(5));
  ASSERT_TRUE(frame.ok()) << frame.status();
  ASSERT_THAT(frame->messages, SizeIs(2));
  EXPECT_EQ(std::get<StaleEpoch>(frame->messages[1]).seen, 2u);
  EXPECT_EQ(*frame->hello, info);
  EXPECT_EQ(frame->ping, 4u);
  EXPECT_EQ(frame->pong, 5u);
}

TEST(CodecTest, SharedInlineBytesTravelOnceAndThoseOfAncestorsNever) {
  auto bytes = std::make_shared<const std::string>(kMaxInlineValueBytes, 'x');
  Value value{Digest::Of(*bytes), bytes->size(), SomeIncarnation(), NewId<ObjectId>(), bytes};
  auto continuation = std::make_shared<Continuation>(*SomeHandOver().continuation);
  continuation->steps.clear();
  for (int i = 0; i < 20; ++i) {
    auto step = std::make_shared<Step>(*SomeStep(absl::StrCat("s", i)));
    step->bound = {{"base", value, false}};
    continuation->steps.push_back(step);
  }
  HandOver message = SomeHandOver();
  message.continuation = continuation;
  auto ancestor = std::make_shared<StepResult>(*message.ancestors[0]);
  ancestor->value = value;
  ancestor->value.inline_bytes = std::make_shared<const std::string>(*bytes);
  message.ancestors = {ancestor};
  const std::string encoded = EncodeMessage(message);
  EXPECT_LT(encoded.size(), kMaxInlineValueBytes + 16 * 1024);
  absl::StatusOr<Frame> frame = DecodeFrame(encoded);
  ASSERT_TRUE(frame.ok()) << frame.status();
  const auto& out = std::get<HandOver>(frame->messages[0]);
  EXPECT_EQ(*out.continuation->steps[19]->bound[0].value.inline_bytes, *bytes);
  EXPECT_EQ(out.continuation->steps[0]->bound[0].value.inline_bytes,
            out.continuation->steps[19]->bound[0].value.inline_bytes);
  EXPECT_FALSE(out.ancestors[0]->value.IsInline());
}

TEST(CodecTest, LongFailureMessagesAreCutSoThatTheyArrive) {
  auto result = std::make_shared<StepResult>(*SomeResult(ResultState::kFailed, false));
  result->failure.message = "\xff";  // adaptors may say anything
  while (result->failure.message.size() < 10'000) result->failure.message += "\u20ac";
  Report report;
  report.run = NewId<RunId>();
  report.results = {result};
  absl::StatusOr<Frame> frame = DecodeFrame(EncodeMessage(report));
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_THAT(std::get<Report>(frame->messages[0]).results[0]->failure.message,
              SizeIs(4096));  // 1 + 1365 * 3
}

// Promise: what a peer says is hostile input: bounded, and refused with the name of the field.
struct Spoiled {
  std::string field;
  std::function<void(pb::HandOver*, pb::Envelope*)> spoil;
};

TEST(CodecTest, EveryBoundIsKeptAndNamed) {
  const std::vector<Spoiled> cases = {
      {"run: an id is 16 bytes", [](auto* h, auto*) { h->set_run("short"); }},
      {"run: is missing", [](auto* h, auto*) { h->clear_run(); }},
      {"hand_over.remaining: out of range", [](auto* h, auto*) { h->set_remaining(-1); }},
      {"hand_over.remaining: out of range",
       [](auto* h, auto*) { h->set_remaining(3'600'000'001); }},
      {"hand_over.sender", [](auto* h, auto*) { h->mutable_sender()->set_boot("x"); }},
      {"hand_over.sender: replica", [](auto* h, auto*) { h->mutable_sender()->set_replica(64); }},
      {"hand_over.driver: has no cluster", [](auto* h, auto*) { h->clear_driver(); }},
      {"hand_over.edge", [](auto* h, auto*) { h->clear_edge(); }},
      {"hand_over.edge", [](auto* h, auto*) { h->clear_result(); }},
      {"hand_over.mode: of a kind", [](auto* h, auto*) { h->set_mode(2); }},
      {"hand_over.steps: there is no step", [](auto* h, auto*) { h->clear_steps(); }},
      {"hand_over.steps: more than 256",
       [](auto* h, auto*) {
         while (h->steps_size() <= 256) *h->add_steps() = h->steps(0);
       }},
      {"hand_over.ancestors: more than 256",
       [](auto* h, auto*) {
         while (h->ancestors_size() <= 256) *h->add_ancestors() = h->ancestors(0);
       }},
      {"clusters.endpoints: more than 64",
       [](auto* h, auto*) {
         while (h->clusters(0).endpoints_size() <= 64) h->mutable_clusters(0)->add_endpoints("x");
       }},
      {"clusters.cluster: is missing",
       [](auto* h, auto*) { h->mutable_clusters(0)->clear_cluster(); }},
      {"signatures.cluster: is missing", [](auto* h, auto*) { h->add_signatures(); }},
      {"signatures.operation: is missing",
       [](auto* h, auto*) { h->mutable_signatures(0)->clear_operation(); }},
      {"signatures.effect: of a kind",
       [](auto* h, auto*) { h->mutable_signatures(0)->set_effect(2); }},
      {"result.state: of a kind", [](auto* h, auto*) { h->mutable_result()->set_state(4); }},
      {"result.id: is missing", [](auto* h, auto*) { h->mutable_result()->clear_id(); }},
      {"result.value: does not go with", [](auto* h, auto*) { h->mutable_result()->set_state(1); }},
      {"result.failure_message: longer than 4096",
       [](auto* h, auto*) {
         h->mutable_ancestors(1)->set_failure_message(std::string(4097, 'x'));
       }},
      {"value.digest",
       [](auto* h, auto*) { h->mutable_result()->mutable_value()->set_digest("x"); }},
      {"value.inline_value: names bytes that are not there",
       [](auto* h, auto*) { h->mutable_result()->mutable_value()->set_inline_value(99); }},
      {"value.size: differs",
       [](auto* h, auto*) { h->mutable_result()->mutable_value()->set_size(1); }},
      {"inline_values: too long",
       [](auto*, auto* e) { e->add_inline_values(std::string(kMaxInlineValueBytes + 1, 'x')); }},
      {"steps.path: is missing", [](auto* h, auto*) { h->mutable_steps(1)->clear_path(); }},
      {"steps.path: longer than 128",
       [](auto* h, auto*) { h->mutable_steps(1)->set_path(std::string(129, 'x')); }},
      {"steps.cluster: is missing", [](auto* h, auto*) { h->mutable_steps(1)->clear_cluster(); }},
      {"steps.arguments: longer",
       [](auto* h, auto*) {
         h->mutable_steps(0)->set_arguments(std::string(kMaxSpecBytes + 1, 'x'));
       }},
      {"steps.inputs: more than 32",
       [](auto* h, auto*) {
         while (h->steps(0).inputs_size() < 32) h->mutable_steps(0)->add_inputs();
       }},  // and one bound
      {"steps.when.comparison",
       [](auto* h, auto*) { h->mutable_steps(0)->mutable_when()->set_comparison(3); }},
      {"steps.retry_limit", [](auto* h, auto*) { h->mutable_steps(0)->set_retry_limit(1000); }},
      {"steps.retry_backoff", [](auto* h, auto*) { h->mutable_steps(0)->set_retry_backoff(-5); }},
      {"steps.timeout", [](auto* h, auto*) { h->mutable_steps(0)->set_timeout(INT64_MAX); }},
      {"steps.effect", [](auto* h, auto*) { h->mutable_steps(0)->set_effect(7); }},
      {"stale_epoch.cluster: is missing",
       [](auto*, auto* e) { e->mutable_stale_epoch()->set_seen(7); }},
      {"holding.attempts.step: is missing",
       [](auto* h, auto* e) {
         const std::string run = h->run();  // which is gone with `h`
         e->mutable_holding()->set_run(run);
         e->mutable_holding()->add_attempts();
       }},
      {"message: of a kind", [](auto*, auto* e) { e->clear_message(); }},
  };
  const std::string good = EncodeMessage(SomeHandOver());
  for (const Spoiled& spoiled : cases) {
    pb::Frame frame;
    ASSERT_TRUE(frame.ParseFromString(good));
    pb::Envelope* envelope = frame.mutable_messages(0);
    spoiled.spoil(envelope->mutable_hand_over(), envelope);
    const absl::Status status = DecodeFrame(frame.SerializeAsString()).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << spoiled.field;
    EXPECT_THAT(std::string(status.message()), HasSubstr(spoiled.field));
  }
}

TEST(CodecTest, TheBoundsThemselvesAreAllowed) {
  pb::Frame frame;
  ASSERT_TRUE(frame.ParseFromString(EncodeMessage(SomeHandOver())));
  pb::HandOver* h = frame.mutable_messages(0)->mutable_hand_over();
  while (h->steps_size() < 256) *h->add_steps() = h->steps(1);
  while (h->ancestors_size() < 256) *h->add_ancestors() = h->ancestors(1);
  while (h->steps(0).inputs_size() < 31) h->mutable_steps(0)->add_inputs();
  h->set_remaining(3'600'000'000);
  EXPECT_TRUE(DecodeFrame(frame.SerializeAsString()).ok());
}

// Or a graph that is valid would break the Links that it travels.
TEST(CodecTest, NamesAsLongAsAGraphMayHaveThemArrive) {
  const std::string cluster =
      std::string(kMaxNamespaceLength, 'n') + "/" + std::string(kMaxNameLength, 'd');
  const std::string operation(kMaxNameLength, 'o');
  HandOver message = SomeHandOver();
  auto continuation = std::make_shared<Continuation>(*message.continuation);
  const OperationSignature signature = {
      cluster, operation,   Effect::kNone,
      true,    {operation}, {OperationSignature::KeyOf(cluster, operation)}};
  auto step = std::make_shared<Step>(*SomeStep(std::string(kMaxNameLength, 's')));
  step->cluster = cluster;
  step->operation = operation;
  step->refines_to = signature.refines_to;
  continuation->steps = {step};
  continuation->signatures = {signature};
  continuation->clusters = {{cluster, {"unix:/tmp/m0"}, 1, 8}};
  message.continuation = continuation;
  const absl::StatusOr<Frame> frame = DecodeFrame(EncodeMessage(message));
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(std::get<HandOver>(frame->messages[0]).continuation->signatures,
            continuation->signatures);
}

TEST(CodecTest, AHelloSaysWhoAndWhichVersion) {
  pb::Frame frame;
  ASSERT_TRUE(frame.ParseFromString(EncodeHello({SomeIncarnation(), 0, "", ""})));
  frame.mutable_hello()->set_protocol(2);
  EXPECT_THAT(std::string(DecodeFrame(frame.SerializeAsString()).status().message()),
              HasSubstr("hello.protocol: is 2, this version speaks 1"));
  frame.mutable_hello()->set_protocol(1);
  frame.mutable_hello()->mutable_self()->clear_boot();
  EXPECT_THAT(std::string(DecodeFrame(frame.SerializeAsString()).status().message()),
              HasSubstr("hello.self.boot: is missing"));
}

// Whatever bytes come: an answer, never a crash. What is accepted can be encoded again.
// promise: H-43
TEST(CodecTest, MutatedFramesNeverCrash) {
  SeededRandom random(2026);
  std::vector<std::string> frames;
  for (const Message& message : OneOfEach()) frames.push_back(EncodeMessage(message));
  frames.push_back(EncodeHello({SomeIncarnation(), 3, "{}", "unix:/x"}));
  size_t accepted = 0, refused = 0;
  for (int i = 0; i < 30'000; ++i) {
    std::string bytes = frames[random.Below(frames.size())];
    for (uint64_t flips = 1 + random.Below(4); flips > 0; --flips) {
      const size_t at = random.Below(bytes.size());
      switch (random.Below(4)) {
        case 0:
          bytes[at] = static_cast<char>(random.Next());
          break;
        case 1:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.Below(8)));
          break;
        case 2:
          bytes.erase(at, 1 + random.Below(8));
          break;
        case 3:
          bytes.insert(at, bytes.substr(random.Below(bytes.size()), random.Below(64)));
          break;
      }
      if (bytes.empty()) break;
    }
    absl::StatusOr<Frame> frame = DecodeFrame(bytes);
    ++(frame.ok() ? accepted : refused);
    if (!frame.ok()) continue;
    for (const Message& message : frame->messages) EncodeMessage(message);
  }
  EXPECT_GT(accepted, 1000u);
  EXPECT_GT(refused, 1000u);
}

}  // namespace
}  // namespace fractos
