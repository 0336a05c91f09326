// The adaptors that ship: what they offer, known without starting one, and the data centre that
// they make up when the user names none.
#ifndef FRACTOS_CLI_KNOWN_DEVICES_H_
#define FRACTOS_CLI_KNOWN_DEVICES_H_

#include <optional>
#include <string>
#include <vector>

#include "lib/plan/device_cluster.h"
#include "lib/plan/operation.h"
#include "lib/plan/plan.h"

namespace fractos {

// What `cluster` offers, if its command is `fractos-adaptor NAME` for a NAME that ships.
std::optional<DeviceDescription> KnownDescription(const DeviceCluster& cluster);

// The name in `fractos-adaptor NAME`; empty for any other command.
std::string ShippedAdaptor(const DeviceCluster& cluster);

// All that ship: names of adaptors, and of the default data centre's devices.
std::vector<std::string> ShippedNames();

// What is wrong with a `fractos-adaptor NAME` whose NAME does not ship; none for any other command.
std::optional<Diagnostic> CheckCommand(const DeviceCluster& cluster);

// storage (its root under `home`), math, cnn and echo, one replica each.
std::vector<DeviceCluster> DefaultDataCentre(const std::string& home);

// The descriptions of `clusters` that are known, and the names of the others.
struct KnownDescriptions {
  Descriptions descriptions;
  std::vector<std::string> undescribed;
};
KnownDescriptions DescribeWithoutStarting(const std::vector<DeviceCluster>& clusters);

}  // namespace fractos

#endif  // FRACTOS_CLI_KNOWN_DEVICES_H_
