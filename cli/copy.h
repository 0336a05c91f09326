// `fractosctl cp`: files into a storage device and out of it.
#ifndef FRACTOS_CLI_COPY_H_
#define FRACTOS_CLI_COPY_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/exit_code.h"

namespace fractos {

// "storage:KEY" or "namespace/storage:KEY".
struct RemoteName {
  std::string cluster;  // full name
  std::string key;
};
// None for a local file: what has no colon, begins with a colon or a slash, or has a dot before the
// colon, as in "./a:b". A cluster without a namespace is in `ns`.
std::optional<RemoteName> ParseRemoteName(absl::string_view text, absl::string_view ns);

struct CopyOptions {
  std::string from;
  std::string to;
  std::vector<std::string> device_files;
};

// What is to be copied where.
struct CopyEnds {
  bool puts = false;  // into the storage
  RemoteName remote;
  std::string file;  // "-" is standard input or output
};
// InvalidArgument unless one end is a key and the other one a file.
absl::StatusOr<CopyEnds> ParseCopyEnds(const CopyOptions& options, absl::string_view ns);

// By the storage adaptor's own commands, so that what holds for steps (keys never leave the root,
// nothing is replaced, no half-written file) holds here. Takes no running data centre. "-" is
// standard input or output.
ExitCode Copy(const CopyOptions& options);

}  // namespace fractos

#endif  // FRACTOS_CLI_COPY_H_
