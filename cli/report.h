// How a run ended, as text for people and as JSON or YAML for programs (docs/fractosctl.md gives
// the schema).
#ifndef FRACTOS_CLI_REPORT_H_
#define FRACTOS_CLI_REPORT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "cli/exit_code.h"
#include "lib/driver/driver.h"
#include "lib/plan/plan.h"

namespace fractos {

enum class ReportFormat { kText, kJson, kYaml };

// A run that ended, and what it ran.
struct RunReport {
  const Plan& plan;
  const RunSnapshot& snapshot;
};

// Outputs, then how it ended and what it cost; for a failure the step, the reason, the message and
// the way out.
std::string FormatReport(const RunReport& report, ReportFormat format, bool colour);

// 0, 1, 3 or 130, by how the run ended.
ExitCode ExitCodeOf(const RunRecord& record);

// What to try when a step fails for this reason; empty when there is nothing to say.
std::string WayOut(absl::string_view reason);

}  // namespace fractos

#endif  // FRACTOS_CLI_REPORT_H_
