// The command line of fractos-operator.
#ifndef FRACTOS_OPERATOR_FLAGS_H_
#define FRACTOS_OPERATOR_FLAGS_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/clock.h"
#include "lib/runtime/event_log.h"
#include "operator/reconcilers/device_cluster_objects.h"

namespace fractos {

struct OperatorFlags {
  std::vector<std::string> namespaces;  // empty: all
  bool leader_elect = false;
  Duration lease_duration = std::chrono::seconds(15);
  Duration renew_deadline = std::chrono::seconds(10);
  Duration retry_period = std::chrono::seconds(2);
  std::string metrics_address = ":8080";
  std::string health_address = ":8081";
  std::string memory_address;     // empty: values of Centralized runs must be small
  std::string memory_advertised;  // where daemons reach it
  // Of the values that runs keep here. They are memory of this process's container: with what else
  // it needs they must fit the limit that the chart gives it.
  uint64_t memory_quota_bytes = uint64_t{96} << 20;
  // Where this operator sends spans; empty: nowhere.
  std::string otlp_endpoint;
  ReleaseDefaults defaults;
  EventLog::Format log_format = EventLog::Format::kJson;
  EventLog::Level log_level = EventLog::Level::kInfo;

  std::string probe;  // not empty: ask this URL, and exit
  std::string done;   // not empty: print this and exit 0 (--help, --version)
};

// InvalidArgument, naming the flag, when a person has to mend something.
absl::StatusOr<OperatorFlags> ParseOperatorFlags(int argc, const char* const* argv);

}  // namespace fractos

#endif  // FRACTOS_OPERATOR_FLAGS_H_
