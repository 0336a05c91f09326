// One resource as a manager's controllers see it: in memory, over all namespaces that are looked
// after.
#ifndef FRACTOS_OPERATOR_CONTROLLER_RESOURCE_CACHE_H_
#define FRACTOS_OPERATOR_CONTROLLER_RESOURCE_CACHE_H_

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "lib/base/random.h"
#include "lib/kube/informer.h"
#include "lib/runtime/event_log.h"

namespace fractos::ctrl {

// An informer a namespace, or one for all of them: in namespaced mode there is no right to list
// more. Add indices and handlers before Run; reading is thread-safe.
class ResourceCache {
 public:
  struct Options {
    kube::GroupVersionResource resource;
    std::vector<std::string> namespaces;  // empty: all
    std::string label_selector;
  };
  // All outlive the cache; `log` may be null.
  ResourceCache(kube::ListerWatcher* client, kube::WaitableClock* clock, Random* seeds,
                const EventLog* log, Options options);

  void AddIndex(absl::string_view name, const kube::IndexFunc& function);
  void AddHandler(kube::ResourceEventHandler* handler);

  // Null when there is none, or it is not looked after.
  kube::ObjectPtr Get(const kube::ObjectKey& key) const;
  std::vector<kube::ObjectPtr> List() const;
  std::vector<kube::ObjectPtr> ByIndex(absl::string_view index, absl::string_view value) const;

  const kube::GroupVersionResource& resource() const { return options_.resource; }
  const std::string& label_selector() const { return options_.label_selector; }
  bool HasSynced() const;
  // DeadlineExceeded says which resource cannot be listed and watched, and why.
  absl::Status AwaitSync(const kube::Context& context) const;

  // Follows the resource until `stop`. Once.
  void Run(const std::stop_token& stop);

 private:
  struct Part {
    std::unique_ptr<SeededRandom> random;
    std::unique_ptr<kube::Informer> informer;
  };
  const Options options_;
  std::vector<Part> parts_;
};

}  // namespace fractos::ctrl

#endif  // FRACTOS_OPERATOR_CONTROLLER_RESOURCE_CACHE_H_
