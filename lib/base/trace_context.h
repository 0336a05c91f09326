// W3C trace context: which trace a run belongs to, and the span that its spans hang from.
#ifndef FRACTOS_LIB_BASE_TRACE_CONTEXT_H_
#define FRACTOS_LIB_BASE_TRACE_CONTEXT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "lib/base/ids.h"

namespace fractos {

using TraceId = Id128<struct TraceIdTag>;

// Eight bytes, as a number; 0: none.
using SpanId = uint64_t;

// The span id made of the first eight bytes of `bytes`, which has at least eight. Bytes of an id or
// a digest are as good as random ones.
SpanId SpanIdOf(absl::string_view bytes);
// 16 lower-case hexadecimal digits.
std::string SpanIdToHex(SpanId id);

// What a `traceparent` header says.
struct TraceContext {
  TraceId trace;
  SpanId parent = 0;
  bool sampled = true;  // false: the spans are not wanted
  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

// None for what is no traceparent: as the specification asks, whoever reads that begins a trace of
// its own. Of later versions, what version 00 has is read.
std::optional<TraceContext> ParseTraceparent(absl::string_view text);
std::string FormatTraceparent(const TraceContext& context);

}  // namespace fractos

#endif  // FRACTOS_LIB_BASE_TRACE_CONTEXT_H_
