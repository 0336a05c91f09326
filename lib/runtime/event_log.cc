#include "lib/runtime/event_log.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lib/base/utf8.h"

namespace fractos {
namespace {

absl::string_view LevelName(EventLog::Level level) {
  switch (level) {
    case EventLog::Level::kDebug:
      return "debug";
    case EventLog::Level::kInfo:
      return "info";
    case EventLog::Level::kWarning:
      return "warning";
    case EventLog::Level::kError:
      return "error";
  }
  return "";
}

}  // namespace

void EventLog::Write(Level level, absl::string_view event, const Fields& fields) const {
  if (level < lowest_) return;
  std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromChrono(clock_->WallNow()),
                                      absl::UTCTimeZone());
  std::string line;
  if (format_ == Format::kJson) {
    nlohmann::ordered_json json = {{"time", time},
                                   {"level", std::string(LevelName(level))},
                                   {"source", source_},
                                   {"event", std::string(event)}};
    for (const auto& [key, value] : fields) json[std::string(key)] = value;
    // Messages of adaptors may be in here: what is no UTF-8 is replaced, not thrown at.
    line = json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  } else {
    line = absl::StrCat(time, " ", LevelName(level), " ", source_, ": ", event);
    for (const auto& [key, value] : fields) {
      absl::StrAppend(&line, " ", key, "=\"", EscapeText(value, '"'), "\"");
    }
  }
  line.push_back('\n');
  // A log that cannot be written must not stop what it tells of.
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) return;
}

}  // namespace fractos
