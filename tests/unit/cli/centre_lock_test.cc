#include "cli/centre_lock.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "gtest/gtest.h"

namespace fractos {
namespace {

// promise: C-20
TEST(CentreLockTest, TheOwnerIsKnownAsLongAsItLives) {
  const std::string path = ::testing::TempDir() + "centre_lock_test." + std::to_string(::getpid());
  const UniqueFd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(lock.valid());
  EXPECT_EQ(LockOwner(path), 0);
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    OwnLock(lock);
    ::close(pipe[1]);
    ::pause();
  }
  ::close(pipe[1]);
  char none;
  EXPECT_EQ(::read(pipe[0], &none, 1), 0) << "the child owns it";
  EXPECT_EQ(LockOwner(path), child);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(LockOwner(path), 0);
  ::close(pipe[0]);
  ::unlink(path.c_str());
  EXPECT_EQ(LockOwner(path), 0);
}

}  // namespace
}  // namespace fractos
