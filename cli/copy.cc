#include "cli/copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <iostream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/complain.h"
#include "cli/inputs.h"
#include "cli/kept_centre.h"
#include "cli/known_devices.h"
#include "cli/local_file.h"
#include "cli/paths.h"
#include "cli/run_program.h"
#include "lib/plan/names.h"

namespace fractos {
namespace {

absl::StatusOr<PlacedCluster> FindStorage(const RemoteName& remote,
                                          const std::vector<std::string>& device_files) {
  const absl::StatusOr<std::vector<SourceFile>> sources = ReadSources({}, device_files);
  if (!sources.ok()) return sources.status();
  Inputs inputs = ParseInputs(*sources, HomeFolder());
  if (!inputs.diagnostics.empty()) {
    return absl::InvalidArgumentError(inputs.diagnostics[0].ToString());
  }
  if (inputs.default_clusters) {
    absl::StatusOr<std::optional<KeptCentre>> kept = FindKeptCentre();
    if (!kept.ok()) return kept.status();
    inputs.clusters_are_up = kept->has_value();
    if (kept->has_value()) inputs.clusters = std::move((*kept)->clusters);
  }
  std::vector<std::string> names;
  for (PlacedCluster& placed : inputs.clusters) {
    names.push_back(placed.cluster.FullName());
    if (names.back() != remote.cluster) continue;
    if (ShippedAdaptor(placed.cluster) != "storage") {
      return absl::InvalidArgumentError(absl::StrCat(
          "DeviceCluster ", remote.cluster, " is no storage; cp reads and writes storage only"));
    }
    return std::move(placed);
  }
  const char* const file =
      device_files.empty() ? "; name the file that defines it with --devices" : "";
  return absl::InvalidArgumentError(absl::StrCat("there is no DeviceCluster ", remote.cluster,
                                                 DidYouMean(remote.cluster, names),
                                                 inputs.clusters_are_up ? WhatIsUp(inputs) : file));
}

// Says what a program wrote on its standard error, as our own.
void Relay(const UniqueFd& errors) {
  std::string text(4096, '\0');
  const ssize_t n = ::pread(errors.get(), text.data(), text.size(), 0);
  if (n > 0) std::cerr << "fractosctl: " << text.substr(0, static_cast<size_t>(n));
}

// Runs the adaptor's command with these as its standard input and output.
ExitCode RunStorage(const PlacedCluster& storage, const char* command, const std::string& key,
                    int in, int out) {
  const absl::StatusOr<std::string> program = FindProgram("fractos-adaptor");
  if (!program.ok()) return Complain(program.status());
  const absl::StatusOr<UniqueFd> errors = NewMemoryFile();
  if (!errors.ok()) return Complain(errors.status());
  const AdaptorSpec& adaptor = storage.cluster.adaptor;
  const absl::StatusOr<int> code =
      RunProgram({.command = {*program, "storage", command, key, "--options", adaptor.options},
                  .env = adaptor.env,
                  .folder = storage.folder,
                  .in = in,
                  .out = out,
                  .err = errors->get()});
  if (!code.ok()) return Complain(code.status());
  if (*code == 127) {
    return Complain(absl::NotFoundError(absl::StrCat("cannot start ", *program)));
  }
  Relay(*errors);
  return *code == 0 ? kExitSucceeded : kExitFailed;
}

ExitCode Put(const std::string& file, const RemoteName& remote, const PlacedCluster& storage) {
  const absl::StatusOr<UniqueFd> in = OpenLocalFile(file);
  if (!in.ok()) return Complain(in.status(), kExitBadInput);
  // What the command says on success is for the adaptor's own users.
  const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  return RunStorage(storage, "put", remote.key, in->get(), null.get());
}

ExitCode Get(const RemoteName& remote, const std::string& file, const PlacedCluster& storage) {
  const auto get = [&remote, &storage](int out, bool /*is_new*/) {
    return RunStorage(storage, "get", remote.key, -1, out);
  };
  return file == "-" ? get(-1, false) : ReceiveLocalFile(file, get);
}

}  // namespace

std::optional<RemoteName> ParseRemoteName(absl::string_view text, absl::string_view ns) {
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos || colon == 0) return std::nullopt;
  const absl::string_view cluster = text.substr(0, colon);
  if (absl::StrContains(cluster, '.') || cluster.front() == '/') return std::nullopt;
  RemoteName remote;
  remote.cluster =
      absl::StrContains(cluster, '/') ? std::string(cluster) : absl::StrCat(ns, "/", cluster);
  remote.key = std::string(text.substr(colon + 1));
  return remote;
}

absl::StatusOr<CopyEnds> ParseCopyEnds(const CopyOptions& options, absl::string_view ns) {
  std::optional<RemoteName> from = ParseRemoteName(options.from, ns);
  std::optional<RemoteName> to = ParseRemoteName(options.to, ns);
  if (from.has_value() == to.has_value()) {
    return absl::InvalidArgumentError(
        "cp takes a file and a key: `cp FILE storage:KEY` or `cp storage:KEY FILE`");
  }
  const bool puts = to.has_value();
  CopyEnds ends{puts, puts ? *std::move(to) : *std::move(from), puts ? options.from : options.to};
  if (ends.remote.key.empty()) {
    return absl::InvalidArgumentError("a key is missing after the colon, as in storage:cat.png");
  }
  return ends;
}

ExitCode Copy(const CopyOptions& options) {
  const absl::StatusOr<CopyEnds> ends = ParseCopyEnds(options, "default");
  if (!ends.ok()) return Complain(ends.status(), kExitBadInput);
  const absl::StatusOr<PlacedCluster> storage = FindStorage(ends->remote, options.device_files);
  if (!storage.ok()) return Complain(storage.status(), kExitBadInput);
  return ends->puts ? Put(ends->file, ends->remote, *storage)
                    : Get(ends->remote, ends->file, *storage);
}

}  // namespace fractos
