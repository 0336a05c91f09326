#include "lib/kube/exec_plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/unit/lib/kube/temporary_folder.h"
#include "tests/unit/lib/kube/tls_test_server.h"

namespace fractos::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr char kV1[] = "client.authentication.k8s.io/v1";

std::string Printed(const std::string& status) {
  return absl::StrCat(R"({"apiVersion":")", kV1, R"(","kind":"ExecCredential","status":)", status,
                      "}");
}

class ExecPluginTest : public testing::Test {
 protected:
  // Runs `script`; each run leaves a line in the file "runs".
  std::unique_ptr<CredentialSource> Source(const std::string& script, ExecConfig config = {},
                                           ExecOptions options = {}) {
    config.command =
        folder_.Script("plugin", absl::StrCat("echo run >>", folder_.path(), "/runs\n", script));
    config.api_version = kV1;
    return NewExecCredentialSource(config, &clock_, std::move(options)).value();
  }
  std::unique_ptr<CredentialSource> Printing(const std::string& text) {
    folder_.Write("printed", text);
    return Source(absl::StrCat("cat ", folder_.path(), "/printed"));
  }
  int Runs() {
    const std::string runs = ReadSmallFile(folder_.path() + "/runs").value_or("");
    return static_cast<int>(std::count(runs.begin(), runs.end(), '\n'));
  }

  TemporaryFolder folder_;
  FakeClock clock_;
};

// promise: K-09
TEST_F(ExecPluginTest, ACredentialCountsUntilItExpires) {
  // The fake clock begins an hour after 2023-11-14T22:13:20Z.
  const auto source =
      Printing(Printed(R"({"token":"secret","expirationTimestamp":"2023-11-14T23:23:20Z"})"));
  EXPECT_EQ((*source->Get({}))->token, "secret");
  clock_.Advance(seconds(599));
  EXPECT_EQ((*source->Get({}))->token, "secret");
  EXPECT_EQ(Runs(), 1);
  folder_.Write("printed", Printed(R"({"token":"fresh"})"));
  clock_.Advance(seconds(1));
  EXPECT_EQ((*source->Get({}))->token, "fresh");
  clock_.Advance(std::chrono::hours(1000));
  EXPECT_EQ((*source->Get({}))->token, "fresh");
  EXPECT_EQ(Runs(), 2);
}

// promise: K-08
TEST_F(ExecPluginTest, ARejectedCredentialIsFetchedAgain) {
  const auto source = Printing(Printed(R"({"token":"one"})"));
  const std::shared_ptr<const Credential> one = source->Get({}).value();
  folder_.Write("printed", Printed(R"({"token":"two"})"));
  source->Rejected(one);
  EXPECT_EQ((*source->Get({}))->token, "two");
  source->Rejected(one);
  EXPECT_EQ((*source->Get({}))->token, "two");
  EXPECT_EQ(Runs(), 2);
}

TEST_F(ExecPluginTest, SeveralWaitForOneRun) {
  const auto source = Printing(Printed(R"({"token":"secret"})"));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&source] { EXPECT_EQ((*source->Get({}))->token, "secret"); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Runs(), 1);
}

// promise: K-10
TEST_F(ExecPluginTest, IsToldOfTheClusterAndGetsItsArguments) {
  const auto source =
      Source(absl::StrCat("printf '%s|' \"$KUBERNETES_EXEC_INFO\" \"$MINE\" \"$1\" \"$2\" >",
                          folder_.path(), "/told\necho '", Printed(R"({"token":"t"})"), "'"),
             {.args = {"a b", "$(id); `id`"},
              .env = {{"MINE", "x y"}},
              .provide_cluster_info = true,
              .cluster = {{"server", "https://x"}}});
  ASSERT_TRUE(source->Get({}).ok());
  EXPECT_EQ(ReadSmallFile(folder_.path() + "/told").value(),
            absl::StrCat(R"({"apiVersion":")", kV1,
                         R"(","kind":"ExecCredential","spec":{"cluster":{"server":"https://x"},)"
                         R"("interactive":false}}|x y|a b|$(id); `id`|)"));
}

// promise: K-10
TEST_F(ExecPluginTest, IsInteractiveOnlyWhereThereIsATerminal) {
  const auto told = [this](InteractiveMode mode, bool terminal) {
    const auto source =
        Source(absl::StrCat("echo \"$KUBERNETES_EXEC_INFO\" >", folder_.path(), "/told\necho '",
                            Printed(R"({"token":"t"})"), "'"),
               {.interactive_mode = mode}, {.is_terminal = [terminal] { return terminal; }});
    const absl::Status status = source->Get({}).status();
    if (!status.ok()) return std::string("refused");
    return ReadSmallFile(folder_.path() + "/told").value();
  };
  EXPECT_THAT(told(InteractiveMode::kNever, true), HasSubstr("\"interactive\":false"));
  EXPECT_THAT(told(InteractiveMode::kIfAvailable, true), HasSubstr("\"interactive\":true"));
  EXPECT_THAT(told(InteractiveMode::kIfAvailable, false), HasSubstr("\"interactive\":false"));
  EXPECT_THAT(told(InteractiveMode::kAlways, true), HasSubstr("\"interactive\":true"));
  EXPECT_EQ(told(InteractiveMode::kAlways, false), "refused");
}

// promise: K-11
TEST_F(ExecPluginTest, AProgramThatFailsIsNamed) {
  const absl::Status failed = Source("echo out; exit 3")->Get({}).status();
  EXPECT_TRUE(absl::IsUnauthenticated(failed));
  EXPECT_THAT(std::string(failed.message()), HasSubstr("plugin: failed with exit code 3"));
  EXPECT_THAT(Source("kill -9 $$")->Get({}).status().ToString(), HasSubstr("signal 9"));

  const auto missing = NewExecCredentialSource({.command = folder_.path() + "/missing",
                                                .api_version = kV1,
                                                .install_hint = "install it so"},
                                               &clock_)
                           .value();
  EXPECT_THAT(missing->Get({}).status().ToString(), HasSubstr("install it so"));
  // A failure is not kept.
  const auto source = Source("test $(wc -l <" + folder_.path() + "/runs) -gt 3 && echo '" +
                             Printed(R"({"token":"t"})") + "'");
  EXPECT_FALSE(source->Get({}).ok());
  EXPECT_TRUE(source->Get({}).ok());
}

// promise: K-11
TEST_F(ExecPluginTest, AProgramThatHangsIsKilledWithWhatItStarted) {
  const auto source = Source(absl::StrCat("sleep 1000 & echo $! >", folder_.path(), "/child\nwait"),
                             {}, {.timeout = milliseconds(300)});
  const absl::Status status = source->Get({}).status();
  EXPECT_TRUE(absl::IsUnauthenticated(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("too long"));
}

// promise: K-11
TEST_F(ExecPluginTest, AStopEndsTheWait) {
  const auto source = Source("exec sleep 1000");
  std::stop_source stop;
  std::thread first(
      [&] { EXPECT_TRUE(absl::IsCancelled(source->Get({.stop = stop.get_token()}).status())); });
  std::thread second(
      [&] { EXPECT_TRUE(absl::IsCancelled(source->Get({.stop = stop.get_token()}).status())); });
  stop.request_stop();
  first.join();
  second.join();
}

// promise: K-11
TEST_F(ExecPluginTest, WhatItLeavesRunningDoesNotKeepItsOutputOpen) {
  const auto source = Source(absl::StrCat("sleep 1000 & echo $! >", folder_.path(),
                                          "/child\necho '", Printed(R"({"token":"t"})"), "'"));
  EXPECT_TRUE(source->Get({}).ok());
  const int child = std::stoi(ReadSmallFile(folder_.path() + "/child").value());
  EXPECT_EQ(::kill(child, SIGKILL), 0);  // it was left alone
}

// promise: K-12
TEST_F(ExecPluginTest, WhatItPrintsIsHostile) {
  const TestIdentity one = TestAuthority("ca").Issue("one", "");
  const TestIdentity two = TestAuthority("ca").Issue("two", "");
  const auto pair = [](const std::string& cert, const std::string& key) {
    return Printed(Json({{"clientCertificateData", cert}, {"clientKeyData", key}}).dump());
  };
  EXPECT_EQ(ParseExecCredential(pair(one.cert_pem, one.key_pem), kV1)->credential.key_pem,
            one.key_pem);
  for (const std::string& bad :
       {std::string(), std::string("garbage"), std::string("{}"), std::string("[]"), Printed("{}"),
        Printed("null"), Printed(R"({"token":5})"), pair(one.cert_pem, ""), pair("", one.key_pem),
        pair(one.cert_pem, two.key_pem), pair("x", "y"),
        Printed(R"({"token":"t","expirationTimestamp":"soon"})"),
        Printed(R"({"token":"t","expirationTimestamp":5})"),
        std::string(R"({"apiVersion":"client.authentication.k8s.io/v1beta1",)"
                    R"("kind":"ExecCredential","status":{"token":"t"}})"),
        std::string(R"({"kind":"ExecCredential","status":{"token":"t"}})"),
        absl::StrCat(R"({"apiVersion":")", kV1, R"(","kind":"Pod","status":{"token":"t"}})")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseExecCredential(bad, kV1).status())) << bad;
  }
  EXPECT_THAT(Source("yes").get()->Get({}).status().ToString(), HasSubstr("prints too much"));
}

TEST_F(ExecPluginTest, RefusesAConfigurationThatIsOfNoUse) {
  EXPECT_FALSE(NewExecCredentialSource({.api_version = kV1}, &clock_).ok());
  EXPECT_FALSE(NewExecCredentialSource({.command = "x"}, &clock_).ok());
  EXPECT_FALSE(
      NewExecCredentialSource(
          {.command = "x", .api_version = "client.authentication.k8s.io/v1alpha1"}, &clock_)
          .ok());
}

}  // namespace
}  // namespace fractos::kube
