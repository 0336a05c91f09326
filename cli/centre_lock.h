// Who holds the lock of the data centre that is kept, even before it is up.
#ifndef FRACTOS_CLI_CENTRE_LOCK_H_
#define FRACTOS_CLI_CENTRE_LOCK_H_

#include <sys/types.h>

#include <string>

#include "lib/base/unique_fd.h"

namespace fractos {

// Puts this process' number to its lock, for LockOwner. By a record lock, which the kernel answers
// for and frees at our death: a number written down could by then be that of any process. Gone,
// too, when this process closes any descriptor of that file.
void OwnLock(const UniqueFd& lock);

// The process that owns the lock at `path`; 0 if none does.
pid_t LockOwner(const std::string& path);

}  // namespace fractos

#endif  // FRACTOS_CLI_CENTRE_LOCK_H_
