#include "lib/kube/rest_client.h"

#include <atomic>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/kube/errors.h"
#include "lib/kube/watch.h"

namespace fractos::kube {
namespace {

constexpr char kJson[] = "application/json";

// A lease must be renewed in time whatever else is under way.
Lane LaneOf(const Collection& collection) {
  return collection.resource.group == "coordination.k8s.io" &&
                 collection.resource.resource == "leases"
             ? Lane::kLease
             : Lane::kRest;
}

// "/apis/apps/v1/namespaces/x/statefulsets/name/status".
absl::StatusOr<std::string> PathOf(const Collection& collection, absl::string_view name = "",
                                   absl::string_view subresource = "") {
  const GroupVersionResource& resource = collection.resource;
  std::string path = resource.group.empty() ? "/api" : "/apis";
  absl::Status bad;
  const auto append = [&path, &bad](absl::string_view text, absl::string_view what) {
    const absl::StatusOr<std::string> segment = PathSegment(text, what);
    if (!segment.ok()) {
      bad.Update(segment.status());
    } else {
      absl::StrAppend(&path, "/", *segment);
    }
  };
  if (!resource.group.empty()) append(resource.group, "group");
  append(resource.version, "version");
  if (!collection.ns.empty()) {
    path += "/namespaces";
    append(collection.ns, "namespace");
  }
  append(resource.resource, "resource");
  if (!name.empty()) append(name, "name");
  if (!subresource.empty()) append(subresource, "subresource");
  if (!bad.ok()) return bad;
  return path;
}

// What names an object must not be empty: its path would be that of the collection.
absl::StatusOr<std::string> ObjectPath(const Collection& collection, absl::string_view name,
                                       absl::string_view subresource = "") {
  if (name.empty()) return absl::InvalidArgumentError("an object without a name");
  return PathOf(collection, name, subresource);
}

void AddUnlessEmpty(ApiRequest& request, const char* key, const std::string& value) {
  if (!value.empty()) request.query.emplace_back(key, value);
}

absl::StatusOr<Object> DecodeObject(const absl::StatusOr<std::string>& body) {
  if (!body.ok()) return body.status();
  absl::StatusOr<Object> object = Object::Parse(*body);
  if (!object.ok()) {
    return absl::DataLossError(absl::StrCat("the answer is ", object.status().message()));
  }
  return object;
}

absl::StatusOr<ObjectList> DecodeList(const std::string& body) {
  absl::StatusOr<Json> json = ParseJson(body);
  if (!json.ok()) {
    return absl::DataLossError(absl::StrCat("the answer is ", json.status().message()));
  }
  const std::string kind = StringMember(*json, "kind");
  if (!absl::EndsWith(kind, "List") ||
      (!Member(*json, "items").is_array() && !Member(*json, "items").is_null())) {
    return absl::DataLossError(absl::StrCat("the answer is no list, but \"", kind, "\""));
  }
  const std::string api_version = StringMember(*json, "apiVersion");
  const Json& metadata = Member(*json, "metadata");
  ObjectList list;
  list.resource_version = StringMember(metadata, "resourceVersion");
  list.continue_token = StringMember(metadata, "continue");
  list.remaining_item_count = IntegerMember(metadata, "remainingItemCount");
  const std::string item_kind(absl::StripSuffix(kind, "List"));
  for (Json& item : (*json)["items"]) {
    if (!item.is_object()) return absl::DataLossError("the answer lists what is no object");
    if (!item.contains("kind") && !item_kind.empty()) item["kind"] = item_kind;
    if (!item.contains("apiVersion")) item["apiVersion"] = api_version;
    list.items.emplace_back(std::move(item));
  }
  return list;
}

class RestWatcher final : public Watcher {
 public:
  RestWatcher(std::string what, std::unique_ptr<HttpResponse> response)
      : what_(std::move(what)), response_(std::move(response)) {}

  absl::StatusOr<std::optional<WatchEvent>> Next(const Context& context) override {
    for (;;) {
      if (stopped_ || ended_) return std::nullopt;
      if (!broken_.ok()) return broken_;
      absl::StatusOr<std::optional<WatchEvent>> event = decoder_.Next();
      if (!event.ok()) return Break(event.status());
      if (event->has_value()) return event;
      absl::StatusOr<std::string> bytes = response_->Read(context);
      if (!bytes.ok()) {
        if (stopped_) return std::nullopt;
        if (absl::IsCancelled(bytes.status()) && !context.stop.stop_requested()) {
          return Break(MakeError(TransportFailure::kConnectionLost, "the connection was given up"));
        }
        if (GetTransportFailure(bytes.status()).has_value()) return Break(bytes.status());
        return bytes.status();
      }
      if (bytes->empty()) {
        if (absl::Status whole = decoder_.Finish(); !whole.ok()) return Break(whole);
        ended_ = true;
      } else {
        decoder_.Feed(*bytes);
      }
    }
  }

  void Stop() override {
    stopped_ = true;
    response_->Close();
  }

 private:
  absl::Status Break(const absl::Status& status) {
    broken_ = WithContext(status, what_);
    response_->Close();
    return broken_;
  }

  const std::string what_;
  const std::unique_ptr<HttpResponse> response_;
  std::atomic<bool> stopped_{false};
  // Of the thread in Next.
  WatchDecoder decoder_;
  bool ended_ = false;
  absl::Status broken_;
};

const char* ToText(Propagation propagation) {
  switch (propagation) {
    case Propagation::kBackground:
      return "Background";
    case Propagation::kForeground:
      return "Foreground";
    case Propagation::kOrphan:
      return "Orphan";
    case Propagation::kDefault:
      break;
  }
  return "";
}

// "update apps/statefulsets \"x\" in namespace y".
std::string Describe(absl::string_view verb, const Collection& collection,
                     absl::string_view name = "") {
  std::string text = absl::StrCat(verb, " ", collection.resource.GroupResource());
  if (!name.empty()) absl::StrAppend(&text, " \"", name, "\"");
  if (!collection.ns.empty()) {
    absl::StrAppend(&text, " in namespace ", collection.ns);
  } else if (name.empty()) {
    text += " in all namespaces";
  }
  return text;
}

template <typename T>
absl::StatusOr<T> Within(absl::StatusOr<T> result, const std::string& what) {
  if (!result.ok()) return WithContext(result.status(), what);
  return result;
}

}  // namespace

RestClient::RestClient(std::unique_ptr<RequestSender> sender) : sender_(std::move(sender)) {}
RestClient::~RestClient() = default;

absl::StatusOr<std::unique_ptr<RestClient>> RestClient::New(const RestConfig& config,
                                                            TransportFactory factory,
                                                            WaitableClock* clock,
                                                            const RestOptions& options) {
  if (absl::Status valid = Validate(config); !valid.ok()) return valid;
  absl::StatusOr<ServerAddress> address = ParseServerAddress(config);
  if (!address.ok()) return address.status();
  absl::StatusOr<std::unique_ptr<CredentialSource>> credentials =
      NewCredentialSource(config, clock);
  if (!credentials.ok()) return credentials.status();
  RestConfig complete = config;
  if (complete.user_agent.empty()) complete.user_agent = DefaultUserAgent("fractos");
  return std::unique_ptr<RestClient>(new RestClient(std::make_unique<RequestSender>(
      std::move(complete), *std::move(address), *std::move(credentials), std::move(factory), clock,
      options)));
}

absl::StatusOr<ObjectList> RestClient::List(const Context& context, const Collection& collection,
                                            const ListOptions& options) {
  const std::string what = Describe("list", collection);
  const absl::StatusOr<std::string> path = PathOf(collection);
  if (!path.ok()) return WithContext(path.status(), what);
  ApiRequest request{.method = "GET", .path = *path, .lane = LaneOf(collection)};
  if (options.limit > 0) request.query.emplace_back("limit", absl::StrCat(options.limit));
  AddUnlessEmpty(request, "continue", options.continue_token);
  AddUnlessEmpty(request, "resourceVersion", options.resource_version);
  AddUnlessEmpty(request, "resourceVersionMatch", options.resource_version_match);
  AddUnlessEmpty(request, "labelSelector", options.label_selector);
  AddUnlessEmpty(request, "fieldSelector", options.field_selector);
  const absl::StatusOr<std::string> body = sender_->Ask(context, request);
  if (!body.ok()) return WithContext(body.status(), what);
  return Within(DecodeList(*body), what);
}

absl::StatusOr<std::unique_ptr<Watcher>> RestClient::Watch(const Context& context,
                                                           const Collection& collection,
                                                           const WatchOptions& options) {
  const std::string what = Describe("watch", collection);
  const absl::StatusOr<std::string> path = PathOf(collection);
  if (!path.ok()) return WithContext(path.status(), what);
  ApiRequest request{
      .method = "GET", .path = *path, .query = {{"watch", "true"}}, .lane = Lane::kWatch};
  if (options.allow_watch_bookmarks) request.query.emplace_back("allowWatchBookmarks", "true");
  AddUnlessEmpty(request, "resourceVersion", options.resource_version);
  AddUnlessEmpty(request, "resourceVersionMatch", options.resource_version_match);
  AddUnlessEmpty(request, "labelSelector", options.label_selector);
  AddUnlessEmpty(request, "fieldSelector", options.field_selector);
  if (options.send_initial_events.has_value()) {
    request.query.emplace_back("sendInitialEvents",
                               *options.send_initial_events ? "true" : "false");
  }
  if (options.timeout.count() > 0) {
    request.query.emplace_back("timeoutSeconds", absl::StrCat(options.timeout.count()));
  }
  absl::StatusOr<std::unique_ptr<HttpResponse>> response = sender_->Open(context, request);
  if (!response.ok()) return WithContext(response.status(), what);
  return std::make_unique<RestWatcher>(what, *std::move(response));
}

absl::StatusOr<Object> RestClient::Get(const Context& context, const Collection& collection,
                                       absl::string_view name) {
  const std::string what = Describe("get", collection, name);
  const absl::StatusOr<std::string> path = ObjectPath(collection, name);
  if (!path.ok()) return WithContext(path.status(), what);
  return Within(DecodeObject(sender_->Ask(
                    context, {.method = "GET", .path = *path, .lane = LaneOf(collection)})),
                what);
}

absl::StatusOr<Object> RestClient::Write(const Context& context, const Collection& collection,
                                         const ApiRequest& request) {
  ApiRequest laned = request;
  laned.lane = LaneOf(collection);
  return DecodeObject(sender_->Ask(context, laned));
}

absl::StatusOr<Object> RestClient::Create(const Context& context, const Collection& collection,
                                          const Object& object, const WriteOptions& options) {
  const std::string what = Describe("create", collection, object.name());
  const absl::StatusOr<std::string> path = PathOf(collection);
  if (!path.ok()) return WithContext(path.status(), what);
  ApiRequest request{
      .method = "POST", .path = *path, .content_type = kJson, .body = object.ToText()};
  AddUnlessEmpty(request, "fieldManager", options.field_manager);
  return Within(Write(context, collection, request), what);
}

absl::StatusOr<Object> RestClient::Put(const Context& context, const Collection& collection,
                                       const Object& object, const WriteOptions& options,
                                       absl::string_view subresource) {
  const std::string what =
      Describe(subresource.empty() ? "update" : "update status of", collection, object.name());
  const absl::StatusOr<std::string> path = ObjectPath(collection, object.name(), subresource);
  if (!path.ok()) return WithContext(path.status(), what);
  if (object.resource_version().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": without a resourceVersion it would undo what others wrote"));
  }
  ApiRequest request{
      .method = "PUT", .path = *path, .content_type = kJson, .body = object.ToText()};
  AddUnlessEmpty(request, "fieldManager", options.field_manager);
  return Within(Write(context, collection, request), what);
}

absl::StatusOr<Object> RestClient::Update(const Context& context, const Collection& collection,
                                          const Object& object, const WriteOptions& options) {
  return Put(context, collection, object, options, "");
}

absl::StatusOr<Object> RestClient::UpdateStatus(const Context& context,
                                                const Collection& collection, const Object& object,
                                                const WriteOptions& options) {
  return Put(context, collection, object, options, "status");
}

absl::StatusOr<Object> RestClient::ApplyPatch(const Context& context, const Collection& collection,
                                              const Object& object, const ApplyOptions& options,
                                              absl::string_view subresource) {
  const std::string what =
      Describe(subresource.empty() ? "apply" : "apply status of", collection, object.name());
  const absl::StatusOr<std::string> path = ObjectPath(collection, object.name(), subresource);
  if (!path.ok()) return WithContext(path.status(), what);
  if (options.field_manager.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": without a field manager"));
  }
  // JSON is YAML.
  return Within(Write(context, collection,
                      {.method = "PATCH",
                       .path = *path,
                       .query = {{"fieldManager", options.field_manager},
                                 {"force", options.force ? "true" : "false"}},
                       .content_type = "application/apply-patch+yaml",
                       .body = object.ToText()}),
                what);
}

absl::StatusOr<Object> RestClient::Apply(const Context& context, const Collection& collection,
                                         const Object& object, const ApplyOptions& options) {
  return ApplyPatch(context, collection, object, options, "");
}

absl::StatusOr<Object> RestClient::ApplyStatus(const Context& context, const Collection& collection,
                                               const Object& object, const ApplyOptions& options) {
  return ApplyPatch(context, collection, object, options, "status");
}

absl::StatusOr<Object> RestClient::Patch(const Context& context, const Collection& collection,
                                         absl::string_view name, const Json& merge_patch,
                                         const PatchOptions& options) {
  const std::string what = Describe("patch", collection, name);
  const absl::StatusOr<std::string> path = ObjectPath(collection, name, options.subresource);
  if (!path.ok()) return WithContext(path.status(), what);
  ApiRequest request{.method = "PATCH",
                     .path = *path,
                     .content_type = "application/merge-patch+json",
                     .body = ToJsonText(merge_patch)};
  AddUnlessEmpty(request, "fieldManager", options.field_manager);
  return Within(Write(context, collection, request), what);
}

absl::Status RestClient::Delete(const Context& context, const Collection& collection,
                                absl::string_view name, const DeleteOptions& options) {
  const std::string what = Describe("delete", collection, name);
  const absl::StatusOr<std::string> path = ObjectPath(collection, name);
  if (!path.ok()) return WithContext(path.status(), what);
  Json body = {{"kind", "DeleteOptions"}, {"apiVersion", "v1"}};
  if (!options.uid.empty()) body["preconditions"]["uid"] = options.uid;
  if (!options.resource_version.empty()) {
    body["preconditions"]["resourceVersion"] = options.resource_version;
  }
  if (options.propagation != Propagation::kDefault) {
    body["propagationPolicy"] = ToText(options.propagation);
  }
  if (options.grace_period_seconds.has_value()) {
    body["gracePeriodSeconds"] = *options.grace_period_seconds;
  }
  return WithContext(sender_
                         ->Ask(context, {.method = "DELETE",
                                         .path = *path,
                                         .content_type = kJson,
                                         .body = ToJsonText(body),
                                         .lane = LaneOf(collection)})
                         .status(),
                     what);
}

absl::StatusOr<std::string> RestClient::GetRaw(const Context& context, absl::string_view path) {
  if (path.empty() || path[0] != '/') {
    return absl::InvalidArgumentError(absl::StrCat("no path: \"", path, "\""));
  }
  return Within(sender_->Ask(context, {.method = "GET", .path = std::string(path)}),
                absl::StrCat("get ", path));
}

}  // namespace fractos::kube
