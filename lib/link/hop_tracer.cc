#include "lib/link/hop_tracer.h"

#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "lib/base/digest.h"

namespace fractos {
namespace {

// Two senders of one hand-over make two hops.
SpanId HopSpanId(const EdgeKey& edge, const BootId& sender) {
  return SpanIdOf(FieldHasher("fractos hop span")
                      .Add(edge.run.bytes())
                      .Add(edge.step)
                      .Add(edge.from.bytes())
                      .Add(sender.bytes())
                      .Finish()
                      .bytes());
}

}  // namespace

HopTracer::~HopTracer() {
  const int64_t now = Now();
  const absl::MutexLock lock(&mutex_);
  hops_.ForEachValue([this, now](Hop& hop) {
    if (hop.ended || now - hop.span.start_us > kLongestUs) return;
    hop.span.end_us = now;
    sink_->Export(std::move(hop.span));
  });
}

int64_t HopTracer::Now() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(clock_->WallNow().time_since_epoch())
      .count();
}

void HopTracer::Sent(const Message& message) {
  const auto* const hand_over = std::get_if<HandOver>(&message);
  if (hand_over == nullptr || hand_over->continuation->traceparent.empty()) return;
  const std::optional<TraceContext> context =
      ParseTraceparent(hand_over->continuation->traceparent);
  if (!context.has_value() || !context->sampled) return;
  const EdgeKey edge = hand_over->key();
  const Step& step = hand_over->step();
  const absl::MutexLock lock(&mutex_);
  const auto [hop, first] = hops_.TryEmplace(edge);
  if (!first) return;
  Span& span = hop->span;
  span.trace = context->trace;
  span.id = HopSpanId(edge, self_.boot);
  span.parent = edge.from.IsNone() ? context->parent : SpanIdOf(edge.from.bytes());
  span.name = absl::StrCat("hand over to ", step.cluster);
  span.kind = Span::Kind::kProducer;
  span.start_us = Now();
  span.attributes = {{"fractos.run", edge.run.ToHex()},
                     {"fractos.step", edge.step},
                     {"fractos.from", self_.address.ToString()}};
}

void HopTracer::Received(const Incarnation& from, const Message& message) {
  const auto* const accepted = std::get_if<Accepted>(&message);
  if (accepted == nullptr) return;
  Span span;
  {
    const absl::MutexLock lock(&mutex_);
    Hop* const hop = hops_.Find(accepted->edge);
    if (hop == nullptr || std::exchange(hop->ended, true)) return;
    span = std::move(hop->span);
  }
  span.end_us = Now();
  span.attributes.emplace_back("fractos.to", from.address.ToString());
  sink_->Export(std::move(span));
}

}  // namespace fractos
