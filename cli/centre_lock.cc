#include "cli/centre_lock.h"

#include <fcntl.h>

#include <cstdio>

namespace fractos {

void OwnLock(const UniqueFd& lock) {
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  // Without it, `down` says that it does not know whom to end.
  (void)::fcntl(lock.get(), F_SETLK, &whole);
}

pid_t LockOwner(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct flock asked = {};
  asked.l_type = F_WRLCK;
  asked.l_whence = SEEK_SET;
  if (!file.valid() || ::fcntl(file.get(), F_GETLK, &asked) != 0) return 0;
  // Not above 0 for one that this process cannot see; and nobody is to end init.
  return asked.l_type == F_UNLCK || asked.l_pid <= 1 ? 0 : asked.l_pid;
}

}  // namespace fractos
