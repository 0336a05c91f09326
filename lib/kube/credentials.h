// What a client authenticates with, where it comes from, and when it is fetched again.
#ifndef FRACTOS_LIB_KUBE_CREDENTIALS_H_
#define FRACTOS_LIB_KUBE_CREDENTIALS_H_

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/clock.h"
#include "lib/kube/context.h"

namespace fractos::kube {

struct Credential {
  std::string token = {};     // "Authorization: Bearer"; empty: none
  std::string cert_pem = {};  // with the key: for TLS
  std::string key_pem = {};

  bool operator==(const Credential&) const = default;
};

// Thread-safe.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;

  // What to authenticate the next request with. Cached; blocks when it is not.
  virtual absl::StatusOr<std::shared_ptr<const Credential>> Get(const Context& context) = 0;

  // A request that was sent with `credential` was answered 401: it is not handed out again, unless
  // it has been replaced since.
  virtual void Rejected(const std::shared_ptr<const Credential>& credential) = 0;
};

// Always the same.
class StaticCredential final : public CredentialSource {
 public:
  explicit StaticCredential(Credential credential)
      : credential_(std::make_shared<const Credential>(std::move(credential))) {}

  absl::StatusOr<std::shared_ptr<const Credential>> Get(const Context&) override {
    return credential_;
  }
  void Rejected(const std::shared_ptr<const Credential>&) override {}

 private:
  const std::shared_ptr<const Credential> credential_;
};

// A token in a file that somebody else keeps fresh, as the kubelet does for a service account: read
// again after 50 s (a minute, less 10 s of leeway), which is half of what the kubelet leaves
// between writing a new token and the old one's end. What is there stays in use while the file
// cannot be read or is empty. Source: client-go transport/token_source.go.
class FileTokenSource final : public CredentialSource {
 public:
  static constexpr std::chrono::seconds kPeriod{60};
  static constexpr std::chrono::seconds kLeeway{10};

  // `clock` outlives it. `initial` is in use until the file was read once; may be empty.
  FileTokenSource(std::string path, std::string initial, const Clock* clock);

  // NotFound, PermissionDenied or FailedPrecondition when there has never been a token.
  absl::StatusOr<std::shared_ptr<const Credential>> Get(const Context& context) override;
  void Rejected(const std::shared_ptr<const Credential>& credential) override;

 private:
  const std::string path_;
  const Clock* const clock_;
  absl::Mutex mutex_;
  std::shared_ptr<const Credential> current_ ABSL_GUARDED_BY(mutex_);
  Time read_again_ ABSL_GUARDED_BY(mutex_) = Time::min();
};

// A whole file of at most `max_bytes`. NotFound, PermissionDenied, ResourceExhausted or Unknown.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t max_bytes = 1 << 20);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_CREDENTIALS_H_
