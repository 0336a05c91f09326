// The folder for sockets and logs of one fractosctl, gone when that ends.
#ifndef FRACTOS_CLI_PRIVATE_FOLDER_H_
#define FRACTOS_CLI_PRIVATE_FOLDER_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"

namespace fractos {

// A folder that only we may enter, under $XDG_RUNTIME_DIR or /tmp: sockets' names must be short,
// wherever the home folder is. It is removed at the end. The kernel frees the lock in it when its
// owner dies, however it dies, so that the next fractosctl can remove what one that was killed left
// behind. Nothing that outlives a fractosctl may be kept here: `resume` needs the home folder only.
class PrivateFolder {
 public:
  // Also removes those of ours that nobody owns any more.
  static absl::StatusOr<PrivateFolder> Create();
  PrivateFolder(PrivateFolder&& other) noexcept
      : path_(std::exchange(other.path_, "")), lock_(std::move(other.lock_)) {}
  PrivateFolder& operator=(PrivateFolder&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(lock_, other.lock_);
    return *this;
  }
  ~PrivateFolder();

  const std::string& path() const { return path_; }

 private:
  PrivateFolder(std::string path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  UniqueFd lock_;
};

// Removes the private folders in `base` that are ours and whose owner is dead.
void RemoveAbandonedFolders(const std::string& base);

}  // namespace fractos

#endif  // FRACTOS_CLI_PRIVATE_FOLDER_H_
