// The trace that whoever runs fractosctl is in.
#ifndef FRACTOS_CLI_OUR_TRACE_H_
#define FRACTOS_CLI_OUR_TRACE_H_

#include <cstdlib>
#include <iostream>
#include <string>

#include "lib/base/trace_context.h"
#include "lib/plan/names.h"

namespace fractos {

// As programs hand it to their children: the variable TRACEPARENT; empty if there is none, or, once
// that is said, if it is none.
inline std::string OurTraceparent() {
  const char* const traceparent = std::getenv("TRACEPARENT");
  if (traceparent == nullptr || *traceparent == '\0') return "";
  if (ParseTraceparent(traceparent).has_value()) return traceparent;
  std::cerr << "note: TRACEPARENT=" << Quoted(traceparent)
            << " is no trace context, so the run begins a trace of its own\n";
  return "";
}

}  // namespace fractos

#endif  // FRACTOS_CLI_OUR_TRACE_H_
