#include "operator/controller/reconciler.h"

#include "absl/strings/cord.h"

namespace fractos::ctrl {
namespace {

constexpr char kTerminal[] = "fractos.dev/terminal-error";

}  // namespace

absl::Status TerminalError(const absl::Status& status) {
  absl::Status terminal = status;
  terminal.SetPayload(kTerminal, absl::Cord());
  return terminal;
}

bool IsTerminalError(const absl::Status& status) {
  return status.GetPayload(kTerminal).has_value();
}

}  // namespace fractos::ctrl
