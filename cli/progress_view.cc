#include "cli/progress_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "lib/plan/reasons.h"
#include "lib/protocol/message.h"

namespace fractos {
namespace {

constexpr absl::string_view kReset = "\x1b[0m";
constexpr absl::string_view kBold = "\x1b[1m";
constexpr absl::string_view kDim = "\x1b[2m";
constexpr absl::string_view kRed = "\x1b[31m";
constexpr absl::string_view kGreen = "\x1b[32m";
constexpr absl::string_view kYellow = "\x1b[33m";
constexpr absl::string_view kCyan = "\x1b[36m";

constexpr absl::string_view kSpinner[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};

// The default namespace goes without saying.
std::string ShortCluster(absl::string_view cluster) {
  return std::string(absl::StripPrefix(cluster, "default/"));
}

std::string ShortAddress(const Address& address) {
  if (address.IsDriver()) return "driver";  // of a step that it recorded as Skipped
  return address.IsNone() ? "" : absl::StrCat(ShortCluster(address.cluster), "-", address.replica);
}

// How many terminal columns `text` takes: our own texts hold no wide or combining characters.
size_t Columns(absl::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string CutTo(absl::string_view text, size_t columns) {
  if (Columns(text) <= columns) return std::string(text);
  if (columns == 0) return "";
  size_t end = 0;
  for (size_t kept = 0; end < text.size() && kept < columns - 1; ++kept) {
    ++end;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
  }
  return absl::StrCat(text.substr(0, end), "…");
}

std::string PadTo(absl::string_view text, size_t columns) {
  std::string padded = CutTo(text, columns);
  padded.append(columns - std::min(columns, Columns(padded)), ' ');
  return padded;
}

// A line that knows its width while colours take none.
class Line {
 public:
  explicit Line(const ViewOptions& options) : options_(options) {}

  Line& Add(absl::string_view text, absl::string_view style = "") {
    const size_t left = options_.width > used_ ? options_.width - used_ : 0;
    const std::string cut = CutTo(text, left);
    used_ += Columns(cut);
    if (cut.empty()) return *this;
    if (options_.colour && !style.empty()) {
      absl::StrAppend(&text_, style, cut, kReset);
    } else {
      absl::StrAppend(&text_, cut);
    }
    return *this;
  }
  std::string Take() {
    if (!options_.colour) absl::StripTrailingAsciiWhitespace(&text_);
    return std::move(text_);
  }

 private:
  const ViewOptions& options_;
  std::string text_;
  size_t used_ = 0;
};

struct Glyph {
  absl::string_view text;
  absl::string_view style;
};

Glyph GlyphOf(const StepLine& step, uint64_t frame) {
  switch (step.look) {
    case StepLook::kWaiting:
      return {"·", kDim};
    case StepLook::kRunning:
      return {kSpinner[frame % std::size(kSpinner)], kCyan};
    case StepLook::kSucceeded:
      return {"✓", kGreen};
    case StepLook::kFailed:
      return {"✗", kRed};
    case StepLook::kSkipped:
      return {"–", kYellow};
  }
  return {"?", ""};
}

std::string DetailOf(const StepLine& step) {
  if (step.look == StepLook::kFailed) return absl::StrCat("failed: ", step.reason);
  if (step.look == StepLook::kSkipped) return absl::StrCat("skipped: ", step.reason);
  std::string detail;
  const auto add = [&detail](const std::string& part) {
    absl::StrAppend(&detail, detail.empty() ? "" : " · ", part);
  };
  if (step.microseconds >= 0) add(FormatMicroseconds(step.microseconds));
  if (step.look == StepLook::kSucceeded) add(FormatBytes(step.bytes));
  if (step.grown > 0) {
    add(step.grown == step.grown_done
            ? absl::StrCat("grew ", step.grown, step.grown == 1 ? " step" : " steps")
            : absl::StrCat("growing ", step.grown_done, "/", step.grown));
  }
  if (step.attempts > 1) add(absl::StrCat(step.attempts, " attempts"));
  return detail;
}

StepLook LookOf(ResultState state) {
  switch (state) {
    case ResultState::kFailed:
      return StepLook::kFailed;
    case ResultState::kSkipped:
      return StepLook::kSkipped;
    case ResultState::kSucceeded:
    case ResultState::kRefined:
      return StepLook::kSucceeded;
  }
  return StepLook::kWaiting;
}

// How many steps a refinement put in; 0 when its bytes are not at hand.
size_t RefinedCount(const StepResult& result) {
  if (result.state != ResultState::kRefined || !result.value.IsInline()) return 0;
  const absl::StatusOr<Refinement> refinement = DecodeRefinement(*result.value.inline_bytes);
  return refinement.ok() ? refinement->size() : 0;
}

// The lines to show when not all fit: what is at work or went wrong first, then the others, each in
// the graph's order.
std::vector<size_t> Choose(const std::vector<StepLine>& steps, size_t room) {
  std::vector<size_t> chosen;
  const auto take = [&](auto wanted) {
    for (size_t i = 0; i < steps.size() && chosen.size() < room; ++i) {
      if (wanted(steps[i].look)) chosen.push_back(i);
    }
  };
  take([](StepLook look) { return look == StepLook::kRunning || look == StepLook::kFailed; });
  take([](StepLook look) { return look == StepLook::kWaiting; });
  take([](StepLook look) { return look == StepLook::kSucceeded || look == StepLook::kSkipped; });
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

void AddLines(const std::vector<StepPtr>& steps, bool on_failure, ProgressModel* model) {
  for (const StepPtr& step : steps) {
    StepLine line;
    line.name = step->path;
    line.operation = absl::StrCat(ShortCluster(step->cluster), ".", step->operation);
    line.on_failure = on_failure;
    model->steps.push_back(std::move(line));
  }
}

// Daemons say only now and then what they execute. A step whose predecessors have all succeeded is
// on its way to its device or there, so it does not wait any more.
void MarkHandedOver(const Plan& plan, ProgressModel* model) {
  std::map<std::string, StepLook> looks;
  for (const StepLine& line : model->steps) looks.emplace(line.name, line.look);
  const auto succeeded = [&looks](const StepPath& path) {
    const auto found = looks.find(std::string(RootStepName(path)));
    return found != looks.end() && found->second == StepLook::kSucceeded;
  };
  const std::vector<StepPtr>& steps = model->failing ? plan.on_failure : plan.steps;
  for (StepLine& line : model->steps) {
    if (line.look != StepLook::kWaiting || line.on_failure != model->failing) continue;
    const auto step = std::find_if(steps.begin(), steps.end(), [&line](const StepPtr& other) {
      return other->path == line.name;
    });
    if (step == steps.end()) continue;
    const std::vector<StepPath> before = (*step)->Predecessors();
    if (std::all_of(before.begin(), before.end(), succeeded)) line.look = StepLook::kRunning;
  }
}

// Adds a recorded result to the line of the step that it is of, or grew from.
void Count(const StepResult& result, StepLine* line) {
  line->grown += RefinedCount(result);
  const bool is_root = result.path == line->name;
  if (!is_root) ++line->grown_done;
  if (is_root || result.state == ResultState::kFailed) {
    line->look = LookOf(result.state);
    line->reason = result.failure.reason;
    line->attempts = result.attempts;
  }
  if (is_root) {
    line->executor = ShortAddress(result.executor.address);
    line->bytes = result.value.size;
  }
  if (result.timing.received != 0 && result.timing.committed >= result.timing.received) {
    line->microseconds =
        std::max<int64_t>(line->microseconds, 0) + result.timing.committed - result.timing.received;
  }
}

}  // namespace

std::string FormatMicroseconds(int64_t microseconds) {
  const double ms = static_cast<double>(microseconds) / 1000;
  if (ms < 10) return absl::StrFormat("%.1f ms", ms);
  if (ms < 1000) return absl::StrFormat("%.0f ms", ms);
  if (ms < 60'000) return absl::StrFormat("%.2f s", ms / 1000);
  const int64_t seconds = microseconds / 1'000'000;
  return absl::StrCat(seconds / 60, " min ", seconds % 60, " s");
}

std::string GroupDigits(uint64_t number) {
  const std::string digits = absl::StrCat(number);
  std::string grouped;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) grouped.push_back(' ');
    grouped.push_back(digits[i]);
  }
  return grouped;
}

std::string FormatBytes(uint64_t bytes) {
  if (bytes < 1000) return absl::StrCat(bytes, " B");
  constexpr absl::string_view kUnits[] = {"kB", "MB", "GB", "TB"};
  double amount = static_cast<double>(bytes);
  for (const absl::string_view unit : kUnits) {
    amount /= 1000;
    if (amount < 999.95 || unit == "TB") return absl::StrFormat("%.1f %s", amount, unit);
  }
  return "";
}

std::string FormatNews(const ReplicaNews& news) {
  const std::string who = ShortAddress(news.address);
  switch (news.what) {
    case ReplicaNews::What::kDied:
      return absl::StrCat(who, " died");
    case ReplicaNews::What::kLost:
      return absl::StrCat(who, " cannot be reached");
    case ReplicaNews::What::kLeads:
      return absl::StrCat(who, " leads (epoch ", news.epoch, ")");
  }
  return who;
}

ProgressModel BuildProgress(const Plan& plan, const RunSnapshot& snapshot,
                            int64_t elapsed_microseconds) {
  ProgressModel model;
  const RunRecord& record = snapshot.record;
  model.title = absl::StrCat(plan.name, " · run ", record.run.ToShortHex());
  model.elapsed_microseconds = elapsed_microseconds;
  model.failing = record.phase == RunPhase::kFailing;
  AddLines(plan.steps, false, &model);
  // The error continuation is of interest only once it runs.
  if (!record.failed_step.empty()) AddLines(plan.on_failure, true, &model);

  // Everything that grew from a step of the graph counts for that step.
  std::map<std::string, StepLine*> lines;
  for (StepLine& line : model.steps) lines.emplace(line.name, &line);
  const auto line_of = [&lines](const StepPath& path) {
    const auto found = lines.find(std::string(RootStepName(path)));
    return found == lines.end() ? nullptr : found->second;
  };
  for (const auto& [path, result] : record.steps) {
    if (StepLine* const line = line_of(path); line != nullptr) Count(*result, line);
  }
  for (StepLine& line : model.steps) {
    const bool growing = line.look == StepLook::kSucceeded && line.grown_done < line.grown;
    if (growing) line.look = snapshot.finished ? StepLook::kSkipped : StepLook::kRunning;
    if (growing && snapshot.finished) line.reason = reason::kNotFinished;
  }
  for (const StepPath& path : snapshot.executing) {
    StepLine* const line = line_of(path);
    if (line != nullptr && line->look == StepLook::kWaiting) line->look = StepLook::kRunning;
  }
  if (!snapshot.finished) MarkHandedOver(plan, &model);
  return model;
}

std::vector<std::string> RenderProgress(const ProgressModel& model, const ViewOptions& options) {
  std::vector<std::string> lines;
  lines.push_back(Line(options)
                      .Add(model.title, kBold)
                      .Add("  ")
                      .Add(FormatMicroseconds(model.elapsed_microseconds), kDim)
                      .Add(model.failing ? "  on failure" : "", kRed)
                      .Take());
  // The title, the count of what does not fit, and the line where the cursor rests.
  const size_t room = options.height > 4 ? options.height - 3 : 1;
  const bool all = model.steps.size() <= room;
  const std::vector<size_t> chosen = Choose(model.steps, room);

  size_t name_width = 0;
  size_t operation_width = 0;
  size_t executor_width = 0;
  for (const size_t i : chosen) {
    const StepLine& step = model.steps[i];
    name_width = std::max(name_width, std::min<size_t>(Columns(step.name), 24));
    operation_width = std::max(operation_width, std::min<size_t>(Columns(step.operation), 24));
    executor_width = std::max(executor_width, std::min<size_t>(Columns(step.executor), 20));
  }
  for (const size_t i : chosen) {
    const StepLine& step = model.steps[i];
    const Glyph glyph = GlyphOf(step, options.frame);
    const bool waits = step.look == StepLook::kWaiting;
    lines.push_back(Line(options)
                        .Add(" ")
                        .Add(glyph.text, glyph.style)
                        .Add(" ")
                        .Add(PadTo(step.name, name_width), waits ? kDim : "")
                        .Add("  ")
                        .Add(PadTo(step.operation, operation_width), kDim)
                        .Add("  ")
                        .Add(PadTo(step.executor, executor_width), kDim)
                        .Add("  ")
                        .Add(DetailOf(step), step.look == StepLook::kFailed ? kRed : "")
                        .Take());
  }
  if (!all) {
    lines.push_back(
        Line(options)
            .Add(absl::StrCat("   … and ", model.steps.size() - chosen.size(), " more steps"), kDim)
            .Take());
  }
  return lines;
}

std::vector<std::string> PlainProgress::Update(const ProgressModel& model) {
  std::vector<std::string> lines;
  for (const StepLine& step : model.steps) {
    StepLook& seen = seen_.emplace(step.name, StepLook::kWaiting).first->second;
    if (seen == step.look) continue;
    seen = step.look;
    if (step.look == StepLook::kWaiting || step.look == StepLook::kRunning) continue;
    const std::string detail = DetailOf(step);
    lines.push_back(absl::StrCat(
        step.name, ": ", step.look == StepLook::kSucceeded ? "succeeded" : detail,
        step.look == StepLook::kSucceeded && !detail.empty() ? absl::StrCat(" (", detail, ")") : "",
        step.executor.empty() ? "" : absl::StrCat(" on ", step.executor)));
  }
  return lines;
}

}  // namespace fractos
