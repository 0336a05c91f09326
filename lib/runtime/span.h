// Spans of a trace, as OpenTelemetry has them: what happened, when, and under what.
#ifndef FRACTOS_LIB_RUNTIME_SPAN_H_
#define FRACTOS_LIB_RUNTIME_SPAN_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "lib/base/trace_context.h"

namespace fractos {

struct Span {
  enum class Kind { kInternal = 1, kProducer = 4, kConsumer = 5 };  // OTLP's numbers
  using Attribute = std::pair<std::string, std::variant<std::string, int64_t>>;

  TraceId trace;
  SpanId id = 0;
  SpanId parent = 0;  // 0: the trace begins here
  std::vector<SpanId> links;
  std::string name;  // few different ones: what tells spans apart is in the attributes
  Kind kind = Kind::kInternal;
  int64_t start_us = 0;  // wall-clock microseconds since the epoch
  int64_t end_us = 0;
  std::vector<Attribute> attributes;
  std::vector<std::pair<std::string, int64_t>> events;  // name and time, in microseconds
  bool failed = false;
  std::string message;  // why
};

// Takes spans. Implementations are thread-safe and never block.
class SpanSink {
 public:
  virtual ~SpanSink() = default;
  virtual void Export(Span span) = 0;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_RUNTIME_SPAN_H_
