#include "lib/runtime/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/synchronization/notification.h"
#include "lib/base/unique_fd.h"

namespace fractos {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::HasSubstr;

struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == 0) {
      read = UniqueFd(ends[0]);
      write = UniqueFd(ends[1]);
    }
  }
  // All that children write, until the last of them has gone.
  std::string Drain() {
    write.Reset();
    return ReadUntil("");
  }
  std::string ReadUntil(const std::string& mark) {
    std::string text;
    char c;
    while (::read(read.get(), &c, 1) == 1) {
      text += c;
      if (!mark.empty() && text.find(mark) != std::string::npos) break;
    }
    return text;
  }
  UniqueFd read, write;
};

class ChildProcessesTest : public testing::Test {
 protected:
  // Starts a shell with descriptor 1 on `out_`.
  pid_t Shell(const std::string& script, ChildSpec spec = {}) {
    spec.command = {"sh", "-c", script};
    spec.descriptors.emplace_back(out_.write.get(), 1);
    absl::StatusOr<pid_t> pid = children_->Start(spec, [this](ChildExit exit) {
      exit_ = exit;
      ended_.Notify();
    });
    EXPECT_TRUE(pid.ok()) << pid.status();
    return pid.value_or(-1);
  }
  ChildExit Wait() {
    ended_.WaitForNotification();
    return exit_;
  }

  Pipe out_;
  ChildExit exit_;
  absl::Notification ended_;
  std::unique_ptr<ChildProcesses> children_ = std::make_unique<ChildProcesses>();
};

TEST_F(ChildProcessesTest, TellsTheExitCode) {
  Shell("exit 3");
  ChildExit exit = Wait();
  EXPECT_EQ(exit.code, 3);
  EXPECT_EQ(exit.ToString(), "exit code 3");
}

TEST_F(ChildProcessesTest, TellsTheSignal) {
  Shell("kill -9 $$");
  EXPECT_EQ(Wait().ToString(), "killed by signal 9 (Killed)");
}

TEST_F(ChildProcessesTest, GivesEnvironmentDirectoryAndNothingElse) {
  UniqueFd leaked(::fcntl(out_.read.get(), F_DUPFD, 3));  // inheritable, yet not named
  ChildSpec spec;
  spec.env = {{"FRACTOS_TEST", "a b"}};
  spec.working_directory = "/";
  spec.no_new_privileges = true;
  Shell(
      "echo \"$FRACTOS_TEST:$PWD:$(ls /proc/self/fd | tr '\\n' ' ')"
      ":$(grep NoNewPrivs /proc/$$/status | cut -f2)\"",
      spec);
  Wait();
  EXPECT_EQ(out_.Drain(), "a b:/:0 1 2 3 :1\n");  // 3 is ls at work
}

TEST_F(ChildProcessesTest, DescriptorsMaySwapNumbers) {
  Pipe a, b;
  ChildSpec spec;
  spec.descriptors = {{a.write.get(), b.write.get()}, {b.write.get(), a.write.get()}};
  // Not by ">&": sh takes one digit there, and this process may have inherited many descriptors.
  const std::string own = "/proc/self/fd/";
  Shell("echo A >" + own + std::to_string(b.write.get()) + "; echo B >" + own +
            std::to_string(a.write.get()),
        spec);
  EXPECT_EQ(a.Drain(), "A\n");
  EXPECT_EQ(b.Drain(), "B\n");
}

TEST_F(ChildProcessesTest, StartsUnderALowLimitOfDescriptors) {
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 256;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  Shell("exit 3");
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(Wait().code, 3);
}

TEST_F(ChildProcessesTest, SaysWhatCannotBeExecuted) {
  ChildSpec spec;
  spec.command = {"no-such-program-here"};
  EXPECT_THAT(std::string(children_->Start(spec, nullptr).status().message()),
              HasSubstr("no program \"no-such-program-here\" in PATH"));
  spec.command = {"/no/such"};
  EXPECT_TRUE(absl::IsNotFound(children_->Start(spec, nullptr).status()));
  spec.command = {"true"};
  spec.working_directory = "/no/such/folder";
  EXPECT_TRUE(absl::IsNotFound(children_->Start(spec, nullptr).status()));
  spec.command = {};
  EXPECT_TRUE(absl::IsInvalidArgument(children_->Start(spec, nullptr).status()));
}

TEST_F(ChildProcessesTest, TerminateAsksFirst) {
  pid_t pid = Shell("trap 'exit 7' TERM; echo ready; sleep 1000 & wait");
  out_.ReadUntil("ready\n");
  children_->Terminate(pid, hours(1));
  EXPECT_EQ(Wait().ToString(), "exit code 7");
}

TEST_F(ChildProcessesTest, TerminateKillsTheDeafAfterTheGrace) {
  pid_t pid = Shell("trap '' TERM; echo ready; while :; do sleep 1000; done");
  out_.ReadUntil("ready\n");
  children_->Terminate(pid, milliseconds(5));
  EXPECT_EQ(Wait().signal, SIGKILL);
  children_->Terminate(pid, milliseconds(5));  // no longer there: nothing happens
  children_->Kill(pid);
}

TEST_F(ChildProcessesTest, WhatAChildStartedIsKilledWhenItEnds) {
  Shell("sleep 1000 & exit 0");
  EXPECT_EQ(Wait().code, 0);
  EXPECT_EQ(out_.Drain(), "");  // ends only when the grandchild, which holds the pipe, is gone
}

// promise: A-06
TEST_F(ChildProcessesTest, AChildThatLeavesItsGroupIsKilledAllTheSame) {
  // Into its parent's group; there is no command for it.
  const std::string leave =
      "exec python3 -c 'import os, time\n"
      "os.setpgid(0, os.getpgid(os.getppid()))\n"
      "print(\"ready\", flush=True)\n"
      "time.sleep(1000)'";
  const pid_t pid = Shell(leave);
  ASSERT_EQ(out_.ReadUntil("ready\n"), "ready\n");
  children_->Kill(pid);
  EXPECT_EQ(Wait().signal, SIGKILL);
}

TEST_F(ChildProcessesTest, NoneOutlivesTheObject) {
  Shell("sleep 1000 & sleep 1000");
  children_.reset();
  EXPECT_EQ(out_.Drain(), "");
  EXPECT_FALSE(ended_.HasBeenNotified());
}

// Promise: children end when their parent does, even by SIGKILL.
TEST_F(ChildProcessesTest, NoneOutlivesTheProcess) {
  // A program of its own: what is forked from a process with threads may not even allocate.
  pid_t parent = ::fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    ::dup2(out_.write.get(), 1);
    ::execl("/proc/self/exe", "parent", "--parent", nullptr);
    ::_exit(127);
  }
  out_.write.Reset();
  EXPECT_EQ(out_.ReadUntil("ready\n"), "ready\n");
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  EXPECT_EQ(out_.Drain(), "");
}

}  // namespace

// The process that NoneOutlivesTheProcess kills.
int StartChildAndWait() {
  ChildProcesses children;
  ChildSpec spec;
  spec.command = {"sh", "-c", "echo ready; exec sleep 1000"};
  if (!children.Start(spec, nullptr).ok()) return 1;
  while (true) ::pause();
}

}  // namespace fractos

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "--parent") return fractos::StartChildAndWait();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
