#include "lib/kube/transport.h"

#include "absl/strings/str_cat.h"

namespace fractos::kube {

absl::StatusOr<std::string> ReadBody(const Context& context, HttpResponse& response,
                                     size_t max_bytes) {
  std::string body;
  for (;;) {
    absl::StatusOr<std::string> bytes = response.Read(context);
    if (!bytes.ok()) return bytes.status();
    if (bytes->empty()) return body;
    if (bytes->size() > max_bytes - body.size()) {
      response.Close();
      return absl::ResourceExhaustedError(
          absl::StrCat("an answer of more than ", max_bytes, " bytes"));
    }
    body += *bytes;
  }
}

}  // namespace fractos::kube
