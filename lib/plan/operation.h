// What a device says of itself: its operations, their arguments and inputs, and what the protocol
// may assume of each. Only the device knows these; a graph's author cannot change them.
#ifndef FRACTOS_LIB_PLAN_OPERATION_H_
#define FRACTOS_LIB_PLAN_OPERATION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fractos {

// Bounds of a description, besides kMaxOperations, kMaxInputs and kMaxNameLength.
inline constexpr size_t kMaxArguments = 64;          // of one operation
inline constexpr size_t kMaxArgumentValues = 64;     // that one argument enumerates
inline constexpr size_t kMaxRefinesTo = 64;          // of one operation
inline constexpr size_t kMaxDescriptionText = 1024;  // bytes of one description or value

// What an operation does besides its result.
enum class Effect {
  kNone,        // its result is all it does
  kIdempotent,  // touches the world; may be repeated under the same idempotency key
};

enum class ArgumentType {
  kString,
  kInteger,  // a JSON integer, or a decimal string of any length
  kNumber,
  kBoolean,
  kStrings,  // a list of strings
  kObject,   // any JSON object; the adaptor checks what is in it
};

struct ArgumentSpec {
  std::string name;
  std::string description;
  ArgumentType type = ArgumentType::kString;
  // Whether the graph must give it. An argument that has an input of the same name may be given
  // either way, so one required argument is then met by the input too.
  bool required = false;
  std::vector<std::string> values;  // when not empty: the only values allowed
};

struct InputSpec {
  std::string name;
  std::string description;
  bool required = false;
  // The device answers by naming the input and never sees the bytes: they are not fetched.
  bool passed = false;
  // Stands for any number of inputs, under any names the graph gives them. At most one per
  // operation.
  bool variadic = false;
};

struct OperationSpec {
  std::string name;
  std::string description;
  std::vector<ArgumentSpec> arguments;
  std::vector<InputSpec> inputs;
  bool deterministic = false;  // same arguments and inputs, same bytes
  Effect effect = Effect::kNone;
  // Operations this one may answer with as a refinement: "cluster/operation", where "." as the
  // cluster is the device's own.
  std::vector<std::string> refines_to;

  const ArgumentSpec* FindArgument(absl::string_view argument) const;
  // The input of that name, else the variadic one, else null.
  const InputSpec* FindInput(absl::string_view input) const;
};

struct DeviceDescription {
  std::string device;  // the adaptor's name, for people
  bool stateful = false;
  std::vector<OperationSpec> operations;

  const OperationSpec* Find(absl::string_view operation) const;
};

// Reads a description as adaptors send it (docs/adaptors.md gives the format). The text is hostile
// input: InvalidArgument names the field that is unknown, of the wrong type, twice there, or beyond
// a bound (those above, kMaxSpecBytes in all).
absl::StatusOr<DeviceDescription> ParseDeviceDescription(absl::string_view json);

// The same description as text; ParseDeviceDescription reads it back.
std::string DeviceDescriptionToJson(const DeviceDescription& description);

absl::string_view EffectName(Effect effect);
absl::string_view ArgumentTypeName(ArgumentType type);

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_OPERATION_H_
