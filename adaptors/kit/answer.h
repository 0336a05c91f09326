// What a device answers a request with.
#ifndef FRACTOS_ADAPTORS_KIT_ANSWER_H_
#define FRACTOS_ADAPTORS_KIT_ANSWER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "adaptors/kit/memory_file.h"

namespace fractos::adaptor {

// Why a step failed. `reason` is one CamelCase word that a graph's author can look up; `message`
// names the thing and the way out; `retryable` says that the same request may succeed later.
struct Failure {
  std::string reason;
  std::string message;
  bool retryable = false;
};

// Where an input of a refined step comes from: an earlier refined step, by index, or an input of
// the step that refines, by name.
using RefinedSource = std::variant<uint32_t, std::string>;

struct RefinedStep {
  std::string cluster = ".";  // "." is the device's own
  std::string operation;
  std::string arguments_json = "{}";
  std::vector<std::pair<std::string, RefinedSource>> inputs;
  std::vector<uint32_t> after;
};

// Movable. Made by one of the functions below.
class Answer {
 public:
  // The bytes of the value. Those beyond the inline bound travel as a memory file.
  static Answer Value(std::string bytes) { return Answer(std::move(bytes)); }
  // A value already written to a memory file, which nobody may map writable any more.
  static Answer File(MemoryFile file) { return Answer(std::move(file)); }
  // The value of the input of that name, whose bytes do not move.
  static Answer Passed(std::string input) { return Answer(PassedInput{std::move(input)}); }
  // Steps to do before the remaining ones; the last one's value replaces this step's.
  static Answer Refined(std::vector<RefinedStep> steps) { return Answer(std::move(steps)); }
  static Answer Fail(absl::string_view reason, absl::string_view message, bool retryable = false) {
    return Answer(Failure{std::string(reason), std::string(message), retryable});
  }
  // The reason is the status code's name: NotFound, AlreadyExists ... Unavailable, Aborted and
  // ResourceExhausted are retryable.
  static Answer Fail(const absl::Status& status);

  struct PassedInput {
    std::string name;
  };
  using Content =
      std::variant<std::string, MemoryFile, PassedInput, std::vector<RefinedStep>, Failure>;
  Content& content() { return content_; }
  const Content& content() const { return content_; }

 private:
  explicit Answer(Content content) : content_(std::move(content)) {}
  Content content_;
};

}  // namespace fractos::adaptor

#endif  // FRACTOS_ADAPTORS_KIT_ANSWER_H_
