// Files as they were read, in the JSON that fractosctl keeps.
#ifndef FRACTOS_CLI_SOURCE_JSON_H_
#define FRACTOS_CLI_SOURCE_JSON_H_

#include <vector>

#include "absl/status/statusor.h"
#include "cli/inputs.h"
#include "nlohmann/json.hpp"

namespace fractos {

// Byte for byte: what was read once must be read the same again.
nlohmann::json SourcesToJson(const std::vector<SourceFile>& sources);
// DataLoss on anything that SourcesToJson does not make.
absl::StatusOr<std::vector<SourceFile>> SourcesFromJson(const nlohmann::json& json);

}  // namespace fractos

#endif  // FRACTOS_CLI_SOURCE_JSON_H_
