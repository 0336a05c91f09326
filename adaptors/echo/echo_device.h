// A device that does nothing useful, exactly: for tests and measurements.
#ifndef FRACTOS_ADAPTORS_ECHO_ECHO_DEVICE_H_
#define FRACTOS_ADAPTORS_ECHO_ECHO_DEVICE_H_

#include <string>

#include "absl/status/statusor.h"
#include "adaptors/kit/device.h"

namespace fractos {

// With option `hostile: true` it also offers what a broken or malicious adaptor does (crash, hang,
// garbage, ...), so that tests can see the daemon live through it; option `log` names the file that
// `append` appends to. Thread-safe.
class EchoDevice final : public adaptor::Device {
 public:
  absl::StatusOr<std::string> Configure(const adaptor::Arguments& options) override;
  adaptor::Answer Execute(const adaptor::Request& request) override;
  int concurrency() const override { return 64; }
  bool IsQuick(const adaptor::Request& request) const override;

 private:
  bool hostile_ = false;
  std::string log_;
};

}  // namespace fractos

#endif  // FRACTOS_ADAPTORS_ECHO_ECHO_DEVICE_H_
