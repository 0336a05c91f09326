#include "cli/source_json.h"

#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace fractos {

using Json = nlohmann::json;

Json SourcesToJson(const std::vector<SourceFile>& sources) {
  Json list = Json::array();
  for (const SourceFile& source : sources) {
    list.push_back({{"name", source.name},
                    {"folder", source.folder},
                    {"devicesOnly", source.devices_only},
                    {"base64", absl::Base64Escape(source.text)}});
  }
  return list;
}

absl::StatusOr<std::vector<SourceFile>> SourcesFromJson(const Json& json) {
  std::vector<SourceFile> sources;
  try {
    for (const Json& source : json) {
      SourceFile file{source.at("name"), "", source.at("folder"),
                      source.value("devicesOnly", false)};
      if (!absl::Base64Unescape(source.at("base64").get_ref<const std::string&>(), &file.text)) {
        return absl::DataLossError(absl::StrCat("the text of ", file.name, " is damaged"));
      }
      sources.push_back(std::move(file));
    }
  } catch (const Json::exception& e) {
    return absl::DataLossError(e.what());
  }
  return sources;
}

}  // namespace fractos
