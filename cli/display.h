// Shows a run on the terminal, or as plain lines where there is none.
#ifndef FRACTOS_CLI_DISPLAY_H_
#define FRACTOS_CLI_DISPLAY_H_

#include <cstdint>
#include <vector>

#include "cli/progress_view.h"

namespace fractos {

// Writes to stderr, so that stdout holds the result alone. On a terminal the lines are drawn over
// the ones before. Used by one thread.
class Display {
 public:
  enum class Kind { kQuiet, kPlain, kLive };
  explicit Display(Kind kind) : kind_(kind) {}

  // Live on a terminal that understands cursor movements, else plain.
  static Kind Choose();
  // Whether `fd` is a terminal on which colours are wanted (NO_COLOR is honoured).
  static bool WantsColour(int fd);

  // `news` stays on the screen, above the steps.
  void Show(const ProgressModel& model, const std::vector<ReplicaNews>& news = {});
  // How long to wait at most until Show should be called again, in milliseconds; -1: until
  // something changes.
  int RedrawMilliseconds() const { return kind_ == Kind::kLive ? 80 : -1; }

 private:
  const Kind kind_;
  PlainProgress plain_;
  size_t drawn_ = 0;
  uint64_t frame_ = 0;
};

}  // namespace fractos

#endif  // FRACTOS_CLI_DISPLAY_H_
