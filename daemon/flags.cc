#include "daemon/flags.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "daemon/election/lease_election.h"
#include "lib/api/names.h"
#include "lib/base/limits.h"
#include "lib/base/seconds.h"
#include "lib/plan/names.h"

namespace fractos {
namespace {

// `name` with its namespace, which is `ns` unless `name` says another.
absl::StatusOr<std::pair<std::string, std::string>> FullName(const std::string& name,
                                                             const std::string& ns) {
  std::vector<std::string> parts = absl::StrSplit(name, '/');
  if (parts.size() == 1) parts.insert(parts.begin(), ns);
  if (parts.size() != 2 || !IsNamespace(parts[0]) || !IsDnsName(parts[1])) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--name: \"", name, "\" is neither \"name\" nor \"namespace/name\", of at most ",
        kMaxNameLength, " and ", kMaxNamespaceLength,
        " lower-case letters, digits and dashes; a name begins with a letter"));
  }
  return std::pair(parts[0], parts[1]);
}

absl::Status Missing(absl::string_view flag, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(flag, " is required", why));
}

Duration Seconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

// What the flags leave open in a pod follows from the pod.
absl::Status CompleteFromPod(const std::string& service, bool replica_given, DaemonFlags* flags) {
  KubernetesFlags& pod = *flags->kubernetes;
  for (const auto& [flag, value] : {std::pair("--pod-name (POD_NAME)", &pod.pod),
                                    {"--pod-namespace (POD_NAMESPACE)", &pod.ns},
                                    {"--pod-uid (POD_UID)", &pod.pod_uid}}) {
    if (value->empty()) return Missing(flag, " with --coordination kubernetes");
  }
  const std::optional<uint32_t> ordinal = PodOrdinal(pod.pod);
  if (!replica_given) {
    if (!ordinal.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--pod-name: \"", pod.pod,
                       "\" does not end in a StatefulSet's ordinal, like storage-0; --replica says "
                       "which replica this is"));
    }
    flags->replica = *ordinal;
  }
  if (pod.lease.empty()) pod.lease = pod.cluster;
  if (flags->endpoint.empty()) flags->endpoint = absl::StrCat("[::]:", kLinkPort);
  if (flags->advertised.empty() && !absl::StartsWith(flags->endpoint, "unix:")) {
    flags->advertised =
        absl::StrCat(pod.pod, ".", service.empty() ? pod.cluster : service, ".", pod.ns, ".svc",
                     flags->endpoint.substr(flags->endpoint.rfind(':')));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DaemonFlags> ParseDaemonFlags(int argc, const char* const* argv) {
  DaemonFlags flags;
  KubernetesFlags pod;
  std::string name;
  std::string service;
  std::string coordination = "file";
  std::string log_format = "text";
  double drain_grace = InSeconds(flags.drain_grace);
  double lease_duration = InSeconds(pod.lease_duration);
  double renew_deadline = InSeconds(pod.renew_deadline);
  double retry_period = InSeconds(pod.retry_period);
  CLI::App app("One device of FractOS: runs steps through its adaptor and hands the rest on.",
               "fractos-daemon");
  app.set_version_flag("--version", FRACTOS_VERSION);
  app.add_option("-n,--name", name, "the DeviceCluster: name or namespace/name")->required();
  CLI::Option* replica =
      app.add_option("--replica", flags.replica, "which replica of it this is, from 0")
          ->check(CLI::Range(0, kMaxClusterReplicas - 1));
  app.add_option("--directory", flags.directory, "the data centre's folder, for file");
  app.add_option("--endpoint", flags.endpoint,
                 "where to serve Links: unix:/path or host:port; Memory is served at /path.mem or "
                 "the next port");
  app.add_option("--advertise", flags.advertised, "where others reach them, if elsewhere");
  app.add_option("-z,--coordination", coordination, "how replicas elect their leader")
      ->check(CLI::IsMember({"file", "kubernetes"}));
  app.add_option("--pod-name", pod.pod, "this pod, for kubernetes")->envname("POD_NAME");
  app.add_option("--pod-namespace", pod.ns, "its namespace")->envname("POD_NAMESPACE");
  app.add_option("--pod-uid", pod.pod_uid, "its uid")->envname("POD_UID");
  app.add_option("--service", service, "its headless Service; the DeviceCluster's name by default");
  app.add_option("--lease", pod.lease, "the Lease; the DeviceCluster's name by default");
  app.add_option("--lease-duration", lease_duration,
                 "seconds after which others take over from a leader that has not renewed")
      ->check(CLI::Range(1.0, 3600.0));
  app.add_option("--renew-deadline", renew_deadline,
                 "seconds after which a leader that cannot renew steps down")
      ->check(CLI::Range(0.1, 3600.0));
  app.add_option("--retry-period", retry_period, "seconds between renewals")
      ->check(CLI::Range(0.1, 3600.0));
  app.add_option("--kubeconfig", pod.kubeconfig, "a kubeconfig file instead of the pod's account");
  app.add_flag("-v,--verbose", flags.verbose, "log every state of every step");
  app.add_option("--http-address", flags.http_address,
                 "serve /metrics, /healthz and /readyz at host:port, [::1]:port or :port")
      ->envname("FRACTOS_HTTP_ADDRESS");
  app.add_option("--health-address", flags.health_address,
                 "serve /healthz and /readyz here instead");
  app.add_option("--otlp-endpoint", flags.otlp_endpoint,
                 "send the spans of traced runs to this collector: http://host:port [env: "
                 "OTEL_EXPORTER_OTLP_ENDPOINT]");
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
  app.add_option("--adaptor-socket", flags.adaptor_socket,
                 "a Unix socket for an adaptor that somebody else starts to connect to");
  app.add_option("command", flags.command,
                 "the adaptor's program and arguments, after --, unless --adaptor-socket is given");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    flags.done = app.help();
    return flags;
  } catch (const CLI::CallForVersion&) {
    flags.done = absl::StrCat("fractos-daemon ", FRACTOS_VERSION, "\n");
    return flags;
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(absl::StrCat(error.what(), "; --help lists the flags"));
  }
  const bool in_pod = coordination == "kubernetes";
  auto cluster = FullName(name, in_pod && !pod.ns.empty() ? pod.ns : "default");
  if (!cluster.ok()) return cluster.status();
  flags.cluster = absl::StrCat(cluster->first, "/", cluster->second);
  if (in_pod) {
    if (!pod.ns.empty() && cluster->first != pod.ns) {
      return absl::InvalidArgumentError(
          absl::StrCat("--name: ", flags.cluster, " is not in the pod's namespace, ", pod.ns));
    }
    pod.cluster = cluster->second;
    pod.lease_duration = Seconds(lease_duration);
    pod.renew_deadline = Seconds(renew_deadline);
    pod.retry_period = Seconds(retry_period);
    flags.kubernetes = std::move(pod);
    if (absl::Status completed = CompleteFromPod(service, replica->count() > 0, &flags);
        !completed.ok()) {
      return completed;
    }
  } else if (flags.directory.empty()) {
    return Missing("--directory", " with --coordination file");
  } else if (flags.endpoint.empty()) {
    return Missing("--endpoint", " with --coordination file");
  }
  if (flags.command.empty() == flags.adaptor_socket.empty()) {
    return absl::InvalidArgumentError(
        "the adaptor's command after --, or --adaptor-socket: one of them, please");
  }
  flags.log_format = log_format == "json" ? EventLog::Format::kJson : EventLog::Format::kText;
  flags.drain_grace = Seconds(drain_grace);
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
