#include "lib/driver/driver_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "lib/base/limits.h"
#include "tests/unit/lib/driver/silent_memory.h"
#include "tests/unit/lib/protocol/builders.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kQuota = 1 << 20;

// A run of a driver, and a daemon that has values.
class DriverMemoryTest : public ::testing::Test {
 protected:
  DriverMemoryTest() {
    server_ = MemoryServer::Start("127.0.0.1:0", &daemon_).value();
    peer_.self = Replica("default/a");
    peer_.memory_endpoint = absl::StrCat("127.0.0.1:", server_->port());
  }

  // What the daemon has committed, as a report says it that leaves its bytes out.
  Value Committed(const std::string& bytes) {
    Value value = daemon_.StageInline(bytes).value();
    EXPECT_TRUE(daemon_.Commit(value.object).ok());
    value.inline_bytes = nullptr;
    return value;
  }
  std::optional<absl::StatusOr<Value>> Bring(const Value& value) {
    const absl::MutexLock lock(&mutex_);
    return memory_.Bring(run_, {"step", value}, &peer_, &of_run_);
  }
  // Bring, of what is there without a pull.
  absl::StatusOr<Value> Now(const Value& value) {
    return Bring(value).value_or(absl::UnknownError("it is pulled"));
  }
  DriverMemory::Pulled Await() {
    const absl::MutexLock lock(&mutex_);
    const auto there = [this]()
                           ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return pulled_.has_value(); };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(20)));
    return *std::exchange(pulled_, std::nullopt);
  }
  // What came of a pull, kept.
  absl::StatusOr<Value> Kept() {
    DriverMemory::Pulled pulled = Await();
    EXPECT_TRUE(memory_.Keep(&pulled, &of_run_));
    return pulled.value;
  }

  const RunId run_ = NamedId<RunId>("run");
  const SilentMemory silent_;
  SystemRandom random_;
  MemoryStore daemon_{Replica("default/a"), 2 * kQuota, &random_};
  std::unique_ptr<MemoryServer> server_;
  PeerInfo peer_;
  absl::Mutex mutex_;  // as a driver's: held when it asks, taken when it is told
  std::optional<DriverMemory::Pulled> pulled_ ABSL_GUARDED_BY(mutex_);
  DriverMemory::OfRun of_run_;
  DriverMemory memory_{{Address::Driver("test"), NamedId<BootId>("boot")},
                       kQuota,
                       &random_,
                       [this](const RunId& run, DriverMemory::Pulled pulled) {
                         const absl::MutexLock lock(&mutex_);
                         EXPECT_EQ(run, run_);
                         EXPECT_EQ(pulled.step, "step");
                         pulled_ = std::move(pulled);
                       }};
};

TEST_F(DriverMemoryTest, WhatTravelsInlineIsKeptAtOnceUntilItIsReleased) {
  const absl::StatusOr<Value> kept = Now(InlineValue("bytes", Replica("default/a")));
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_TRUE(kept->owner.address.IsDriver());
  Value reported = *kept;
  reported.inline_bytes = nullptr;
  const absl::StatusOr<Value> again = Now(reported);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again->inline_bytes, "bytes");
  memory_.Release(of_run_);
  EXPECT_TRUE(absl::IsNotFound(Now(reported).status()));
}

// promise: R-23
TEST_F(DriverMemoryTest, AValueOfItsOwnHasTheSizeThatItIsReportedWith) {
  const std::string large(kMaxInlineValueBytes + 1, 'x');
  ASSERT_FALSE(Bring(Committed(large)).has_value());
  const Value own = Kept().value();
  EXPECT_TRUE(Now(own).ok());
  Value reported = own;
  reported.size = 3;
  const absl::Status status = Now(reported).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  for (const std::string& part :
       {own.object.ToShortHex(), absl::StrCat(large.size()), std::string("reported with 3")}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
}

TEST_F(DriverMemoryTest, WhatIsPulledComesWithItsBytesWhereTheyAreFew) {
  for (const size_t size : {size_t{5}, kMaxInlineValueBytes, kMaxInlineValueBytes + 1}) {
    const std::string bytes(size, 'x');
    ASSERT_FALSE(Bring(Committed(bytes)).has_value()) << size;
    const absl::StatusOr<Value> kept = Kept();
    ASSERT_TRUE(kept.ok()) << kept.status();
    EXPECT_TRUE(kept->owner.address.IsDriver());
    EXPECT_EQ(kept->digest, Digest::Of(bytes));
    EXPECT_EQ(kept->IsInline(), size <= kMaxInlineValueBytes) << size;
  }
  EXPECT_THAT(of_run_.pulls, IsEmpty());
}

TEST_F(DriverMemoryTest, WhatHasNoOwnerIsNotFound) {
  const absl::MutexLock lock(&mutex_);
  const absl::Status status =
      memory_.Bring(run_, {"step", Committed("bytes")}, nullptr, &of_run_)->status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("default/a"));
}

TEST_F(DriverMemoryTest, AnErrorOfAPullStaysOne) {
  ASSERT_FALSE(Bring(LargeValue("which it does not have", Replica("default/a"))).has_value());
  EXPECT_TRUE(absl::IsNotFound(Kept().status()));
  EXPECT_THAT(of_run_.objects, IsEmpty());
}

// promise: O-50
TEST_F(DriverMemoryTest, WhatIsOnItsWayTakesRoomUntilItIsCancelled) {
  Value value = Committed("bytes");
  value.size = kQuota;
  peer_.memory_endpoint = silent_.endpoint();
  ASSERT_FALSE(Bring(value).has_value());
  EXPECT_TRUE(absl::IsResourceExhausted(Now(Committed("other")).status()));
  memory_.Cancel(of_run_.pulls);
  EXPECT_TRUE(absl::IsCancelled(Kept().status()));
  EXPECT_FALSE(Bring(value).has_value());
}

// promise: M-24
TEST_F(DriverMemoryTest, WhatComesForARunThatHasEndedIsDropped) {
  const Value value = Committed(std::string(kQuota, 'x'));
  ASSERT_FALSE(Bring(value).has_value());
  of_run_.pulls.clear();
  DriverMemory::Pulled pulled = Await();
  ASSERT_TRUE(pulled.value.ok()) << pulled.value.status();
  EXPECT_FALSE(memory_.Keep(&pulled, &of_run_));
  EXPECT_TRUE(absl::IsResourceExhausted(Now(InlineValue("x", Replica("default/a"))).status()));
  memory_.Drop(pulled);
  EXPECT_TRUE(Now(InlineValue("x", Replica("default/a"))).ok());
}

}  // namespace
}  // namespace fractos
