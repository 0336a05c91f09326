// One execution that the daemon asks of a device.
#ifndef FRACTOS_ADAPTORS_KIT_REQUEST_H_
#define FRACTOS_ADAPTORS_KIT_REQUEST_H_

#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "adaptors/kit/arguments.h"
#include "adaptors/kit/memory_file.h"
#include "lib/base/clock.h"
#include "lib/base/unique_fd.h"

namespace fractos::adaptor {

// The value of one input. Its bytes cannot change and live as long as the request. Used by the
// thread that executes the request only, since the first look maps a large value.
class Input {
 public:
  static Input Inline(std::string name, std::string bytes);
  static Input File(std::string name, uint64_t size, UniqueFd file);
  static Input Passed(std::string name, uint64_t size);

  const std::string& name() const { return name_; }
  uint64_t size() const { return size_; }
  // Not fetched: only its size is known, and Answer::Passed may name it.
  bool passed() const { return passed_; }
  // FailedPrecondition for a passed input; InvalidArgument when the daemon's file is not sealed.
  absl::StatusOr<absl::string_view> bytes() const;

 private:
  Input(std::string name, uint64_t size) : name_(std::move(name)), size_(size) {}
  std::string name_;
  uint64_t size_;
  bool passed_ = false;
  std::string inline_bytes_;
  mutable UniqueFd file_;
  mutable Mapping mapping_;
};

// Given to Device::Execute, and gone when that returns. Not thread-safe.
struct Request {
  std::string operation;
  Arguments arguments;
  std::vector<Input> inputs;
  // The same for every execution of one step on the same inputs, over retries and replicas: a
  // device with an effect repeats it under the same key without doing it twice.
  std::string idempotency_key;
  // After it nobody waits for the answer.
  Time deadline;
  // Asked to stop when the answer is not wanted any more; looking at it is a courtesy.
  std::stop_token stop;

  // Null when there is none.
  const Input* FindInput(absl::string_view name) const;
  // The bytes of an input; InvalidArgument naming it when it is missing.
  absl::StatusOr<absl::string_view> InputBytes(absl::string_view name) const;
  // The text of argument `name` (a string or an integer), else the bytes of the input of that name.
  // InvalidArgument when there is neither, or both.
  absl::StatusOr<std::string> ArgumentOrInput(absl::string_view name) const;
};

}  // namespace fractos::adaptor

#endif  // FRACTOS_ADAPTORS_KIT_REQUEST_H_
