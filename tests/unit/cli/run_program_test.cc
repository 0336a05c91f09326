#include "cli/run_program.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "cli/local_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fractos {
namespace {

TEST(RunProgramTest, ItsExitCodeIsGiven) {
  EXPECT_EQ(*RunProgram({.command = {"sh", "-c", "exit 7"}}), 7);
  EXPECT_EQ(*RunProgram({.command = {"sh", "-c", "kill -TERM $$"}}), 128 + SIGTERM);
  EXPECT_EQ(*RunProgram({.command = {"/no/such/program"}}), 127);
}

// promise: C-24
TEST(RunProgramTest, WhyItCannotBeStartedIsSaid) {
  const absl::StatusOr<UniqueFd> errors = NewMemoryFile();
  ASSERT_TRUE(errors.ok());
  EXPECT_EQ(*RunProgram({.command = {"true"}, .folder = "/no/such", .err = errors->get()}), 126);
  EXPECT_EQ(*RunProgram({.command = {"/dev/null"}, .err = errors->get()}), 126);
  std::string said(200, '\0');
  said.resize(static_cast<size_t>(::pread(errors->get(), said.data(), said.size(), 0)));
  EXPECT_EQ(said,
            "cannot start true in /no/such: No such file or directory\n"
            "cannot start /dev/null: Permission denied\n");
}

// promise: C-23
TEST(RunProgramTest, ItEndsWithUs) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    // Holds the pipe as long as it lives.
    (void)RunProgram({.command = {"sh", "-c", "echo; exec sleep 600"}, .out = pipe[1]});
    ::_exit(1);
  }
  ::close(pipe[1]);
  char byte;
  ASSERT_EQ(::read(pipe[0], &byte, 1), 1) << "it has started";
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  pollfd end = {pipe[0], POLLIN, 0};
  EXPECT_EQ(::poll(&end, 1, 10'000), 1);
  EXPECT_EQ(::read(pipe[0], &byte, 1), 0);
  ::close(pipe[0]);
}

}  // namespace
}  // namespace fractos
