#include "cli/cluster/refusal.h"

#include <iostream>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/kube/errors.h"

namespace fractos::cluster {
namespace {

// The server quotes the value that it refuses, or only its type, before the message of a rule:
// `Invalid value: "object": spec.steps[1].inputs.data: there is no step ...`.
absl::string_view WithoutValue(absl::string_view message) {
  absl::string_view rest = message;
  if (!absl::ConsumePrefix(&rest, "Invalid value: \"")) return message;
  for (size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] == '\\') {
      ++i;
    } else if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return absl::ConsumePrefix(&rest, ": ") ? rest : message;
    }
  }
  return message;
}

std::string LineOf(const kube::StatusCause& cause, absl::string_view source) {
  const absl::string_view message = WithoutValue(cause.message);
  std::string line;
  if (!source.empty()) absl::StrAppend(&line, source, ": ");
  // A rule over several fields names the one that is wrong by itself.
  const bool names_field =
      absl::StartsWith(message, "spec.") || absl::StartsWith(message, "metadata.");
  if (!cause.field.empty() && !names_field) absl::StrAppend(&line, cause.field, ": ");
  return absl::StrCat(line, message, "\n");
}

// What to do about it; empty when there is nothing to say.
absl::string_view WayOut(const absl::Status& status) {
  if (kube::IsUnauthorized(status)) {
    return "the API server does not know you: log in again, or name another --context";
  }
  if (kube::IsForbidden(status)) {
    return "ask whoever runs the cluster for that right; docs/fractosctl.md lists those needed";
  }
  if (LacksFractos(status)) {
    return "it has no TaskGraphs: is FractOS installed there?";
  }
  if (kube::GetTransportFailure(status).has_value()) {
    return "is that the cluster you mean? --context and --kubeconfig name another one";
  }
  return "";
}

}  // namespace

bool LacksFractos(const absl::Status& status) {
  // The path itself is unknown, not an object under it.
  const std::optional<kube::ApiStatus> answer = kube::GetApiStatus(status);
  return kube::IsNotFound(status) && answer.has_value() && answer->name.empty();
}

std::string ExplainRefusal(const absl::Status& status, absl::string_view source) {
  const std::optional<kube::ApiStatus> answer = kube::GetApiStatus(status);
  std::string text;
  if (kube::IsInvalid(status) && answer.has_value()) {
    for (const kube::StatusCause& cause : answer->causes) {
      absl::StrAppend(&text, LineOf(cause, source));
    }
    if (!text.empty()) return text;
  }
  text = absl::StrCat("fractosctl: ", source, source.empty() ? "" : ": ", status.message(), "\n");
  if (const absl::string_view hint = WayOut(status); !hint.empty()) {
    absl::StrAppend(&text, hint, "\n");
  }
  return text;
}

ExitCode ComplainOfCluster(const absl::Status& status, absl::string_view source) {
  std::cerr << ExplainRefusal(status, source);
  if (kube::IsInvalid(status) || kube::IsBadRequest(status)) return kExitBadInput;
  // Ours, not the server's: nobody answered in time.
  const bool late = absl::IsDeadlineExceeded(status) && !kube::GetApiStatus(status).has_value();
  return late ? kExitDeadline : kExitFailed;
}

}  // namespace fractos::cluster
