// What a watch delivers, and how its lines are read.
#ifndef FRACTOS_LIB_KUBE_WATCH_H_
#define FRACTOS_LIB_KUBE_WATCH_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/kube/object.h"

namespace fractos::kube {

enum class WatchEventType {
  kAdded,
  kModified,
  kDeleted,
  kBookmark,  // the object has nothing but a resourceVersion (and perhaps annotations)
  kError,     // `status` says what; the server ends the watch after it
};

// "ADDED" and so on.
absl::string_view ToString(WatchEventType type);

struct WatchEvent {
  WatchEventType type = WatchEventType::kAdded;
  Object object;        // empty for kError
  absl::Status status;  // of kError: never OK, with an ApiStatus
};

// An event with the marker that ends the initial events of a watch with sendInitialEvents.
inline constexpr char kInitialEventsEndAnnotation[] = "k8s.io/initial-events-end";

// A line is one object and its envelope. etcd refuses objects above 1.5 MiB; as JSON, with managed
// fields, they grow.
inline constexpr size_t kMaxWatchLineBytes = 16 * 1024 * 1024;

// Puts events together from the bytes of a watch, which come in chunks that may end anywhere: in
// the middle of a character, too. Not thread-safe.
class WatchDecoder {
 public:
  explicit WatchDecoder(size_t max_line_bytes = kMaxWatchLineBytes)
      : max_line_bytes_(max_line_bytes) {}

  // More bytes. Keeps them until Next has taken the lines that they end.
  void Feed(absl::string_view bytes);

  // The next whole event; nothing when the bytes so far hold no more. Empty lines are skipped.
  // DataLoss when a line is no event: not JSON, an unknown type, or longer than allowed. The
  // decoder is of no use after that, and says the same again: the stream is out of step.
  absl::StatusOr<std::optional<WatchEvent>> Next();

  // To be called where the bytes end: DataLoss when they end in the middle of a line.
  absl::Status Finish() const;

 private:
  absl::StatusOr<std::optional<WatchEvent>> Fail(absl::string_view what);

  const size_t max_line_bytes_;
  std::string buffer_;
  size_t begin_ = 0;    // of the first line not taken
  size_t scanned_ = 0;  // no newline in [begin_, scanned_)
  absl::Status failed_;
};

// Reads one line of a watch, without its newline.
absl::StatusOr<WatchEvent> DecodeWatchEvent(absl::string_view line);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_WATCH_H_
