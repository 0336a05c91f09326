// Exact arithmetic on big integers.
#ifndef FRACTOS_ADAPTORS_MATH_MATH_DEVICE_H_
#define FRACTOS_ADAPTORS_MATH_MATH_DEVICE_H_

#include <string>

#include "absl/status/statusor.h"
#include "adaptors/kit/device.h"

namespace fractos {

// The largest exponent of `power`: its steps, itself and some others fit one run.
inline constexpr int kMaxExponent = 255;

// Stateless, deterministic, bounded: operands and results have at most kMaxDigits digits, and an
// operation whose result would have more fails with reason TooLarge before it is computed. `power`
// does not multiply: it answers with the multiplications to be done. Thread-safe.
class MathDevice final : public adaptor::Device {
 public:
  absl::StatusOr<std::string> Configure(const adaptor::Arguments& options) override;
  adaptor::Answer Execute(const adaptor::Request& request) override;
  int concurrency() const override { return 2; }
  bool IsQuick(const adaptor::Request& request) const override;
};

}  // namespace fractos

#endif  // FRACTOS_ADAPTORS_MATH_MATH_DEVICE_H_
