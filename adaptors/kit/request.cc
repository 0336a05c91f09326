#include "adaptors/kit/request.h"

#include "absl/strings/str_cat.h"

namespace fractos::adaptor {

Input Input::Inline(std::string name, std::string bytes) {
  Input input(std::move(name), bytes.size());
  input.inline_bytes_ = std::move(bytes);
  return input;
}

Input Input::File(std::string name, uint64_t size, UniqueFd file) {
  Input input(std::move(name), size);
  input.file_ = std::move(file);
  return input;
}

Input Input::Passed(std::string name, uint64_t size) {
  Input input(std::move(name), size);
  input.passed_ = true;
  return input;
}

absl::StatusOr<absl::string_view> Input::bytes() const {
  if (passed_) {
    return absl::FailedPreconditionError(
        absl::StrCat("input '", name_, "' is declared passed, so its bytes are not here"));
  }
  if (file_.valid()) {
    absl::StatusOr<Mapping> mapping = Mapping::Open(file_, size_);
    if (!mapping.ok()) return mapping.status();
    mapping_ = *std::move(mapping);
    file_.Reset();
  }
  if (!mapping_.bytes().empty()) return mapping_.bytes();
  return absl::string_view(inline_bytes_);
}

const Input* Request::FindInput(absl::string_view name) const {
  for (const Input& input : inputs) {
    if (input.name() == name) return &input;
  }
  return nullptr;
}

absl::StatusOr<absl::string_view> Request::InputBytes(absl::string_view name) const {
  const Input* input = FindInput(name);
  if (input == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("input '", name, "' is missing"));
  }
  return input->bytes();
}

absl::StatusOr<std::string> Request::ArgumentOrInput(absl::string_view name) const {
  const nlohmann::json* argument = arguments.Find(name);
  const Input* input = FindInput(name);
  if (argument != nullptr && input != nullptr) {
    return arguments.Error(name, "is given twice: as an argument and as an input");
  }
  if (argument != nullptr) {
    if (argument->is_string()) return argument->get<std::string>();
    if (argument->is_number_integer()) return argument->dump();
    if (argument->is_number()) {
      return arguments.Error(name, "must be an integer; write one of more than 19 digits as text");
    }
    return arguments.Error(name, "must be text or an integer");
  }
  if (input == nullptr) return arguments.Error(name, "is missing, and there is no such input");
  absl::StatusOr<absl::string_view> bytes = input->bytes();
  if (!bytes.ok()) return bytes.status();
  return std::string(*bytes);
}

}  // namespace fractos::adaptor
