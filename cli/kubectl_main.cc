// kubectl-fractos: fractosctl as a plugin of kubectl, which works on a cluster.
#include "absl/synchronization/mutex.h"
#include "cli/commands.h"
#include "cli/standard_output.h"
#include "lib/base/descriptor_limit.h"
#include "lib/kube/cpprest_transport.h"

int main(int argc, char** argv) {
  fractos::OpenStandardDescriptors();
#ifndef FRACTOS_FAILPOINTS
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // as fractos-daemon does
#endif
  fractos::RaiseDescriptorLimit();
  fractos::SurviveBrokenPipes();
  return fractos::FinishOutput(
      fractos::RunCommandLine(argc, argv, [](const fractos::kube::TransportConfig& config) {
        return fractos::kube::NewCpprestTransport(config);
      }));
}
