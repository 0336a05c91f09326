// The commands of fractosctl: what is on its command line, and who carries it out.
#ifndef FRACTOS_CLI_COMMANDS_H_
#define FRACTOS_CLI_COMMANDS_H_

#include "lib/kube/transport.h"

namespace fractos {

// Runs the command line to its end and returns the process's exit code.
//
// `transports` is how a cluster is talked to. Without it a command for a cluster is handed to the
// program kubectl-fractos beside this one, which has it: loading what it takes would make every
// command on this machine start later.
int RunCommandLine(int argc, char** argv, kube::TransportFactory transports);

}  // namespace fractos

#endif  // FRACTOS_CLI_COMMANDS_H_
