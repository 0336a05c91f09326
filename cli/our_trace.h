// The trace that whoever runs fractosctl is in.
#ifndef FRACTOS_CLI_OUR_TRACE_H_
#define FRACTOS_CLI_OUR_TRACE_H_

#include <cstdlib>
#include <string>

namespace fractos {

// As programs hand it to their children: the variable TRACEPARENT, empty if there is none.
inline std::string OurTraceparent() {
  const char* const traceparent = std::getenv("TRACEPARENT");
  return traceparent == nullptr ? "" : traceparent;
}

}  // namespace fractos

#endif  // FRACTOS_CLI_OUR_TRACE_H_
