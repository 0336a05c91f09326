#include "daemon/election/epoch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/runtime/unique_fd.h"

namespace fractos {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxFileBytes = 4096;

absl::Status Error(absl::string_view doing, absl::string_view path) {
  int code = errno;
  return absl::ErrnoToStatus(code, absl::StrCat("cannot ", doing, " ", path));
}

// NotFound when there is no such file. More than kMaxFileBytes are cut off.
absl::StatusOr<std::string> ReadFile(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return Error("open", path);
  std::string text(kMaxFileBytes, '\0');
  size_t size = 0;
  while (size < text.size()) {
    ssize_t got = read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error("read", path);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  text.resize(size);
  return text;
}

absl::Status SyncFolderOf(const std::string& path) {
  std::string folder = path.substr(0, path.rfind('/'));
  UniqueFd opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.valid()) return Error("open", folder);
  if (fsync(opened.get()) != 0) return Error("sync", folder);
  return absl::OkStatus();
}

// Callers hold the cluster's lock, so one name for the temporary file is enough.
absl::Status ReplaceFile(const std::string& path, absl::string_view text, bool durable) {
  std::string temporary = path + ".new";
  UniqueFd file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.valid()) return Error("create", temporary);
  for (size_t written = 0; written < text.size();) {
    ssize_t wrote = write(file.get(), text.data() + written, text.size() - written);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return Error("write", temporary);
    written += static_cast<size_t>(wrote);
  }
  if (durable && fsync(file.get()) != 0) return Error("sync", temporary);
  if (rename(temporary.c_str(), path.c_str()) != 0) return Error("replace", path);
  return durable ? SyncFolderOf(path) : absl::OkStatus();
}

}  // namespace

absl::StatusOr<uint64_t> ReadEpoch(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (absl::IsNotFound(text.status())) return 0;
  if (!text.ok()) return text.status();
  absl::string_view digits = absl::StripSuffix(*text, "\n");
  uint64_t epoch = 0;
  bool number = !digits.empty() && std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) &&
                absl::SimpleAtoi(digits, &epoch);
  if (!number || epoch == std::numeric_limits<uint64_t>::max()) {
    return absl::DataLossError(absl::StrCat(
        path,
        " does not hold an epoch; write the highest one this cluster ever had into it, or "
        "remove the data centre's folder if nothing of it is needed any more"));
  }
  return epoch;
}

absl::Status WriteEpoch(const std::string& path, uint64_t epoch) {
  return ReplaceFile(path, absl::StrCat(epoch, "\n"), /*durable=*/true);
}

absl::Status WriteLeader(const std::string& path, const LeaderInfo& leader) {
  Json json = {{"replica", leader.replica},
               {"bootId", leader.boot.ToHex()},
               {"epoch", leader.epoch},
               {"pid", getpid()}};
  return ReplaceFile(path, json.dump() + "\n", /*durable=*/false);
}

std::optional<LeaderInfo> ReadLeader(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return std::nullopt;
  Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  auto replica = json.find("replica");
  auto boot = json.find("bootId");
  auto epoch = json.find("epoch");
  if (replica == json.end() || !replica->is_number_unsigned() || boot == json.end() ||
      !boot->is_string() || epoch == json.end() || !epoch->is_number_unsigned()) {
    return std::nullopt;
  }
  absl::StatusOr<BootId> id = BootId::FromHex(boot->get_ref<const std::string&>());
  if (!id.ok()) return std::nullopt;
  return LeaderInfo{replica->get<uint32_t>(), *id, epoch->get<uint64_t>()};
}

}  // namespace fractos
