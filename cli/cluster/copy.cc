#include "cli/cluster/copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/cluster/refusal.h"
#include "cli/complain.h"
#include "cli/local_file.h"
#include "cli/run_program.h"
#include "lib/base/digest.h"
#include "lib/kube/errors.h"

namespace fractos::cluster {
namespace {

using kube::Member;
using kube::StringMember;

// Where a storage's own commands can be run.
struct Storage {
  kube::ObjectKey pod;
  std::vector<std::string> command;  // "fractos-adaptor storage"
  std::string options;               // as the adaptor was given them
};

absl::StatusOr<Storage> StorageOf(const kube::Object& cluster) {
  const std::string name = cluster.key().ToString();
  Storage storage;
  const kube::Json& adaptor = Member(cluster.spec(), "adaptor");
  for (const kube::Json& word : Member(adaptor, "command")) {
    if (word.is_string()) storage.command.push_back(word.get<std::string>());
  }
  const std::string& program = storage.command.empty() ? "" : storage.command[0];
  if (storage.command.size() != 2 || storage.command[1] != "storage" ||
      !(program == "fractos-adaptor" || absl::EndsWith(program, "/fractos-adaptor"))) {
    return absl::InvalidArgumentError(
        absl::StrCat("DeviceCluster ", name, " is no storage; cp reads and writes storage only"));
  }
  const kube::Json& options = Member(adaptor, "options");
  storage.options = options.is_object() ? kube::ToJsonText(options) : "{}";
  storage.pod = {cluster.ns(), StringMember(Member(cluster.status(), "leader"), "pod")};
  if (storage.pod.name.empty()) {
    return absl::UnavailableError(absl::StrCat("no replica of DeviceCluster ", name,
                                               " leads at the moment; `kubectl fractos status` "
                                               "says more"));
  }
  return storage;
}

std::vector<std::string> CommandFor(const Target& target, const Storage& storage, bool with_input,
                                    const std::vector<std::string>& arguments) {
  const char* const program = std::getenv("KUBECTL");
  std::vector<std::string> command = {program != nullptr && *program != '\0' ? program : "kubectl"};
  command.insert(command.end(), target.kubectl_flags.begin(), target.kubectl_flags.end());
  command.insert(command.end(),
                 {"exec", storage.pod.name, "-n", storage.pod.ns, "-c", kAdaptorContainer});
  if (with_input) command.push_back("-i");
  command.push_back("--");
  command.insert(command.end(), storage.command.begin(), storage.command.end());
  command.insert(command.end(), arguments.begin(), arguments.end());
  command.insert(command.end(), {"--options", storage.options});
  return command;
}

std::string TextOf(int fd) {
  constexpr size_t kMaxText = 16 * 1024;
  std::string text(kMaxText, '\0');
  const ssize_t n = ::pread(fd, text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

// Says what kubectl and the adaptor wrote, and which code that is for us.
ExitCode Explain(const std::vector<std::string>& command, int code, const std::string& errors) {
  if (code == 127) {
    return Complain(absl::NotFoundError(absl::StrCat(
        "cannot start ", command[0],
        ": cp needs kubectl in PATH, or the environment variable KUBECTL to name it")));
  }
  for (const absl::string_view line : absl::StrSplit(errors, '\n', absl::SkipEmpty())) {
    // How the adaptor ended is said by what it wrote.
    if (absl::StartsWith(line, "command terminated with exit code")) continue;
    if (absl::StartsWith(line, "sum ")) continue;
    std::cerr << "fractosctl: " << std::string(line) << "\n";
  }
  if (errors.empty())
    std::cerr << "fractosctl: " << command[0] << " ended with code " << code << "\n";
  // What the adaptor answers to a key that is none.
  return code == 2 ? kExitBadInput : kExitFailed;
}

// A file whose size is known and does not depend on when its writer ends.
absl::StatusOr<std::pair<UniqueFd, uint64_t>> OpenWhole(const std::string& name) {
  absl::StatusOr<UniqueFd> file = OpenLocalFile(name);
  if (!file.ok()) return file.status();
  struct stat info = {};
  if (::fstat(file->get(), &info) != 0) return absl::ErrnoToStatus(errno, name);
  if (S_ISREG(info.st_mode) && name != "-") {
    return std::make_pair(*std::move(file), static_cast<uint64_t>(info.st_size));
  }
  absl::StatusOr<UniqueFd> copy = NewMemoryFile();
  if (!copy.ok()) return copy.status();
  const absl::StatusOr<uint64_t> size = CopyBytes(file->get(), copy->get());
  if (!size.ok()) {
    return absl::Status(size.status().code(), absl::StrCat(name, ": ", size.status().message()));
  }
  ::lseek(copy->get(), 0, SEEK_SET);
  return std::make_pair(*std::move(copy), *size);
}

ExitCode Put(const Target& target, const Storage& storage, const CopyEnds& ends) {
  const absl::StatusOr<std::pair<UniqueFd, uint64_t>> in = OpenWhole(ends.file);
  if (!in.ok()) return Complain(in.status(), kExitBadInput);
  const absl::StatusOr<UniqueFd> errors = NewMemoryFile();
  if (!errors.ok()) return Complain(errors.status());
  const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  // The size, since a connection that breaks looks like the end of the file over there.
  const std::vector<std::string> command =
      CommandFor(target, storage, /*with_input=*/true,
                 {"put", ends.remote.key, "--size", absl::StrCat(in->second)});
  const absl::StatusOr<int> code = RunProgram(
      {.command = command, .in = in->first.get(), .out = null.get(), .err = errors->get()});
  if (!code.ok()) return Complain(code.status());
  return *code == 0 ? kExitSucceeded : Explain(command, *code, TextOf(errors->get()));
}

// Whether the bytes in `file` are those that the adaptor says it wrote: "sum SIZE SHA256".
bool IsWhole(int file, const std::string& errors) {
  struct stat info = {};
  if (::fstat(file, &info) != 0) return false;
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n =
        ::pread(file, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  const std::string sum = absl::StrCat("sum ", bytes.size(), " ", Digest::Of(bytes).ToHex());
  for (const absl::string_view line : absl::StrSplit(errors, absl::ByAnyChar("\r\n"))) {
    if (line == sum) return true;
  }
  return false;
}

ExitCode Receive(const Target& target, const Storage& storage, const std::string& key, int out) {
  const absl::StatusOr<UniqueFd> errors = NewMemoryFile();
  if (!errors.ok()) return Complain(errors.status());
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::vector<std::string> command =
      CommandFor(target, storage, /*with_input=*/false, {"get", key, "--sum"});
  const absl::StatusOr<int> code =
      RunProgram({.command = command, .in = null.get(), .out = out, .err = errors->get()});
  if (!code.ok()) return Complain(code.status());
  const std::string text = TextOf(errors->get());
  if (*code != 0) return Explain(command, *code, text);
  if (IsWhole(out, text)) return kExitSucceeded;
  return Complain(absl::DataLossError(
      absl::StrCat("the connection broke before all of ", key, " was here; nothing was written")));
}

ExitCode Get(const Target& target, const Storage& storage, const CopyEnds& ends) {
  const auto receive = [&](int out, bool is_new) {
    if (is_new) return Receive(target, storage, ends.remote.key, out);
    // What is written there cannot be taken back, so not before all of it is here.
    const absl::StatusOr<UniqueFd> whole = NewMemoryFile();
    if (!whole.ok()) return Complain(whole.status());
    const ExitCode code = Receive(target, storage, ends.remote.key, whole->get());
    if (code != kExitSucceeded) return code;
    ::lseek(whole->get(), 0, SEEK_SET);
    const absl::StatusOr<uint64_t> shown = CopyBytes(whole->get(), out);
    return shown.ok() ? kExitSucceeded : Complain(shown.status());
  };
  if (ends.file != "-") return ReceiveLocalFile(ends.file, receive);
  std::cout << std::flush;
  return receive(STDOUT_FILENO, /*is_new=*/false);
}

}  // namespace

ExitCode Copy(const Target& target, const CopyOptions& options) {
  const absl::StatusOr<CopyEnds> ends = ParseCopyEnds(options, target.ns);
  if (!ends.ok()) return Complain(ends.status(), kExitBadInput);
  const absl::StatusOr<kube::ObjectKey> key = kube::ObjectKey::Parse(ends->remote.cluster);
  if (!key.ok()) return Complain(key.status(), kExitBadInput);
  const absl::StatusOr<kube::Object> cluster =
      target.client->Get(target.RequestContext(), DeviceClusters(key->ns), key->name);
  if (kube::IsNotFound(cluster.status()) && !LacksFractos(cluster.status())) {
    return Complain(
        absl::InvalidArgumentError(absl::StrCat("there is no DeviceCluster ", ends->remote.cluster,
                                                "; `kubectl fractos status` lists them")),
        kExitBadInput);
  }
  if (!cluster.ok()) return ComplainOfCluster(cluster.status());
  const absl::StatusOr<Storage> storage = StorageOf(*cluster);
  if (!storage.ok()) {
    return Complain(storage.status(),
                    absl::IsUnavailable(storage.status()) ? kExitFailed : kExitBadInput);
  }
  return ends->puts ? Put(target, *storage, *ends) : Get(target, *storage, *ends);
}

}  // namespace fractos::cluster
