#include "lib/kube/exec_plugin.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "lib/kube/run_program.h"
#include "lib/kube/time.h"
#include "lib/kube/tls_material.h"

namespace fractos::kube {
namespace {

constexpr char kV1[] = "client.authentication.k8s.io/v1";
constexpr char kV1Beta1[] = "client.authentication.k8s.io/v1beta1";

class ExecCredentialSource final : public CredentialSource {
 public:
  ExecCredentialSource(ExecConfig config, const Clock* clock, ExecOptions options)
      : config_(std::move(config)), clock_(clock), options_(std::move(options)) {}

  absl::StatusOr<std::shared_ptr<const Credential>> Get(const Context& context) override {
    // Declared before the lock, so that it ends after it: ending waits for the callback.
    const std::stop_callback wake(context.stop, [this] { absl::MutexLock lock(&mutex_); });
    {
      absl::MutexLock lock(&mutex_);
      const auto mine = [this, &context]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
        return !running_ || context.stop.stop_requested();
      };
      if (context.deadline == Time::max()) {
        mutex_.Await(absl::Condition(&mine));
      } else if (!mutex_.AwaitWithTimeout(
                     absl::Condition(&mine),
                     absl::FromChrono(context.deadline - std::chrono::steady_clock::now()))) {
        return absl::DeadlineExceededError("waiting for credentials");
      }
      if (context.stop.stop_requested()) return absl::CancelledError("stopped");
      if (current_ != nullptr && !(expires_.has_value() && clock_->WallNow() >= *expires_)) {
        return current_;
      }
      running_ = true;
    }
    absl::StatusOr<ExecCredential> fresh = Run(context);
    absl::MutexLock lock(&mutex_);
    running_ = false;
    if (!fresh.ok()) return fresh.status();
    current_ = std::make_shared<const Credential>(std::move(fresh->credential));
    expires_ = fresh->expires;
    return current_;
  }

  void Rejected(const std::shared_ptr<const Credential>& credential) override {
    absl::MutexLock lock(&mutex_);
    if (credential == current_) current_ = nullptr;
  }

 private:
  absl::StatusOr<bool> Interactive() const {
    if (config_.interactive_mode == InteractiveMode::kNever) return false;
    const bool terminal =
        options_.is_terminal ? options_.is_terminal() : ::isatty(STDIN_FILENO) == 1;
    if (config_.interactive_mode == InteractiveMode::kAlways && !terminal) {
      return absl::UnauthenticatedError(
          absl::StrCat("exec: ", config_.command, " wants a terminal, and standard input is none"));
    }
    return terminal;
  }

  absl::StatusOr<ExecCredential> Run(Context context) const {
    const absl::StatusOr<bool> interactive = Interactive();
    if (!interactive.ok()) return interactive.status();
    if (!*interactive) {
      context.deadline = std::min(context.deadline,
                                  std::chrono::steady_clock::now() +
                                      std::chrono::duration_cast<Time::duration>(options_.timeout));
    }
    Json info = {{"apiVersion", config_.api_version},
                 {"kind", "ExecCredential"},
                 {"spec", {{"interactive", *interactive}}}};
    if (config_.provide_cluster_info) info["spec"]["cluster"] = config_.cluster;
    std::vector<std::string> command = {config_.command};
    command.insert(command.end(), config_.args.begin(), config_.args.end());
    std::vector<std::pair<std::string, std::string>> env = config_.env;
    env.emplace_back("KUBERNETES_EXEC_INFO", ToJsonText(info));

    absl::StatusOr<std::string> printed = RunProgram(context, command, env, *interactive);
    if (absl::IsCancelled(printed.status())) return printed.status();
    if (!printed.ok()) {
      return absl::UnauthenticatedError(absl::StrCat(
          "exec: ", config_.command, ": ", printed.status().message(),
          absl::IsNotFound(printed.status()) && !config_.install_hint.empty() ? "\n\n" : "",
          absl::IsNotFound(printed.status()) ? config_.install_hint : ""));
    }
    absl::StatusOr<ExecCredential> parsed = ParseExecCredential(*printed, config_.api_version);
    if (!parsed.ok()) {
      return absl::UnauthenticatedError(
          absl::StrCat("exec: ", config_.command, ": ", parsed.status().message()));
    }
    return parsed;
  }

  const ExecConfig config_;
  const Clock* const clock_;
  const ExecOptions options_;
  absl::Mutex mutex_;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<const Credential> current_ ABSL_GUARDED_BY(mutex_);
  std::optional<WallTime> expires_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<CredentialSource>> NewExecCredentialSource(const ExecConfig& config,
                                                                          const Clock* clock,
                                                                          ExecOptions options) {
  if (config.command.empty()) return absl::InvalidArgumentError("exec: no command");
  if (config.api_version != kV1 && config.api_version != kV1Beta1) {
    return absl::InvalidArgumentError(absl::StrCat("exec: apiVersion \"", config.api_version,
                                                   "\" is none of ", kV1, ", ", kV1Beta1));
  }
  return std::make_unique<ExecCredentialSource>(config, clock, std::move(options));
}

absl::StatusOr<ExecCredential> ParseExecCredential(absl::string_view text,
                                                   absl::string_view api_version) {
  const absl::StatusOr<Json> json = ParseJson(text);
  // Without the text, which may hold a secret.
  if (!json.ok()) return absl::InvalidArgumentError("it did not print an ExecCredential");
  const std::string& kind = StringMember(*json, "kind");
  const std::string& version = StringMember(*json, "apiVersion");
  if (kind != "ExecCredential") return absl::InvalidArgumentError("it printed no ExecCredential");
  if (absl::string_view(version) != api_version) {
    return absl::InvalidArgumentError(absl::StrCat("it is configured to use apiVersion ",
                                                   api_version, ", but answers in ", version));
  }
  const Json& status = Member(*json, "status");
  if (!status.is_object()) return absl::InvalidArgumentError("its answer has no status");
  ExecCredential parsed;
  parsed.credential = {.token = StringMember(status, "token"),
                       .cert_pem = StringMember(status, "clientCertificateData"),
                       .key_pem = StringMember(status, "clientKeyData")};
  const Credential& credential = parsed.credential;
  if (credential == Credential()) {
    return absl::InvalidArgumentError("its answer has neither a token nor a certificate");
  }
  if (credential.cert_pem.empty() != credential.key_pem.empty()) {
    return absl::InvalidArgumentError("its answer has a certificate or a key, but not both");
  }
  if (!credential.cert_pem.empty()) {
    const absl::Status usable =
        TlsMaterial::Parse(
            {.host = "localhost", .cert_pem = credential.cert_pem, .key_pem = credential.key_pem})
            .status();
    if (!usable.ok()) return usable;
  }
  const Json& expires = Member(status, "expirationTimestamp");
  if (!expires.is_null()) {
    if (expires.is_string()) parsed.expires = ParseTime(expires.get_ref<const std::string&>());
    if (!parsed.expires.has_value()) {
      return absl::InvalidArgumentError("its answer has an expirationTimestamp that is no time");
    }
  }
  return parsed;
}

}  // namespace fractos::kube
