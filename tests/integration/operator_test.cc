// fractos-operator as whoever starts it sees it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/integration/cli_process.h"

namespace fractos {
namespace {

// promise: O-09
TEST(OperatorTest, TakesAsManyDescriptorsAsItMay) {
  std::string folder = "/tmp/fractos-operator-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string config = folder + "/config";
  ASSERT_EQ(::mkfifo(config.c_str(), 0600), 0);
  rlimit few;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &few), 0);
  few.rlim_cur = 64;
  ASSERT_GT(few.rlim_max, few.rlim_cur);

  const pid_t pid = ::fork();
  if (pid == 0) {
    ::setrlimit(RLIMIT_NOFILE, &few);
    ::setenv("KUBECONFIG", config.c_str(), 1);
    ::execl(FRACTOS_BIN_DIR "/fractos-operator", "fractos-operator", "--daemon-image=d",
            "--adaptor-image=a", "--cnn-adaptor-image=c", nullptr);
    ::_exit(127);
  }
  // It is set up once it reads its kubeconfig, and waits there for what stands in it.
  int writer = -1;
  EXPECT_TRUE(Eventually([&writer, &config] {
    writer = ::open(config.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return writer >= 0;
  }));
  rlimit its;
  EXPECT_EQ(::prlimit(pid, RLIMIT_NOFILE, nullptr, &its), 0);
  EXPECT_EQ(its.rlim_cur, few.rlim_max);
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  ::close(writer);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace fractos
