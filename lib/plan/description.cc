// Descriptions as adaptors send them: JSON in, JSON out.
#include <functional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/limits.h"
#include "lib/plan/json_text.h"
#include "lib/plan/names.h"
#include "lib/plan/operation.h"

namespace fractos {
namespace {

using nlohmann::json;

absl::Status Wrong(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

// Reads the fields of one JSON object. The first thing wrong sticks, so that callers read on
// without looking and return status() at the end.
class ObjectReader {
 public:
  ObjectReader(const json& object, std::string field) : object_(object), field_(std::move(field)) {
    if (!object.is_object()) Fail(field_.empty() ? "the description" : field_, "must be an object");
  }

  // An identifier, always required.
  std::string Name(const char* key) {
    std::string name = Text(key);
    if (!IsIdentifier(name)) {
      Fail(Path(key),
           absl::StrCat("must be a letter and then letters, digits, '-' or '_', at most ",
                        kMaxNameLength, " in all"));
    }
    return name;
  }

  // Text of at most kMaxDescriptionText bytes; empty when it is not there.
  std::string Text(const char* key) {
    const json* value = Find(key);
    if (value == nullptr) return "";
    return TextOf(*value, Path(key));
  }

  bool Flag(const char* key) {
    const json* value = Find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) {
      Fail(Path(key), "must be true or false");
      return false;
    }
    return value->get<bool>();
  }

  std::vector<std::string> Texts(const char* key, size_t limit) {
    std::vector<std::string> texts;
    ForEach(key, limit, [&](const json& item, const std::string& path) {
      texts.push_back(TextOf(item, path));
      return absl::OkStatus();
    });
    return texts;
  }

  void ForEach(const char* key, size_t limit,
               const std::function<absl::Status(const json&, const std::string&)>& each) {
    const json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_array()) return Fail(Path(key), "must be a list");
    if (value->size() > limit) {
      return Fail(Path(key),
                  absl::StrCat("has ", value->size(), " entries, at most ", limit, " are allowed"));
    }
    for (size_t i = 0; i < value->size() && status_.ok(); ++i) {
      status_.Update(each((*value)[i], absl::StrCat(Path(key), "[", i, "]")));
    }
  }

  void Fail(absl::string_view field, absl::string_view what) { status_.Update(Wrong(field, what)); }

  std::string Path(absl::string_view key) const {
    return field_.empty() ? std::string(key) : absl::StrCat(field_, ".", key);
  }

  // The first thing wrong, a field that nobody asked for included.
  absl::Status Finish() {
    if (!status_.ok()) return status_;
    for (const auto& entry : object_.items()) {
      if (known_.count(entry.key()) == 0) {
        return Wrong(
            Path(Quoted(entry.key())),
            absl::StrCat("unknown field", DidYouMean(entry.key(), {known_.begin(), known_.end()})));
      }
    }
    return absl::OkStatus();
  }

 private:
  const json* Find(const char* key) {
    known_.insert(key);
    if (!object_.is_object()) return nullptr;
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }

  std::string TextOf(const json& value, const std::string& path) {
    if (!value.is_string()) {
      Fail(path, "must be a string");
      return "";
    }
    std::string text = value.get<std::string>();
    if (text.size() > kMaxDescriptionText) {
      Fail(path, absl::StrCat("is ", text.size(), " bytes long, at most ", kMaxDescriptionText,
                              " are allowed"));
    }
    return text;
  }

  const json& object_;
  const std::string field_;
  std::set<std::string> known_;
  absl::Status status_;
};

// Refuses a name that an earlier element of the same list has.
template <typename Spec>
absl::Status AddUnique(Spec spec, absl::string_view path, std::vector<Spec>* list) {
  for (const Spec& earlier : *list) {
    if (earlier.name == spec.name) {
      return Wrong(absl::StrCat(path, ".name"), absl::StrCat(Quoted(spec.name), " is there twice"));
    }
  }
  list->push_back(std::move(spec));
  return absl::OkStatus();
}

absl::Status ReadType(absl::string_view text, absl::string_view path, ArgumentType* type) {
  std::vector<std::string> known;
  for (ArgumentType candidate :
       {ArgumentType::kString, ArgumentType::kInteger, ArgumentType::kNumber,
        ArgumentType::kBoolean, ArgumentType::kStrings, ArgumentType::kObject}) {
    if (text == ArgumentTypeName(candidate)) {
      *type = candidate;
      return absl::OkStatus();
    }
    known.emplace_back(ArgumentTypeName(candidate));
  }
  return Wrong(path,
               absl::StrCat("must be string, integer, number, boolean, strings or object, not ",
                            Quoted(text), DidYouMean(text, known)));
}

absl::Status ReadEffect(absl::string_view text, absl::string_view path, Effect* effect) {
  if (text == "once") {
    return Wrong(path, "effects that run at most once are not supported yet");
  }
  if (text != "none" && text != "idempotent" && !text.empty()) {
    return Wrong(path, absl::StrCat("must be none or idempotent, not ", Quoted(text),
                                    DidYouMean(text, {"none", "idempotent"})));
  }
  *effect = text == "idempotent" ? Effect::kIdempotent : Effect::kNone;
  return absl::OkStatus();
}

absl::StatusOr<ArgumentSpec> ReadArgument(const json& item, const std::string& path) {
  ObjectReader reader(item, path);
  ArgumentSpec spec;
  spec.name = reader.Name("name");
  spec.description = reader.Text("description");
  const std::string type = reader.Text("type");
  spec.required = reader.Flag("required");
  spec.values = reader.Texts("values", kMaxArgumentValues);
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  if (absl::Status status = ReadType(type, reader.Path("type"), &spec.type); !status.ok()) {
    return status;
  }
  if (!spec.values.empty() && spec.type != ArgumentType::kString &&
      spec.type != ArgumentType::kStrings) {
    return Wrong(reader.Path("values"), "only string and strings arguments can enumerate values");
  }
  return spec;
}

absl::StatusOr<InputSpec> ReadInput(const json& item, const std::string& path) {
  ObjectReader reader(item, path);
  InputSpec spec;
  spec.name = reader.Name("name");
  spec.description = reader.Text("description");
  spec.required = reader.Flag("required");
  spec.passed = reader.Flag("passed");
  spec.variadic = reader.Flag("variadic");
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  return spec;
}

// "./operation" or "cluster/operation".
absl::Status CheckRefinement(absl::string_view target, absl::string_view path) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(target, absl::MaxSplits('/', 1));
  if ((parts.first == "." || IsDnsName(parts.first)) && IsIdentifier(parts.second)) {
    return absl::OkStatus();
  }
  return Wrong(
      path, absl::StrCat("must be \"./operation\" or \"cluster/operation\", not ", Quoted(target)));
}

absl::StatusOr<OperationSpec> ReadOperation(const json& item, const std::string& path) {
  ObjectReader reader(item, path);
  OperationSpec spec;
  spec.name = reader.Name("name");
  spec.description = reader.Text("description");
  reader.ForEach("arguments", kMaxArguments, [&](const json& argument, const std::string& at) {
    absl::StatusOr<ArgumentSpec> read = ReadArgument(argument, at);
    return read.ok() ? AddUnique(*std::move(read), at, &spec.arguments) : read.status();
  });
  reader.ForEach("inputs", kMaxInputs, [&](const json& input, const std::string& at) {
    absl::StatusOr<InputSpec> read = ReadInput(input, at);
    if (!read.ok()) return read.status();
    for (const InputSpec& earlier : spec.inputs) {
      if (earlier.variadic && read->variadic) {
        return Wrong(at + ".variadic",
                     absl::StrCat("the input ", Quoted(earlier.name), " is variadic already"));
      }
    }
    return AddUnique(*std::move(read), at, &spec.inputs);
  });
  spec.deterministic = reader.Flag("deterministic");
  const std::string effect = reader.Text("effect");
  reader.ForEach("refinesTo", kMaxRefinesTo, [&](const json& target, const std::string& at) {
    if (!target.is_string()) return Wrong(at, "must be a string");
    spec.refines_to.push_back(target.get<std::string>());
    return CheckRefinement(spec.refines_to.back(), at);
  });
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  if (absl::Status status = ReadEffect(effect, reader.Path("effect"), &spec.effect); !status.ok()) {
    return status;
  }
  return spec;
}

// Puts `key` in only when it says more than its absence does.
void PutText(const char* key, const std::string& text, json* object) {
  if (!text.empty()) (*object)[key] = text;
}
void PutFlag(const char* key, bool flag, json* object) {
  if (flag) (*object)[key] = true;
}
void PutList(const char* key, json list, json* object) {
  if (!list.empty()) (*object)[key] = std::move(list);
}

json ToJson(const ArgumentSpec& spec) {
  json object = {{"name", spec.name}, {"type", std::string(ArgumentTypeName(spec.type))}};
  PutText("description", spec.description, &object);
  PutFlag("required", spec.required, &object);
  PutList("values", spec.values, &object);
  return object;
}

json ToJson(const InputSpec& spec) {
  json object = {{"name", spec.name}};
  PutText("description", spec.description, &object);
  PutFlag("required", spec.required, &object);
  PutFlag("passed", spec.passed, &object);
  PutFlag("variadic", spec.variadic, &object);
  return object;
}

json ToJson(const OperationSpec& spec);

template <typename Spec>
json ListToJson(const std::vector<Spec>& specs) {
  json list = json::array();
  for (const Spec& spec : specs) list.push_back(ToJson(spec));
  return list;
}

json ToJson(const OperationSpec& spec) {
  json object = {{"name", spec.name}};
  PutText("description", spec.description, &object);
  PutList("arguments", ListToJson(spec.arguments), &object);
  PutList("inputs", ListToJson(spec.inputs), &object);
  PutFlag("deterministic", spec.deterministic, &object);
  if (spec.effect != Effect::kNone) object["effect"] = std::string(EffectName(spec.effect));
  PutList("refinesTo", spec.refines_to, &object);
  return object;
}

}  // namespace

absl::StatusOr<DeviceDescription> ParseDeviceDescription(absl::string_view text) {
  if (text.size() > kMaxSpecBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the description is ", text.size(),
                                                   " bytes long, at most ", kMaxSpecBytes,
                                                   " are allowed"));
  }
  absl::StatusOr<json> parsed = ParseStrictJson(text);
  if (!parsed.ok()) return parsed.status();
  ObjectReader reader(*parsed, "");
  DeviceDescription description;
  description.device = reader.Name("device");
  description.stateful = reader.Flag("stateful");
  reader.ForEach("operations", kMaxOperations, [&](const json& item, const std::string& at) {
    absl::StatusOr<OperationSpec> read = ReadOperation(item, at);
    return read.ok() ? AddUnique(*std::move(read), at, &description.operations) : read.status();
  });
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  return description;
}

std::string DeviceDescriptionToJson(const DeviceDescription& description) {
  return JsonText({{"device", description.device},
                   {"stateful", description.stateful},
                   {"operations", ListToJson(description.operations)}});
}

}  // namespace fractos
