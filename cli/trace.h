// A run as a Chrome trace, for chrome://tracing or ui.perfetto.dev.
#ifndef FRACTOS_CLI_TRACE_H_
#define FRACTOS_CLI_TRACE_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/unique_fd.h"
#include "lib/driver/core/record.h"
#include "lib/plan/plan.h"

namespace fractos {

// JSON in the Trace Event Format: one span for every step that was executed, on the daemon that
// executed it, and one for every hop: an edge whose result came from another process, from its
// commit there to its receipt here.
std::string ChromeTrace(const Plan& plan, const RunRecord& record);

// The file for a trace, opened before the run so that a name that cannot be written is known while
// nothing has been done. What it held stays until Write; a new one that is never written is removed
// again.
class TraceFile {
 public:
  static absl::StatusOr<TraceFile> Open(const std::string& path);
  TraceFile(TraceFile&& other) noexcept = default;
  TraceFile& operator=(TraceFile&&) = delete;
  ~TraceFile();

  absl::Status Write(absl::string_view trace);

 private:
  TraceFile(std::string path, UniqueFd file, bool is_new)
      : path_(std::move(path)), file_(std::move(file)), is_new_(is_new) {}

  std::string path_;
  UniqueFd file_;  // not valid: moved from
  bool is_new_;    // and not written
};

}  // namespace fractos

#endif  // FRACTOS_CLI_TRACE_H_
