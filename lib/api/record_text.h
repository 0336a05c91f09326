// Ids and incarnations as the texts of a TaskGraph's status.
#ifndef FRACTOS_LIB_API_RECORD_TEXT_H_
#define FRACTOS_LIB_API_RECORD_TEXT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/base/address.h"

namespace fractos {

// 22 characters for 128 bits, 43 for a digest: hexadecimal would not fit the bound of a step.
template <typename Id>
std::string IdText(const Id& id) {
  return absl::WebSafeBase64Escape(id.bytes());
}

// InvalidArgument when `text` is none.
template <typename Id>
absl::StatusOr<Id> ParseIdText(absl::string_view text) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(text, &bytes)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is no id"));
  }
  return Id::FromBytes(bytes);
}

// "storage/0@BOOT", with the namespace in front when it is another one than `ns`.
std::string IncarnationText(const Incarnation& at, const std::string& ns);
// InvalidArgument when `text` is none.
absl::StatusOr<Incarnation> ParseIncarnation(absl::string_view text, const std::string& ns);

}  // namespace fractos

#endif  // FRACTOS_LIB_API_RECORD_TEXT_H_
