#include "cli/commands.h"

#include <algorithm>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cli/cluster/copy.h"
#include "cli/cluster/listings.h"
#include "cli/cluster/logs.h"
#include "cli/cluster/run_commands.h"
#include "cli/cluster_commands.h"
#include "cli/complain.h"
#include "cli/completion.h"
#include "cli/copy.h"
#include "cli/exit_code.h"
#include "cli/inspect.h"
#include "cli/kept_centre.h"
#include "cli/paths.h"
#include "cli/run.h"
#include "cli/run_list.h"
#include "lib/base/limits.h"
#include "lib/plan/duration.h"
#include "lib/plan/names.h"

namespace fractos {
namespace {

constexpr const char* kFooter = R"(
Commands work on this machine, with daemons as child processes, unless called as `kubectl fractos`
or given -n, -A, --context or --kubeconfig: then on that cluster. watch, trace and logs are always
of a cluster; resume, up and down are of this machine alone, and refused with those.

Exit codes: 0 succeeded, 1 failed, 2 bad input, 3 deadline, 130 interrupted,
141 succeeded, but nobody read it.
Files and runs of this machine are kept under $FRACTOS_HOME (default ~/.local/share/fractos).)";

// What a duration on the command line must look like; CLI11 prints the text that is returned.
std::string CheckDeadline(const std::string& text) {
  const absl::StatusOr<Duration> duration = ParseDuration(text);
  if (!duration.ok()) return std::string(duration.status().message());
  if (*duration <= Duration::zero() || *duration > kMaxDeadline) {
    return "a deadline is more than 0s and at most 1h";
  }
  return "";
}

constexpr const char* kRunHelp = "The TaskGraph's name, or the beginning of the run's id";
constexpr const char* kNoDeviceFiles =
    "on a cluster devices are what `kubectl apply` made of their DeviceClusters";
constexpr const char* kNoCentre =
    "keeps a data centre on this machine; on a cluster the operator keeps DeviceClusters up";

// What the plugin refuses, and says why.
constexpr const char* kHereOnly[] = {"resume", "up", "down"};

class Commands {
 public:
  Commands(char** argv, kube::TransportFactory transports) : cluster_(argv, std::move(transports)) {
    app_.name(cluster_.program());
    app_.require_subcommand(1);
    cluster_.AddPlace(&app_);
    app_.footer(kFooter);
    app_.set_version_flag("--version", std::string("fractosctl ") + FRACTOS_VERSION);
    app_.failure_message(
        [program = std::string(cluster_.program())](const CLI::App* app, const CLI::Error& error) {
          const std::vector<CLI::App*> given = app->get_subcommands();
          const std::string command = given.empty() ? "" : given.front()->get_name() + " ";
          return std::string("fractosctl: ") + error.what() + "\nTry `" + program + " " + command +
                 "--help`.\n";
        });
    app_.parse_complete_callback([this] {  // before that of the command
      if (cluster_.wanted()) return;       // which keeps nothing here
      SettleFolders();
      const absl::Status home = CheckHome();
      if (!home.ok()) throw CLI::RuntimeError(Complain(home));
    });
    AddRun();
    AddWatching();
    AddResume();
    AddInspection();
    AddCentre();
    AddCopy();
    AddCompletion();
    if (!cluster_.is_plugin()) return;
    for (const char* name : kHereOnly) app_.get_subcommand(name)->group("");  // not in the help
  }

  int Main(int argc, char** argv) {
    if (argc == 1) {
      std::cerr << app_.help();
      return kExitBadInput;
    }
    // As other programs take them: `version`, `help`, `help COMMAND`.
    std::vector<char*> words(argv, argv + argc);
    std::string option = absl::StrCat("--", argv[1]);
    if (option == "--version" || option == "--help") {
      words.erase(words.begin() + 1);
      words.insert(words.begin() + std::min(words.size(), size_t{2}), option.data());
      argv = words.data();
    }
    // CLI11 would only say that a command is missing.
    const std::vector<std::string> known = CommandNames();
    if (argc > 1 && argv[1][0] != '-' &&
        std::find(known.begin(), known.end(), argv[1]) == known.end()) {
      return UnknownCommand(argv[1], known);
    }
    try {
      app_.parse(argc, argv);
    } catch (const CLI::RuntimeError& error) {
      return error.get_exit_code();
    } catch (const CLI::ParseError& error) {
      // Help and version are errors to CLI11; every other one is bad input.
      return app_.exit(error) == 0 ? kExitSucceeded : kExitBadInput;
    }
    return code_;
  }

 private:
  std::vector<std::string> CommandNames() const {
    std::vector<std::string> names;
    for (const CLI::App* command : app_.get_subcommands([](const CLI::App*) { return true; })) {
      names.push_back(command->get_name());
    }
    return names;
  }

  int UnknownCommand(const std::string& name, const std::vector<std::string>& known) const {
    const std::string near = NearestName(name, known);
    std::cerr << "fractosctl: there is no command \"" << name << "\""
              << (near.empty() ? "" : "; did you mean \"" + near + "\"?") << "\nTry `"
              << cluster_.program() << " --help`.\n";
    return kExitBadInput;
  }

  void AddShow(CLI::App* command) {
    command->add_option("-o,--output", format_, "How to print the result")
        ->check(CLI::IsMember({"text", "json", "yaml"}))
        ->capture_default_str();
    command
        ->add_option("--trace", run_.show.trace_file,
                     "Write a Chrome trace: a span for every step and hop")
        ->type_name("FILE");
    command->add_flag("-q,--quiet", run_.show.quiet, "Show no progress");
    command->add_flag("-v,--verbose", run_.show.verbose,
                      "Show the daemons' logs, and progress as plain lines");
  }

  void ReadShow() {
    run_.show.format = format_ == "json"   ? ReportFormat::kJson
                       : format_ == "yaml" ? ReportFormat::kYaml
                                           : ReportFormat::kText;
  }

  void AddDevices(CLI::App* command, std::vector<std::string>* files) {
    command->add_option("--devices", *files, "DeviceClusters, instead of those that ship")
        ->type_name("FILE")
        ->allow_extra_args(false);  // may be given several times, with one value each
  }

  void AddRun() {
    CLI::App* const command = app_.add_subcommand("run", "Run a TaskGraph");
    command
        ->add_option("FILE", run_.files, "The TaskGraph, perhaps with DeviceClusters; - is stdin")
        ->required();
    command->add_option("-p,--parameter", run_.parameters, "A parameter's value")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    AddDevices(command, &run_.device_files);
    command->add_option("--mode", mode_, "Distributed, or Centralized to see what that costs")
        ->check(CLI::IsMember({ModeName(Mode::kDistributed), ModeName(Mode::kCentralized)}));
    command->add_option("--deadline", deadline_, "End the run after this long, as 90s or 5m")
        ->check(CheckDeadline);
    command->add_option("--name", run_.name, "Name the run otherwise than its graph");
    command->add_flag("--restart", run_.restart, "Start daemons again that die");
    AddShow(command);
    cluster_.AddPlace(command);
    command->callback([this] {
      ReadShow();
      run_.mode = ParseMode(mode_);
      if (!deadline_.empty()) run_.deadline = *ParseDuration(deadline_);
      code_ = cluster_.wanted() ? RunOnCluster() : Run(run_);
    });
  }

  ExitCode RunOnCluster() {
    if (!run_.device_files.empty()) {
      return ClusterCommands::Refuse("--devices", kNoDeviceFiles);
    }
    if (run_.restart) {
      return ClusterCommands::Refuse("--restart", "on a cluster Kubernetes starts daemons again");
    }
    return cluster_.Run([this](const auto& target) { return cluster::Run(target, run_); });
  }

  void AddWatching() {
    CLI::App* const watch = app_.add_subcommand("watch", "Show a cluster's run to its end");
    watch->add_option("RUN", run_name_, kRunHelp)->required();
    AddShow(watch);
    cluster_.AddPlace(watch);
    watch->callback([this] {
      ReadShow();
      code_ = cluster_.Run(
          [this](const auto& target) { return cluster::Watch(target, run_name_, run_.show); });
    });
    CLI::App* const trace = app_.add_subcommand("trace", "A cluster's run as a Chrome trace");
    trace->add_option("RUN", run_name_, kRunHelp)->required();
    trace->add_option("--trace", trace_file_, "Where to write it; - is stdout")
        ->type_name("FILE")
        ->capture_default_str();
    cluster_.AddPlace(trace);
    trace->callback([this] {
      code_ = cluster_.Run(
          [this](const auto& target) { return cluster::Trace(target, run_name_, trace_file_); });
    });
    CLI::App* const logs =
        app_.add_subcommand("logs", "What daemons and adaptors logged during a cluster's run");
    logs->add_option("RUN", run_name_, kRunHelp)->required();
    cluster_.AddPlace(logs);
    logs->callback([this] {
      code_ = cluster_.Run([this](const auto& target) { return cluster::Logs(target, run_name_); });
    });
  }

  void AddResume() {
    CLI::App* const resume =
        app_.add_subcommand("resume", "Finish a run whose fractosctl was killed");
    resume->add_option("RUN", resumed_, "Its id, or the beginning of it")->required();
    AddShow(resume);
    cluster_.AddPlace(resume);
    resume->callback([this] {
      ReadShow();
      code_ = cluster_.wanted()
                  ? ClusterCommands::Refuse("resume",
                                            "on a cluster the operator resumes runs by "
                                            "itself; `watch` shows how one gets on")
                  : Resume(resumed_, run_.show);
    });
    CLI::App* const runs = app_.add_subcommand("runs", "List the runs, the latest first");
    AddFormat(runs, {"text", "json"});
    cluster_.AddPlace(runs, /*lists=*/true);
    runs->callback(
        [this] { code_ = cluster_.wanted() ? OnCluster(cluster::ListRuns) : ListRuns(format_); });
  }

  void AddFormat(CLI::App* command, const std::vector<std::string>& formats) {
    command->add_option("-o,--output", format_, "How to print it")->check(CLI::IsMember(formats));
  }

  void AddInspection() {
    CLI::App* const validate =
        app_.add_subcommand("validate", "Check files; starts nothing, writes nothing");
    validate->add_option("FILE", inspect_.files, "TaskGraphs and DeviceClusters")->required();
    validate->add_option("-p,--parameter", inspect_.parameters, "A parameter's value")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    AddDevices(validate, &inspect_.device_files);
    validate->callback([this] { code_ = ValidateFiles(inspect_); });

    CLI::App* const graph = app_.add_subcommand("graph", "Draw a TaskGraph");
    graph->add_option("FILE", inspect_.files, "The TaskGraph; - is stdin")->required();
    graph->add_option("-o,--output", inspect_.format, "What to draw: SVG takes Graphviz")
        ->check(CLI::IsMember({"mermaid", "dot", "svg"}))
        ->default_val("mermaid");
    graph->callback([this] { code_ = DrawGraph(inspect_); });

    CLI::App* const devices = app_.add_subcommand("devices", "What each device offers");
    AddDevices(devices, &inspect_.device_files);
    AddFormat(devices, {"text", "json"});
    cluster_.AddPlace(devices, /*lists=*/true);
    devices->callback([this] {
      inspect_.format = format_;
      code_ = !cluster_.wanted() ? ShowDevices(inspect_)
              : inspect_.device_files.empty()
                  ? OnCluster(cluster::ShowDevices)
                  : ClusterCommands::Refuse("--devices", kNoDeviceFiles);
    });
  }

  void AddCentre() {
    CLI::App* const up = app_.add_subcommand("up", "Keep a data centre running on this machine");
    AddDevices(up, &up_.files);
    up->add_flag("--restart,!--no-restart", up_.restart,
                 "Whether daemons that die are started again (they are)");
    up->add_flag("--foreground", up_.foreground, "Stay until Ctrl-C");
    up->add_flag("-v,--verbose", up_.verbose, "Log more");
    cluster_.AddPlace(up);
    up->callback(
        [this] { code_ = cluster_.wanted() ? ClusterCommands::Refuse("up", kNoCentre) : Up(up_); });
    CLI::App* const down = app_.add_subcommand("down", "End the data centre that is up");
    cluster_.AddPlace(down);
    down->callback([this] {
      code_ = cluster_.wanted() ? ClusterCommands::Refuse("down", kNoCentre) : Down();
    });
    CLI::App* const status = app_.add_subcommand("status", "Who is up, and who leads");
    AddFormat(status, {"text", "json"});
    cluster_.AddPlace(status, /*lists=*/true);
    status->callback([this] {
      code_ = cluster_.wanted() ? OnCluster(cluster::ShowStatus) : ShowStatus(format_);
    });
  }

  void AddCopy() {
    CLI::App* const command =
        app_.add_subcommand("cp", "Copy FILE to storage:KEY, or storage:KEY to FILE");
    command->add_option("FROM", copy_.from, "A file, or DEVICE:KEY; - is stdin")->required();
    command->add_option("TO", copy_.to, "DEVICE:KEY, or a file; - is stdout")->required();
    AddDevices(command, &copy_.device_files);
    cluster_.AddPlace(command);
    command->callback([this] {
      code_ = !cluster_.wanted()           ? Copy(copy_)
              : copy_.device_files.empty() ? CopyOnCluster()
                                           : ClusterCommands::Refuse("--devices", kNoDeviceFiles);
    });
  }

  ExitCode CopyOnCluster() {
    return cluster_.Run([this](const auto& target) { return cluster::Copy(target, copy_); });
  }

  ExitCode OnCluster(ExitCode (*list)(const cluster::Target&, const std::string&)) {
    return cluster_.Run([this, list](const auto& target) { return list(target, format_); });
  }

  void AddCompletion() {
    CLI::App* const command =
        app_.add_subcommand("completion", "Print a shell's completion script");
    command->add_option("SHELL", shell_, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    command->callback([this] {
      std::cout << *CompletionScript(app_, shell_);
      code_ = kExitSucceeded;
    });
  }

  CLI::App app_{"FractOS: a graph travels from device to device"};
  ClusterCommands cluster_;
  RunOptions run_;
  InspectOptions inspect_;
  UpOptions up_;
  CopyOptions copy_;
  std::string format_ = "text";
  std::string mode_;
  std::string deadline_;
  std::string resumed_;
  std::string run_name_;
  std::string trace_file_ = "-";
  std::string shell_;
  ExitCode code_ = kExitSucceeded;
};

}  // namespace

int RunCommandLine(int argc, char** argv, kube::TransportFactory transports) {
  return Commands(argv, std::move(transports)).Main(argc, argv);
}

}  // namespace fractos
