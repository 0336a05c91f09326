#include "tests/unit/adaptors/syncs.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

namespace fractos {
namespace {

std::function<int(const std::string&)>& OnSync() {
  static std::function<int(const std::string&)> on_sync;
  return on_sync;
}

}  // namespace

Syncs::Syncs(std::function<int(const std::string& path)> on_sync) { OnSync() = std::move(on_sync); }
Syncs::~Syncs() { OnSync() = nullptr; }

}  // namespace fractos

// Stands before that of libc, which is linked dynamically.
extern "C" int fsync(int fd) {
  if (fractos::OnSync() != nullptr) {
    const std::string path =
        std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd)).string();
    if (const int error = fractos::OnSync()(path); error != 0) {
      errno = error;
      return -1;
    }
  }
  return static_cast<int>(::syscall(SYS_fsync, fd));
}
