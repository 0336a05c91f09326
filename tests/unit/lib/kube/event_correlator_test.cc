#include "lib/kube/event_correlator.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace fractos::kube {
namespace {

using std::chrono::seconds;

class EventCorrelatorTest : public ::testing::Test {
 protected:
  std::optional<EventRecord> Correlate(absl::string_view message, absl::string_view object = "a",
                                       absl::string_view reason = "Failed",
                                       EventType type = EventType::kNormal) {
    EventRecord event;
    event.name = absl::StrCat(object, ".", ++names_);
    event.object_kind = "TaskGraph";
    event.object_name = std::string(object);
    event.reason = std::string(reason);
    event.message = std::string(message);
    event.type = type;
    event.first = event.last = clock_.WallNow();
    return correlator_.Correlate(std::move(event));
  }

  FakeClock clock_;
  EventCorrelator correlator_{&clock_};
  int names_ = 0;
};

TEST_F(EventCorrelatorTest, TheSameAgainIsCounted) {
  // promise: K-87
  const EventRecord first = *Correlate("m");
  EXPECT_EQ(first.count, 1);
  clock_.Advance(seconds(5));
  const EventRecord second = *Correlate("m");
  EXPECT_EQ(second.count, 2);
  EXPECT_EQ(second.name, first.name);
  EXPECT_EQ(second.first, first.first);
  EXPECT_EQ(second.last, first.last + seconds(5));
  EXPECT_EQ(Correlate("m", "b")->count, 1);
  EXPECT_EQ(Correlate("m", "a", "Other")->count, 1);
  EXPECT_EQ(Correlate("m", "a", "Failed", EventType::kWarning)->count, 1);
  EXPECT_EQ(Correlate("m")->count, 3);
}

TEST_F(EventCorrelatorTest, ManyThatDifferByMessageAloneAreOne) {
  // promise: K-88
  for (int i = 1; i < 10; ++i) EXPECT_EQ(Correlate(absl::StrCat("m", i))->count, 1) << i;
  const EventRecord tenth = *Correlate("m10");
  EXPECT_EQ(tenth.message, "(combined from similar events): m10");
  EXPECT_EQ(tenth.count, 1);
  const EventRecord eleventh = *Correlate("m11");
  EXPECT_EQ(eleventh.message, "(combined from similar events): m11");
  EXPECT_EQ(eleventh.name, tenth.name);
  EXPECT_EQ(eleventh.count, 2);
  EXPECT_EQ(Correlate("m11", "b")->message, "m11");
  // 600 s after the last they are similar no more.
  clock_.Advance(seconds(600));
  EXPECT_EQ(Correlate("m12")->count, 3);
  clock_.Advance(seconds(601));
  EXPECT_EQ(Correlate("m13")->message, "m13");
}

TEST_F(EventCorrelatorTest, SpamAboutOneObjectIsDropped) {
  // promise: K-89
  for (int i = 0; i < 25; ++i) EXPECT_TRUE(Correlate("m", "a", absl::StrCat("R", i))) << i;
  EXPECT_FALSE(Correlate("m", "a", "R25"));
  EXPECT_TRUE(Correlate("m", "b", "R25"));
  EXPECT_TRUE(Correlate("m", "a", "R25", EventType::kWarning));
  clock_.Advance(seconds(299));
  EXPECT_FALSE(Correlate("m", "a", "R26"));
  clock_.Advance(seconds(1));
  EXPECT_TRUE(Correlate("m", "a", "R27"));
  EXPECT_FALSE(Correlate("m", "a", "R28"));
}

TEST_F(EventCorrelatorTest, PartsOfAKeyDoNotRunIntoEachOther) {
  EXPECT_EQ(Correlate("m", "a", "bc")->count, 1);
  EXPECT_EQ(Correlate("cm", "a", "b")->count, 1);
}

TEST(LruCacheTest, ForgetsWhatWasUsedLeastRecently) {
  LruCache<int> cache(2);
  cache.Put("a", 1);
  cache.Put("b", 2);
  EXPECT_EQ(*cache.Get("a"), 1);
  cache.Put("c", 3);
  EXPECT_EQ(cache.Get("b"), nullptr);
  EXPECT_EQ(*cache.Get("a"), 1);
  EXPECT_EQ(*cache.Put("a", 4), 4);
  EXPECT_EQ(*cache.Get("c"), 3);
  EXPECT_EQ(cache.size(), 2u);
}

}  // namespace
}  // namespace fractos::kube
