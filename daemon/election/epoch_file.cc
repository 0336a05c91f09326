#include "daemon/election/epoch_file.h"

#include <unistd.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/runtime/atomic_file.h"

namespace fractos {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxFileBytes = 4096;

}  // namespace

absl::StatusOr<uint64_t> ReadEpoch(const std::string& path) {
  absl::StatusOr<std::string> text = ReadWholeFile(path, kMaxFileBytes);
  if (absl::IsNotFound(text.status())) return 0;
  if (absl::IsResourceExhausted(text.status())) text = "";  // as much a damage as any other
  if (!text.ok()) return text.status();
  absl::string_view digits = absl::StripSuffix(*text, "\n");
  uint64_t epoch = 0;
  bool number = !digits.empty() && std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) &&
                absl::SimpleAtoi(digits, &epoch);
  if (!number || epoch == std::numeric_limits<uint64_t>::max()) {
    return absl::DataLossError(absl::StrCat(
        path,
        " does not hold an epoch; write the highest one this cluster ever had into it, or "
        "remove the data centre's folder if nothing of it is needed any more"));
  }
  return epoch;
}

absl::Status WriteEpoch(const std::string& path, uint64_t epoch) {
  return WriteFileAtomically(path, absl::StrCat(epoch, "\n"));
}

absl::Status WriteLeader(const std::string& path, const LeaderInfo& leader) {
  Json json = {{"replica", leader.replica},
               {"bootId", leader.boot.ToHex()},
               {"epoch", leader.epoch},
               {"pid", getpid()}};
  return ReplaceFile(path, json.dump() + "\n");
}

std::optional<LeaderInfo> ReadLeader(const std::string& path) {
  absl::StatusOr<std::string> text = ReadWholeFile(path, kMaxFileBytes);
  if (!text.ok()) return std::nullopt;
  Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  auto replica = json.find("replica");
  auto boot = json.find("bootId");
  auto epoch = json.find("epoch");
  if (replica == json.end() || !replica->is_number_unsigned() || boot == json.end() ||
      !boot->is_string() || epoch == json.end() || !epoch->is_number_unsigned()) {
    return std::nullopt;
  }
  absl::StatusOr<BootId> id = BootId::FromHex(boot->get_ref<const std::string&>());
  if (!id.ok()) return std::nullopt;
  return LeaderInfo{replica->get<uint32_t>(), *id, epoch->get<uint64_t>()};
}

}  // namespace fractos
