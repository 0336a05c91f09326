#include "lib/kube/transport_holder.h"

#include <utility>

namespace fractos::kube {

TransportHolder::TransportHolder(RestConfig config, TransportFactory factory, const Clock* clock)
    : config_(std::move(config)), factory_(std::move(factory)), clock_(clock) {}

absl::StatusOr<std::shared_ptr<HttpTransport>> TransportHolder::Get(
    const std::shared_ptr<const Credential>& credential) {
  std::shared_ptr<HttpTransport> old;  // ends without the lock
  absl::MutexLock lock(&mutex_);
  const Time now = clock_->Now();
  const bool same = credential == credential_ ||
                    (credential_ != nullptr && credential->cert_pem == credential_->cert_pem &&
                     credential->key_pem == credential_->key_pem);
  if (transport_ != nullptr && same && now < look_again_) return transport_;
  absl::StatusOr<TransportConfig> config = NewTransportConfig(config_, *credential);
  if (config.ok() && transport_ != nullptr && *config == made_of_) {
    credential_ = credential;
    look_again_ = now + kPeriod;
    return transport_;
  }
  absl::StatusOr<std::shared_ptr<HttpTransport>> made;
  if (config.ok()) {
    made = factory_(*config);
  } else {
    made = config.status();
  }
  if (!made.ok()) {
    if (transport_ == nullptr || !same) return made.status();
    look_again_ = now + kPeriod;
    return transport_;
  }
  const bool new_identity = transport_ != nullptr && (config->cert_pem != made_of_.cert_pem ||
                                                      config->key_pem != made_of_.key_pem);
  old = std::exchange(transport_, *std::move(made));
  if (new_identity) old->CloseAll();
  made_of_ = *std::move(config);
  credential_ = credential;
  look_again_ = now + kPeriod;
  return transport_;
}

}  // namespace fractos::kube
