#include "cli/trace.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/protocol/message.h"
#include "lib/runtime/atomic_file.h"
#include "nlohmann/json.hpp"

namespace fractos {
namespace {

using Json = nlohmann::ordered_json;

struct Span {
  std::string name;
  std::string category;
  int64_t from = 0;  // wall-clock microseconds
  int64_t to = 0;
  std::string process;
  Json arguments;
};

// Who preceded whom, refinements unfolded.
class Edges {
 public:
  Edges(const Plan& plan, const RunRecord& record) : record_(record) {
    for (const auto* steps : {&plan.steps, &plan.on_failure}) {
      for (const StepPtr& step : *steps) {
        std::set<StepPath>& from = predecessors_[step->path];
        for (const StepPath& path : step->Predecessors()) from.insert(Last(path));
      }
    }
    for (const auto& [path, result] : record.steps) {
      const std::optional<Refinement> refinement = RefinementOf(*result);
      if (refinement.has_value()) Unfold(*result, *refinement);
    }
  }

  const std::set<StepPath>& Of(const StepPath& path) { return predecessors_[path]; }

 private:
  static std::optional<Refinement> RefinementOf(const StepResult& result) {
    if (result.state != ResultState::kRefined || !result.value.IsInline()) return std::nullopt;
    absl::StatusOr<Refinement> refinement = DecodeRefinement(*result.value.inline_bytes);
    if (!refinement.ok() || refinement->empty()) return std::nullopt;
    return *std::move(refinement);
  }

  // The step whose result stands for `path`: the last one it grew into. Ends, since a record has
  // finitely many steps and a grown step's path holds its parent's result.
  StepPath Last(StepPath path) const {
    while (true) {
      const auto found = record_.steps.find(path);
      if (found == record_.steps.end()) return path;
      const std::optional<Refinement> refinement = RefinementOf(*found->second);
      if (!refinement.has_value()) return path;
      path = RefinedPath(path, refinement->size() - 1, found->second->id);
    }
  }

  void Unfold(const StepResult& parent, const Refinement& refinement) {
    for (size_t i = 0; i < refinement.size(); ++i) {
      std::set<StepPath>& from = predecessors_[RefinedPath(parent.path, i, parent.id)];
      const auto add = [&](int step) {
        if (step < 0) return;
        from.insert(Last(RefinedPath(parent.path, static_cast<size_t>(step), parent.id)));
      };
      for (const RefinedStep::Input& input : refinement[i].inputs) add(input.step);
      for (const int step : refinement[i].after) add(step);
      if (from.empty()) from.insert(parent.path);
    }
  }

  const RunRecord& record_;
  std::map<StepPath, std::set<StepPath>> predecessors_;
};

std::vector<Span> SpansOf(const Plan& plan, const RunRecord& record) {
  Edges edges(plan, record);
  std::vector<Span> spans;
  for (const auto& [path, result] : record.steps) {
    const Timing& timing = result->timing;
    const std::string process = result->executor.address.ToString();
    if (timing.executing != 0) {
      spans.push_back({path,
                       "step",
                       timing.executing,
                       timing.committed,
                       process,
                       {{"state", std::string(ResultStateName(result->state))},
                        {"bytes", result->value.size},
                        {"attempts", result->attempts}}});
    }
    if (timing.received == 0) continue;
    if (edges.Of(path).empty()) {
      spans.push_back({absl::StrCat("driver → ", path), "hop", record.start_us, timing.received,
                       process, Json::object()});
    }
    for (const StepPath& from : edges.Of(path)) {
      const auto before = record.steps.find(from);
      if (before == record.steps.end() || before->second->timing.committed == 0) continue;
      if (before->second->executor == result->executor) continue;
      spans.push_back({absl::StrCat(from, " → ", path),
                       "hop",
                       before->second->timing.committed,
                       timing.received,
                       process,
                       {{"from", before->second->executor.address.ToString()}}});
    }
  }
  std::stable_sort(spans.begin(), spans.end(),
                   [](const Span& a, const Span& b) { return a.from < b.from; });
  return spans;
}

}  // namespace

std::string ChromeTrace(const Plan& plan, const RunRecord& record) {
  const std::vector<Span> spans = SpansOf(plan, record);
  const int64_t start = spans.empty() ? record.start_us : std::min(record.start_us, spans[0].from);
  Json events = Json::array();
  std::map<std::string, int> processes;
  // Spans of one lane must not overlap: each takes the first lane that is free, hops and steps
  // apart.
  std::map<std::pair<int, std::string>, std::vector<int64_t>> lanes;
  for (const Span& span : spans) {
    const auto [process, is_new] =
        processes.emplace(span.process, static_cast<int>(processes.size()) + 1);
    if (is_new) {
      events.push_back({{"name", "process_name"},
                        {"ph", "M"},
                        {"pid", process->second},
                        {"tid", 0},
                        {"args", {{"name", span.process}}}});
    }
    std::vector<int64_t>& ends = lanes[{process->second, span.category}];
    const int64_t to = std::max(span.to, span.from);
    const auto free =
        std::find_if(ends.begin(), ends.end(), [&span](int64_t end) { return end <= span.from; });
    const size_t lane = static_cast<size_t>(free - ends.begin());
    if (free == ends.end()) {
      ends.push_back(to);
    } else {
      *free = to;
    }
    events.push_back({{"name", span.name},
                      {"cat", span.category},
                      {"ph", "X"},
                      {"ts", span.from - start},
                      {"dur", to - span.from},
                      {"pid", process->second},
                      {"tid", (span.category == "hop" ? 1000 : 1) + lane},
                      {"args", span.arguments}});
  }
  const Json trace = {{"traceEvents", std::move(events)},
                      {"displayTimeUnit", "ms"},
                      {"otherData", {{"run", record.run.ToHex()}, {"name", record.name}}}};
  return trace.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<TraceFile> TraceFile::Open(const std::string& path) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_CLOEXEC;
  UniqueFd file(::open(path.c_str(), kFlags | O_EXCL, 0666));
  const bool is_new = file.valid();
  if (!is_new) file = UniqueFd(::open(path.c_str(), kFlags, 0666));
  if (!file.valid()) return ErrnoError(errno, "cannot write the trace to", path);
  return TraceFile(path, std::move(file), is_new);
}

TraceFile::~TraceFile() {
  if (file_.valid() && is_new_) ::unlink(path_.c_str());
}

absl::Status TraceFile::Write(absl::string_view trace) {
  is_new_ = false;
  // A pipe has no length to be cut.
  (void)!::ftruncate(file_.get(), 0);
  while (!trace.empty()) {
    const ssize_t written = ::write(file_.get(), trace.data(), trace.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoError(errno, "cannot write the trace to", path_);
    trace.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace fractos
