#include <algorithm>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "lib/base/limits.h"
#include "lib/base/utf8.h"
#include "lib/link/codec.h"
#include "lib/link/wire.h"

namespace fractos {
namespace {

namespace pb = ::fractos::v1;
using wire::FrameArena;
using wire::kMaxNameBytes;
using wire::kMaxTextBytes;

// Within what the other side reads: one that is too long would cost the whole Link.
int64_t Micros(Duration duration) {
  const Duration bounded = std::clamp<Duration>(duration, Duration::zero(), kMaxDeadline);
  return std::chrono::duration_cast<std::chrono::microseconds>(bounded).count();
}

template <typename Id>
void Put(const Id& id, std::string* out) {
  if (id != Id()) out->assign(id.bytes().data(), id.bytes().size());
}

void Put(const Address& in, pb::Address* out) {
  out->set_cluster(in.cluster);
  out->set_replica(in.replica);
}

void Put(const Incarnation& in, pb::Incarnation* out) {
  out->set_cluster(in.address.cluster);
  out->set_replica(in.address.replica);
  Put(in.boot, out->mutable_boot());
}

void Put(const EdgeKey& in, pb::EdgeKey* out) {
  Put(in.run, out->mutable_run());
  out->set_step(in.step);
  Put(in.from, out->mutable_from());
}

void Put(const PinnedResult& in, pb::PinnedResult* out) {
  out->set_step(in.step);
  Put(in.id, out->mutable_id());
}

class Writer {
 public:
  explicit Writer(pb::Envelope* envelope) : envelope_(envelope) {}

  void Write(const HandOver& in) {
    pb::HandOver* out = envelope_->mutable_hand_over();
    out->set_redrive(in.redrive);
    out->set_remaining(Micros(in.remaining));
    Put(in.sender, out->mutable_sender());
    out->set_sender_epoch(in.sender_epoch);
    out->set_edge(in.edge);
    if (in.result != nullptr) PutResult(*in.result, /*with_bytes=*/true, out->mutable_result());
    for (const ResultPtr& ancestor : in.ancestors) {
      PutResult(*ancestor, /*with_bytes=*/false, out->add_ancestors());
    }
    const Continuation& continuation = *in.continuation;
    Put(continuation.run, out->mutable_run());
    Put(continuation.driver, out->mutable_driver());
    out->set_mode(static_cast<uint32_t>(continuation.mode));
    out->set_traceparent(continuation.traceparent);
    for (const StepPtr& step : continuation.steps) PutStep(*step, out->add_steps());
    for (const OperationSignature& signature : continuation.signatures) {
      pb::Signature* s = out->add_signatures();
      s->set_cluster(signature.cluster);
      s->set_operation(signature.operation);
      s->set_effect(static_cast<uint32_t>(signature.effect));
      s->set_deterministic(signature.deterministic);
      for (const std::string& input : signature.passed_inputs) s->add_passed_inputs(input);
      for (const std::string& key : signature.refines_to) s->add_refines_to(key);
    }
    for (const ClusterView& view : continuation.clusters) {
      pb::ClusterView* v = out->add_clusters();
      v->set_cluster(view.cluster);
      for (const std::string& endpoint : view.endpoints) v->add_endpoints(endpoint);
      v->set_leader(view.leader);
      v->set_epoch(view.epoch);
    }
  }
  void Write(const Accepted& in) { WriteSettled(in, envelope_->mutable_accepted()); }
  void Write(const Passed& in) { WriteSettled(in, envelope_->mutable_passed()); }
  void Write(const Nack& in) {
    pb::Nack* out = envelope_->mutable_nack();
    Put(in.edge, out->mutable_edge());
    out->set_redrive(in.redrive);
    out->set_reason(static_cast<uint32_t>(in.reason));
    out->set_seen(in.seen);
    if (!in.leader.IsNone()) Put(in.leader, out->mutable_leader());
    out->set_retry_after(Micros(in.retry_after));
    out->set_message(std::string(CutText(in.message, kMaxTextBytes)));
  }
  void Write(const StaleEpoch& in) {
    pb::StaleEpoch* out = envelope_->mutable_stale_epoch();
    out->set_cluster(in.cluster);
    out->set_seen(in.seen);
  }
  void Write(const Report& in) {
    pb::Report* out = envelope_->mutable_report();
    Put(in.run, out->mutable_run());
    out->set_redrive(in.redrive);
    for (const ResultPtr& result : in.results) {
      PutResult(*result, /*with_bytes=*/true, out->add_results());
    }
    for (const ObjectId& object : in.lost) Put(object, out->add_lost());
    for (const StepPath& path : in.executing) out->add_executing(path);
  }
  void Write(const Recorded& in) {
    pb::Recorded* out = envelope_->mutable_recorded();
    Put(in.run, out->mutable_run());
    out->set_redrive(in.redrive);
    for (const PinnedResult& pinned : in.steps) Put(pinned, out->add_steps());
    for (const ResultId& id : in.refused) Put(id, out->add_refused());
    for (const ObjectId& id : in.release) Put(id, out->add_release());
  }
  void Write(const Query& in) {
    pb::Query* out = envelope_->mutable_query();
    Put(in.run, out->mutable_run());
    out->set_redrive(in.redrive);
    Put(in.driver, out->mutable_driver());
    out->set_remaining(Micros(in.remaining));
    for (const PinnedResult& pinned : in.pinned) Put(pinned, out->add_pinned());
  }
  void Write(const FetchRedrive& in) {
    Put(in.run, envelope_->mutable_fetch_redrive()->mutable_run());
  }
  void Write(const Holding& in) {
    pb::Holding* out = envelope_->mutable_holding();
    Put(in.run, out->mutable_run());
    out->set_redrive(in.redrive);
    for (const HeldAttempt& attempt : in.attempts) {
      pb::HeldAttempt* a = out->add_attempts();
      a->set_step(attempt.step);
      Put(attempt.lineage, a->mutable_lineage());
      a->set_executing(attempt.executing);
    }
    for (const EdgeKey& edge : in.holds) Put(edge, out->add_holds());
    for (const EdgeKey& edge : in.candidates) Put(edge, out->add_candidates());
    for (const ObjectId& value : in.values) Put(value, out->add_values());
  }
  void Write(const Abort& in) {
    Put(in.run, envelope_->mutable_abort()->mutable_run());
    envelope_->mutable_abort()->set_redrive(in.redrive);
  }
  void Write(const End& in) { Put(in.run, envelope_->mutable_end()->mutable_run()); }

 private:
  template <typename In>
  void WriteSettled(const In& in, pb::Settled* out) {
    Put(in.edge, out->mutable_edge());
    out->set_redrive(in.redrive);
  }

  void PutValue(const Value& in, bool with_bytes, pb::Value* out) {
    Put(in.digest, out->mutable_digest());
    out->set_size(in.size);
    Put(in.owner, out->mutable_owner());
    Put(in.object, out->mutable_object());
    if (!with_bytes || !in.IsInline()) return;
    // Refined steps often share one bound value, so its bytes are looked for by where they are.
    const std::string* bytes = in.inline_bytes.get();
    auto found = std::find(inline_values_.begin(), inline_values_.end(), bytes);
    if (found == inline_values_.end()) {
      envelope_->add_inline_values(*bytes);
      found = inline_values_.insert(found, bytes);
    }
    out->set_inline_value(static_cast<uint32_t>(found - inline_values_.begin()) + 1);
  }

  void PutResult(const StepResult& in, bool with_bytes, pb::StepResult* out) {
    out->set_path(in.path);
    out->set_state(static_cast<uint32_t>(in.state));
    Put(in.id, out->mutable_id());
    Put(in.lineage, out->mutable_lineage());
    if (in.state == ResultState::kSucceeded || in.state == ResultState::kRefined) {
      PutValue(in.value, with_bytes, out->mutable_value());
    }
    out->set_failure_reason(std::string(CutText(in.failure.reason, kMaxNameBytes)));
    out->set_failure_message(std::string(CutText(in.failure.message, kMaxTextBytes)));
    Put(in.executor, out->mutable_executor());
    out->set_attempts(in.attempts);
    out->set_received(in.timing.received);
    out->set_executing(in.timing.executing);
    out->set_staged(in.timing.staged);
    out->set_committed(in.timing.committed);
    out->set_hops(in.transfer.hops);
    out->set_messages(in.transfer.messages);
    out->set_bytes(in.transfer.bytes);
  }

  void PutStep(const Step& in, pb::Step* out) {
    out->set_path(in.path);
    out->set_cluster(in.cluster);
    out->set_operation(in.operation);
    out->set_arguments(in.arguments);
    for (const InputEdge& edge : in.inputs) {
      pb::InputEdge* e = out->add_inputs();
      e->set_input(edge.input);
      e->set_from(edge.from);
      e->set_passed(edge.passed);
    }
    for (const BoundInput& bound : in.bound) {
      pb::BoundInput* b = out->add_bound();
      b->set_input(bound.input);
      PutValue(bound.value, /*with_bytes=*/true, b->mutable_value());
      b->set_passed(bound.passed);
    }
    for (const StepPath& after : in.after) out->add_after(after);
    if (in.when.has_value()) {
      pb::When* when = out->mutable_when();
      when->set_input(in.when->input);
      when->set_comparison(static_cast<uint32_t>(in.when->comparison));
      when->set_operand(in.when->operand);
    }
    out->set_retry_limit(static_cast<uint32_t>(std::max(in.retry.limit, 0)));
    out->set_retry_backoff(Micros(in.retry.backoff));
    out->set_timeout(Micros(in.timeout));
    out->set_effect(static_cast<uint32_t>(in.effect));
    out->set_deterministic_so_far(in.deterministic_so_far);
    out->set_waits_for_record(in.waits_for_record);
    for (const std::string& key : in.refines_to) out->add_refines_to(key);
    out->set_stands_for(in.stands_for);
  }

  pb::Envelope* envelope_;
  absl::InlinedVector<const std::string*, 8> inline_values_;
};

}  // namespace

std::string EncodeMessage(const Message& message) {
  FrameArena arena;
  pb::Frame* frame = arena.NewFrame();
  Writer writer(frame->add_messages());
  std::visit([&writer](const auto& m) { writer.Write(m); }, message);
  return frame->SerializeAsString();
}

std::string EncodeHello(const PeerInfo& info) {
  FrameArena arena;
  pb::Frame* frame = arena.NewFrame();
  pb::Hello* hello = frame->mutable_hello();
  hello->set_protocol(wire::kProtocol);
  Put(info.self, hello->mutable_self());
  hello->set_epoch(info.epoch);
  hello->set_description_json(info.description_json);
  hello->set_memory_endpoint(info.memory_endpoint);
  return frame->SerializeAsString();
}

std::string EncodePing(uint64_t number) {
  pb::Frame frame;
  frame.set_ping(number);
  return frame.SerializeAsString();
}

std::string EncodePong(uint64_t number) {
  pb::Frame frame;
  frame.set_pong(number);
  return frame.SerializeAsString();
}

}  // namespace fractos
