#include "daemon/device/adaptor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <string>
#include <utility>

#include "tests/unit/daemon/device/scripted_adaptor.h"

namespace fractos {
namespace {

using ::fractos::testing::AdaptorEnd;
using ::fractos::testing::Script;
using ::fractos::testing::ScriptLauncher;
using ::testing::HasSubstr;

class AdaptorTest : public ::testing::Test {
 protected:
  void Launch(Script script) {
    launcher_ = std::make_unique<ScriptLauncher>(std::vector<Script>{std::move(script)});
    adaptor_ = Adaptor::Launch(launcher_.get(), waker_).value();
  }
  absl::StatusOr<DeviceDescription> Describe(Adaptor::PollFunction poll) {
    return adaptor_->Describe("{\"a\":1}", std::chrono::seconds(10), clock_, poll);
  }
  // Until the socket has some of `events`; no time passes.
  absl::StatusOr<int> PollSocket(int events) {
    pollfd socket{adaptor_->stream().fd(), static_cast<short>(events), 0};
    ::poll(&socket, 1, -1);
    return socket.revents;
  }
  absl::StatusOr<DeviceDescription> Describe() {
    return Describe([this](int events, Time) { return PollSocket(events); });
  }
  void AwaitEnd() {
    pollfd woken = waker_->Poll();
    ::poll(&woken, 1, -1);
    EXPECT_TRUE(adaptor_->ended());
  }

  FakeClock clock_;
  const std::shared_ptr<Waker> waker_ = std::make_shared<Waker>();
  std::unique_ptr<ScriptLauncher> launcher_;
  std::shared_ptr<Adaptor> adaptor_;
};

class NothingToLaunch final : public AdaptorLauncher {
 public:
  absl::StatusOr<UniqueFd> Launch(std::function<void(std::string)>) override {
    return absl::NotFoundError("no such program");
  }
  void Kill() override {}
};

TEST_F(AdaptorTest, ErrorsOfTheLauncherAreItsOwn) {
  NothingToLaunch nothing;
  EXPECT_TRUE(absl::IsNotFound(Adaptor::Launch(&nothing, waker_).status()));
}

TEST_F(AdaptorTest, IsToldItsOptionsAndDescribesItself) {
  std::string options;
  Launch([&options](AdaptorEnd& end) {
    std::optional<AdaptorEnd::Received> received = end.Receive();
    if (!received.has_value()) return;
    options = received->message.configure().options_json();
    v1::FromAdaptor reply;
    reply.mutable_description()->set_json(testing::kDescription);
    end.Send(reply);
    end.SwallowForever();
  });
  absl::StatusOr<DeviceDescription> description = Describe();
  ASSERT_TRUE(description.ok()) << description.status();
  EXPECT_EQ(options, "{\"a\":1}");
  EXPECT_FALSE(adaptor_->ended());
}

TEST_F(AdaptorTest, ADescriptionCountsThoughTheAdaptorHasEnded) {
  Launch([](AdaptorEnd& end) { end.Describe(); });
  const auto ended_first = [this](int, Time) -> absl::StatusOr<int> {
    AwaitEnd();
    return 0;
  };
  EXPECT_TRUE(Describe(ended_first).ok());
}

TEST_F(AdaptorTest, HasItsTimeoutToDescribeItself) {
  Launch([](AdaptorEnd& end) { end.SwallowForever(); });
  const Time deadline = clock_.Now() + std::chrono::seconds(10);
  const auto pass = [&](int, Time until) -> absl::StatusOr<int> {
    EXPECT_EQ(until, deadline);
    clock_.Advance(std::chrono::seconds(5));
    return 0;
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(Describe(pass).status()));
  EXPECT_EQ(clock_.Now(), deadline);
}

TEST_F(AdaptorTest, WhoeverPollsMayEndTheWaiting) {
  Launch([](AdaptorEnd& end) { end.SwallowForever(); });
  const auto stop = [](int, Time) -> absl::StatusOr<int> { return absl::CancelledError("stop"); };
  EXPECT_TRUE(absl::IsCancelled(Describe(stop).status()));
}

TEST_F(AdaptorTest, OneThatEndsByItselfIsSaidToHaveEndedHow) {
  Launch([](AdaptorEnd& end) { end.Receive(); });
  const absl::Status why = Describe().status();
  EXPECT_TRUE(absl::IsUnavailable(why)) << why;
  AwaitEnd();
  const absl::Status ended = adaptor_->End(why);
  EXPECT_TRUE(absl::IsUnavailable(ended));
  EXPECT_THAT(std::string(ended.message()), HasSubstr("exit code 3"));
}

TEST_F(AdaptorTest, OneThatIsToEndIsKilledForTheReasonGiven) {
  Launch([](AdaptorEnd& end) { end.SwallowForever(); });
  const absl::Status why = absl::DeadlineExceededError("it hangs");
  EXPECT_EQ(adaptor_->End(why), why);
  AwaitEnd();
}

TEST_F(AdaptorTest, NothingIsReadFromOneThatIsGone) {
  Launch([](AdaptorEnd&) {});
  AwaitEnd();
  const auto no_frame = [](absl::string_view) -> absl::Status {
    ADD_FAILURE() << "it said nothing";
    return absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsUnavailable(adaptor_->Read(no_frame)));
  EXPECT_TRUE(absl::IsUnavailable(adaptor_->stream().Write(OutFrame())));
}

}  // namespace
}  // namespace fractos
