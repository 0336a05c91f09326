// Asks one URL, as a probe does.
#ifndef FRACTOS_LIB_RUNTIME_HTTP_PROBE_H_
#define FRACTOS_LIB_RUNTIME_HTTP_PROBE_H_

#include <string>

#include "absl/status/status.h"

namespace fractos {

// OK when a GET of `url` ("http://host:port/path") is answered by 200 within 5 s. InvalidArgument
// for what is no such URL, Unavailable when there is no answer, FailedPrecondition for another one.
absl::Status ProbeHttp(const std::string& url);

}  // namespace fractos

#endif  // FRACTOS_LIB_RUNTIME_HTTP_PROBE_H_
