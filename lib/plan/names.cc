#include "lib/plan/names.h"

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "lib/base/utf8.h"

namespace fractos {
namespace {

constexpr size_t kMaxQuoted = 80;

// Insertions, deletions, substitutions and swaps of neighbours that make `b` of `a` (optimal string
// alignment). Three rows suffice: a swap looks two back.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitution = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, substitution});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before[j - 2] + 1);
      }
    }
    before.swap(previous);
    previous.swap(current);
  }
  return previous[b.size()];
}

}  // namespace

bool IsDnsName(absl::string_view name) {
  return name.size() <= kMaxNameLength && IsNamespace(name) && absl::ascii_islower(name.front());
}

std::string DnsNameRule(absl::string_view name) {
  return absl::StrCat(
      "must be lower-case letters, digits and '-', start with a letter, end with a letter or "
      "digit, "
      "and have at most ",
      kMaxNameLength, " characters, not ", Quoted(name));
}

bool IsNamespace(absl::string_view name) {
  if (name.empty() || name.size() > kMaxNamespaceLength) return false;
  if (name.front() == '-' || name.back() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
  });
}

std::string NamespaceRule(absl::string_view name) {
  return absl::StrCat(
      "must be lower-case letters, digits and '-', start and end with a letter or digit, and have "
      "at most ",
      kMaxNamespaceLength, " characters, not ", Quoted(name));
}

bool IsIdentifier(absl::string_view name) {
  if (name.empty() || name.size() > kMaxNameLength) return false;
  if (!absl::ascii_isalpha(name.front())) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; });
}

std::string NearestName(absl::string_view name, const std::vector<std::string>& known) {
  // In a short name two edits leave too little to recognize it by.
  const size_t limit = name.size() <= 3 ? 1 : 2;
  size_t best_distance = limit + 1;
  std::string best;
  for (const std::string& candidate : known) {
    const size_t longer = std::max(candidate.size(), name.size());
    const size_t shorter = std::min(candidate.size(), name.size());
    // Also keeps the cost of absurdly long names away.
    if (longer - shorter > limit || shorter < 2) continue;
    const size_t distance =
        absl::EqualsIgnoreCase(candidate, name) ? 0 : EditDistance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string DidYouMean(absl::string_view name, const std::vector<std::string>& known) {
  const std::string nearest = NearestName(name, known);
  return nearest.empty() ? "" : absl::StrCat(", did you mean ", Quoted(nearest), "?");
}

std::string Quoted(absl::string_view text) {
  const bool cut = text.size() > kMaxQuoted;
  return absl::StrCat("\"", EscapeText(CutText(text, kMaxQuoted), '"'), cut ? "…" : "", "\"");
}

}  // namespace fractos
