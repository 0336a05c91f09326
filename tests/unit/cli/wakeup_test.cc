#include "cli/wakeup.h"

#include <csignal>

#include "cli/exit_code.h"
#include "gtest/gtest.h"

namespace fractos {
namespace {

class WakeupTest : public ::testing::Test {
 protected:
  WakeupTest() {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_DFL);
  }
};

TEST_F(WakeupTest, EachSignalInterrupts) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    Wakeup wakeup;
    EXPECT_FALSE(wakeup.interrupted());
    ::raise(signal);
    wakeup.Wait(-1);
    EXPECT_TRUE(wakeup.interrupted());
  }
}

// As of `timeout 5 fractosctl run`, and of `timeout -s INT`.
// promise: C-22
TEST_F(WakeupTest, ASignalSentTwiceIsOne) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const Wakeup wakeup;
    ::raise(signal);
    ::raise(signal);
    EXPECT_TRUE(wakeup.interrupted());
  }
}

// promise: C-22
TEST_F(WakeupTest, CtrlCPressedAgainEndsAtOnce) {
  const auto press = [](int first) {
    const Wakeup wakeup;
    ::raise(first);
    while (true) ::raise(SIGINT);
  };
  EXPECT_EXIT(press(SIGINT), ::testing::ExitedWithCode(kExitInterrupted), "");
  EXPECT_EXIT(press(SIGTERM), ::testing::ExitedWithCode(kExitInterrupted), "");
}

// promise: C-21
TEST_F(WakeupTest, WhatIsIgnoredStaysSo) {
  ::signal(SIGHUP, SIG_IGN);
  {
    const Wakeup wakeup;
    ::raise(SIGHUP);
    EXPECT_FALSE(wakeup.interrupted());
    ::raise(SIGINT);
    EXPECT_TRUE(wakeup.interrupted());
  }
  EXPECT_EQ(::signal(SIGHUP, SIG_DFL), SIG_IGN);
  EXPECT_EQ(::signal(SIGINT, SIG_DFL), SIG_DFL);
}

}  // namespace
}  // namespace fractos
