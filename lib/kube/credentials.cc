#include "lib/kube/credentials.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "lib/base/unique_fd.h"

namespace fractos::kube {

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t max_bytes) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return absl::ErrnoToStatus(errno, path);
  std::string text;
  char bytes[16384];
  for (;;) {
    const ssize_t got = ::read(file.get(), bytes, sizeof(bytes));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, path);
    if (got == 0) return text;
    text.append(bytes, static_cast<size_t>(got));
    if (text.size() > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, " is larger than ", max_bytes, " bytes"));
    }
  }
}

FileTokenSource::FileTokenSource(std::string path, std::string initial, const Clock* clock)
    : path_(std::move(path)), clock_(clock) {
  if (!initial.empty()) current_ = std::make_shared<const Credential>(Credential{initial});
}

absl::StatusOr<std::shared_ptr<const Credential>> FileTokenSource::Get(const Context&) {
  absl::MutexLock lock(&mutex_);
  const Time now = clock_->Now();
  if (current_ != nullptr && now < read_again_) return current_;
  absl::StatusOr<std::string> text = ReadSmallFile(path_);
  if (text.ok()) {
    std::string token(absl::StripAsciiWhitespace(*text));
    if (token.empty()) {
      text = absl::FailedPreconditionError(absl::StrCat(path_, " holds no token"));
    } else {
      // Made anew when it is the same, too: whoever still holds the old one and is rejected with it
      // does not make this one be thrown away.
      current_ = std::make_shared<const Credential>(Credential{std::move(token)});
      read_again_ = now + kPeriod - kLeeway;
      return current_;
    }
  }
  if (current_ == nullptr) return text.status();
  return current_;
}

void FileTokenSource::Rejected(const std::shared_ptr<const Credential>& credential) {
  absl::MutexLock lock(&mutex_);
  // Kept as what to use if the file cannot be read: a token that was refused once by a server in
  // trouble is better than none.
  if (credential == current_) read_again_ = Time::min();
}

}  // namespace fractos::kube
