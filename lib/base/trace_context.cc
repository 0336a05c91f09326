#include "lib/base/trace_context.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

// version-trace-parent-flags: 00-<32>-<16>-<2>
constexpr size_t kLength = 55;

bool IsLowerHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

SpanId SpanIdOf(absl::string_view bytes) {
  SpanId id = 0;
  for (const char c : bytes.substr(0, sizeof(SpanId))) id = id << 8 | static_cast<uint8_t>(c);
  return id;
}

std::string SpanIdToHex(SpanId id) { return absl::StrCat(absl::Hex(id, absl::kZeroPad16)); }

std::optional<TraceContext> ParseTraceparent(absl::string_view text) {
  if (text.size() < kLength || text[2] != '-' || text[35] != '-' || text[52] != '-') {
    return std::nullopt;
  }
  const absl::string_view version = text.substr(0, 2);
  const absl::string_view trace = text.substr(3, 32);
  const absl::string_view parent = text.substr(36, 16);
  const absl::string_view flags = text.substr(53, 2);
  for (const absl::string_view part : {version, trace, parent, flags}) {
    if (!IsLowerHex(part)) return std::nullopt;
  }
  const bool longer = text.size() > kLength;
  if (version == "ff" || (longer && (version == "00" || text[kLength] != '-'))) return std::nullopt;
  TraceContext context;
  context.trace = TraceId::FromHex(trace).value();
  context.parent = SpanIdOf(HexDecode(parent).value());
  context.sampled = (HexDecode(flags).value().front() & 1) != 0;
  if (context.trace.IsNone() || context.parent == 0) return std::nullopt;
  return context;
}

std::string FormatTraceparent(const TraceContext& context) {
  return absl::StrCat("00-", context.trace.ToHex(), "-", SpanIdToHex(context.parent),
                      context.sampled ? "-01" : "-00");
}

}  // namespace fractos
