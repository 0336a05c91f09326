// The client that asks an API server (client-go's rest.RESTClient under dynamic.Interface).
#ifndef FRACTOS_LIB_KUBE_REST_CLIENT_H_
#define FRACTOS_LIB_KUBE_REST_CLIENT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/clock.h"
#include "lib/kube/client.h"
#include "lib/kube/config.h"
#include "lib/kube/request_sender.h"
#include "lib/kube/rest_observer.h"
#include "lib/kube/transport.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::kube {

// Thread-safe. Its watchers may outlive it. Objects are sent as they are given and returned as they
// came. A name, namespace or resource that could mean another path is InvalidArgument, unsent.
//
// Errors name the verb and the resource: "list pods in namespace x: pods is forbidden: ...". Those
// that the server answered have its Status; what it answered in good order but cannot be read is
// DataLoss.
class RestClient final : public Client {
 public:
  // InvalidArgument when `config` is of no use. Connects at the first request. `clock` and
  // `options.observer` outlive the client and its watchers.
  static absl::StatusOr<std::unique_ptr<RestClient>> New(const RestConfig& config,
                                                         TransportFactory factory,
                                                         WaitableClock* clock,
                                                         const RestOptions& options = {});
  ~RestClient() override;

  absl::StatusOr<ObjectList> List(const Context& context, const Collection& collection,
                                  const ListOptions& options) override;
  absl::StatusOr<std::unique_ptr<Watcher>> Watch(const Context& context,
                                                 const Collection& collection,
                                                 const WatchOptions& options) override;
  absl::StatusOr<Object> Get(const Context& context, const Collection& collection,
                             absl::string_view name) override;
  absl::StatusOr<Object> Create(const Context& context, const Collection& collection,
                                const Object& object, const WriteOptions& options) override;
  absl::StatusOr<Object> Update(const Context& context, const Collection& collection,
                                const Object& object, const WriteOptions& options) override;
  absl::StatusOr<Object> UpdateStatus(const Context& context, const Collection& collection,
                                      const Object& object, const WriteOptions& options) override;
  absl::StatusOr<Object> Apply(const Context& context, const Collection& collection,
                               const Object& object, const ApplyOptions& options) override;
  absl::StatusOr<Object> ApplyStatus(const Context& context, const Collection& collection,
                                     const Object& object, const ApplyOptions& options) override;
  absl::StatusOr<Object> Patch(const Context& context, const Collection& collection,
                               absl::string_view name, const Json& merge_patch,
                               const PatchOptions& options) override;
  absl::Status Delete(const Context& context, const Collection& collection, absl::string_view name,
                      const DeleteOptions& options) override;
  absl::StatusOr<std::string> GetRaw(const Context& context, absl::string_view path) override;

 private:
  explicit RestClient(std::unique_ptr<RequestSender> sender);

  absl::StatusOr<Object> Write(const Context& context, const Collection& collection,
                               const ApiRequest& request);
  absl::StatusOr<Object> Put(const Context& context, const Collection& collection,
                             const Object& object, const WriteOptions& options,
                             absl::string_view subresource);
  absl::StatusOr<Object> ApplyPatch(const Context& context, const Collection& collection,
                                    const Object& object, const ApplyOptions& options,
                                    absl::string_view subresource);

  const std::unique_ptr<RequestSender> sender_;
};

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_REST_CLIENT_H_
