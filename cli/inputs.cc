#include "cli/inputs.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cli/known_devices.h"
#include "cli/paths.h"
#include "lib/base/limits.h"
#include "lib/plan/names.h"
#include "lib/plan/text_fault.h"
#include "lib/plan/yaml.h"
#include "lib/runtime/atomic_file.h"

namespace fractos {

std::vector<DeviceCluster> Inputs::DeviceClusters() const {
  std::vector<DeviceCluster> all;
  for (const PlacedCluster& placed : clusters) all.push_back(placed.cluster);
  return all;
}

namespace {

// By its descriptor: a socket cannot be opened by a name, and what was read of a file already does
// not come again.
absl::StatusOr<std::string> ReadStandardInput(size_t limit) {
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, "cannot read", "standard input");
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > limit) {
      return absl::ResourceExhaustedError(
          absl::StrCat("standard input is longer than ", limit, " bytes, which is the limit"));
    }
  }
}

}  // namespace

absl::StatusOr<SourceFile> ReadSource(const std::string& name) {
  SourceFile source;
  source.name = name == "-" ? "<stdin>" : name;
  source.folder = name == "-" ? AbsoluteFolderOf("x") : AbsoluteFolderOf(name);
  // Much more than a spec may have: up to here the parser says by how much a file is too long.
  constexpr size_t kMaxRead = 64 * kMaxSpecBytes;
  absl::StatusOr<std::string> text =
      name == "-" ? ReadStandardInput(kMaxRead) : ReadWholeFile(name, kMaxRead);
  if (!text.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(text.status().message()));
  }
  source.text = *std::move(text);
  return source;
}

absl::StatusOr<std::vector<SourceFile>> ReadSources(
    std::initializer_list<const std::vector<std::string>*> lists,
    const std::vector<std::string>& device_files) {
  std::vector<SourceFile> sources;
  for (const std::vector<std::string>* files : lists) {
    for (const std::string& file : *files) {
      absl::StatusOr<SourceFile> source = ReadSource(file);
      if (!source.ok()) return source.status();
      sources.push_back(*std::move(source));
    }
  }
  for (const std::string& file : device_files) {
    absl::StatusOr<SourceFile> source = ReadSource(file);
    if (!source.ok()) return source.status();
    source->devices_only = true;
    sources.push_back(*std::move(source));
  }
  return sources;
}

Inputs ParseInputs(const std::vector<SourceFile>& files, const std::string& home) {
  Inputs inputs;
  for (const SourceFile& file : files) {
    Documents documents = ParseDocuments(file.text, file.name);
    if (file.devices_only) documents.graphs.clear();
    if (file.devices_only && documents.clusters.empty() && documents.diagnostics.empty()) {
      inputs.diagnostics.push_back({{file.name, 0, 0}, "", "defines no DeviceCluster"});
    }
    for (TaskGraph& graph : documents.graphs) inputs.graphs.push_back(std::move(graph));
    for (Diagnostic& wrong : documents.diagnostics) inputs.diagnostics.push_back(std::move(wrong));
    for (DeviceCluster& cluster : documents.clusters) {
      const auto same = std::find_if(inputs.clusters.begin(), inputs.clusters.end(),
                                     [&cluster](const PlacedCluster& other) {
                                       return other.cluster.FullName() == cluster.FullName();
                                     });
      // The graph's own file may be named by --devices, too.
      if (same != inputs.clusters.end() && same->cluster.mark.file == cluster.mark.file) continue;
      if (same != inputs.clusters.end()) {
        inputs.diagnostics.push_back(
            {cluster.mark, "metadata.name",
             absl::StrCat("DeviceCluster ", cluster.FullName(), " stands in ",
                          same->cluster.mark.file, " too; keep one of them")});
      }
      if (std::optional<Diagnostic> wrong = CheckCommand(cluster); wrong.has_value()) {
        inputs.diagnostics.push_back(*std::move(wrong));
      }
      inputs.clusters.push_back({std::move(cluster), file.folder});
    }
  }
  if (inputs.clusters.empty()) {
    inputs.default_clusters = true;
    for (DeviceCluster& cluster : DefaultDataCentre(home)) {
      inputs.clusters.push_back({std::move(cluster), AbsoluteFolderOf("x")});
    }
  }
  return inputs;
}

absl::StatusOr<TaskGraph> OnlyGraph(const Inputs& inputs) {
  if (inputs.graphs.empty()) {
    return absl::InvalidArgumentError("there is no TaskGraph in what was given");
  }
  if (inputs.graphs.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(inputs.graphs[1].mark.file, ":", inputs.graphs[1].mark.line,
                     ": a second TaskGraph; one run is one TaskGraph, so keep one to a file"));
  }
  return inputs.graphs.front();
}

absl::StatusOr<ParameterValues> ParseParameters(const std::vector<std::string>& arguments) {
  ParameterValues values;
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("-p ", argument, ": a parameter is given as name=value"));
    }
    const std::string name = argument.substr(0, equals);
    if (const std::optional<TextFault> fault = FindTextFault(argument); fault.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat("-p ", Quoted(name), ": byte ", fault->column,
                                                     " of line ", fault->line, " is ",
                                                     fault->what));
    }
    if (!values.emplace(name, argument.substr(equals + 1)).second) {
      return absl::InvalidArgumentError(absl::StrCat("-p ", name, " is given twice"));
    }
  }
  return values;
}

namespace {

// Whoever defines a device of their own may count on the others all the same.
void SayThatNoneShips(const Inputs& inputs, std::vector<Diagnostic>* wrong) {
  for (const std::string& name : ShippedNames()) {
    const std::string fault = absl::StrCat("there is no device ", Quoted(name));
    for (Diagnostic& one : *wrong) {
      if (!absl::StartsWith(one.message, fault)) continue;
      absl::StrAppend(&one.message, "; ", inputs.clusters.front().cluster.mark.file,
                      " defines DeviceClusters, so those that ship are not there: define ", name,
                      ", too, with command [fractos-adaptor, ", name, "]");
    }
  }
}

// "spec.steps[2]" of "spec.steps[2].inputs.image"; a field of no list is its own part.
absl::string_view PartOf(absl::string_view field) { return field.substr(0, field.find(']')); }

// Whether `field` holds `inner`.
bool Holds(absl::string_view field, absl::string_view inner) {
  return absl::ConsumePrefix(&inner, field) &&
         (inner.empty() || inner.front() == '.' || inner.front() == '[');
}

// Whether `later` may be nothing but what follows from a field that could not be read.
bool MayFollow(const Diagnostic& later, const Diagnostic& unread) {
  if (later.mark.file != unread.mark.file) return false;
  if (Holds(unread.field, later.field) || PartOf(unread.field) == PartOf(later.field)) return true;
  const bool of_step =
      absl::StartsWith(unread.field, "spec.steps") || absl::StartsWith(unread.field, "spec.onF");
  const bool names = absl::EndsWith(unread.field, ".name") ||
                     !absl::StrContains(absl::StripPrefix(unread.field, "spec."), '.');
  return (of_step && names && absl::StartsWith(later.message, "there is no step ")) ||
         (absl::StartsWith(unread.field, "spec.parameters") &&
          absl::StrContains(later.message, "parameter")) ||
         (unread.field == "spec.deadline" && absl::StrContains(later.message, "the deadline"));
}

bool IsUnknownDevice(const Diagnostic& one) {
  return absl::StartsWith(one.message, "there is no device ");
}

}  // namespace

std::vector<Diagnostic> CheckGraph(const TaskGraph& graph, const Inputs& inputs,
                                   const ParameterValues& parameters) {
  const KnownDescriptions known = DescribeWithoutStarting(inputs.DeviceClusters());
  std::vector<Diagnostic> wrong =
      Validate(graph, known.descriptions, parameters, known.undescribed);
  if (!inputs.clusters_are_up) {
    if (!inputs.default_clusters) SayThatNoneShips(inputs, &wrong);
    return wrong;
  }
  for (Diagnostic& one : wrong) {
    if (IsUnknownDevice(one)) absl::StrAppend(&one.message, WhatIsUp(inputs));
  }
  return wrong;
}

std::string WhatIsUp(const Inputs& inputs) {
  std::vector<std::string> names;
  for (const PlacedCluster& placed : inputs.clusters) {
    names.emplace_back(absl::StripPrefix(placed.cluster.FullName(), "default/"));
  }
  return absl::StrCat("; the data centre that is up has ", absl::StrJoin(names, ", "),
                      "; `fractosctl down` ends it");
}

std::vector<Diagnostic> CheckInputs(const Inputs& inputs, const ParameterValues& parameters) {
  const std::vector<Diagnostic>& unread = inputs.diagnostics;
  std::vector<Diagnostic> wrong = unread;
  // What a document is that nobody could tell may be what the others lack.
  const bool unknown = absl::c_any_of(unread, [](const Diagnostic& one) {
    return one.field.empty() || one.field == "kind" || one.field == "apiVersion";
  });
  bool more = unknown;
  for (const TaskGraph& graph : inputs.graphs) {
    if (unknown) break;
    for (Diagnostic& later : CheckGraph(graph, inputs, parameters)) {
      if (absl::c_any_of(unread, [&](const Diagnostic& one) { return MayFollow(later, one); })) {
        more = true;
      } else {
        more = more || IsUnknownDevice(later);  // what its operations take is not looked at
        wrong.push_back(std::move(later));
      }
    }
  }
  if (more) wrong.push_back({{}, "", "more may show once these are right"});
  return wrong;
}

std::string ClusterOf(const TaskGraph& graph, const TaskGraphStep& step) {
  return absl::StrContains(step.device, '/') ? step.device
                                             : absl::StrCat(graph.ns, "/", step.device);
}

std::string FormatDiagnostics(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& wrong : diagnostics) absl::StrAppend(&text, wrong.ToString(), "\n");
  return text;
}

}  // namespace fractos
