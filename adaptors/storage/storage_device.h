// Files under one folder, as a device.
#ifndef FRACTOS_ADAPTORS_STORAGE_STORAGE_DEVICE_H_
#define FRACTOS_ADAPTORS_STORAGE_STORAGE_DEVICE_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "adaptors/kit/device.h"
#include "adaptors/storage/root.h"

namespace fractos {

// Options: `root`, the folder, created when it is missing and relative to the working directory;
// `immutable`, which takes delete away: a key that was read once then gives the same bytes for
// ever, so that get is deterministic. Thread-safe after Configure.
class StorageDevice final : public adaptor::Device {
 public:
  absl::StatusOr<std::string> Configure(const adaptor::Arguments& options) override;
  adaptor::Answer Execute(const adaptor::Request& request) override;
  int concurrency() const override { return 8; }  // they wait for the disk

  // For the command line. FailedPrecondition before Configure.
  absl::StatusOr<const Root*> root() const;

 private:
  adaptor::Answer Get(const adaptor::Request& request) const;
  adaptor::Answer Put(const adaptor::Request& request) const;
  adaptor::Answer List(const adaptor::Request& request) const;
  adaptor::Answer Stat(const adaptor::Request& request) const;
  adaptor::Answer Delete(const adaptor::Request& request) const;

  std::optional<Root> root_;
  bool immutable_ = false;
};

}  // namespace fractos

#endif  // FRACTOS_ADAPTORS_STORAGE_STORAGE_DEVICE_H_
