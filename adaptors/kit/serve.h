// Serves one device to its daemon: the whole of an adaptor's main.
#ifndef FRACTOS_ADAPTORS_KIT_SERVE_H_
#define FRACTOS_ADAPTORS_KIT_SERVE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adaptors/kit/device.h"
#include "lib/base/unique_fd.h"

namespace fractos::adaptor {

// The socket to the daemon: the descriptor that FRACTOS_ADAPTOR_FD numbers, else a connection to
// the path in FRACTOS_ADAPTOR_SOCKET. FailedPrecondition when neither leads to a Unix stream
// socket.
absl::StatusOr<UniqueFd> OpenDaemonSocket();

// Connects to a daemon that listens at `path`, and waits for as long as there is none: the
// containers of a pod start in any order. SIGTERM ends the process (exit code 0) while it waits,
// and is ignored from then on: the daemon hangs up when it needs the adaptor no more.
absl::StatusOr<UniqueFd> ConnectToDaemon(const std::string& path);

// Reads requests from `socket`, executes them on `device`, writes the answers, several of each with
// one system call when they are there. Blocks until the daemon closes the socket (OK) or breaks the
// protocol (InvalidArgument), and until the requests then executing have returned; their stop
// tokens are triggered. Owns neither.
absl::Status Serve(Device& device, int socket);

// The body of an adaptor's main; `arguments` are those after the program's (or adaptor's) name.
// Without any, or with "--connect PATH", it serves the daemon, and the process exits as soon as
// that has closed the socket, whatever the device still does: nobody is left to answer to. It may
// then have as many descriptors open as the hard limit lets it.
// "--describe [--options JSON]" prints the description. Returns the exit code: 0, 1 when the daemon
// broke the protocol, 2 for wrong arguments or options.
int AdaptorMain(Device& device, const std::vector<std::string>& arguments);

}  // namespace fractos::adaptor

#endif  // FRACTOS_ADAPTORS_KIT_SERVE_H_
