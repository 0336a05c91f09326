#include "cli/copy.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iostream>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/complain.h"
#include "cli/inputs.h"
#include "cli/kept_centre.h"
#include "cli/known_devices.h"
#include "cli/paths.h"
#include "lib/runtime/atomic_file.h"

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
    if (kept->has_value()) inputs.clusters = std::move((*kept)->clusters);
  }
  for (PlacedCluster& placed : inputs.clusters) {
    if (placed.cluster.FullName() != remote.cluster) continue;
    if (ShippedAdaptor(placed.cluster) != "storage") {
      return absl::InvalidArgumentError(absl::StrCat(
          "DeviceCluster ", remote.cluster, " is no storage; cp reads and writes storage only"));
    }
    return std::move(placed);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is no DeviceCluster ", remote.cluster,
                   device_files.empty() ? "; name the file that defines it with --devices" : ""));
}

// Says what a program wrote on its standard error, as our own.
void Relay(const UniqueFd& errors) {
  std::string text(4096, '\0');
  const ssize_t n = ::pread(errors.get(), text.data(), text.size(), 0);
  if (n > 0) std::cerr << "fractosctl: " << text.substr(0, static_cast<size_t>(n));
}

// Runs the adaptor's command with these as its standard input and output. Not by ChildProcesses: in
// a process group of its own it could not read from the terminal.
absl::StatusOr<int> RunStorage(const PlacedCluster& storage, const char* command,
                               const std::string& key, int in, int out) {
  const absl::StatusOr<std::string> program = FindProgram("fractos-adaptor");
  if (!program.ok()) return program.status();
  const std::string& options = storage.cluster.adaptor.options;
  const char* const arguments[] = {program->c_str(), "storage",       command, key.c_str(),
                                   "--options",      options.c_str(), nullptr};
  const UniqueFd errors(::memfd_create("errors", MFD_CLOEXEC));
  const pid_t child = ::fork();
  if (child < 0) return absl::InternalError("cannot start a process");
  if (child == 0) {
    if (in >= 0) ::dup2(in, STDIN_FILENO);
    if (out >= 0) ::dup2(out, STDOUT_FILENO);
    if (errors.valid()) ::dup2(errors.get(), STDERR_FILENO);
    if (::chdir(storage.folder.c_str()) != 0) ::_exit(126);
    for (const auto& [name, value] : storage.cluster.adaptor.env) {
      ::setenv(name.c_str(), value.c_str(), 1);
    }
    ::execv(program->c_str(), const_cast<char* const*>(arguments));
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (errors.valid()) Relay(errors);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

ExitCode Put(const std::string& file, const RemoteName& remote, const PlacedCluster& storage) {
  UniqueFd in;
  if (file != "-") {
    in = UniqueFd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!in.valid()) return Complain(ErrnoError(errno, "cannot read", file), kExitBadInput);
  }
  // What the command says on success is for the adaptor's own users.
  const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  const absl::StatusOr<int> code = RunStorage(storage, "put", remote.key, in.get(), null.get());
  if (!code.ok()) return Complain(code.status());
  return *code == 0 ? kExitSucceeded : kExitFailed;
}

ExitCode Get(const RemoteName& remote, const std::string& file, const PlacedCluster& storage) {
  if (file == "-") {
    const absl::StatusOr<int> code = RunStorage(storage, "get", remote.key, -1, -1);
    if (!code.ok()) return Complain(code.status());
    return *code == 0 ? kExitSucceeded : kExitFailed;
  }
  // Beside the file and then renamed: no reader sees a part of it.
  std::string unfinished = absl::StrCat(file, ".XXXXXX");
  UniqueFd out(::mkostemp(unfinished.data(), O_CLOEXEC));
  if (!out.valid()) return Complain(ErrnoError(errno, "cannot write", file), kExitBadInput);
  const absl::StatusOr<int> code = RunStorage(storage, "get", remote.key, -1, out.get());
  const bool ok = code.ok() && *code == 0;
  if (ok) {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    ::fchmod(out.get(), 0666 & ~mask);
  }
  if (!ok || std::rename(unfinished.c_str(), file.c_str()) != 0) {
    const int error = errno;
    ::unlink(unfinished.c_str());
    if (ok) return Complain(ErrnoError(error, "cannot write", file));
    if (!code.ok()) return Complain(code.status());
    return kExitFailed;
  }
  return kExitSucceeded;
}

}  // namespace

std::optional<RemoteName> ParseRemoteName(absl::string_view text) {
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos || colon == 0) return std::nullopt;
  const absl::string_view cluster = text.substr(0, colon);
  if (absl::StrContains(cluster, '.') || cluster.front() == '/') return std::nullopt;
  RemoteName remote;
  remote.cluster =
      absl::StrContains(cluster, '/') ? std::string(cluster) : absl::StrCat("default/", cluster);
  remote.key = std::string(text.substr(colon + 1));
  return remote;
}

ExitCode Copy(const CopyOptions& options) {
  const std::optional<RemoteName> from = ParseRemoteName(options.from);
  const std::optional<RemoteName> to = ParseRemoteName(options.to);
  if (from.has_value() == to.has_value()) {
    return Complain(
        absl::InvalidArgumentError(
            "cp takes a file and a key: `cp FILE storage:KEY` or `cp storage:KEY FILE`"),
        kExitBadInput);
  }
  const RemoteName& remote = from.has_value() ? *from : *to;
  if (remote.key.empty()) {
    return Complain(
        absl::InvalidArgumentError("a key is missing after the colon, as in storage:cat.png"),
        kExitBadInput);
  }
  const absl::StatusOr<PlacedCluster> storage = FindStorage(remote, options.device_files);
  if (!storage.ok()) return Complain(storage.status(), kExitBadInput);
  return from.has_value() ? Get(remote, options.to, *storage) : Put(options.from, remote, *storage);
}

}  // namespace fractos
