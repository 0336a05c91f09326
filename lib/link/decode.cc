#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "lib/link/codec.h"
#include "lib/link/wire.h"

namespace fractos {
namespace {

namespace pb = ::fractos::v1;
using google::protobuf::RepeatedPtrField;
using google::protobuf::internal::WireFormatLite;
using wire::kMaxKeyBytes;
using wire::kMaxNameBytes;
using wire::kMaxTextBytes;
using wire::kProtocol;

constexpr size_t kMaxListed = 4096;

// What one message may become while it is read. No message within the bounds gets near it, but two
// bytes are enough for an element of a list, and that would be fifty.
constexpr size_t kMaxReadBytes = 4 * kMaxMessageBytes;

// What all that is listed in one frame may become, the messages themselves included, but not the
// texts, which are as long as they were. An Outbox gathers a quarter of a frame, and the least that
// stands for an element there becomes some 25 times its bytes (a step with names of one letter).
constexpr size_t kMaxListedBytes = 8 * kMaxMessageBytes;

// Bytes given to the parser piece by piece, for as long as it has not made too much of them.
class BoundedInput final : public google::protobuf::io::ZeroCopyInputStream {
 public:
  static constexpr size_t kPieceBytes = 16 * 1024;

  BoundedInput(absl::string_view bytes, const wire::FrameArena* arena)
      : bytes_(bytes), arena_(arena) {}

  bool Next(const void** data, int* size) override {
    const absl::string_view piece = bytes_.substr(at_, kPieceBytes);
    if (piece.empty() || arena_->allocated() > kMaxReadBytes) return false;
    *data = piece.data();
    *size = static_cast<int>(piece.size());
    at_ += piece.size();
    return true;
  }
  void BackUp(int count) override { at_ -= static_cast<size_t>(count); }
  bool Skip(int count) override {
    const size_t skipped = std::min(static_cast<size_t>(count), bytes_.size() - at_);
    at_ += skipped;
    return skipped == static_cast<size_t>(count);
  }
  int64_t ByteCount() const override { return static_cast<int64_t>(at_); }

 private:
  const absl::string_view bytes_;
  const wire::FrameArena* const arena_;
  size_t at_ = 0;
};

// Reads parts of a frame. The first error stays; everything after it is skipped.
class Reader {
 public:
  absl::Status status() const { return status_; }

  // One message after the other, each checked before the next is parsed: a frame has room for
  // millions.
  void ReadFrame(absl::string_view bytes, Frame* out) {
    using google::protobuf::io::CodedInputStream;
    CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                        static_cast<int>(bytes.size()));
    if (!MakeRoom(CountMessages(bytes), kMaxMessageBytes, "messages", &out->messages)) return;
    bool whole = true;
    while (const uint32_t tag = whole && status_.ok() ? in.ReadTag() : 0) {
      if (tag == Tag(pb::Frame::kMessagesFieldNumber)) {
        pb::Envelope* envelope = Parse<pb::Envelope>(bytes, &in);
        if (envelope != nullptr) ReadEnvelope(*envelope, out);
      } else if (tag == Tag(pb::Frame::kHelloFieldNumber)) {
        const pb::Hello* hello = Parse<pb::Hello>(bytes, &in);
        if (hello != nullptr) ReadHello(*hello, &out->hello.emplace());
      } else if (tag == Tag(pb::Frame::kPingFieldNumber, WireFormatLite::WIRETYPE_VARINT)) {
        whole = in.ReadVarint64(&out->ping);
      } else if (tag == Tag(pb::Frame::kPongFieldNumber, WireFormatLite::WIRETYPE_VARINT)) {
        whole = in.ReadVarint64(&out->pong);
      } else {
        whole = WireFormatLite::SkipField(&in, tag);
      }
    }
    if (!whole || !in.ConsumedEntireMessage()) FailFrame();
  }

 private:
  void Fail(absl::string_view field, absl::string_view problem) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat(field, ": ", problem));
  }

  void FailFrame() {
    if (status_.ok()) status_ = absl::InvalidArgumentError("this is no frame of a Link");
  }

  static constexpr uint32_t Tag(
      int field, WireFormatLite::WireType type = WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
    return static_cast<uint32_t>(field) << 3 | static_cast<uint32_t>(type);
  }

  // As far as it is a frame.
  static int CountMessages(absl::string_view bytes) {
    google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                                              static_cast<int>(bytes.size()));
    int count = 0;
    while (const uint32_t tag = in.ReadTag()) {
      if (tag == Tag(pb::Frame::kMessagesFieldNumber)) ++count;
      if (!WireFormatLite::SkipField(&in, tag)) break;
    }
    return count;
  }

  // What comes next in `in`, which reads `bytes`. Null once there is an error. Lives until the next
  // call.
  template <typename M>
  M* Parse(absl::string_view bytes, google::protobuf::io::CodedInputStream* in) {
    arena_.Reset();
    M* message = arena_.New<M>();
    uint32_t size = 0;
    const bool sized = in->ReadVarint32(&size);
    const absl::string_view part = bytes.substr(static_cast<size_t>(in->CurrentPosition()), size);
    BoundedInput input(part, &arena_);
    const bool parsed =
        sized && part.size() == size && in->Skip(static_cast<int>(size)) &&
        (size <= BoundedInput::kPieceBytes
             ? message->ParseFromArray(part.data(), static_cast<int>(size))
             : message->ParseFromBoundedZeroCopyStream(&input, static_cast<int>(size)));
    if (!parsed) FailFrame();
    return parsed ? message : nullptr;
  }

  void ReadHello(const pb::Hello& in, PeerInfo* out) {
    if (in.protocol() != kProtocol) {
      Fail("hello.protocol",
           absl::StrCat("is ", in.protocol(), ", this version speaks ", kProtocol));
    }
    ReadIncarnation(in.self(), "hello.self", &out->self);
    if (out->self.boot.IsNone()) Fail("hello.self.boot", "is missing");
    out->epoch = in.epoch();
    ReadText(in.description_json(), kMaxSpecBytes, "hello.description_json",
             &out->description_json);
    ReadText(in.memory_endpoint(), kMaxTextBytes, "hello.memory_endpoint", &out->memory_endpoint);
  }

  void ReadEnvelope(pb::Envelope& in, Frame* out) {
    inline_values_.clear();
    if (static_cast<size_t>(in.inline_values_size()) > kMaxListed) {
      return Fail("inline_values", "too many");
    }
    if (!Charge(static_cast<size_t>(in.inline_values_size()) * sizeof(std::string))) return;
    for (std::string& bytes : *in.mutable_inline_values()) {
      if (bytes.size() > kMaxInlineValueBytes) return Fail("inline_values", "too long");
      inline_values_.push_back(std::make_shared<const std::string>(std::move(bytes)));
    }
    switch (in.message_case()) {
      case pb::Envelope::kHandOver:
        return Add<HandOver>(in.hand_over(), out);
      case pb::Envelope::kAccepted:
        return Add<Accepted>(in.accepted(), out);
      case pb::Envelope::kPassed:
        return Add<Passed>(in.passed(), out);
      case pb::Envelope::kNack:
        return Add<Nack>(in.nack(), out);
      case pb::Envelope::kStaleEpoch:
        return Add<StaleEpoch>(in.stale_epoch(), out);
      case pb::Envelope::kReport:
        return Add<Report>(in.report(), out);
      case pb::Envelope::kRecorded:
        return Add<Recorded>(in.recorded(), out);
      case pb::Envelope::kQuery:
        return Add<Query>(in.query(), out);
      case pb::Envelope::kFetchRedrive:
        return Add<FetchRedrive>(in.fetch_redrive(), out);
      case pb::Envelope::kHolding:
        return Add<Holding>(in.holding(), out);
      case pb::Envelope::kAbort:
        return Add<Abort>(in.abort(), out);
      case pb::Envelope::kEnd:
        return Add<End>(in.end(), out);
      case pb::Envelope::MESSAGE_NOT_SET:
        return Fail("message", "of a kind that this version does not know");
    }
  }

  template <typename M, typename In>
  void Add(const In& in, Frame* out) {
    Read(in, &std::get<M>(out->messages.emplace_back(std::in_place_type<M>)));
  }

  void Read(const pb::HandOver& in, HandOver* out) {
    out->redrive = in.redrive();
    ReadDuration(in.remaining(), kMaxDeadline, "hand_over.remaining", &out->remaining);
    ReadIncarnation(in.sender(), "hand_over.sender", &out->sender);
    out->sender_epoch = in.sender_epoch();
    ReadName(in.edge(), "hand_over.edge", &out->edge);
    if (in.has_result()) out->result = ReadResult(in.result(), "hand_over.result");
    if (in.has_result() == in.edge().empty()) {
      Fail("hand_over.edge", "must be there with a result, and only then");
    }
    if (!MakeRoom(in.ancestors_size(), kMaxSteps, "hand_over.ancestors", &out->ancestors)) return;
    for (const pb::StepResult& ancestor : in.ancestors()) {
      out->ancestors.push_back(ReadResult(ancestor, "hand_over.ancestors"));
    }
    if (!Charge(sizeof(Continuation))) return;
    auto continuation = std::make_shared<Continuation>();
    ReadRun(in.run(), &continuation->run);
    ReadAddress(in.driver(), "hand_over.driver", &continuation->driver);
    ReadEnum(in.mode(), Mode::kCentralized, "hand_over.mode", &continuation->mode);
    ReadName(in.traceparent(), "hand_over.traceparent", &continuation->traceparent);
    if (in.steps().empty()) Fail("hand_over.steps", "there is no step to do");
    if (!MakeRoom(in.steps_size(), kMaxSteps, "hand_over.steps", &continuation->steps)) return;
    for (const pb::Step& step : in.steps()) continuation->steps.push_back(ReadStep(step));
    if (!MakeRoom(in.signatures_size(), kMaxListed, "hand_over.signatures",
                  &continuation->signatures)) {
      return;
    }
    for (const pb::Signature& signature : in.signatures()) {
      OperationSignature& s = continuation->signatures.emplace_back();
      ReadNeeded(signature.cluster(), "signatures.cluster", &s.cluster);
      ReadNeeded(signature.operation(), "signatures.operation", &s.operation);
      ReadEnum(signature.effect(), Effect::kIdempotent, "signatures.effect", &s.effect);
      s.deterministic = signature.deterministic();
      ReadTexts(signature.passed_inputs(), kMaxInputs + 1, kMaxNameBytes,
                "signatures.passed_inputs", &s.passed_inputs);
      ReadTexts(signature.refines_to(), kMaxRefinesTo, kMaxKeyBytes, "signatures.refines_to",
                &s.refines_to);
    }
    if (!MakeRoom(in.clusters_size(), kMaxListed, "hand_over.clusters", &continuation->clusters)) {
      return;
    }
    for (const pb::ClusterView& view : in.clusters()) {
      ClusterView& v = continuation->clusters.emplace_back();
      ReadNeeded(view.cluster(), "clusters.cluster", &v.cluster);
      ReadTexts(view.endpoints(), size_t{kMaxClusterReplicas}, kMaxTextBytes, "clusters.endpoints",
                &v.endpoints);
      v.leader = view.leader();
      v.epoch = view.epoch();
    }
    out->continuation = std::move(continuation);
  }
  template <typename Out>
  void ReadSettled(const pb::Settled& in, Out* out) {
    ReadEdge(in.edge(), "settled.edge", &out->edge);
    out->redrive = in.redrive();
  }
  void Read(const pb::Settled& in, Accepted* out) { ReadSettled(in, out); }
  void Read(const pb::Settled& in, Passed* out) { ReadSettled(in, out); }
  void Read(const pb::Nack& in, Nack* out) {
    ReadEdge(in.edge(), "nack.edge", &out->edge);
    out->redrive = in.redrive();
    ReadEnum(in.reason(), kLastRefusal, "nack.reason", &out->reason);
    out->seen = in.seen();
    if (in.has_leader()) ReadAddress(in.leader(), "nack.leader", &out->leader);
    ReadDuration(in.retry_after(), kMaxDeadline, "nack.retry_after", &out->retry_after);
    ReadText(in.message(), kMaxTextBytes, "nack.message", &out->message);
  }
  void Read(const pb::StaleEpoch& in, StaleEpoch* out) {
    ReadNeeded(in.cluster(), "stale_epoch.cluster", &out->cluster);
    out->seen = in.seen();
  }
  void Read(const pb::Report& in, Report* out) {
    ReadRun(in.run(), &out->run);
    out->redrive = in.redrive();
    if (!MakeRoom(in.results_size(), kMaxListed, "report.results", &out->results)) return;
    for (const pb::StepResult& result : in.results()) {
      out->results.push_back(ReadResult(result, "report.results"));
    }
    ReadIds(in.lost(), "report.lost", &out->lost);
    ReadTexts(in.executing(), kMaxListed, kMaxNameBytes, "report.executing", &out->executing);
  }
  void Read(const pb::Recorded& in, Recorded* out) {
    ReadRun(in.run(), &out->run);
    out->redrive = in.redrive();
    ReadPinned(in.steps(), "recorded.steps", &out->steps);
    ReadIds(in.refused(), "recorded.refused", &out->refused);
    ReadIds(in.release(), "recorded.release", &out->release);
  }
  void Read(const pb::Query& in, Query* out) {
    ReadRun(in.run(), &out->run);
    out->redrive = in.redrive();
    ReadAddress(in.driver(), "query.driver", &out->driver);
    ReadDuration(in.remaining(), kMaxDeadline, "query.remaining", &out->remaining);
    ReadPinned(in.pinned(), "query.pinned", &out->pinned);
  }
  void Read(const pb::FetchRedrive& in, FetchRedrive* out) { ReadRun(in.run(), &out->run); }
  void Read(const pb::Holding& in, Holding* out) {
    ReadRun(in.run(), &out->run);
    out->redrive = in.redrive();
    if (!MakeRoom(in.attempts_size(), kMaxListed, "holding.attempts", &out->attempts)) return;
    for (const pb::HeldAttempt& attempt : in.attempts()) {
      HeldAttempt& a = out->attempts.emplace_back();
      ReadNeeded(attempt.step(), "holding.attempts.step", &a.step);
      ReadId(attempt.lineage(), "holding.attempts.lineage", &a.lineage);
      a.executing = attempt.executing();
    }
    ReadEdges(in.holds(), "holding.holds", &out->holds);
    ReadEdges(in.candidates(), "holding.candidates", &out->candidates);
    ReadIds(in.values(), "holding.values", &out->values);
  }
  void Read(const pb::Abort& in, Abort* out) {
    ReadRun(in.run(), &out->run);
    out->redrive = in.redrive();
  }
  void Read(const pb::End& in, End* out) { ReadRun(in.run(), &out->run); }

  ResultPtr ReadResult(const pb::StepResult& in, absl::string_view field) {
    if (!Charge(sizeof(StepResult))) return nullptr;
    auto out = std::make_shared<StepResult>();
    ReadName(in.path(), field, &out->path);
    ReadEnum(in.state(), ResultState::kRefined, "result.state", &out->state);
    ReadId(in.id(), "result.id", &out->id);
    if (out->id.IsNone()) Fail("result.id", "is missing");
    ReadId(in.lineage(), "result.lineage", &out->lineage);
    const bool has_value =
        out->state == ResultState::kSucceeded || out->state == ResultState::kRefined;
    if (has_value != in.has_value()) Fail("result.value", "does not go with the state");
    if (in.has_value()) ReadValue(in.value(), &out->value);
    ReadName(in.failure_reason(), "result.failure_reason", &out->failure.reason);
    ReadText(in.failure_message(), kMaxTextBytes, "result.failure_message", &out->failure.message);
    ReadIncarnation(in.executor(), "result.executor", &out->executor);
    out->attempts = in.attempts();
    out->timing = {in.received(), in.executing(), in.staged(), in.committed()};
    out->transfer = {in.hops(), in.messages(), in.bytes()};
    return out;
  }

  void ReadValue(const pb::Value& in, Value* out) {
    if (!in.digest().empty()) {
      absl::StatusOr<Digest> digest = Digest::FromBytes(in.digest());
      if (!digest.ok()) return Fail("value.digest", digest.status().message());
      out->digest = *digest;
    }
    out->size = in.size();
    ReadIncarnation(in.owner(), "value.owner", &out->owner);
    ReadId(in.object(), "value.object", &out->object);
    if (in.inline_value() == 0) return;
    if (in.inline_value() > inline_values_.size()) {
      return Fail("value.inline_value", "names bytes that are not there");
    }
    out->inline_bytes = inline_values_[in.inline_value() - 1];
    if (out->inline_bytes->size() != in.size())
      Fail("value.size", "differs from the bytes' length");
  }

  StepPtr ReadStep(const pb::Step& in) {
    if (!Charge(sizeof(Step))) return nullptr;
    auto out = std::make_shared<Step>();
    ReadNeeded(in.path(), "steps.path", &out->path);
    ReadNeeded(in.cluster(), "steps.cluster", &out->cluster);
    ReadName(in.operation(), "steps.operation", &out->operation);
    ReadText(in.arguments(), kMaxSpecBytes, "steps.arguments", &out->arguments);
    if (TooMany(in.inputs_size() + in.bound_size(), kMaxInputs, "steps.inputs")) return out;
    if (!MakeRoom(in.inputs_size(), kMaxInputs, "steps.inputs", &out->inputs)) return out;
    if (!MakeRoom(in.bound_size(), kMaxInputs, "steps.inputs", &out->bound)) return out;
    for (const pb::InputEdge& edge : in.inputs()) {
      InputEdge& e = out->inputs.emplace_back();
      ReadName(edge.input(), "steps.inputs.input", &e.input);
      ReadName(edge.from(), "steps.inputs.from", &e.from);
      e.passed = edge.passed();
    }
    for (const pb::BoundInput& bound : in.bound()) {
      BoundInput& b = out->bound.emplace_back();
      ReadName(bound.input(), "steps.bound.input", &b.input);
      ReadValue(bound.value(), &b.value);
      b.passed = bound.passed();
    }
    ReadTexts(in.after(), kMaxSteps, kMaxNameBytes, "steps.after", &out->after);
    if (in.has_when()) {
      out->when.emplace();
      ReadName(in.when().input(), "steps.when.input", &out->when->input);
      ReadEnum(in.when().comparison(), Comparison::kMatches, "steps.when.comparison",
               &out->when->comparison);
      ReadText(in.when().operand(), kMaxTextBytes, "steps.when.operand", &out->when->operand);
    }
    if (in.retry_limit() > kMaxRetries) return Fail("steps.retry_limit", "out of range"), out;
    out->retry.limit = static_cast<int>(in.retry_limit());
    ReadDuration(in.retry_backoff(), kMaxDeadline, "steps.retry_backoff", &out->retry.backoff);
    ReadDuration(in.timeout(), kMaxDeadline, "steps.timeout", &out->timeout);
    ReadEnum(in.effect(), Effect::kIdempotent, "steps.effect", &out->effect);
    out->deterministic_so_far = in.deterministic_so_far();
    out->waits_for_record = in.waits_for_record();
    ReadTexts(in.refines_to(), kMaxListed, kMaxKeyBytes, "steps.refines_to", &out->refines_to);
    ReadName(in.stands_for(), "steps.stands_for", &out->stands_for);
    return out;
  }

  bool TooMany(int count, size_t bound, absl::string_view field) {
    if (static_cast<size_t>(count) > bound) Fail(field, absl::StrCat("more than ", bound));
    return static_cast<size_t>(count) > bound;
  }
  // Whether `bytes` more may be made of this frame.
  bool Charge(size_t bytes) {
    listed_ += bytes;
    if (listed_ > kMaxListedBytes) Fail("messages", "list more than one frame may");
    return listed_ <= kMaxListedBytes;
  }
  // Before `count` elements are put into `out`: whether they may, `bound` at most. Exactly as much
  // room as they need, for a list that grows takes up to three times as much.
  template <typename T>
  bool MakeRoom(int count, size_t bound, absl::string_view field, std::vector<T>* out) {
    if (TooMany(count, bound, field)) return false;
    if (!Charge(static_cast<size_t>(count) * sizeof(T))) return false;
    out->reserve(static_cast<size_t>(count));
    return true;
  }
  void ReadText(const std::string& in, size_t bound, absl::string_view field, std::string* out) {
    if (in.size() > bound) return Fail(field, absl::StrCat("longer than ", bound, " bytes"));
    *out = in;
  }
  void ReadName(const std::string& in, absl::string_view field, std::string* out) {
    ReadText(in, kMaxNameBytes, field, out);
  }
  void ReadNeeded(const std::string& in, absl::string_view field, std::string* out) {
    ReadName(in, field, out);
    if (in.empty()) Fail(field, "is missing");
  }
  // At most `count`, of at most `bytes` each.
  void ReadTexts(const RepeatedPtrField<std::string>& in, size_t count, size_t bytes,
                 absl::string_view field, std::vector<std::string>* out) {
    if (!MakeRoom(in.size(), count, field, out)) return;
    for (const std::string& text : in) ReadText(text, bytes, field, &out->emplace_back());
  }
  template <typename Id>
  void ReadId(const std::string& in, absl::string_view field, Id* out) {
    if (in.empty()) return;
    absl::StatusOr<Id> id = Id::FromBytes(in);
    if (!id.ok()) return Fail(field, id.status().message());
    *out = *id;
  }
  template <typename Id>
  void ReadIds(const RepeatedPtrField<std::string>& in, absl::string_view field,
               std::vector<Id>* out) {
    if (!MakeRoom(in.size(), kMaxListed, field, out)) return;
    for (const std::string& id : in) ReadId(id, field, &out->emplace_back());
  }
  void ReadRun(const std::string& in, RunId* out) {
    ReadId(in, "run", out);
    if (out->IsNone()) Fail("run", "is missing");
  }
  void ReadAddress(const pb::Address& in, absl::string_view field, Address* out) {
    ReadName(in.cluster(), field, &out->cluster);
    if (in.cluster().empty()) Fail(field, "has no cluster");
    if (in.replica() >= size_t{kMaxClusterReplicas}) Fail(field, "replica out of range");
    out->replica = in.replica();
  }
  void ReadIncarnation(const pb::Incarnation& in, absl::string_view field, Incarnation* out) {
    ReadName(in.cluster(), field, &out->address.cluster);
    if (in.replica() >= size_t{kMaxClusterReplicas}) Fail(field, "replica out of range");
    out->address.replica = in.replica();
    ReadId(in.boot(), field, &out->boot);
  }
  void ReadEdge(const pb::EdgeKey& in, absl::string_view field, EdgeKey* out) {
    ReadRun(in.run(), &out->run);
    ReadName(in.step(), field, &out->step);
    ReadId(in.from(), field, &out->from);
  }
  void ReadEdges(const RepeatedPtrField<pb::EdgeKey>& in, absl::string_view field,
                 std::vector<EdgeKey>* out) {
    if (!MakeRoom(in.size(), kMaxListed, field, out)) return;
    for (const pb::EdgeKey& edge : in) ReadEdge(edge, field, &out->emplace_back());
  }
  void ReadPinned(const RepeatedPtrField<pb::PinnedResult>& in, absl::string_view field,
                  std::vector<PinnedResult>* out) {
    if (!MakeRoom(in.size(), kMaxListed, field, out)) return;
    for (const pb::PinnedResult& pinned : in) {
      PinnedResult& p = out->emplace_back();
      ReadName(pinned.step(), field, &p.step);
      ReadId(pinned.id(), field, &p.id);
    }
  }
  template <typename Enum>
  void ReadEnum(uint32_t in, Enum last, absl::string_view field, Enum* out) {
    if (in > static_cast<uint32_t>(last)) return Fail(field, "of a kind that is not known");
    *out = static_cast<Enum>(in);
  }
  void ReadDuration(int64_t micros, Duration bound, absl::string_view field, Duration* out) {
    if (micros < 0 ||
        micros > std::chrono::duration_cast<std::chrono::microseconds>(bound).count()) {
      return Fail(field, "out of range");
    }
    *out = std::chrono::microseconds(micros);
  }

  absl::Status status_;
  size_t listed_ = 0;                                              // bytes, of this frame
  wire::FrameArena arena_;                                         // of this envelope
  std::vector<std::shared_ptr<const std::string>> inline_values_;  // of this envelope
};

}  // namespace

absl::StatusOr<Frame> DecodeFrame(absl::string_view bytes) {
  if (bytes.size() > kMaxMessageBytes) {
    return absl::InvalidArgumentError("a frame of a Link is not so long");
  }
  Frame out;
  Reader reader;
  reader.ReadFrame(bytes, &out);
  if (!reader.status().ok()) return reader.status();
  return out;
}

}  // namespace fractos
