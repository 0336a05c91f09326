#include "lib/runtime/http_probe.h"

#include <httplib.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

constexpr char kScheme[] = "http://";
constexpr time_t kTimeoutSeconds = 5;

}  // namespace

absl::Status ProbeHttp(const std::string& url) {
  const size_t host = sizeof(kScheme) - 1;
  if (!absl::StartsWith(url, kScheme) || url.size() == host) {
    return absl::InvalidArgumentError(absl::StrCat("\"", url, "\" is no http://HOST:PORT/PATH"));
  }
  const size_t slash = url.find('/', host);
  httplib::Client client(url.substr(0, slash));
  client.set_connection_timeout(kTimeoutSeconds);
  client.set_read_timeout(kTimeoutSeconds);
  const std::string path = slash == std::string::npos ? "/" : url.substr(slash);
  const httplib::Result result = client.Get(path.c_str());
  if (!result) {
    return absl::UnavailableError(absl::StrCat(url, ": ", httplib::to_string(result.error())));
  }
  if (result->status == 200) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(url, " answered ", result->status, ": ", result->body));
}

}  // namespace fractos
