#include "operator/flags.h"

#include <CLI/CLI.hpp>
#include <map>
#include <utility>

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
  app.add_option("--daemon-image", flags.images.daemon, "image of the daemons in pods");
  app.add_option("--adaptor-image", flags.images.adaptor,
                 "image of adaptors that name none, and are in it");
  app.add_option("--cnn-adaptor-image", flags.images.cnn_adaptor, "likewise, for cnn");
  app.add_option("--log-format", flags.log_format, "text or json")
      ->transform(CLI::CheckedTransformer(kFormats));
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error")
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
  for (const auto& [name, image] : {std::pair("--daemon-image", &flags.images.daemon),
                                    std::pair("--adaptor-image", &flags.images.adaptor),
                                    std::pair("--cnn-adaptor-image", &flags.images.cnn_adaptor)}) {
    if (image->empty()) return absl::InvalidArgumentError(absl::StrCat(name, " is required"));
  }
  return flags;
}

}  // namespace fractos
