// fractosctl: validates, draws, runs and watches TaskGraphs on this machine.
#include "absl/synchronization/mutex.h"
#include "cli/commands.h"
#include "cli/standard_output.h"
#include "lib/base/descriptor_limit.h"

int main(int argc, char** argv) {
  fractos::OpenStandardDescriptors();
#ifndef FRACTOS_FAILPOINTS
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // as fractos-daemon does
#endif
  fractos::RaiseDescriptorLimit();
  fractos::SurviveBrokenPipes();
  return fractos::FinishOutput(fractos::RunCommandLine(argc, argv, nullptr));
}
