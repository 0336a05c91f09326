// What a process tells people: one event a line on stderr, as text or JSON.
#ifndef FRACTOS_LIB_RUNTIME_EVENT_LOG_H_
#define FRACTOS_LIB_RUNTIME_EVENT_LOG_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/base/clock.h"

namespace fractos {

// Thread-safe: a line is written by one call, so lines of several processes do not mix either.
class EventLog {
 public:
  enum class Format { kText, kJson };
  enum class Level { kDebug, kInfo, kWarning, kError };
  using Fields = std::vector<std::pair<absl::string_view, std::string>>;

  // `source` is named in every line. Events below `lowest` are dropped.
  EventLog(std::string source, Format format, Level lowest, const Clock* clock)
      : source_(std::move(source)), format_(format), lowest_(lowest), clock_(clock) {}

  bool verbose() const { return lowest_ == Level::kDebug; }
  void Write(Level level, absl::string_view event, const Fields& fields = {}) const;

 private:
  const std::string source_;
  const Format format_;
  const Level lowest_;
  const Clock* const clock_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_RUNTIME_EVENT_LOG_H_
