#include "daemon/flags.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "lib/base/limits.h"
#include "lib/plan/names.h"

namespace fractos {
namespace {

absl::StatusOr<std::string> FullName(const std::string& name) {
  std::vector<std::string> parts = absl::StrSplit(name, '/');
  if (parts.size() == 1) parts.insert(parts.begin(), "default");
  if (parts.size() != 2 || !IsDnsName(parts[0]) || !IsDnsName(parts[1])) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--name: \"", name, "\" is neither \"name\" nor \"namespace/name\", each of at most ",
        kMaxNameLength, " lower-case letters, digits and dashes"));
  }
  return absl::StrCat(parts[0], "/", parts[1]);
}

}  // namespace

absl::StatusOr<DaemonFlags> ParseDaemonFlags(int argc, const char* const* argv) {
  DaemonFlags flags;
  std::string name;
  std::string coordination = "file";
  std::string log_format = "text";
  double drain_grace = 5;
  CLI::App app("One device of FractOS: runs steps through its adaptor and hands the rest on.",
               "fractos-daemon");
  app.set_version_flag("--version", FRACTOS_VERSION);
  app.add_option("-n,--name", name, "the DeviceCluster: name or namespace/name")->required();
  app.add_option("--replica", flags.replica, "which replica of it this is, from 0")
      ->check(CLI::Range(0, kMaxClusterReplicas - 1));
  app.add_option("--directory", flags.directory, "the data centre's folder")->required();
  app.add_option("--endpoint", flags.endpoint, "where to serve Links: unix:/path or host:port")
      ->required();
  app.add_option("-z,--coordination", coordination, "how replicas elect their leader")
      ->check(CLI::IsMember({"file"}));
  app.add_flag("-v,--verbose", flags.verbose, "log every state of every step");
  app.add_option("--http-address", flags.http_address,
                 "serve /metrics, /healthz and /readyz at host:port, [::1]:port or :port");
  app.add_option("--log-format", log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  app.add_option("--memory-quota", flags.memory_quota_bytes,
                 "bytes that all values here may have together, like 512MiB")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--max-in-flight", flags.max_in_flight, "steps with the adaptor at once")
      ->check(CLI::Range(1, kMaxMaxInFlight));
  app.add_option("--max-runs", flags.max_runs, "runs admitted at once")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--adaptor-options", flags.adaptor_options, "a JSON object for the adaptor");
  app.add_option("--drain-grace", drain_grace, "seconds to finish work in after SIGTERM")
      ->check(CLI::Range(0.0, 3600.0));
  app.add_flag("--die-with-parent", flags.die_with_parent, "end when the parent process does");
  app.add_option("command", flags.command, "the adaptor's program and arguments, after --")
      ->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    flags.done = app.help();
    return flags;
  } catch (const CLI::CallForVersion&) {
    flags.done = absl::StrCat("fractos-daemon ", FRACTOS_VERSION, "\n");
    return flags;
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  absl::StatusOr<std::string> cluster = FullName(name);
  if (!cluster.ok()) return cluster.status();
  flags.cluster = *std::move(cluster);
  flags.log_format = log_format == "json" ? EventLog::Format::kJson : EventLog::Format::kText;
  flags.drain_grace =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(drain_grace));
  auto options = nlohmann::json::parse(flags.adaptor_options, nullptr, false);
  if (!options.is_object()) {
    return absl::InvalidArgumentError("--adaptor-options: not a JSON object");
  }
  if (flags.adaptor_options.size() > kMaxSpecBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("--adaptor-options: more than ", kMaxSpecBytes, " bytes"));
  }
  return flags;
}

}  // namespace fractos
