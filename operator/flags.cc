#include "operator/flags.h"

#include <CLI/CLI.hpp>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/plan/duration.h"
#include "lib/plan/yaml.h"

namespace fractos {
namespace {

constexpr char kHelp[] =
    "Turns DeviceClusters into pods and runs TaskGraphs.\n"
    "It finds the API server by KUBECONFIG or by what its pod was given, and takes its own name "
    "from\n"
    "the environment variables POD_NAME and POD_NAMESPACE.";

const std::map<std::string, EventLog::Format> kFormats = {{"text", EventLog::Format::kText},
                                                          {"json", EventLog::Format::kJson}};
const std::map<std::string, EventLog::Level> kLevels = {{"debug", EventLog::Level::kDebug},
                                                        {"info", EventLog::Level::kInfo},
                                                        {"warning", EventLog::Level::kWarning},
                                                        {"error", EventLog::Level::kError}};

// A duration as lib/plan reads them, into `to`.
CLI::Option* AddDuration(CLI::App* app, const std::string& name, Duration* to,
                         const std::string& help) {
  return app
      ->add_option_function<std::string>(
          name,
          [name, to](const std::string& text) {
            const absl::StatusOr<Duration> duration = ParseDuration(text);
            if (!duration.ok()) {
              throw CLI::ValidationError(name, std::string(duration.status().message()));
            }
            *to = *duration;
          },
          absl::StrCat(help, " [", FormatDuration(*to), "]"))
      ->type_name("DURATION");
}

}  // namespace

absl::StatusOr<OperatorFlags> ParseOperatorFlags(int argc, const char* const* argv) {
  OperatorFlags flags;
  CLI::App app(kHelp, "fractos-operator");
  app.set_version_flag("--version", std::string("fractos-operator ") + FRACTOS_VERSION);
  app.add_option("--namespaces", flags.namespaces, "look after these only; all, if not given")
      ->delimiter(',');
  app.add_flag("--leader-elect", flags.leader_elect,
               "elect one of several operators by a Lease; without it this must be the only one");
  AddDuration(&app, "--leader-elect-lease-duration", &flags.lease_duration,
              "others take over when the leader has not renewed for so long");
  AddDuration(&app, "--leader-elect-renew-deadline", &flags.renew_deadline,
              "the leader ends when it could not renew for so long");
  AddDuration(&app, "--leader-elect-retry-period", &flags.retry_period,
              "how often the leader renews");
  app.add_option("--metrics-bind-address", flags.metrics_address, "where to serve /metrics")
      ->capture_default_str();
  app.add_option("--health-probe-bind-address", flags.health_address,
                 "where to serve /healthz and /readyz")
      ->capture_default_str();
  std::string pod_ip;
  app.add_option("--memory-bind-address", flags.memory_address,
                 "where daemons read the values of Centralized runs, host:port; without it only "
                 "values of at most 64 KiB go through this operator")
      ->type_name("ADDRESS");
  app.add_option("--pod-ip", pod_ip, "the address by which daemons reach this pod")
      ->envname("POD_IP");
  app.add_option("--memory-quota", flags.memory_quota_bytes,
                 "bytes that all values here may have together, like 512MiB [96MiB]")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--daemon-image", flags.defaults.daemon_image, "image of the daemons in pods");
  app.add_option("--adaptor-image", flags.defaults.adaptor_image,
                 "image of adaptors that name none, and are in it");
  app.add_option("--cnn-adaptor-image", flags.defaults.cnn_adaptor_image, "likewise, for cnn");
  app.add_option("--otlp-endpoint", flags.otlp_endpoint,
                 "trace runs: this collector, http://host:port, gets the spans of operator and "
                 "daemons")
      ->envname("OTEL_EXPORTER_OTLP_ENDPOINT");
  app.add_option("--log-format", flags.log_format, "text or json")
      ->transform(CLI::CheckedTransformer(kFormats));
  app.add_option("--log-level", flags.log_level,
                 "debug, info, warning or error; with debug daemons log every state of every step")
      ->transform(CLI::CheckedTransformer(kLevels));
  app.add_option("--probe", flags.probe, "exit 0 if a GET of this URL is answered by 200")
      ->type_name("URL");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    flags.done = app.help();
    return flags;
  } catch (const CLI::CallForVersion&) {
    flags.done = absl::StrCat("fractos-operator ", FRACTOS_VERSION, "\n");
    return flags;
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(absl::StrCat(error.what(), "; --help lists the flags"));
  }
  if (!flags.probe.empty()) return flags;
  flags.defaults.otlp_endpoint = flags.otlp_endpoint;
  flags.defaults.verbose = flags.log_level == EventLog::Level::kDebug;
  if (!flags.memory_address.empty()) {
    const size_t colon = flags.memory_address.rfind(':');
    if (colon == std::string::npos || pod_ip.empty()) {
      return absl::InvalidArgumentError(
          "--memory-bind-address takes host:port, and --pod-ip (POD_IP) to be reached at");
    }
    const bool is_v6 = absl::StrContains(pod_ip, ':');
    flags.memory_advertised = absl::StrCat(is_v6 ? "[" : "", pod_ip, is_v6 ? "]" : "",
                                           flags.memory_address.substr(colon));
  }
  for (const auto& [name, image] :
       {std::pair("--daemon-image", &flags.defaults.daemon_image),
        std::pair("--adaptor-image", &flags.defaults.adaptor_image),
        std::pair("--cnn-adaptor-image", &flags.defaults.cnn_adaptor_image)}) {
    if (image->empty()) return absl::InvalidArgumentError(absl::StrCat(name, " is required"));
  }
  return flags;
}

}  // namespace fractos
