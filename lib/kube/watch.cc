#include "lib/kube/watch.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/kube/errors.h"

namespace fractos::kube {
namespace {

std::optional<WatchEventType> TypeOf(const std::string& text) {
  for (const WatchEventType type :
       {WatchEventType::kAdded, WatchEventType::kModified, WatchEventType::kDeleted,
        WatchEventType::kBookmark, WatchEventType::kError}) {
    if (ToString(type) == absl::string_view(text)) return type;
  }
  return std::nullopt;
}

}  // namespace

absl::string_view ToString(WatchEventType type) {
  switch (type) {
    case WatchEventType::kAdded:
      return "ADDED";
    case WatchEventType::kModified:
      return "MODIFIED";
    case WatchEventType::kDeleted:
      return "DELETED";
    case WatchEventType::kBookmark:
      return "BOOKMARK";
    case WatchEventType::kError:
      return "ERROR";
  }
  return "?";
}

absl::StatusOr<WatchEvent> DecodeWatchEvent(absl::string_view line) {
  absl::StatusOr<Json> json = ParseJson(line);
  if (!json.ok()) {
    return absl::DataLossError(absl::StrCat("a watch event is ", json.status().message()));
  }
  const std::string& text = StringMember(*json, "type");
  const std::optional<WatchEventType> type = TypeOf(text);
  if (!type.has_value()) {
    return absl::DataLossError(absl::StrCat("a watch event of unknown type \"", text, "\""));
  }
  const Json& object = Member(*json, "object");
  if (!object.is_object()) {
    return absl::DataLossError(absl::StrCat("a watch event ", text, " without an object"));
  }
  WatchEvent event;
  event.type = *type;
  if (event.type == WatchEventType::kError) {
    event.status = MakeError(DecodeStatusObject(object));
  } else {
    event.object = Object(std::move((*json)["object"]));
  }
  return event;
}

void WatchDecoder::Feed(absl::string_view bytes) {
  if (!failed_.ok()) return;
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    scanned_ -= begin_;
    begin_ = 0;
  }
  buffer_.append(bytes.data(), bytes.size());
}

absl::StatusOr<std::optional<WatchEvent>> WatchDecoder::Next() {
  while (failed_.ok()) {
    const size_t end = buffer_.find('\n', scanned_);
    if ((end == std::string::npos ? buffer_.size() : end) - begin_ > max_line_bytes_) {
      return Fail(absl::StrCat("a watch event of more than ", max_line_bytes_, " bytes"));
    }
    if (end == std::string::npos) {
      scanned_ = buffer_.size();
      return std::nullopt;
    }
    absl::string_view line = absl::string_view(buffer_).substr(begin_, end - begin_);
    begin_ = scanned_ = end + 1;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) continue;
    absl::StatusOr<WatchEvent> event = DecodeWatchEvent(line);
    if (!event.ok()) return Fail(event.status().message());
    return std::optional<WatchEvent>(*std::move(event));
  }
  return failed_;
}

absl::Status WatchDecoder::Finish() const {
  if (!failed_.ok()) return failed_;
  if (begin_ < buffer_.size())
    return absl::DataLossError("a watch ended in the middle of an event");
  return absl::OkStatus();
}

absl::StatusOr<std::optional<WatchEvent>> WatchDecoder::Fail(absl::string_view what) {
  failed_ = absl::DataLossError(what);
  buffer_.clear();
  buffer_.shrink_to_fit();
  begin_ = scanned_ = 0;
  return failed_;
}

}  // namespace fractos::kube
