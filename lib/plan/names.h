// What names may look like, and which known name a wrong one was probably meant to be.
#ifndef FRACTOS_LIB_PLAN_NAMES_H_
#define FRACTOS_LIB_PLAN_NAMES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace fractos {

// A DNS-1035 label of at most kMaxNameLength characters: what objects and steps are called, so that
// they can also be names of Kubernetes objects.
bool IsDnsName(absl::string_view name);

// What is wrong with a name that IsDnsName refuses, for a message about its field.
std::string DnsNameRule(absl::string_view name);

// A DNS-1123 label, as Kubernetes has it: at most kMaxNamespaceLength characters, and a digit may
// come first.
inline constexpr size_t kMaxNamespaceLength = 63;
bool IsNamespace(absl::string_view name);
std::string NamespaceRule(absl::string_view name);

// A letter and then letters, digits, '-' or '_', at most kMaxNameLength: what parameters,
// operations, arguments and inputs are called. No character in it has a meaning elsewhere.
bool IsIdentifier(absl::string_view name);

// The one of `known` that `name` is most likely a slip of the pen for; empty if none is near.
std::string NearestName(absl::string_view name, const std::vector<std::string>& known);

// ", did you mean "x"?" when NearestName finds one, else nothing: ends messages about unknown
// names.
std::string DidYouMean(absl::string_view name, const std::vector<std::string>& known);

// `text` in double quotes, unprintable characters escaped, cut off when long: for messages, where
// hostile text must not take over the terminal.
std::string Quoted(absl::string_view text);

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_NAMES_H_
