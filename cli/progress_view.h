// What a run looks like on a terminal while it goes on. Pure: the same model, the same lines.
#ifndef FRACTOS_CLI_PROGRESS_VIEW_H_
#define FRACTOS_CLI_PROGRESS_VIEW_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lib/driver/driver.h"
#include "lib/plan/plan.h"

namespace fractos {

enum class StepLook { kWaiting, kRunning, kSucceeded, kFailed, kSkipped };

// A step of the TaskGraph as people see it: what it grew into is counted, not listed.
struct StepLine {
  std::string name;
  std::string operation;  // "storage.get"
  StepLook look = StepLook::kWaiting;
  std::string executor;       // "storage-0"; empty: not known yet
  int64_t microseconds = -1;  // from its hand-over to its commit
  uint64_t bytes = 0;         // of its value
  size_t grown = 0;           // steps that refinements put in its place
  size_t grown_done = 0;
  uint32_t attempts = 1;
  std::string reason;  // of a failure or a skip
  bool on_failure = false;
};

struct ProgressModel {
  std::string title;  // "power · run 3f2a91c4"
  std::vector<StepLine> steps;
  int64_t elapsed_microseconds = 0;
  bool failing = false;  // the error continuation runs
};

// Joins what the plan says with what is recorded and executing. A step runs from when all that it
// needs is there.
ProgressModel BuildProgress(const Plan& plan, const RunSnapshot& snapshot,
                            int64_t elapsed_microseconds);

// What a person who watches a run should hear of its daemons.
struct ReplicaNews {
  enum class What { kDied, kLost, kLeads };
  Address address;
  What what = What::kDied;
  uint64_t epoch = 0;  // under which it leads
};

// "clock-0 died", "clock-2 leads (epoch 2)".
std::string FormatNews(const ReplicaNews& news);

struct ViewOptions {
  size_t width = 80;   // lines are cut here
  size_t height = 24;  // steps that do not fit are counted
  bool colour = true;
  uint64_t frame = 0;  // turns the spinner
};

// The lines of the live display, to be drawn over the ones before.
std::vector<std::string> RenderProgress(const ProgressModel& model, const ViewOptions& options);

// Where there is no terminal: one line for every step that has ended since the last call.
class PlainProgress {
 public:
  std::vector<std::string> Update(const ProgressModel& model);

 private:
  std::map<std::string, StepLook> seen_;
};

// "41 ms", "1.24 s", "2 min 3 s".
std::string FormatMicroseconds(int64_t microseconds);
// "1 240 531", in groups of three.
std::string GroupDigits(uint64_t number);
// "812 B", "1.2 MB".
std::string FormatBytes(uint64_t bytes);

}  // namespace fractos

#endif  // FRACTOS_CLI_PROGRESS_VIEW_H_
