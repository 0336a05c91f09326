// DeviceCluster as a person writes it: interchangeable daemons for one device.
#ifndef FRACTOS_LIB_PLAN_DEVICE_CLUSTER_H_
#define FRACTOS_LIB_PLAN_DEVICE_CLUSTER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "lib/plan/task_graph.h"

namespace fractos {

// Bounds of a DeviceCluster, besides those of lib/base/limits.h.
inline constexpr size_t kMaxCommandWords = 64;
inline constexpr size_t kMaxEnvironment = 64;             // variables
inline constexpr size_t kMaxAdaptorTextBytes = 4 * 1024;  // one word of the command, one value
inline constexpr size_t kMaxImageBytes = 512;

struct AdaptorSpec {
  std::vector<std::string> command;
  std::string options = "{}";  // a JSON object, given to the adaptor as it is
  std::vector<std::pair<std::string, std::string>> env;
  std::vector<SourceMark> command_marks;  // of the command's words, if they were read from a file
};

struct DeviceCluster {
  std::string name;
  std::string ns = "default";
  int replicas = 1;
  AdaptorSpec adaptor;
  int max_in_flight = static_cast<int>(kDefaultMaxInFlight);
  SourceMark mark;

  // "namespace/name": how everything else names a cluster.
  std::string FullName() const { return absl::StrCat(ns, "/", name); }
};

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_DEVICE_CLUSTER_H_
