#include "cli/known_devices.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "adaptors/cnn/operations.json.h"
#include "adaptors/echo/operations.json.h"
#include "adaptors/math/operations.json.h"
#include "adaptors/storage/operations.json.h"
#include "lib/plan/names.h"
#include "nlohmann/json.hpp"

namespace fractos {
namespace {

struct Shipped {
  absl::string_view name;
  absl::string_view description;
};
constexpr Shipped kShipped[] = {
    {"storage", kStorageOperations},
    {"math", kMathOperations},
    {"cnn", kCnnOperations},
    {"echo", kEchoOperations},
};

}  // namespace

std::string ShippedAdaptor(const DeviceCluster& cluster) {
  const std::vector<std::string>& command = cluster.adaptor.command;
  if (command.size() != 2 || command[0] != "fractos-adaptor") return "";
  for (const Shipped& shipped : kShipped) {
    if (shipped.name == command[1]) return command[1];
  }
  return "";
}

std::vector<std::string> ShippedNames() {
  std::vector<std::string> names;
  for (const Shipped& shipped : kShipped) names.emplace_back(shipped.name);
  return names;
}

std::optional<Diagnostic> CheckCommand(const DeviceCluster& cluster) {
  const std::vector<std::string>& command = cluster.adaptor.command;
  if (command.size() < 2 || command[0] != "fractos-adaptor") return std::nullopt;
  const std::vector<std::string> names = ShippedNames();
  if (std::find(names.begin(), names.end(), command[1]) != names.end()) return std::nullopt;
  const std::string near = NearestName(command[1], names);
  const std::vector<SourceMark>& marks = cluster.adaptor.command_marks;
  return Diagnostic{
      marks.size() == command.size() ? marks[1] : cluster.mark, "spec.adaptor.command[1]",
      absl::StrCat("no adaptor \"", command[1], "\" ships",
                   near.empty() ? absl::StrCat("; there are ", absl::StrJoin(names, ", "))
                                : absl::StrCat(", did you mean \"", near, "\"?"))};
}

std::optional<DeviceDescription> KnownDescription(const DeviceCluster& cluster) {
  const std::string name = ShippedAdaptor(cluster);
  for (const Shipped& shipped : kShipped) {
    if (shipped.name != name) continue;
    absl::StatusOr<DeviceDescription> description = ParseDeviceDescription(shipped.description);
    if (description.ok()) return *std::move(description);
  }
  return std::nullopt;
}

std::vector<DeviceCluster> DefaultDataCentre(const std::string& home) {
  std::vector<DeviceCluster> clusters;
  for (const Shipped& shipped : kShipped) {
    DeviceCluster cluster;
    cluster.name = std::string(shipped.name);
    cluster.adaptor.command = {"fractos-adaptor", cluster.name};
    if (cluster.name == "storage") {
      cluster.adaptor.options = nlohmann::json{{"root", absl::StrCat(home, "/storage")}}.dump(
          -1, ' ', false, nlohmann::json::error_handler_t::replace);
    }
    clusters.push_back(std::move(cluster));
  }
  return clusters;
}

KnownDescriptions DescribeWithoutStarting(const std::vector<DeviceCluster>& clusters) {
  KnownDescriptions known;
  for (const DeviceCluster& cluster : clusters) {
    std::optional<DeviceDescription> description = KnownDescription(cluster);
    if (description.has_value()) {
      known.descriptions.emplace(cluster.FullName(), *std::move(description));
    } else {
      known.undescribed.push_back(cluster.FullName());
    }
  }
  return known;
}

}  // namespace fractos
