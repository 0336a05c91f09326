#include "cli/draw.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/notification.h"
#include "lib/base/unique_fd.h"
#include "lib/runtime/child_process.h"

namespace fractos {
namespace {

// One colour per device, in the order the graph meets them.
constexpr absl::string_view kColours[] = {"#dbeafe", "#dcfce7", "#fef3c7", "#fce7f3",
                                          "#ede9fe", "#cffafe", "#ffedd5", "#e5e7eb"};

std::map<std::string, size_t> DeviceNumbers(const TaskGraph& graph) {
  std::map<std::string, size_t> numbers;
  for (const auto* steps : {&graph.steps, &graph.on_failure}) {
    for (const TaskGraphStep& step : *steps) numbers.emplace(step.device, numbers.size());
  }
  return numbers;
}

absl::string_view ColourOf(size_t device) { return kColours[device % std::size(kColours)]; }

std::string ConditionOf(const TaskGraphStep& step) {
  if (!step.when.has_value()) return "";
  const char* const relation = step.when->comparison == Comparison::kEquals      ? " = "
                               : step.when->comparison == Comparison::kNotEquals ? " ≠ "
                                                                                 : " ~ ";
  return absl::StrCat("when ", step.when->input, relation, step.when->operand);
}

// Text inside a quoted Mermaid label.
std::string MermaidText(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"\"", "&quot;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\n", " "}});
}

std::string DotText(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", " "}});
}

// Step names may hold a dash and may be words that mean something to Mermaid.
std::string NodeId(absl::string_view name) {
  return absl::StrCat("step_", absl::StrReplaceAll(name, {{"-", "_"}}));
}

void MermaidSteps(const std::vector<TaskGraphStep>& steps,
                  const std::map<std::string, size_t>& devices, absl::string_view indent,
                  std::string* out) {
  for (const TaskGraphStep& step : steps) {
    const std::string condition = ConditionOf(step);
    absl::StrAppend(out, indent, NodeId(step.name), "[\"<b>", MermaidText(step.name), "</b><br/>",
                    MermaidText(step.device), ".", MermaidText(step.operation),
                    condition.empty() ? "" : "<br/>", MermaidText(condition), "\"]:::device",
                    devices.at(step.device) % std::size(kColours), "\n");
  }
  for (const TaskGraphStep& step : steps) {
    for (const auto& [input, from] : step.inputs) {
      absl::StrAppend(out, indent, NodeId(from), " -->|", MermaidText(input), "| ",
                      NodeId(step.name), "\n");
    }
    for (const std::string& from : step.after) {
      absl::StrAppend(out, indent, NodeId(from), " -.-> ", NodeId(step.name), "\n");
    }
  }
}

void DotSteps(const std::vector<TaskGraphStep>& steps, const std::map<std::string, size_t>& devices,
              absl::string_view indent, std::string* out) {
  for (const TaskGraphStep& step : steps) {
    const std::string condition = ConditionOf(step);
    absl::StrAppend(out, indent, "\"", DotText(step.name), "\" [label=\"", DotText(step.name),
                    "\\n", DotText(step.device), ".", DotText(step.operation),
                    condition.empty() ? "" : "\\n", DotText(condition), "\", fillcolor=\"",
                    ColourOf(devices.at(step.device)), "\"];\n");
  }
  for (const TaskGraphStep& step : steps) {
    for (const auto& [input, from] : step.inputs) {
      absl::StrAppend(out, indent, "\"", DotText(from), "\" -> \"", DotText(step.name),
                      "\" [label=\"", DotText(input), "\"];\n");
    }
    for (const std::string& from : step.after) {
      absl::StrAppend(out, indent, "\"", DotText(from), "\" -> \"", DotText(step.name),
                      "\" [style=dashed];\n");
    }
  }
}

}  // namespace

std::string DrawMermaid(const TaskGraph& graph) {
  const std::map<std::string, size_t> devices = DeviceNumbers(graph);
  std::string out = "flowchart LR\n";
  MermaidSteps(graph.steps, devices, "  ", &out);
  if (!graph.on_failure.empty()) {
    absl::StrAppend(&out, "  subgraph on_failure[\"on failure\"]\n");
    MermaidSteps(graph.on_failure, devices, "    ", &out);
    absl::StrAppend(&out, "  end\n");
  }
  for (size_t i = 0; i < std::min(devices.size(), std::size(kColours)); ++i) {
    absl::StrAppend(&out, "  classDef device", i, " fill:", kColours[i],
                    ",stroke:#475569,color:#0f172a\n");
  }
  return out;
}

std::string DrawDot(const TaskGraph& graph) {
  const std::map<std::string, size_t> devices = DeviceNumbers(graph);
  std::string out = absl::StrCat("digraph \"", DotText(graph.DisplayName()), "\" {\n",
                                 "  rankdir=LR;\n"
                                 "  node [shape=box, style=\"rounded,filled\", color=\"#475569\","
                                 " fontname=\"Helvetica\", fontsize=11];\n"
                                 "  edge [color=\"#475569\", fontname=\"Helvetica\","
                                 " fontsize=9];\n");
  DotSteps(graph.steps, devices, "  ", &out);
  if (!graph.on_failure.empty()) {
    absl::StrAppend(&out,
                    "  subgraph cluster_on_failure {\n"
                    "    label=\"on failure\"; style=dashed; color=\"#b91c1c\";"
                    " fontname=\"Helvetica\";\n");
    DotSteps(graph.on_failure, devices, "    ", &out);
    absl::StrAppend(&out, "  }\n");
  }
  absl::StrAppend(&out, "}\n");
  return out;
}

absl::StatusOr<std::string> RenderSvg(absl::string_view dot) {
  // Files rather than pipes: nobody has to write one while he reads the other.
  const UniqueFd in(::memfd_create("dot", MFD_CLOEXEC));
  const UniqueFd out(::memfd_create("svg", MFD_CLOEXEC));
  if (!in.valid() || !out.valid()) return absl::ErrnoToStatus(errno, "cannot make a memory file");
  for (absl::string_view rest = dot; !rest.empty();) {
    const ssize_t n = ::write(in.get(), rest.data(), rest.size());
    if (n <= 0) return absl::ErrnoToStatus(errno, "cannot write a memory file");
    rest.remove_prefix(static_cast<size_t>(n));
  }
  ::lseek(in.get(), 0, SEEK_SET);
  ChildSpec spec;
  spec.command = {"dot", "-Tsvg"};
  spec.descriptors = {{in.get(), STDIN_FILENO}, {out.get(), STDOUT_FILENO}};
  ChildExit exit;
  absl::Notification ended;
  ChildProcesses children;
  const absl::StatusOr<pid_t> child = children.Start(spec, [&exit, &ended](ChildExit how) {
    exit = how;
    ended.Notify();
  });
  if (absl::IsNotFound(child.status())) {
    return absl::UnavailableError(
        "SVG takes Graphviz, and there is no program `dot`: install the package graphviz, or use "
        "-o mermaid, which takes nothing");
  }
  if (!child.ok()) return child.status();
  ended.WaitForNotification();
  if (exit.signal != 0 || exit.code != 0) {
    return absl::InternalError(absl::StrCat("dot failed: ", exit.ToString()));
  }
  std::string svg;
  char buffer[1 << 14];
  ::lseek(out.get(), 0, SEEK_SET);
  for (ssize_t n; (n = ::read(out.get(), buffer, sizeof buffer)) > 0;) {
    svg.append(buffer, static_cast<size_t>(n));
  }
  return svg;
}

}  // namespace fractos
