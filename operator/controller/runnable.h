// Something that a Manager runs for as long as the process does, or leads.
#ifndef FRACTOS_OPERATOR_CONTROLLER_RUNNABLE_H_
#define FRACTOS_OPERATOR_CONTROLLER_RUNNABLE_H_

#include <stop_token>
#include <string>

#include "absl/status/status.h"

namespace fractos::ctrl {

class Runnable {
 public:
  virtual ~Runnable() = default;
  virtual const std::string& name() const = 0;
  // Blocks until `stop`, then returns soon. On a thread of its own, once. An error ends the
  // process; so does returning before it is asked to.
  virtual absl::Status Run(const std::stop_token& stop) = 0;
};

}  // namespace fractos::ctrl

#endif  // FRACTOS_OPERATOR_CONTROLLER_RUNNABLE_H_
