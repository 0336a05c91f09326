#include "cli/run_folder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/source_json.h"
#include "lib/runtime/atomic_file.h"
#include "nlohmann/json.hpp"

namespace fractos {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxInputsBytes = size_t{16} << 20;

}  // namespace

std::string EncodeRunInputs(const RunInputs& inputs) {
  const Json json = {
      {"sources", SourcesToJson(inputs.sources)},
      {"parameters", inputs.parameters},
      {"name", inputs.name},
      {"mode", ModeName(inputs.mode)},
      {"deadlineMicroseconds",
       std::chrono::duration_cast<std::chrono::microseconds>(inputs.deadline).count()},
      {"traceparent", inputs.traceparent},
      {"restart", inputs.restart},
      {"dataCentre", {{"folder", inputs.data_centre}, {"kept", inputs.data_centre_kept}}}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<RunInputs> DecodeRunInputs(absl::string_view text) {
  try {
    const Json json = Json::parse(text.begin(), text.end());
    RunInputs inputs;
    absl::StatusOr<std::vector<SourceFile>> sources = SourcesFromJson(json.at("sources"));
    if (!sources.ok()) return sources.status();
    inputs.sources = *std::move(sources);
    inputs.parameters = json.at("parameters").get<ParameterValues>();
    inputs.name = json.at("name");
    inputs.mode =
        ParseMode(json.at("mode").get_ref<const std::string&>()).value_or(Mode::kDistributed);
    inputs.deadline = std::chrono::microseconds(json.at("deadlineMicroseconds").get<int64_t>());
    inputs.traceparent = json.value("traceparent", "");
    inputs.restart = json.at("restart");
    inputs.data_centre = json.at("dataCentre").at("folder");
    inputs.data_centre_kept = json.at("dataCentre").at("kept");
    return inputs;
  } catch (const Json::exception& e) {
    return absl::DataLossError(e.what());
  }
}

absl::Status WriteRunInputs(const std::string& folder, const RunInputs& inputs) {
  return WriteFileAtomically(absl::StrCat(folder, "/inputs.json"), EncodeRunInputs(inputs));
}

absl::StatusOr<RunInputs> ReadRunInputs(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/inputs.json");
  const absl::StatusOr<std::string> text = ReadWholeFile(path, kMaxInputsBytes);
  if (!text.ok()) return text.status();
  absl::StatusOr<RunInputs> inputs = DecodeRunInputs(*text);
  if (!inputs.ok()) {
    return absl::DataLossError(absl::StrCat(path, " is damaged: ", inputs.status().message()));
  }
  return inputs;
}

}  // namespace fractos
