// The health check of a leader. Semantics: client-go tools/leaderelection/healthzadaptor.go.
#ifndef FRACTOS_LIB_KUBE_HEALTHZ_ADAPTOR_H_
#define FRACTOS_LIB_KUBE_HEALTHZ_ADAPTOR_H_

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "lib/kube/leader_elector.h"

namespace fractos::kube {

// Ties an elector to a health check that is there before it: healthy while there is none, and when
// it does not lead. Thread-safe.
class HealthzAdaptor {
 public:
  explicit HealthzAdaptor(Duration tolerance) : tolerance_(tolerance) {}
  // `elector` outlives the adaptor, or is taken away again by null.
  void SetLeaderElection(const LeaderElector* elector) {
    absl::MutexLock lock(&mutex_);
    elector_ = elector;
  }
  absl::Status Check() const {
    absl::MutexLock lock(&mutex_);
    return elector_ == nullptr ? absl::OkStatus() : elector_->Check(tolerance_);
  }

 private:
  const Duration tolerance_;
  mutable absl::Mutex mutex_;
  const LeaderElector* elector_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_HEALTHZ_ADAPTOR_H_
