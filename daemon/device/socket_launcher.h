// Adaptors that somebody else starts, such as the other container of a pod.
#ifndef FRACTOS_DAEMON_DEVICE_SOCKET_LAUNCHER_H_
#define FRACTOS_DAEMON_DEVICE_SOCKET_LAUNCHER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/device/adaptor_launcher.h"
#include "lib/base/unique_fd.h"

namespace fractos {

// Listens at a Unix socket; whoever connects is the adaptor. One at a time: others are hung up on
// at once, without a byte, while there is one. When the adaptor hangs up it has ended, and the
// next may come. Kill shuts the connection down, which an adaptor takes as its daemon's end: it
// exits, and whoever started it starts it again.
//
// The socket is for its user and group (mode 0660): both containers of a pod run as the same. A
// file that was left at the path is replaced.
//
// Owns one thread, which accepts. Launch and Kill are called by one thread.
class SocketLauncher final : public AdaptorLauncher {
 public:
  // InvalidArgument for a path that is no socket's; Unavailable when nobody can listen there.
  static absl::StatusOr<std::unique_ptr<SocketLauncher>> Listen(const std::string& path);
  ~SocketLauncher() override;

  // Unavailable unless Incoming() is readable.
  absl::StatusOr<UniqueFd> Launch(std::function<void(std::string how)> on_exit) override;
  void Kill() override;
  int Incoming() const override;

 private:
  class Impl;
  explicit SocketLauncher(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_DEVICE_SOCKET_LAUNCHER_H_
