// How fractosctl comes to work on a cluster, as far as that takes none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "absl/strings/str_cat.h"
#include "tests/integration/cli_process.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CliClusterTest : public ::testing::Test {
 protected:
  CliClusterTest() {
    ::unsetenv("KUBECONFIG");
    ::unsetenv("KUBERNETES_SERVICE_HOST");
    // Nobody listens on port 1.
    config_ = cli_.Write("config", R"(apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
contexts: [{name: here, context: {cluster: c, user: u, namespace: mine}}]
current-context: here
)");
    plugin_ = cli_.Write(
        "plugin", absl::StrCat("#!/bin/sh\nexec ", FRACTOS_BIN_DIR, "/kubectl-fractos \"$@\"\n"));
  }
  // By another name, since Cli starts fractosctl alone.
  CommandResult Plugin(const std::string& arguments) {
    const std::string out = cli_.folder() + "/out";
    const std::string err = cli_.folder() + "/err";
    const int status =
        ::system(absl::StrCat("sh ", plugin_, " ", arguments, " >", out, " 2>", err).c_str());
    return {WEXITSTATUS(status), ReadFile(out), ReadFile(err)};
  }

  Cli cli_{FRACTOS_BIN_DIR};
  std::string config_;
  std::string plugin_;
};

// promise: C-62
TEST_F(CliClusterTest, AnOptionOfKubectlsMeansACluster) {
  for (const std::vector<std::string>& place : {std::vector<std::string>{"--kubeconfig", config_},
                                                {"--kubeconfig", config_, "--context", "here"},
                                                {"--kubeconfig", config_, "-A"},
                                                {"--kubeconfig", config_, "-n", "x"}}) {
    std::vector<std::string> arguments = {"runs"};
    arguments.insert(arguments.end(), place.begin(), place.end());
    const CommandResult result = cli_.Run(arguments);
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.err, HasSubstr("is that the cluster you mean?")) << place.back();
  }
  const CommandResult here = cli_.Run({"runs"});
  EXPECT_EQ(here.code, 0);
  EXPECT_THAT(here.out, HasSubstr("no runs yet"));
}

// promise: C-62
TEST_F(CliClusterTest, KubectlsNameForItMeansACluster) {
  const CommandResult runs = Plugin(absl::StrCat("runs --kubeconfig ", config_));
  EXPECT_EQ(runs.code, 1);
  EXPECT_THAT(runs.err, HasSubstr("list taskgraphs.fractos.dev in namespace mine"));
  const CommandResult nowhere = Plugin("runs --kubeconfig /no/such/file");
  EXPECT_EQ(nowhere.code, 2);
  EXPECT_THAT(nowhere.err, HasSubstr("no cluster to talk to"));
  EXPECT_THAT(Plugin("--help").out, HasSubstr("Usage: kubectl fractos"));
}

TEST_F(CliClusterTest, AContextThatIsNotThereIsNamed) {
  const CommandResult result = cli_.Run({"runs", "--kubeconfig", config_, "--context", "there"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("there"));
}

// promise: C-63
TEST_F(CliClusterTest, WhatMakesNoSenseOnAClusterIsRefusedWithTheReason) {
  EXPECT_THAT(Plugin("resume x").err, HasSubstr("the operator resumes runs by itself"));
  EXPECT_EQ(Plugin("resume x").code, 2);
  EXPECT_THAT(Plugin("up").err, HasSubstr("the operator keeps DeviceClusters up"));
  EXPECT_THAT(Plugin("down").err, HasSubstr("the operator keeps DeviceClusters up"));
  EXPECT_THAT(Plugin("run x --restart").err, HasSubstr("Kubernetes starts daemons again"));
  EXPECT_THAT(Plugin("devices --devices x").err, HasSubstr("kubectl apply"));
}

// promise: C-62
TEST_F(CliClusterTest, HelpSaysHowThePlaceIsChosen) {
  const CommandResult help = cli_.Run({"--help"});
  EXPECT_THAT(help.out, HasSubstr("unless called as `kubectl fractos`"));
  EXPECT_THAT(help.out, HasSubstr("Finish a run whose fractosctl was killed"));
  EXPECT_THAT(Plugin("--help").out, Not(HasSubstr("Finish a run whose fractosctl was killed")));
  EXPECT_THAT(cli_.Run({"run", "--help"}).out, HasSubstr("--context"));
  EXPECT_THAT(cli_.Run({"run", "--help"}).out, Not(HasSubstr("--all-namespaces")));
}

// What files say needs no cluster.
TEST_F(CliClusterTest, FilesAreCheckedWithoutACluster) {
  const std::string file = cli_.Write("g.yaml", "{}");
  EXPECT_EQ(Plugin(absl::StrCat("validate ", file)).code, 2);
}

TEST_F(CliClusterTest, CompletionKnowsTheOptionsAndCommands) {
  const std::string bash = cli_.Run({"completion", "bash"}).out;
  EXPECT_THAT(bash, HasSubstr("--context"));
  EXPECT_THAT(bash, HasSubstr("--namespace"));
  EXPECT_THAT(bash, HasSubstr("kubectl-fractos runs"));
  const std::string file = cli_.Write("completion.bash", bash);
  const std::string check =
      absl::StrCat("bash -c 'set -e; . ", file,
                   "; COMP_WORDS=(kubectl-fractos wa); COMP_CWORD=1; _fractosctl; "
                   "[ \"${COMPREPLY[0]}\" = watch ]'");
  EXPECT_EQ(::system(check.c_str()), 0);
}

}  // namespace
}  // namespace fractos
