// As much of a Kubernetes API server as a daemon asks for, over HTTP.
#ifndef FRACTOS_TESTS_INTEGRATION_SMALL_API_SERVER_H_
#define FRACTOS_TESTS_INTEGRATION_SMALL_API_SERVER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "nlohmann/json.hpp"

namespace fractos {

// One Lease and one DeviceCluster, "lab/echo" both: GET, PUT (with a resourceVersion, else 409) and
// watch of the former; GET and PUT of the status of the latter. Everything else is 403.
// Thread-safe.
class SmallApiServer {
 public:
  SmallApiServer();
  ~SmallApiServer();

  // A kubeconfig that leads here.
  std::string kubeconfig() const;
  nlohmann::json lease() const;
  nlohmann::json cluster() const;
  // What was refused: "POST /path".
  std::vector<std::string> forbidden() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_TESTS_INTEGRATION_SMALL_API_SERVER_H_
