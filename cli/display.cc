#include "cli/display.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace fractos {

Display::Kind Display::Choose() {
  const char* const terminal = std::getenv("TERM");
  const bool dumb = terminal == nullptr || absl::string_view(terminal) == "dumb";
  return ::isatty(STDERR_FILENO) != 0 && !dumb ? Kind::kLive : Kind::kPlain;
}

bool Display::WantsColour(int fd) {
  const char* const no_colour = std::getenv("NO_COLOR");
  return ::isatty(fd) != 0 && (no_colour == nullptr || *no_colour == '\0');
}

void Display::Show(const ProgressModel& model, const std::vector<ReplicaNews>& news) {
  std::string out;
  if (kind_ == Kind::kPlain) {
    for (const ReplicaNews& one : news) absl::StrAppend(&out, FormatNews(one), "\n");
    for (const std::string& line : plain_.Update(model)) absl::StrAppend(&out, line, "\n");
  } else if (kind_ == Kind::kLive) {
    ViewOptions options;
    winsize size = {};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
      options.width = size.ws_col;
      options.height = size.ws_row;
    }
    options.colour = WantsColour(STDERR_FILENO);
    options.frame = frame_++;
    // One write for the whole frame, each line cleared as it is drawn: nothing flickers.
    if (drawn_ > 0) absl::StrAppend(&out, "\x1b[", drawn_, "F");
    for (const ReplicaNews& one : news) absl::StrAppend(&out, FormatNews(one), "\x1b[K\n");
    const std::vector<std::string> lines = RenderProgress(model, options);
    for (const std::string& line : lines) absl::StrAppend(&out, line, "\x1b[K\n");
    absl::StrAppend(&out, "\x1b[J");
    drawn_ = lines.size();
  }
  if (!out.empty()) std::fwrite(out.data(), 1, out.size(), stderr);
}

}  // namespace fractos
