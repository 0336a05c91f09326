// What one implements to make a device.
#ifndef FRACTOS_ADAPTORS_KIT_DEVICE_H_
#define FRACTOS_ADAPTORS_KIT_DEVICE_H_

#include <string>

#include "absl/status/statusor.h"
#include "adaptors/kit/answer.h"
#include "adaptors/kit/arguments.h"
#include "adaptors/kit/request.h"

namespace fractos::adaptor {

// One device. Configure is called once, before anything else; then Execute, from as many threads at
// a time as concurrency() says, and in any order. An exception that leaves Execute fails that
// request with reason Internal and nothing else.
class Device {
 public:
  virtual ~Device() = default;

  // Takes the DeviceCluster's options and returns the device's description as JSON
  // (docs/adaptors.md gives the format). Should be quick: the daemon is not ready before. An error
  // is shown to the person who wrote the options, and the adaptor ends.
  virtual absl::StatusOr<std::string> Configure(const Arguments& options) = 0;

  virtual Answer Execute(const Request& request) = 0;

  // How many requests execute at the same time; at least 1, asked once, after Configure.
  virtual int concurrency() const { return 1; }

  // Whether the request takes microseconds. Such a request is answered by the thread that read it,
  // beside those that concurrency() counts: that saves two wake-ups, and keeps later requests
  // waiting meanwhile. Must be thread-safe with Execute.
  virtual bool IsQuick(const Request&) const { return false; }
};

}  // namespace fractos::adaptor

#endif  // FRACTOS_ADAPTORS_KIT_DEVICE_H_
