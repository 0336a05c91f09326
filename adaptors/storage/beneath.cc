#include "adaptors/storage/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"

namespace fractos {

UniqueFd OpenBeneath(int root, absl::string_view path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  long fd = ::syscall(SYS_openat2, root, std::string(path).c_str(), &how, sizeof(how));
  // EPERM: a container's seccomp filter that is older than the call.
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
    return OpenBeneathBySegments(root, path, flags, mode);
  }
  return UniqueFd(static_cast<int>(fd));
}

UniqueFd OpenBeneathBySegments(int root, absl::string_view path, int flags, mode_t mode) {
  std::vector<std::string> segments = absl::StrSplit(path, '/');
  UniqueFd folder;
  int at = root;
  for (size_t i = 0; i + 1 < segments.size(); ++i) {
    UniqueFd next(::openat(at, segments[i].c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next.valid()) return next;
    folder = std::move(next);
    at = folder.get();
  }
  return UniqueFd(::openat(at, segments.back().c_str(), flags | O_NOFOLLOW | O_CLOEXEC, mode));
}

}  // namespace fractos
