// Memory files whose bytes nobody can change any more.
#ifndef FRACTOS_LIB_MEMORY_SEALED_FILE_H_
#define FRACTOS_LIB_MEMORY_SEALED_FILE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/unique_fd.h"

namespace fractos {

// Seals the memory file `fd` against writing, growing, shrinking and further seals.
// FailedPrecondition while a writable mapping is open anywhere; InvalidArgument when it is no
// memory file, was sealed otherwise, or is not `size` bytes long.
absl::Status Seal(int fd, uint64_t size);

// OK if `fd` is a memory file of `size` bytes that is sealed so; DataLoss otherwise.
absl::Status CheckSealed(int fd, uint64_t size);

// A new memory file holding `bytes`, sealed against every change.
absl::StatusOr<UniqueFd> SealedFileOf(absl::string_view bytes);

}  // namespace fractos

#endif  // FRACTOS_LIB_MEMORY_SEALED_FILE_H_
