#include "tests/integration/small_api_server.h"

#include <httplib.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace fractos {
namespace {

using Json = nlohmann::json;

constexpr char kLeasePath[] = "/apis/coordination.k8s.io/v1/namespaces/lab/leases/echo";
constexpr char kLeasesPath[] = "/apis/coordination.k8s.io/v1/namespaces/lab/leases";
constexpr char kClusterPath[] = "/apis/fractos.dev/v1alpha1/namespaces/lab/deviceclusters/echo";
constexpr char kClusterStatusPath[] =
    "/apis/fractos.dev/v1alpha1/namespaces/lab/deviceclusters/echo/status";

Json Failure(int code, const std::string& reason) {
  return {{"kind", "Status"},    {"apiVersion", "v1"},
          {"status", "Failure"}, {"reason", reason},
          {"code", code},        {"message", absl::StrCat(reason, ", says the test")}};
}

}  // namespace

class SmallApiServer::Impl {
 public:
  Impl() {
    lease_ = Object("coordination.k8s.io/v1", "Lease");
    lease_["spec"] = Json::object();
    cluster_ = Object("fractos.dev/v1alpha1", "DeviceCluster");
    server_.new_task_queue = [] { return new httplib::ThreadPool(16); };
    server_.Get(kLeasePath, [this](const auto&, auto& response) { Answer(lease(), &response); });
    server_.Get(kClusterPath,
                [this](const auto&, auto& response) { Answer(cluster(), &response); });
    server_.Put(kLeasePath, [this](const auto& request, auto& response) {
      Put(request, &lease_, /*status_only=*/false, &response);
    });
    server_.Put(kClusterStatusPath, [this](const auto& request, auto& response) {
      Put(request, &cluster_, /*status_only=*/true, &response);
    });
    server_.Get(kLeasesPath,
                [this](const auto& request, auto& response) { Watch(request, &response); });
    server_.set_error_handler([this](const auto& request, auto& response) {
      if (response.status != 404) return;
      {
        absl::MutexLock lock(&mutex_);
        forbidden_.push_back(absl::StrCat(request.method, " ", request.path));
      }
      response.status = 403;
      Answer(Failure(403, "Forbidden"), &response);
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~Impl() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    server_.stop();
    thread_.join();
  }

  int port() const { return port_; }
  Json lease() const {
    absl::MutexLock lock(&mutex_);
    return lease_;
  }
  Json cluster() const {
    absl::MutexLock lock(&mutex_);
    return cluster_;
  }
  std::vector<std::string> forbidden() const {
    absl::MutexLock lock(&mutex_);
    return forbidden_;
  }

 private:
  static Json Object(const std::string& api_version, const std::string& kind) {
    return {{"apiVersion", api_version},
            {"kind", kind},
            {"metadata",
             {{"name", "echo"},
              {"namespace", "lab"},
              {"uid", absl::StrCat("uid-", kind)},
              {"resourceVersion", "1"}}}};
  }
  static void Answer(const Json& json, httplib::Response* response) {
    response->set_content(json.dump(), "application/json");
  }

  void Put(const httplib::Request& request, Json* object, bool status_only,
           httplib::Response* response) {
    Json sent = Json::parse(request.body, nullptr, false);
    absl::MutexLock lock(&mutex_);
    if (!sent.is_object() ||
        sent["metadata"]["resourceVersion"] != (*object)["metadata"]["resourceVersion"]) {
      response->status = 409;
      return Answer(Failure(409, "Conflict"), response);
    }
    if (status_only) {
      (*object)["status"] = sent["status"];
    } else {
      *object = sent;
    }
    (*object)["metadata"]["resourceVersion"] = absl::StrCat(++version_);
    Answer(*object, response);
  }

  // Sends the Lease now, and whenever it has changed.
  void Watch(const httplib::Request& request, httplib::Response* response) {
    if (!request.has_param("watch")) {
      response->status = 403;
      return Answer(Failure(403, "Forbidden"), response);
    }
    auto sent = std::make_shared<std::string>();
    response->set_chunked_content_provider(
        "application/json", [this, sent](size_t, httplib::DataSink& sink) {
          std::string event;
          {
            absl::MutexLock lock(&mutex_);
            auto news = [this, &sent]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
              return stopping_ || lease_["metadata"]["resourceVersion"] != *sent;
            };
            // Looks now and then whether the other end is there still.
            if (!mutex_.AwaitWithTimeout(absl::Condition(&news), absl::Milliseconds(200))) {
              return sink.is_writable();
            }
            if (stopping_) {
              sink.done();
              return true;
            }
            event =
                Json{{"type", sent->empty() ? "ADDED" : "MODIFIED"}, {"object", lease_}}.dump() +
                "\n";
            *sent = lease_["metadata"]["resourceVersion"];
          }
          return sink.write(event.data(), event.size());
        });
  }

  mutable absl::Mutex mutex_;
  Json lease_ ABSL_GUARDED_BY(mutex_);
  Json cluster_ ABSL_GUARDED_BY(mutex_);
  int version_ ABSL_GUARDED_BY(mutex_) = 1;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::string> forbidden_ ABSL_GUARDED_BY(mutex_);
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

SmallApiServer::SmallApiServer() : impl_(std::make_unique<Impl>()) {}
SmallApiServer::~SmallApiServer() = default;
std::string SmallApiServer::kubeconfig() const {
  return absl::StrCat(R"(apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: test}}]
users: [{name: test, user: {}}]
clusters: [{name: test, cluster: {server: "http://127.0.0.1:)",
                      impl_->port(), "\"}}]\n");
}
nlohmann::json SmallApiServer::lease() const { return impl_->lease(); }
nlohmann::json SmallApiServer::cluster() const { return impl_->cluster(); }
std::vector<std::string> SmallApiServer::forbidden() const { return impl_->forbidden(); }

}  // namespace fractos
