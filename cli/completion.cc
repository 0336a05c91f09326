#include "cli/completion.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace fractos {
namespace {

struct Command {
  std::string name;
  std::string description;
  std::vector<std::string> options;  // "-p", "--param", ...
  std::string runs;                  // the shell command that lists its arguments, if they are runs
};

// The first column of what `PROGRAM runs` lists.
std::string RunsOf(absl::string_view program) {
  return absl::StrCat(program, " runs 2>/dev/null | tail -n +2 | cut -d\" \" -f1");
}

// What completes the argument of `command`. Runs of this machine and of a cluster are told apart by
// the command: only one of the two can be meant.
std::string RunsFor(const std::string& command) {
  if (command == "resume") return RunsOf("fractosctl");
  const bool on_cluster = command == "watch" || command == "trace" || command == "logs";
  return on_cluster ? RunsOf("kubectl-fractos") : "";
}

std::vector<Command> CommandsOf(const CLI::App& app) {
  std::vector<Command> commands;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    Command command{sub->get_name(), sub->get_description(), {}, RunsFor(sub->get_name())};
    for (const CLI::Option* option : sub->get_options()) {
      for (const std::string& name : option->get_snames()) command.options.push_back("-" + name);
      for (const std::string& name : option->get_lnames()) command.options.push_back("--" + name);
    }
    commands.push_back(std::move(command));
  }
  return commands;
}

// Text inside single quotes of any of the three shells.
std::string Quoted(const std::string& text) { return absl::StrReplaceAll(text, {{"'", ""}}); }

std::string Names(const std::vector<Command>& commands) {
  return absl::StrJoin(commands, " ", [](std::string* out, const Command& command) {
    absl::StrAppend(out, command.name);
  });
}

std::string Bash(const std::vector<Command>& commands) {
  std::string text = absl::StrCat(
      "# bash completion for fractosctl: source <(fractosctl completion bash)\n"
      "_fractosctl() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]}\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W '",
      Names(commands),
      "' -- \"$word\"))\n    return\n  fi\n"
      "  case ${COMP_WORDS[1]} in\n");
  for (const Command& command : commands) {
    absl::StrAppend(&text, "    ", command.name, ") COMPREPLY=($(compgen -W '",
                    absl::StrJoin(command.options, " "), "' -- \"$word\")");
    if (!command.runs.empty()) {
      absl::StrAppend(&text, " $(compgen -W \"$(", command.runs, ")\" -- \"$word\")");
    }
    absl::StrAppend(&text, ") ;;\n");
  }
  absl::StrAppend(&text,
                  "  esac\n}\n"
                  "complete -o default -F _fractosctl fractosctl kubectl-fractos\n");
  return text;
}

std::string Zsh(const std::vector<Command>& commands) {
  std::string text =
      "#compdef fractosctl kubectl-fractos\n"
      "# zsh completion for fractosctl: source <(fractosctl completion zsh)\n"
      "_fractosctl() {\n"
      "  local -a commands\n"
      "  commands=(\n";
  for (const Command& command : commands) {
    absl::StrAppend(&text, "    '", command.name, ":", Quoted(command.description), "'\n");
  }
  absl::StrAppend(
      &text,
      "  )\n"
      "  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n"
      "  case ${words[2]} in\n");
  for (const Command& command : commands) {
    absl::StrAppend(&text, "    ", command.name, ") compadd -- ",
                    absl::StrJoin(command.options, " "));
    if (!command.runs.empty()) absl::StrAppend(&text, " $(", command.runs, ")");
    absl::StrAppend(&text, "; _files ;;\n");
  }
  absl::StrAppend(&text, "  esac\n}\ncompdef _fractosctl fractosctl kubectl-fractos\n");
  return text;
}

std::string Fish(const std::vector<Command>& commands) {
  std::string text = "# fish completion for fractosctl: fractosctl completion fish | source\n";
  for (const Command& command : commands) {
    absl::StrAppend(&text, "complete -c fractosctl -n __fish_use_subcommand -a ", command.name,
                    " -d '", Quoted(command.description), "'\n");
    const std::string condition =
        absl::StrCat("complete -c fractosctl -n '__fish_seen_subcommand_from ", command.name, "' ");
    for (const std::string& option : command.options) {
      const bool is_long = option.size() > 2;
      absl::StrAppend(&text, condition, is_long ? "-l " : "-s ", option.substr(is_long ? 2 : 1),
                      "\n");
    }
    if (!command.runs.empty()) {
      absl::StrAppend(&text, condition, "-f -a '(", command.runs, ")'\n");
    }
  }
  return text;
}

}  // namespace

absl::StatusOr<std::string> CompletionScript(const CLI::App& app, const std::string& shell) {
  const std::vector<Command> commands = CommandsOf(app);
  if (shell == "bash") return Bash(commands);
  if (shell == "zsh") return Zsh(commands);
  if (shell == "fish") return Fish(commands);
  return absl::InvalidArgumentError(
      absl::StrCat("there is no completion for ", shell, "; there is for bash, zsh and fish"));
}

}  // namespace fractos
