// From the start of an adaptor to its description.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/synchronization/notification.h"
#include "tests/unit/daemon/device/device_harness.h"

namespace fractos {
namespace {

using ::fractos::testing::AdaptorEnd;
using ::testing::HasSubstr;

TEST_F(DeviceTest, WhatComesBeforeTheDescriptionWaitsForIt) {
  absl::Notification go;
  Start({[&go](AdaptorEnd& end) {
    go.WaitForNotification();
    if (end.Describe()) end.EchoForever();
  }});
  Ticket one = Execute({Inline("one")});
  Ticket two = Execute({Inline("two")});
  device_->Settle();
  EXPECT_FALSE(device_->stats().ready);
  go.Notify();
  EXPECT_EQ(BytesOf(recorder_.Await(one)), "one");
  EXPECT_EQ(BytesOf(recorder_.Await(two)), "two");
  EXPECT_TRUE(device_->stats().ready);
}

// promise: A-19
TEST_F(DeviceTest, AnAdaptorThatRefusesItsOptionsIsNamed) {
  Start({[](AdaptorEnd& end) {
    end.Receive();
    v1::FromAdaptor reply;
    reply.mutable_result()->mutable_failure()->set_reason("InvalidArgument");
    reply.mutable_result()->mutable_failure()->set_message("unknown option \"colour\"");
    end.Send(reply);
  }});
  absl::Status down = recorder_.AwaitDown();
  EXPECT_TRUE(absl::IsFailedPrecondition(down)) << down;
  EXPECT_THAT(std::string(down.message()), HasSubstr("colour"));
}

TEST_F(DeviceTest, AnAdaptorThatNeverDescribesItselfIsReplaced) {
  options_.configure_timeout = std::chrono::milliseconds(20);
  Start({[](AdaptorEnd& end) { end.SwallowForever(); },
         [](AdaptorEnd& end) {
           if (end.Describe()) end.EchoForever();
         }});
  EXPECT_EQ(BytesOf(Run({Inline("x")})), "x");
  EXPECT_TRUE(absl::IsDeadlineExceeded(recorder_.AwaitDown()));
}

// promise: A-02
TEST_F(DeviceTest, AMalformedDescriptionIsRefused) {
  Start({[](AdaptorEnd& end) { end.Describe("{\"device\": 7}"); },
         [](AdaptorEnd& end) {
           if (end.Describe()) end.EchoForever();
         }});
  EXPECT_EQ(BytesOf(Run({Inline("x")})), "x");
  EXPECT_TRUE(absl::IsInvalidArgument(recorder_.AwaitDown()));
}

TEST_F(DeviceTest, AnAnswerBeforeTheDescriptionIsRefused) {
  Start({[](AdaptorEnd& end) {
           end.AnswerInline(1, "hasty");
           end.SwallowForever();  // one that has gone before it is spoken to is another case
         },
         [](AdaptorEnd& end) {
           if (end.Describe()) end.EchoForever();
         }});
  EXPECT_EQ(BytesOf(Run({Inline("x")})), "x");
  EXPECT_TRUE(absl::IsInvalidArgument(recorder_.AwaitDown()));
}

}  // namespace
}  // namespace fractos
