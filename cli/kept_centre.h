// The data centre that `fractosctl up` keeps running in the background.
#ifndef FRACTOS_CLI_KEPT_CENTRE_H_
#define FRACTOS_CLI_KEPT_CENTRE_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/exit_code.h"
#include "cli/inputs.h"

namespace fractos {

// What its supervisor wrote down under HOME/centre.
struct KeptCentre {
  pid_t supervisor = 0;
  std::string folder;  // its daemons' sockets and logs
  std::vector<PlacedCluster> clusters;
  bool default_clusters = false;
};

// None when no supervisor lives: it holds a lock that the kernel frees at its death.
absl::StatusOr<std::optional<KeptCentre>> FindKeptCentre();

// The same; and if `inputs` brings no DeviceClusters, it gets those that are up.
absl::StatusOr<std::optional<KeptCentre>> UseWhatIsUp(Inputs* inputs);

// Whether every one of `wanted` is kept there exactly as it is defined here.
bool Offers(const KeptCentre& kept, const std::vector<PlacedCluster>& wanted);

struct UpOptions {
  std::vector<std::string> files;
  bool restart = true;
  bool foreground = false;
  bool verbose = false;
};

// Starts a data centre that stays, and returns once it is up. Forks, so call it before any thread
// starts. With `foreground` it returns when a signal has ended it: kExitInterrupted if that came
// while it was starting.
ExitCode Up(const UpOptions& options);
// Ends it, also one that is starting. OK when there is none.
ExitCode Down();
// Prints it as `format` says; kExitFailed when there is none.
ExitCode ShowStatus(const std::string& format);

}  // namespace fractos

#endif  // FRACTOS_CLI_KEPT_CENTRE_H_
