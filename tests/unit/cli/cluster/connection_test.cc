#include "cli/cluster/connection.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/kube/errors.h"
#include "lib/kube/transport.h"

namespace fractos::cluster {
namespace {

using ::testing::HasSubstr;

constexpr char kConfig[] = R"(apiVersion: v1
kind: Config
current-context: kind
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: kind, context: {cluster: c}}, {name: other, context: {cluster: c}}]
)";

class NobodyThere final : public kube::HttpTransport {
 public:
  absl::StatusOr<std::unique_ptr<kube::HttpResponse>> Send(const kube::Context&,
                                                           const kube::HttpRequest&) override {
    return kube::MakeError(kube::TransportFailure::kConnectionRefused, "Failed to connect");
  }
  void CloseAll() override {}
};

class ConnectionTest : public ::testing::Test {
 protected:
  ConnectionTest() : folder_(absl::StrCat(::testing::TempDir(), "connection_test.", ::getpid())) {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ + "/config") << kConfig;
    ::unsetenv("KUBERNETES_SERVICE_HOST");
    ::setenv("KUBECONFIG", (folder_ + "/config").c_str(), 1);
  }
  ~ConnectionTest() override { std::filesystem::remove_all(folder_); }

  static absl::StatusOr<std::unique_ptr<Connection>> Open(const ClusterOptions& options) {
    return Connection::Open(
        options, [](const kube::TransportConfig&) { return std::make_shared<NobodyThere>(); });
  }
  // What is said when nobody answers.
  static std::string Trouble(const ClusterOptions& options) {
    const auto connection = Open(options);
    if (!connection.ok()) return std::string(connection.status().message());
    const Target& target = (*connection)->target();
    const absl::Status trouble = target.client->Get({}, TaskGraphs(target.ns), "x").status();
    EXPECT_TRUE(kube::GetTransportFailure(trouble).has_value());
    return std::string(trouble.message());
  }

  const std::string folder_;
};

// promise: C-65
TEST_F(ConnectionTest, AServerThatDoesNotAnswerIsNamed) {
  EXPECT_THAT(Trouble({}), HasSubstr("http://127.0.0.1:1 (context kind): Failed to connect"));
  EXPECT_THAT(Trouble({.context = "other"}), HasSubstr("(context other): "));
}

// promise: C-65
TEST_F(ConnectionTest, WithoutAClusterTheFilesAreNamedAndTheWayOut) {
  ::setenv("KUBECONFIG", (folder_ + "/none:" + folder_ + "/empty").c_str(), 1);
  std::ofstream(folder_ + "/empty") << "apiVersion: v1\n";
  EXPECT_EQ(Open({}).status().message(),
            absl::StrCat("no cluster to talk to: kubeconfig: no current context, and none was "
                         "asked for; looked at ",
                         folder_, "/none, which does not exist, and at ", folder_,
                         "/empty; set KUBECONFIG, or give --kubeconfig or --context"));
}

}  // namespace
}  // namespace fractos::cluster
