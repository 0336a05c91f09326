#include "daemon/failpoint.h"

#ifdef FRACTOS_FAILPOINTS

#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "lib/base/unique_fd.h"

namespace fractos {
namespace {

constexpr StepState kStates[] = {StepState::kReceived, StepState::kAccepted,  StepState::kExecuting,
                                 StepState::kStaged,   StepState::kCommitted, StepState::kForwarded,
                                 StepState::kPassed};

class ArmedFailpoint final : public Failpoint {
 public:
  ArmedFailpoint(std::string state, std::string step, int countdown, std::string folder,
                 std::string self)
      : state_(std::move(state)),
        step_(std::move(step)),
        countdown_(countdown),
        folder_(std::move(folder)),
        self_(std::move(self)) {}

  void Reach(const Reached& reached) override {
    std::string state(StepStateName(reached.state));
    if (state == state_ && Matches(step_, reached.step) && --countdown_ == 0) raise(SIGKILL);
    if (!folder_.empty() && TakeTrigger(state, reached.step)) raise(SIGKILL);
  }

 private:
  static bool Matches(const std::string& glob, const std::string& step) {
    return fnmatch(glob.c_str(), step.c_str(), 0) == 0;
  }

  bool TakeTrigger(const std::string& state, const std::string& step) {
    std::string path = absl::StrCat(folder_, "/", state);
    UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return false;
    char text[256];
    ssize_t size = read(file.get(), text, sizeof(text));
    if (size < 0) return false;
    std::string glob(absl::StripAsciiWhitespace({text, static_cast<size_t>(size)}));
    if (!glob.empty() && !Matches(glob, step)) return false;
    std::string taken = absl::StrCat(path, ".taken.", self_);
    return rename(path.c_str(), taken.c_str()) == 0;
  }

  const std::string state_;
  const std::string step_;
  int countdown_;
  const std::string folder_;
  const std::string self_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Failpoint>> Failpoint::FromEnvironment(const Address& self) {
  const char* point = getenv("FRACTOS_FAILPOINT");
  const char* folder = getenv("FRACTOS_FAILPOINT_DIR");
  if (point == nullptr && folder == nullptr) return nullptr;
  std::string state;
  std::string step = "*";
  int count = 1;
  if (point != nullptr) {
    std::vector<std::string> parts = absl::StrSplit(point, ':');
    state = parts[0];
    bool known = false;
    for (StepState each : kStates) known |= state == StepStateName(each);
    if (parts.size() > 1) step = parts[1];
    bool counted = parts.size() < 3 || (absl::SimpleAtoi(parts[2], &count) && count > 0);
    if (!known || !counted || parts.size() > 3) {
      return absl::InvalidArgumentError(
          absl::StrCat("FRACTOS_FAILPOINT is \"", point, "\", not STATE[:STEP[:N]]"));
    }
  }
  return std::make_unique<ArmedFailpoint>(std::move(state), std::move(step), count,
                                          folder == nullptr ? "" : folder,
                                          absl::StrReplaceAll(self.ToString(), {{"/", "_"}}));
}

}  // namespace fractos

#else

namespace fractos {

absl::StatusOr<std::unique_ptr<Failpoint>> Failpoint::FromEnvironment(const Address&) {
  return nullptr;
}

}  // namespace fractos

#endif  // FRACTOS_FAILPOINTS
