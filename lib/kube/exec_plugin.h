// Programs that give credentials (kubeconfig's `exec`): how they are run, what they say, and how
// long that counts. Source: client-go plugin/pkg/client/auth/exec.
#ifndef FRACTOS_LIB_KUBE_EXEC_PLUGIN_H_
#define FRACTOS_LIB_KUBE_EXEC_PLUGIN_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/clock.h"
#include "lib/kube/config.h"
#include "lib/kube/credentials.h"

namespace fractos::kube {

struct ExecOptions {
  // How long a program may take that cannot ask anybody anything; then it is killed.
  Duration timeout = std::chrono::seconds(60);
  std::function<bool()> is_terminal = {};  // of standard input; empty: the system's word
};

// Runs the program when there are no credentials, when they have expired (by the calendar, as the
// program says it), and when they were rejected. Several threads that want them at once wait for
// one run. What it prints is hostile input. InvalidArgument when `config` is of no use; Get fails
// with Unauthenticated, naming the program, when the program does. `clock` outlives it.
absl::StatusOr<std::unique_ptr<CredentialSource>> NewExecCredentialSource(const ExecConfig& config,
                                                                          const Clock* clock,
                                                                          ExecOptions options = {});

struct ExecCredential {
  Credential credential;
  std::optional<WallTime> expires;
};

// Reads what a program printed: an ExecCredential of `api_version` whose status has a token, or a
// certificate with its key, or all three.
absl::StatusOr<ExecCredential> ParseExecCredential(absl::string_view text,
                                                   absl::string_view api_version);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_EXEC_PLUGIN_H_
