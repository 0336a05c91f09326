// TaskGraph as a person writes it: steps and edges over DeviceClusters.
#ifndef FRACTOS_LIB_PLAN_TASK_GRAPH_H_
#define FRACTOS_LIB_PLAN_TASK_GRAPH_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"

namespace fractos {

// Bounds of a graph, besides those of lib/base/limits.h.
inline constexpr size_t kMaxParameters = 64;
inline constexpr size_t kMaxParameterBytes = 4 * 1024;  // of one value
inline constexpr int kMaxRetries = 10;
inline constexpr std::chrono::milliseconds kMinDeadline{1};
inline constexpr int64_t kMaxTtlSeconds = 365 * 24 * 3600;  // of ttlSecondsAfterFinished
inline constexpr std::chrono::seconds kDefaultStepTimeout{30};
// The five characters that complete a generated name must fit, too.
inline constexpr size_t kMaxGenerateNameLength = kMaxNameLength - 5;

// Where something stands in a file; lines and columns count from 1, 0 means unknown.
struct SourceMark {
  std::string file;
  int line = 0;
  int column = 0;
};

// Where the fields of something stand, by their path within it ("inputs.image").
using FieldMarks = std::map<std::string, SourceMark>;

struct ParameterSpec {
  std::string name;
  std::optional<std::string> value;  // none: the run must give it
  SourceMark mark;
};

enum class Comparison { kEquals, kNotEquals, kMatches };

// Run the step only if an input compares so; otherwise it is Skipped. The input's bytes are taken
// as text without trailing white space; `matches` is an RE2 expression for the whole text.
struct WhenSpec {
  std::string input;
  Comparison comparison = Comparison::kEquals;
  std::string operand;
};

struct RetrySpec {
  int limit = 0;  // further attempts after the first
  Duration backoff = std::chrono::milliseconds(50);
};

enum class Mode {
  kDistributed,  // results go straight from producer to consumer
  kCentralized,  // every result goes back through the driver: the A/B that shows the tax
};

// "Distributed" or "Centralized", as files, reports, metrics and spans say it; and back, none for
// another word.
std::string ModeName(Mode mode);
std::optional<Mode> ParseMode(absl::string_view name);

struct TaskGraphStep {
  std::string name;
  std::string device;  // "name" or "namespace/name"
  std::string operation;
  std::string arguments = "{}";  // a JSON object, keys sorted; strings may hold $(parameters.x)
  std::vector<std::pair<std::string, std::string>> inputs;  // input name -> step name
  std::vector<std::string> after;                           // order without data
  std::optional<WhenSpec> when;
  std::optional<RetrySpec> retry;
  std::optional<Duration> timeout;  // none: kDefaultStepTimeout, or the deadline if that is sooner
  SourceMark mark;
  FieldMarks marks;

  // Where `field` stands; where the step does, when that is not known.
  const SourceMark& MarkOf(const std::string& field) const {
    const auto found = marks.find(field);
    return found == marks.end() ? mark : found->second;
  }
};

struct TaskGraph {
  std::string name;           // empty when only generate_name is given
  std::string generate_name;  // a prefix that whoever makes the object completes; may end in '-'
  std::string ns = "default";
  std::vector<ParameterSpec> parameters;
  std::vector<TaskGraphStep> steps;       // a step refers only to steps above it
  std::vector<TaskGraphStep> on_failure;  // the error continuation
  Mode mode = Mode::kDistributed;
  Duration deadline = kDefaultDeadline;
  bool cancel = false;  // nothing is to be started, or started any more: the run ends as Cancelled
  SourceMark mark;
  SourceMark deadline_mark;

  // What to call the graph: the name, else what it would be generated from.
  std::string DisplayName() const;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_TASK_GRAPH_H_
