#include "cli/cluster/find_run.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lib/base/ids.h"
#include "lib/kube/errors.h"
#include "lib/plan/names.h"

namespace fractos::cluster {
namespace {

constexpr size_t kMinIdDigits = 4;

bool MayBeId(const std::string& text) {
  return text.size() >= kMinIdDigits && text.size() <= 2 * RunId::kSize &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return absl::ascii_isxdigit(c); });
}

absl::Status NoSuchRun(const Target& target, const std::string& run) {
  return absl::InvalidArgumentError(absl::StrCat("there is no run ", Quoted(run), " in namespace ",
                                                 target.ns,
                                                 "; `kubectl fractos runs` lists them, -A of all"));
}

}  // namespace

absl::StatusOr<kube::Object> FindRun(const Target& target, const std::string& run) {
  const size_t slash = run.rfind('/');
  const std::string name = slash == std::string::npos ? run : run.substr(slash + 1);
  if (IsDnsName(name)) {
    absl::StatusOr<kube::Object> found =
        target.client->Get(target.RequestContext(), TaskGraphs(target.ns), name);
    if (!kube::IsNotFound(found.status())) return found;
    // The resource itself may be unknown.
    const std::optional<kube::ApiStatus> answer = kube::GetApiStatus(found.status());
    if (answer.has_value() && answer->name.empty()) return found;
  }
  if (!MayBeId(name)) return NoSuchRun(target, run);
  absl::StatusOr<kube::Pager::Result> listed =
      kube::Pager(target.client).List(target.RequestContext(), TaskGraphs(target.ns), {});
  if (!listed.ok()) return listed.status();
  const std::string prefix = absl::AsciiStrToLower(name);
  std::vector<kube::Object> found;
  for (kube::Object& object : listed->list.items) {
    if (absl::StartsWith(absl::StrReplaceAll(object.uid(), {{"-", ""}}), prefix)) {
      found.push_back(std::move(object));
    }
  }
  if (found.empty()) return NoSuchRun(target, run);
  if (found.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(run, " begins the ids of ", found.size(), " runs; give more of it"));
  }
  return std::move(found.front());
}

}  // namespace fractos::cluster
