#include "adaptors/echo/echo_device.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "adaptors/echo/hostile.h"
#include "adaptors/echo/operations.json.h"
#include "lib/base/limits.h"

namespace fractos {
namespace {

using adaptor::Answer;
using adaptor::Input;
using adaptor::MemoryFile;
using adaptor::Request;

constexpr int64_t kMaxGenerated = 1 << 30;

Answer Copy(const Request& request) {
  if (!request.arguments.Has("text") && request.FindInput("data") == nullptr) {
    return Answer::Fail(absl::InvalidArgumentError("copy needs the argument text or input data"));
  }
  if (request.FindInput("data") == nullptr) {
    absl::StatusOr<std::string> text = request.arguments.String("text");
    return text.ok() ? Answer::Value(*std::move(text)) : Answer::Fail(text.status());
  }
  absl::StatusOr<absl::string_view> bytes = request.InputBytes("data");
  return bytes.ok() ? Answer::Value(std::string(*bytes)) : Answer::Fail(bytes.status());
}

// The byte at offset i is 'a' + i % 23: a period that divides no block size, so that a block that
// is lost or out of place shows.
Answer Generate(const Request& request) {
  absl::StatusOr<int64_t> size = request.arguments.Integer("size", 0, kMaxGenerated);
  if (!size.ok()) return Answer::Fail(size.status());
  constexpr int64_t kPeriod = 23;
  std::string block;
  for (int64_t i = 0; i < std::min<int64_t>(*size, kPeriod << 14); ++i) {
    block.push_back(static_cast<char>('a' + i % kPeriod));
  }
  if (static_cast<int64_t>(block.size()) == *size) return Answer::Value(std::move(block));
  absl::StatusOr<MemoryFile> file = MemoryFile::Create("generated");
  if (!file.ok()) return Answer::Fail(file.status());
  for (uint64_t left = static_cast<uint64_t>(*size); left > 0;) {
    uint64_t part = std::min<uint64_t>(left, block.size());
    if (absl::Status status = file->Append(absl::string_view(block).substr(0, part));
        !status.ok()) {
      return Answer::Fail(status);
    }
    left -= part;
  }
  return Answer::File(*std::move(file));
}

Answer Sleep(const Request& request) {
  absl::StatusOr<int64_t> ms = request.arguments.Integer("ms", 0, 3'600'000);
  if (!ms.ok()) return Answer::Fail(ms.status());
  std::mutex mutex;
  std::condition_variable_any woken;
  std::unique_lock lock(mutex);
  woken.wait_for(lock, request.stop, std::chrono::milliseconds(*ms), [] { return false; });
  if (request.stop.stop_requested()) return Answer::Fail(absl::CancelledError("not wanted"));
  return Answer::Value("ok");
}

Answer Fail(const Request& request) {
  absl::StatusOr<std::string> reason = request.arguments.String("reason", "Failed");
  if (!reason.ok()) return Answer::Fail(reason.status());
  absl::StatusOr<std::string> message = request.arguments.String("message", "it was told to fail");
  if (!message.ok()) return Answer::Fail(message.status());
  absl::StatusOr<bool> retryable = request.arguments.Boolean("retryable", false);
  if (!retryable.ok()) return Answer::Fail(retryable.status());
  return Answer::Fail(*reason, *message, *retryable);
}

}  // namespace

absl::StatusOr<std::string> EchoDevice::Configure(const adaptor::Arguments& options) {
  if (absl::Status status = options.CheckKnown({"hostile", "log"}); !status.ok()) return status;
  absl::StatusOr<bool> hostile = options.Boolean("hostile", false);
  if (!hostile.ok()) return hostile.status();
  absl::StatusOr<std::string> log = options.String("log", "echo.log");
  if (!log.ok()) return log.status();
  hostile_ = *hostile;
  log_ = *std::move(log);
  return hostile_ ? AddHostileOperations(kEchoOperations) : std::string(kEchoOperations);
}

bool EchoDevice::IsQuick(const Request& request) const {
  if (request.operation == "identity" || request.operation == "fail") return true;
  if (request.operation != "copy") return false;
  const Input* data = request.FindInput("data");
  return data == nullptr || data->size() <= kMaxInlineValueBytes;
}

Answer EchoDevice::Execute(const Request& request) {
  if (request.operation == "identity") return Answer::Passed("data");
  if (request.operation == "copy") return Copy(request);
  if (request.operation == "generate") return Generate(request);
  if (request.operation == "sleep") return Sleep(request);
  if (request.operation == "fail") return Fail(request);
  if (hostile_) return ExecuteHostile(request, log_);
  return Answer::Fail(
      absl::UnimplementedError(absl::StrCat("echo has no operation '", request.operation, "'")));
}

}  // namespace fractos
