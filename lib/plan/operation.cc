#include "lib/plan/operation.h"

namespace fractos {

const ArgumentSpec* OperationSpec::FindArgument(absl::string_view argument) const {
  for (const ArgumentSpec& spec : arguments) {
    if (spec.name == argument) return &spec;
  }
  return nullptr;
}

const InputSpec* OperationSpec::FindInput(absl::string_view input) const {
  const InputSpec* variadic = nullptr;
  for (const InputSpec& spec : inputs) {
    if (spec.variadic) {
      variadic = &spec;
    } else if (spec.name == input) {
      return &spec;
    }
  }
  return variadic;
}

const OperationSpec* DeviceDescription::Find(absl::string_view operation) const {
  for (const OperationSpec& spec : operations) {
    if (spec.name == operation) return &spec;
  }
  return nullptr;
}

absl::string_view EffectName(Effect effect) {
  switch (effect) {
    case Effect::kNone:
      return "none";
    case Effect::kIdempotent:
      return "idempotent";
  }
  return "unknown";
}

absl::string_view ArgumentTypeName(ArgumentType type) {
  switch (type) {
    case ArgumentType::kString:
      return "string";
    case ArgumentType::kInteger:
      return "integer";
    case ArgumentType::kNumber:
      return "number";
    case ArgumentType::kBoolean:
      return "boolean";
    case ArgumentType::kStrings:
      return "strings";
    case ArgumentType::kObject:
      return "object";
  }
  return "unknown";
}

}  // namespace fractos
