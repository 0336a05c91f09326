// fractosctl: validates, draws, runs and watches TaskGraphs on this machine.
#include <algorithm>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "cli/complain.h"
#include "cli/completion.h"
#include "cli/copy.h"
#include "cli/exit_code.h"
#include "cli/inspect.h"
#include "cli/kept_centre.h"
#include "cli/paths.h"
#include "cli/run.h"
#include "cli/standard_output.h"
#include "lib/base/limits.h"
#include "lib/plan/duration.h"
#include "lib/plan/names.h"
#include "lib/runtime/descriptor_limit.h"

namespace fractos {
namespace {

constexpr const char* kFooter = R"(
Exit codes: 0 succeeded, 1 failed, 2 bad input, 3 deadline, 130 interrupted.
Files and runs are kept under $FRACTOS_HOME (default ~/.local/share/fractos).)";

// What a duration on the command line must look like; CLI11 prints the text that is returned.
std::string CheckDeadline(const std::string& text) {
  const absl::StatusOr<Duration> duration = ParseDuration(text);
  if (!duration.ok()) return std::string(duration.status().message());
  if (*duration <= Duration::zero() || *duration > kMaxDeadline) {
    return "a deadline is more than 0s and at most 1h";
  }
  return "";
}

class Commands {
 public:
  Commands() {
    app_.require_subcommand(1);
    app_.footer(kFooter);
    app_.set_version_flag("--version", std::string("fractosctl ") + FRACTOS_VERSION);
    app_.failure_message([](const CLI::App* app, const CLI::Error& error) {
      const std::vector<CLI::App*> given = app->get_subcommands();
      const std::string command = given.empty() ? "" : given.front()->get_name() + " ";
      return std::string("fractosctl: ") + error.what() + "\nTry `fractosctl " + command +
             "--help`.\n";
    });
    AddRun();
    AddResume();
    AddInspection();
    AddCentre();
    AddCopy();
    AddCompletion();
  }

  int Main(int argc, char** argv) {
    if (argc == 1) {
      std::cerr << app_.help();
      return kExitBadInput;
    }
    // CLI11 would only say that a command is missing.
    const std::vector<std::string> known = CommandNames();
    if (argc > 1 && argv[1][0] != '-' &&
        std::find(known.begin(), known.end(), argv[1]) == known.end()) {
      return UnknownCommand(argv[1], known);
    }
    const absl::Status home = CheckHome();
    if (!home.ok() && argv[1][0] != '-') return Complain(home);
    try {
      app_.parse(argc, argv);
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

  static int UnknownCommand(const std::string& name, const std::vector<std::string>& known) {
    const bool option = name == "help" || name == "version";
    const std::string near = option ? "--" + name : NearestName(name, known);
    std::cerr << "fractosctl: there is no command \"" << name << "\""
              << (near.empty() ? "" : "; did you mean \"" + near + "\"?")
              << "\nTry `fractosctl --help`.\n";
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
    CLI::App* const command = app_.add_subcommand("run", "Run a TaskGraph on this machine");
    command
        ->add_option("FILE", run_.files, "The TaskGraph, perhaps with DeviceClusters; - is stdin")
        ->required();
    command->add_option("-p,--parameter", run_.parameters, "A parameter's value")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    AddDevices(command, &run_.device_files);
    command->add_option("--mode", mode_, "Distributed, or Centralized to see what that costs")
        ->check(CLI::IsMember({"Distributed", "Centralized"}));
    command->add_option("--deadline", deadline_, "End the run after this long, as 90s or 5m")
        ->check(CheckDeadline);
    command->add_option("--name", run_.name, "Name the run otherwise than its graph");
    command->add_flag("--restart", run_.restart, "Start daemons again that die");
    AddShow(command);
    command->callback([this] {
      ReadShow();
      if (mode_ == "Centralized") run_.mode = Mode::kCentralized;
      if (mode_ == "Distributed") run_.mode = Mode::kDistributed;
      if (!deadline_.empty()) run_.deadline = *ParseDuration(deadline_);
      code_ = Run(run_);
    });
  }

  void AddResume() {
    CLI::App* const resume =
        app_.add_subcommand("resume", "Finish a run whose fractosctl was killed");
    resume->add_option("RUN", resumed_, "Its id, or the beginning of it")->required();
    AddShow(resume);
    resume->callback([this] {
      ReadShow();
      code_ = Resume(resumed_, run_.show);
    });
    CLI::App* const runs = app_.add_subcommand("runs", "List the runs, the latest first");
    AddFormat(runs, {"text", "json"});
    runs->callback([this] { code_ = ListRuns(format_); });
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
    devices->callback([this] {
      inspect_.format = format_;
      code_ = ShowDevices(inspect_);
    });
  }

  void AddCentre() {
    CLI::App* const up = app_.add_subcommand("up", "Keep a data centre running on this machine");
    AddDevices(up, &up_.files);
    up->add_flag("--restart,!--no-restart", up_.restart,
                 "Whether daemons that die are started again (they are)");
    up->add_flag("--foreground", up_.foreground, "Stay until Ctrl-C");
    up->add_flag("-v,--verbose", up_.verbose, "Log more");
    up->callback([this] { code_ = Up(up_); });
    app_.add_subcommand("down", "End the data centre that is up")->callback([this] {
      code_ = Down();
    });
    CLI::App* const status = app_.add_subcommand("status", "Who is up, and who leads");
    AddFormat(status, {"text", "json"});
    status->callback([this] { code_ = ShowStatus(format_); });
  }

  void AddCopy() {
    CLI::App* const command =
        app_.add_subcommand("cp", "Copy FILE to storage:KEY, or storage:KEY to FILE");
    command->add_option("FROM", copy_.from, "A file, or DEVICE:KEY; - is stdin")->required();
    command->add_option("TO", copy_.to, "DEVICE:KEY, or a file; - is stdout")->required();
    AddDevices(command, &copy_.device_files);
    command->callback([this] { code_ = Copy(copy_); });
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

  CLI::App app_{"FractOS on one machine: a graph travels from device to device", "fractosctl"};
  RunOptions run_;
  InspectOptions inspect_;
  UpOptions up_;
  CopyOptions copy_;
  std::string format_ = "text";
  std::string mode_;
  std::string deadline_;
  std::string resumed_;
  std::string shell_;
  ExitCode code_ = kExitSucceeded;
};

}  // namespace
}  // namespace fractos

int main(int argc, char** argv) {
#ifndef FRACTOS_FAILPOINTS
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // as fractos-daemon does
#endif
  fractos::RaiseDescriptorLimit();
  fractos::SurviveBrokenPipes();
  return fractos::FinishOutput(fractos::Commands().Main(argc, argv));
}
