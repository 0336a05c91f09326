#include "adaptors/storage/storage_device.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "adaptors/storage/operations.json.h"
#include "lib/base/digest.h"
#include "lib/base/limits.h"

namespace fractos {
namespace {

using adaptor::Answer;
using adaptor::CheckStop;
using adaptor::Input;
using adaptor::kStopBytes;
using adaptor::MemoryFile;
using adaptor::Request;

// With options.immutable nothing is replaced or deleted, so that a key names the same bytes for
// ever; a key that is not there yet fails rather than answers, and a failure is no value.
std::string Describe(bool immutable) {
  if (!immutable) return std::string(kStorageOperations);
  nlohmann::json json = nlohmann::json::parse(kStorageOperations.begin(), kStorageOperations.end());
  nlohmann::json& operations = json["operations"];
  for (nlohmann::json& operation : operations) {
    if (operation["name"] == "get") operation["deterministic"] = true;
  }
  for (size_t i = operations.size(); i-- > 0;) {
    if (operations[i]["name"] == "delete") operations.erase(i);
  }
  return json.dump(2);
}

Answer Concat(const Request& request) {
  absl::StatusOr<std::string> separator = request.arguments.String("separator", "");
  if (!separator.ok()) return Answer::Fail(separator.status());
  std::vector<const Input*> parts;
  for (const Input& input : request.inputs) parts.push_back(&input);
  std::sort(parts.begin(), parts.end(),
            [](const Input* a, const Input* b) { return a->name() < b->name(); });
  absl::StatusOr<MemoryFile> file = MemoryFile::Create("concat");
  if (!file.ok()) return Answer::Fail(file.status());
  uint64_t size = 0;
  for (const Input* part : parts) size += part->size() + separator->size();
  std::string small;
  bool is_small = size <= kMaxInlineValueBytes;
  auto append = [&](absl::string_view bytes) {
    if (!is_small) return file->Append(bytes, request.stop);
    small.append(bytes.data(), bytes.size());
    return absl::OkStatus();
  };
  for (size_t i = 0; i < parts.size(); ++i) {
    absl::StatusOr<absl::string_view> bytes = parts[i]->bytes();
    absl::Status status = bytes.status();
    if (status.ok() && i > 0) status = append(*separator);
    if (status.ok()) status = append(*bytes);
    if (!status.ok()) return Answer::Fail(status);
  }
  return is_small ? Answer::Value(std::move(small)) : Answer::File(*std::move(file));
}

absl::StatusOr<Digest> DigestOf(absl::string_view bytes, const std::stop_token& stop) {
  DigestStream digest;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), kStopBytes))) {
    if (absl::Status status = CheckStop(stop); !status.ok()) return status;
    digest.Add(bytes.substr(0, kStopBytes));
  }
  return digest.Finish();
}

}  // namespace

absl::StatusOr<std::string> StorageDevice::Configure(const adaptor::Arguments& options) {
  if (absl::Status status = options.CheckKnown({"root", "immutable"}); !status.ok()) return status;
  absl::StatusOr<std::string> path = options.String("root");
  if (!path.ok()) return path.status();
  if (path->empty()) return options.Error("root", "must name a folder");
  absl::StatusOr<bool> immutable = options.Boolean("immutable", false);
  if (!immutable.ok()) return immutable.status();
  absl::StatusOr<Root> root = Root::Open(*path);
  if (!root.ok()) return root.status();
  root_ = *std::move(root);
  immutable_ = *immutable;
  return Describe(immutable_);
}

absl::StatusOr<const Root*> StorageDevice::root() const {
  if (!root_.has_value()) return absl::FailedPreconditionError("not configured");
  return &*root_;
}

Answer StorageDevice::Execute(const Request& request) {
  if (request.operation == "get") return Get(request);
  if (request.operation == "put") return Put(request);
  if (request.operation == "list") return List(request);
  if (request.operation == "stat") return Stat(request);
  if (request.operation == "delete") return Delete(request);
  if (request.operation == "concat") return Concat(request);
  return Answer::Fail(
      absl::UnimplementedError(absl::StrCat("storage has no operation '", request.operation, "'")));
}

Answer StorageDevice::Get(const Request& request) const {
  absl::StatusOr<std::string> key = request.arguments.String("key");
  if (!key.ok()) return Answer::Fail(key.status());
  absl::StatusOr<Root::File> file = root_->OpenFile(*key);
  if (!file.ok()) return Answer::Fail(file.status());
  if (file->size > kMaxInlineValueBytes) {
    absl::StatusOr<MemoryFile> value = MemoryFile::Create("get");
    absl::Status status = value.status();
    if (status.ok()) status = value->AppendFrom(file->fd.get(), file->size, request.stop);
    return status.ok() ? Answer::File(*std::move(value)) : Answer::Fail(status);
  }
  absl::StatusOr<std::string> bytes = file->ReadAll();
  return bytes.ok() ? Answer::Value(*std::move(bytes)) : Answer::Fail(bytes.status());
}

Answer StorageDevice::Put(const Request& request) const {
  absl::StatusOr<std::string> key = request.arguments.String("key");
  if (!key.ok()) return Answer::Fail(key.status());
  absl::StatusOr<absl::string_view> bytes = request.InputBytes("data");
  if (!bytes.ok()) return Answer::Fail(bytes.status());
  // Before the file is there, for after that it is too late to stop.
  absl::StatusOr<Digest> digest = DigestOf(*bytes, request.stop);
  if (!digest.ok()) return Answer::Fail(digest.status());
  if (absl::Status status = root_->Put(*key, *bytes, request.stop); !status.ok()) {
    return Answer::Fail(status);
  }
  // A receipt and not the input passed on: it says what lies where, fits the run's outputs however
  // large the file is, and lets go of the value.
  nlohmann::ordered_json receipt = {
      {"key", *key}, {"size", bytes->size()}, {"sha256", digest->ToHex()}};
  return Answer::Value(receipt.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

Answer StorageDevice::List(const Request& request) const {
  absl::StatusOr<std::string> prefix = request.arguments.String("prefix", "");
  if (!prefix.ok()) return Answer::Fail(prefix.status());
  absl::StatusOr<std::vector<std::string>> keys = root_->List(*prefix);
  if (!keys.ok()) return Answer::Fail(keys.status());
  return Answer::Value(keys->empty() ? "" : absl::StrCat(absl::StrJoin(*keys, "\n"), "\n"));
}

Answer StorageDevice::Stat(const Request& request) const {
  absl::StatusOr<std::string> key = request.arguments.String("key");
  if (!key.ok()) return Answer::Fail(key.status());
  absl::StatusOr<Root::File> file = root_->OpenFile(*key);
  if (!file.ok() && !absl::IsNotFound(file.status())) return Answer::Fail(file.status());
  nlohmann::ordered_json answer = {
      {"key", *key}, {"exists", file.ok()}, {"size", file.ok() ? file->size : 0}};
  return Answer::Value(answer.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

Answer StorageDevice::Delete(const Request& request) const {
  absl::StatusOr<std::string> key = request.arguments.String("key");
  if (!key.ok()) return Answer::Fail(key.status());
  if (immutable_) {
    return Answer::Fail("Immutable", "this storage has options.immutable: nothing is deleted");
  }
  if (absl::Status status = root_->Delete(*key); !status.ok()) return Answer::Fail(status);
  return Answer::Value(
      nlohmann::json{{"key", *key}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace fractos
