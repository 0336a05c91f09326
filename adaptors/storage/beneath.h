// Opening files below a folder without following any symbolic link.
#ifndef FRACTOS_ADAPTORS_STORAGE_BENEATH_H_
#define FRACTOS_ADAPTORS_STORAGE_BENEATH_H_

#include <sys/types.h>

#include "absl/strings/string_view.h"
#include "lib/base/unique_fd.h"

namespace fractos {

// Opens `path` (relative, "/" between its segments, none of them "..") below the folder `root`.
// Invalid with errno set on failure: ELOOP, ENOTDIR or EXDEV when a segment is a symbolic link.
UniqueFd OpenBeneath(int root, absl::string_view path, int flags, mode_t mode = 0);

// The same for kernels without openat2: folder by folder. Seen from outside for its test only.
UniqueFd OpenBeneathBySegments(int root, absl::string_view path, int flags, mode_t mode = 0);

}  // namespace fractos

#endif  // FRACTOS_ADAPTORS_STORAGE_BENEATH_H_
