// What a Manager runs while it leads, such as a controller.
#ifndef FRACTOS_OPERATOR_CONTROLLER_RUNNABLE_H_
#define FRACTOS_OPERATOR_CONTROLLER_RUNNABLE_H_

#include <stop_token>
#include <string>

#include "absl/status/status.h"

namespace fractos::ctrl {

// Added to a Manager before that runs, and outlives its Run. Run once, on a thread of its own, when
// this process begins to lead, or never; when it leads no more the process ends.
class Runnable {
 public:
  virtual ~Runnable() = default;
  // In errors: which one ended. Thread-safe.
  virtual const std::string& name() const = 0;
  // Blocks until `stop`, then returns soon. An error ends the manager's Run with it; so does
  // returning before it is asked to.
  virtual absl::Status Run(const std::stop_token& stop) = 0;
};

}  // namespace fractos::ctrl

#endif  // FRACTOS_OPERATOR_CONTROLLER_RUNNABLE_H_
