// A Client that answers what the fake API server does not know: GETs of raw paths, and runs' ids.
#ifndef FRACTOS_TESTS_UNIT_CLI_CLUSTER_RAW_CLIENT_H_
#define FRACTOS_TESTS_UNIT_CLI_CLUSTER_RAW_CLIENT_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "lib/kube/client.h"

namespace fractos::cluster {

inline constexpr char kUid[] = "0123abcd-4567-89ab-cdef-0123456789ab";

// Passes everything on but raw paths. TaskGraphs that are listed or got have `kUid`, as the fake's
// own uids are no ids of runs; those of a watch keep theirs.
class RawClient final : public kube::Client {
 public:
  using Answer = std::function<absl::StatusOr<std::string>(absl::string_view path)>;
  // `client` outlives it.
  RawClient(kube::Client* client, Answer answer) : client_(client), answer_(std::move(answer)) {}

  absl::StatusOr<kube::ObjectList> List(const kube::Context& context,
                                        const kube::Collection& collection,
                                        const kube::ListOptions& options) override {
    absl::StatusOr<kube::ObjectList> list = client_->List(context, collection, options);
    if (!list.ok()) return list;
    for (kube::Object& object : list->items) Name(&object);
    return list;
  }
  absl::StatusOr<std::unique_ptr<kube::Watcher>> Watch(const kube::Context& context,
                                                       const kube::Collection& collection,
                                                       const kube::WatchOptions& options) override {
    return client_->Watch(context, collection, options);
  }
  absl::StatusOr<kube::Object> Get(const kube::Context& context, const kube::Collection& collection,
                                   absl::string_view name) override {
    absl::StatusOr<kube::Object> object = client_->Get(context, collection, name);
    if (object.ok()) Name(&*object);
    return object;
  }
  absl::StatusOr<kube::Object> Create(const kube::Context& context,
                                      const kube::Collection& collection,
                                      const kube::Object& object,
                                      const kube::WriteOptions& options) override {
    return client_->Create(context, collection, object, options);
  }
  absl::StatusOr<kube::Object> Update(const kube::Context& context,
                                      const kube::Collection& collection,
                                      const kube::Object& object,
                                      const kube::WriteOptions& options) override {
    return client_->Update(context, collection, object, options);
  }
  absl::StatusOr<kube::Object> UpdateStatus(const kube::Context& context,
                                            const kube::Collection& collection,
                                            const kube::Object& object,
                                            const kube::WriteOptions& options) override {
    return client_->UpdateStatus(context, collection, object, options);
  }
  absl::StatusOr<kube::Object> Apply(const kube::Context& context,
                                     const kube::Collection& collection, const kube::Object& object,
                                     const kube::ApplyOptions& options) override {
    return client_->Apply(context, collection, object, options);
  }
  absl::StatusOr<kube::Object> ApplyStatus(const kube::Context& context,
                                           const kube::Collection& collection,
                                           const kube::Object& object,
                                           const kube::ApplyOptions& options) override {
    return client_->ApplyStatus(context, collection, object, options);
  }
  absl::StatusOr<kube::Object> Patch(const kube::Context& context,
                                     const kube::Collection& collection, absl::string_view name,
                                     const kube::Json& merge_patch,
                                     const kube::PatchOptions& options) override {
    return client_->Patch(context, collection, name, merge_patch, options);
  }
  absl::Status Delete(const kube::Context& context, const kube::Collection& collection,
                      absl::string_view name, const kube::DeleteOptions& options) override {
    return client_->Delete(context, collection, name, options);
  }
  absl::StatusOr<std::string> GetRaw(const kube::Context&, absl::string_view path) override {
    return answer_(path);
  }

 private:
  static void Name(kube::Object* object) {
    if (object->kind() == "TaskGraph") object->mutable_metadata()["uid"] = kUid;
  }

  kube::Client* const client_;
  const Answer answer_;
};

}  // namespace fractos::cluster

#endif  // FRACTOS_TESTS_UNIT_CLI_CLUSTER_RAW_CLIENT_H_
