#include "lib/kube/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/kube/kubeconfig.h"
#include "tests/unit/lib/kube/temporary_folder.h"

namespace fractos::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

Getenv Environment(std::map<std::string, std::string> variables) {
  return [variables](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  };
}

Getenv Pod(const std::string& host) {
  return Environment({{"KUBERNETES_SERVICE_HOST", host}, {"KUBERNETES_SERVICE_PORT", "443"}});
}

std::string Address(const RestConfig& config) {
  const absl::StatusOr<ServerAddress> address = ParseServerAddress(config);
  if (!address.ok()) return "refused";
  return (address->tls ? "https " : "http ") + address->Authority() + " " + address->path;
}

TEST(ServerAddressTest, TakesApartWhatAConfigurationNames) {
  EXPECT_EQ(Address({.host = "https://api.example:6443"}), "https api.example:6443 ");
  EXPECT_EQ(Address({.host = "https://api.example/k8s/clusters/c-1/"}),
            "https api.example:443 /k8s/clusters/c-1");
  EXPECT_EQ(Address({.host = "http://localhost:8080"}), "http localhost:8080 ");
  EXPECT_EQ(Address({.host = "localhost:8080"}), "http localhost:8080 ");
  EXPECT_EQ(Address({.host = "api", .tls = {.ca_data = "x"}}), "https api:443 ");
  EXPECT_EQ(Address({.host = "https://[fd00::1]:6443"}), "https [fd00::1]:6443 ");
  EXPECT_EQ(Address({.host = "https://[::1]"}), "https [::1]:443 ");
  for (const char* bad :
       {"", "https://", "ftp://x", "https://x:", "https://x:0", "https://x:65536", "https://x:y",
        "https://::1", "https://[::1", "https://[::1]6443", "https://user@x", "https://x?a",
        "https://x/a#b", "https://x y", "https://x\n"}) {
    EXPECT_EQ(Address({.host = bad}), "refused") << bad;
  }
}

TEST(RestConfigTest, RefusesWhatExcludesEachOther) {
  const RestConfig good{.host = "https://x", .bearer_token = "t"};
  EXPECT_TRUE(Validate(good).ok());
  RestConfig config = good;
  config.username = "u";
  EXPECT_TRUE(absl::IsInvalidArgument(Validate(config)));
  config = good;
  config.impersonate.groups = {"g"};
  EXPECT_TRUE(absl::IsInvalidArgument(Validate(config)));
  config.impersonate.user = "u";
  EXPECT_TRUE(Validate(config).ok());
  config = good;
  config.tls = {.insecure = true, .ca_data = "x"};
  EXPECT_TRUE(absl::IsInvalidArgument(Validate(config)));
}

TEST(RestConfigTest, TheUserAgentNamesProgramAndVersion) {
  EXPECT_THAT(DefaultUserAgent("fractos-operator"),
              HasSubstr("fractos-operator/" FRACTOS_VERSION " (linux/"));
}

class InClusterTest : public testing::Test {
 protected:
  InClusterTest() {
    folder_.Write("token", "secret\n");
    folder_.Write("ca.crt", "authority");
    folder_.Write("namespace", "fractos\n");
  }
  TemporaryFolder folder_;
};

// promise: K-13
TEST_F(InClusterTest, UsesWhatThePodWasGiven) {
  const absl::StatusOr<RestConfig> config = InClusterConfig(Pod("10.0.0.1"), folder_.path());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->host, "https://10.0.0.1:443");
  EXPECT_EQ(config->bearer_token, "secret");
  EXPECT_EQ(config->bearer_token_file, folder_.path() + "/token");
  EXPECT_EQ(config->tls.ca_file, folder_.path() + "/ca.crt");
  EXPECT_EQ(config->ns, "fractos");
  EXPECT_EQ(NewTransportConfig(*config, {})->ca_pem, "authority");
}

// promise: K-13
TEST_F(InClusterTest, AnIpv6ServiceGetsBrackets) {
  const absl::StatusOr<RestConfig> config = InClusterConfig(Pod("fd00::1"), folder_.path());
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->host, "https://[fd00::1]:443");
  EXPECT_EQ(ParseServerAddress(*config)->host, "fd00::1");
}

// promise: K-13
TEST_F(InClusterTest, SaysWhatIsMissing) {
  EXPECT_TRUE(absl::IsNotFound(InClusterConfig(Environment({}), folder_.path()).status()));
  folder_.Remove("ca.crt");
  EXPECT_THAT(InClusterConfig(Pod("x"), folder_.path()).status().ToString(), HasSubstr("ca.crt"));
  folder_.Remove("token");
  EXPECT_THAT(InClusterConfig(Pod("x"), folder_.path()).status().ToString(), HasSubstr("token"));
}

constexpr char kFile[] = R"(
apiVersion: v1
kind: Config
current-context: dev
clusters:
- name: dev
  cluster:
    server: https://dev:6443
    tls-server-name: kubernetes
    certificate-authority: certs/ca.pem
    proxy-url: http://proxy:3128
    extensions:
    - name: client.authentication.k8s.io/exec
      extension: {audience: x, number: 5, text: "5"}
- name: insecure
  cluster: {server: 'https://x', insecure-skip-tls-verify: true}
users:
- name: dev
  user:
    client-certificate-data: Y2VydA==
    client-key: /abs/key.pem
- name: token
  user: {token: abc, tokenFile: token, as: me, as-uid: u, as-groups: [a, b],
         as-user-extra: {reason: [x, y]}}
- name: password
  user: {username: u, password: p}
- name: exec
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./bin/login
      args: [--cluster, dev]
      env: [{name: A, value: b}]
      interactiveMode: Never
      provideClusterInfo: true
      installHint: "install\x1b[1m it"
- name: old
  user: {auth-provider: {name: gcp}}
contexts:
- name: dev
  context: {cluster: dev, user: dev, namespace: team}
- name: bare
  context: {cluster: insecure, user: token}
- name: broken
  context: {cluster: nowhere, user: dev}
future-field: {is: ignored}
)";

class KubeconfigTest : public testing::Test {
 protected:
  absl::StatusOr<RestConfig> Load(const KubeconfigOptions& options) {
    const absl::StatusOr<Kubeconfig> config = ParseKubeconfig(kFile, "/folder");
    EXPECT_TRUE(config.ok()) << config.status();
    return ToRestConfig(*config, options);
  }
  TemporaryFolder folder_;
};

// promise: K-14
TEST_F(KubeconfigTest, ReadsTheCurrentContext) {
  const absl::StatusOr<RestConfig> config = Load({});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->host, "https://dev:6443");
  EXPECT_EQ(config->tls.server_name, "kubernetes");
  EXPECT_EQ(config->tls.ca_file, "/folder/certs/ca.pem");
  EXPECT_EQ(config->tls.cert_data, "cert");
  EXPECT_EQ(config->tls.key_file, "/abs/key.pem");
  EXPECT_EQ(config->proxy_url, "http://proxy:3128");
  EXPECT_EQ(config->ns, "team");
}

// promise: K-14
TEST_F(KubeconfigTest, ReadsAnotherContextAndOverrides) {
  const absl::StatusOr<RestConfig> config = Load({.context = "bare"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->tls.insecure);
  EXPECT_EQ(config->bearer_token, "abc");
  EXPECT_EQ(config->bearer_token_file, "/folder/token");
  EXPECT_EQ(config->impersonate.user, "me");
  EXPECT_EQ(config->impersonate.uid, "u");
  EXPECT_THAT(config->impersonate.groups, ElementsAre("a", "b"));
  EXPECT_THAT(config->impersonate.extra, ElementsAre(Pair("reason", ElementsAre("x", "y"))));
  EXPECT_EQ(config->ns, "default");

  const absl::StatusOr<RestConfig> other =
      Load({.cluster = "insecure", .user = "password", .ns = "mine"});
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->host, "https://x");
  EXPECT_EQ(other->username, "u");
  EXPECT_EQ(other->password, "p");
  EXPECT_EQ(other->ns, "mine");
}

// promise: K-14
TEST_F(KubeconfigTest, ReadsExecPlugins) {
  const absl::StatusOr<RestConfig> config = Load({.user = "exec"});
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_TRUE(config->exec.has_value());
  EXPECT_EQ(config->exec->command, "/folder/./bin/login");
  EXPECT_THAT(config->exec->args, ElementsAre("--cluster", "dev"));
  EXPECT_THAT(config->exec->env, ElementsAre(Pair("A", "b")));
  EXPECT_EQ(config->exec->interactive_mode, InteractiveMode::kNever);
  EXPECT_EQ(config->exec->install_hint, "install[1m it");
  EXPECT_EQ(config->exec->cluster,
            Json::parse(R"({"server": "https://dev:6443", "tls-server-name": "kubernetes",
                            "proxy-url": "http://proxy:3128",
                            "config": {"audience": "x", "number": 5, "text": "5"}})"));
}

// promise: K-14
TEST_F(KubeconfigTest, SaysWhatIsMissing) {
  EXPECT_THAT(Load({.context = "nothing"}).status().ToString(), HasSubstr("context named"));
  EXPECT_THAT(Load({.context = "broken"}).status().ToString(), HasSubstr("cluster named"));
  EXPECT_THAT(Load({.user = "nobody"}).status().ToString(), HasSubstr("user named"));
  EXPECT_THAT(Load({.user = "old"}).status().ToString(), HasSubstr("auth-provider"));
  EXPECT_TRUE(absl::IsNotFound(ToRestConfig({}, {}).status()));
}

TEST_F(KubeconfigTest, RefusesWhatIsNoKubeconfig) {
  EXPECT_TRUE(ParseKubeconfig("", "/f").ok());
  for (const char* bad :
       {"[", "text", "[a]", "clusters: [{cluster: {}}]", "users: [{name: [x]}]",
        "clusters: [{name: x, cluster: {certificate-authority-data: '!'}}]",
        "clusters: [{name: x, cluster: {insecure-skip-tls-verify: maybe}}]",
        "users: [{name: x, user: {exec: {apiVersion: client.authentication.k8s.io/v1}}}]",
        "users: [{name: x, user: {exec: {apiVersion: client.authentication.k8s.io/v1, "
        "command: y}}}]"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseKubeconfig(bad, "/f").status())) << bad;
  }
}

// promise: K-15
TEST_F(KubeconfigTest, OfSeveralFilesTheFirstWins) {
  const std::string first = folder_.Write("first", R"(
current-context: a
clusters: [{name: c, cluster: {server: 'https://first'}}]
contexts: [{name: a, context: {cluster: c}}]
)");
  const std::string second = folder_.Write("second", R"(
current-context: b
clusters: [{name: c, cluster: {server: 'https://second', tls-server-name: x}},
           {name: d, cluster: {server: 'https://other', certificate-authority: ca}}]
contexts: [{name: b, context: {cluster: d}}]
)");
  const Getenv env = Environment(
      {{"KUBECONFIG", ":" + folder_.path() + "/missing:" + first + ":" + second + ":" + first}});
  absl::StatusOr<RestConfig> config = LoadRestConfig({}, env);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->host, "https://first");
  EXPECT_EQ(config->tls.server_name, "");  // the second file's entry counts for nothing
  config = LoadRestConfig({.context = "b"}, env);
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->host, "https://other");
  EXPECT_EQ(config->tls.ca_file, folder_.path() + "/ca");
  // Named, one file is all there is, and it must be there.
  config = LoadRestConfig({.path = second}, env);
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->host, "https://other");
  EXPECT_TRUE(
      absl::IsNotFound(LoadRestConfig({.path = folder_.path() + "/missing"}, env).status()));
}

// promise: K-15
TEST_F(KubeconfigTest, APodUsesItsOwnUnlessToldOtherwise) {
  folder_.Write("token", "t");
  folder_.Write("ca.crt", "ca");
  folder_.Write("namespace", "pod");
  const std::string file =
      folder_.Write("file",
                    "current-context: a\nclusters: [{name: c, cluster: {server: 'https://file'}}]\n"
                    "contexts: [{name: a, context: {cluster: c}}]\n");
  const auto host = [&](const KubeconfigOptions& options,
                        const std::map<std::string, std::string>& env) {
    const absl::StatusOr<RestConfig> config =
        LoadRestConfig(options, Environment(env), folder_.path());
    return config.ok() ? config->host : config.status().ToString();
  };
  const std::map<std::string, std::string> pod = {{"KUBERNETES_SERVICE_HOST", "pod"},
                                                  {"KUBERNETES_SERVICE_PORT", "1"}};
  EXPECT_EQ(host({}, pod), "https://pod:1");
  EXPECT_EQ(host({.path = file}, pod), "https://file");
  std::map<std::string, std::string> both = pod;
  both["KUBECONFIG"] = file;
  EXPECT_EQ(host({}, both), "https://file");
  EXPECT_THAT(host({}, {{"HOME", folder_.path()}}), HasSubstr("no current context"));
  folder_.Remove("token");
  EXPECT_THAT(host({}, pod), HasSubstr("token"));
}

}  // namespace
}  // namespace fractos::kube
