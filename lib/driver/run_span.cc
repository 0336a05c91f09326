#include "lib/driver/run_span.h"

namespace fractos {
namespace {

TraceContext ContextOf(const RunId& run, const std::optional<TraceContext>& asked_by) {
  TraceContext context;
  context.trace = asked_by.has_value() ? asked_by->trace : TraceId::FromBytesOrDie(run.bytes());
  context.parent = SpanIdOf(run.bytes());
  context.sampled = !asked_by.has_value() || asked_by->sampled;
  return context;
}

}  // namespace

std::string RunTraceparent(const RunId& run, const std::string& asked_by, bool traced) {
  const std::optional<TraceContext> theirs = ParseTraceparent(asked_by);
  if (traced) return FormatTraceparent(ContextOf(run, theirs));
  return theirs.has_value() ? FormatTraceparent(*theirs) : "";
}

std::optional<Span> RunSpan(const RunRecord& record, Mode mode, const std::string& asked_by) {
  const std::optional<TraceContext> theirs = ParseTraceparent(asked_by);
  const TraceContext context = ContextOf(record.run, theirs);
  if (!context.sampled) return std::nullopt;
  Span span;
  span.trace = context.trace;
  span.id = context.parent;
  span.parent = theirs.has_value() ? theirs->parent : 0;
  span.name = "run";
  span.start_us = record.start_us;
  span.end_us = record.end_us;
  span.attributes = {{"fractos.run", record.run.ToHex()},
                     {"fractos.name", record.name},
                     {"fractos.mode", ModeName(mode)},
                     {"fractos.phase", std::string(RunPhaseName(record.phase))},
                     {"fractos.steps", static_cast<int64_t>(record.steps.size())},
                     {"fractos.redrive", static_cast<int64_t>(record.redrive)}};
  if (!record.failure.reason.empty()) {
    span.attributes.emplace_back("fractos.reason", record.failure.reason);
  }
  if (!record.failed_step.empty()) {
    span.attributes.emplace_back("fractos.failed_step", record.failed_step);
  }
  span.failed = record.phase == RunPhase::kFailed;
  if (span.failed) span.message = record.failure.message;
  return span;
}

}  // namespace fractos
