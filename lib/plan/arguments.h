// A step's arguments: parameters put in, types checked.
#ifndef FRACTOS_LIB_PLAN_ARGUMENTS_H_
#define FRACTOS_LIB_PLAN_ARGUMENTS_H_

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "lib/base/limits.h"
#include "lib/plan/operation.h"

namespace fractos {

// What a failure's step, reason or message may at most be when it is put into an argument.
inline constexpr size_t kMaxFailureText = 4 * 1024;

// What the references in arguments stand for. A parameter that is declared and has no value is
// nothing: that is a fault of its own, and what it is used for is not checked.
struct ArgumentScope {
  std::map<std::string, std::optional<std::string>> parameters;
  // Bytes that all arguments of the graph may still take once parameters are in them: a few
  // references to a large value would make a huge plan out of a small file.
  size_t budget = kMaxSpecBytes;
  bool overspent = false;  // and that has been said
};

// Called with what is wrong.
using ArgumentFault = std::function<void(const std::string& message)>;

// `value` with parameters put in, and as `spec` wants it (null: not known, anything goes). In a
// step of onFailure, references to the failure stay, and what is literally "$(" stays escaped,
// until SubstituteFailure.
nlohmann::json ResolveArgument(const nlohmann::json& value, const ArgumentSpec* spec,
                               bool on_failure, ArgumentScope* scope, const ArgumentFault& fault);

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_ARGUMENTS_H_
