#include "daemon/step_span.h"

#include "absl/strings/str_cat.h"

namespace fractos {

std::optional<Span> StepSpan(const Traced& traced) {
  const std::optional<TraceContext> context = ParseTraceparent(traced.continuation->traceparent);
  if (!context.has_value() || !context->sampled) return std::nullopt;
  const Step& step = *traced.step;
  const StepResult& result = *traced.result;
  const Timing& timing = result.timing;
  Span span;
  span.trace = context->trace;
  span.id = SpanIdOf(result.id.bytes());
  span.parent = context->parent;
  for (const ResultId& predecessor : traced.predecessors) {
    const SpanId id = SpanIdOf(predecessor.bytes());
    if (&predecessor == &traced.predecessors.front()) {
      span.parent = id;
    } else {
      span.links.push_back(id);
    }
  }
  span.name = absl::StrCat(step.cluster, " ", step.operation);
  span.kind = Span::Kind::kConsumer;
  span.start_us = timing.received;
  span.end_us = timing.committed;
  span.attributes = {{"fractos.run", traced.continuation->run.ToHex()},
                     {"fractos.step", result.path},
                     {"fractos.cluster", step.cluster},
                     {"fractos.operation", step.operation},
                     {"fractos.executor", result.executor.address.ToString()},
                     {"fractos.state", std::string(ResultStateName(result.state))},
                     {"fractos.attempt", int64_t{result.attempts}},
                     {"fractos.bytes", static_cast<int64_t>(result.value.size)}};
  if (!result.failure.reason.empty()) {
    span.attributes.emplace_back("fractos.reason", result.failure.reason);
  }
  if (timing.executing != 0) span.events.emplace_back("executing", timing.executing);
  if (timing.staged != 0) span.events.emplace_back("staged", timing.staged);
  span.failed = result.state == ResultState::kFailed;
  if (span.failed) span.message = result.failure.message;
  return span;
}

}  // namespace fractos
