// The same result once more, from another execution that agreed: its bytes live elsewhere now.
// "What was accepted stays as it was: of a later hand-over only where the same bytes live now is
// taken over."
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/daemon/continuation/core_harness.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;

class RenewTest : public CoreTest {
 protected:
  static ResultPtr MovedTo(const Incarnation& owner, const ResultPtr& result) {
    auto moved = std::make_shared<StepResult>(*result);
    moved->value.owner = moved->executor = owner;
    moved->value.object = NamedId<ObjectId>("at " + owner.address.ToString());
    return moved;
  }
  static StepPtr Two() { return NewStep("two", {"one"}, "default/b"); }
  HandOver One(const ResultPtr& result) const {
    return Hand({NewStep("one", {"read"}), Two()}, result);
  }

  const ResultPtr first_ = GivenLarge("read", "many bytes");
  const ResultPtr moved_ = MovedTo(kC, first_);
};

// promise: H-19
TEST_F(RenewTest, WhatIsBeingFetchedIsFetchedFromWhereItIsNow) {
  Receive(One(first_));
  Receive(One(moved_));
  ASSERT_EQ(All<Fetch>().size(), 1u);
  EXPECT_EQ(All<Fetch>()[0].value, moved_->value);
  EXPECT_EQ(core_->stats().attempts, 1u);
  Fetched(first_, absl::UnavailableError("its owner died"));
  EXPECT_EQ(core_->stats().executing, 1u) << "which nobody waits for any more";
  Fetched(moved_);
  ASSERT_TRUE(Executes("one"));
  ASSERT_EQ(All<Execute>()[0].inputs.size(), 1u);
  EXPECT_EQ(All<Execute>()[0].inputs[0].value, moved_->value);
  Produce("one");
  ASSERT_EQ(SentTo("two").ancestors.size(), 1u);
  EXPECT_EQ(SentTo("two").ancestors[0]->value, moved_->value);
}

// promise: H-19
TEST_F(RenewTest, AStepThatStarvesGoesOnAtOnce) {
  Receive(One(first_));
  Fetched(first_, absl::NotFoundError("gone"));
  Receive(One(moved_));
  ASSERT_EQ(All<Fetch>().size(), 1u);
  EXPECT_EQ(All<Fetch>()[0].value, moved_->value);
  Fetched(moved_);
  EXPECT_TRUE(Executes("one"));
  Advance(milliseconds(500));
  EXPECT_FALSE(Executes("one")) << "it is at work already";
}

TEST_F(RenewTest, WordOfWhereItWasLostIsOldNews) {
  Receive(One(first_));
  Fetched(first_, absl::NotFoundError("gone"));
  Receive(One(moved_));
  Receive(One(first_));
  EXPECT_TRUE(All<Fetch>().empty());
  Fetched(moved_);
  ASSERT_TRUE(Executes("one"));
  EXPECT_EQ(All<Execute>()[0].inputs[0].value, moved_->value);
}

// Bytes that came along stay, wherever their owner is.
TEST_F(RenewTest, BytesThatAreHereAreNotFetched) {
  const ResultPtr here = Given("read", "cat");
  const StepPtr join = NewStep("join", {"read", "else"});
  Receive(Hand({join}, here));
  auto elsewhere = std::make_shared<StepResult>(*MovedTo(kC, here));
  elsewhere->value.inline_bytes = nullptr;
  Receive(Hand({join}, elsewhere));
  EXPECT_TRUE(All<Fetch>().empty());
  Receive(Hand({join}, Given("else", "e")));
  ASSERT_TRUE(Executes("join"));
  const Value value = All<Execute>()[0].inputs[0].value;
  EXPECT_EQ(value.owner, kC);
  ASSERT_TRUE(value.IsInline());
  EXPECT_EQ(*value.inline_bytes, "cat");
}

TEST_F(RenewTest, BytesThatComeAlongNowAreTaken) {
  Receive(One(first_));
  auto with_bytes = std::make_shared<StepResult>(*moved_);
  with_bytes->value.inline_bytes = std::make_shared<const std::string>("many bytes");
  Receive(One(with_bytes));
  EXPECT_TRUE(Executes("one"));
}

TEST_F(RenewTest, WhatExecutesGoesOnAsItBegan) {
  Receive(One(first_));
  Fetched(first_);
  ASSERT_TRUE(Executes("one"));
  auto changed = std::make_shared<Step>(*NewStep("one", {"read"}));
  changed->operation = "shutdown";
  Receive(Hand({changed, Two()}, moved_));
  EXPECT_TRUE(All<Fetch>().empty());
  EXPECT_FALSE(Executes("one"));
  Produce("one");
  EXPECT_EQ(SentTo("two").ancestors[0]->value, moved_->value) << "whoever needs it finds it there";
}

// promise: H-19, M-09
TEST_F(RenewTest, AnInputThatMovesWhileItsStepExecutesIsPassedOnFromWhereItIsNow) {
  std::shared_ptr<Step> one = NewStep("one");
  one->inputs = {{"data", "read", /*passed=*/true}};
  Receive(Hand({one, Two()}, first_));
  ASSERT_TRUE(Executes("one"));
  Receive(Hand({one, Two()}, moved_));
  Executed("one", {Outcome::PassedInput{"data"}});
  EXPECT_EQ(SentTo("two").result->value, moved_->value);
}

TEST_F(RenewTest, AnInputThatMovesWhileItsStepExecutesIsFetchedAnewForTheNextTry) {
  std::shared_ptr<Step> one = NewStep("one", {"read"});
  one->retry.limit = 1;
  Receive(Hand({one, Two()}, first_));
  Fetched(first_);
  Receive(Hand({one, Two()}, moved_));
  Fail("one", /*retryable=*/true);
  EXPECT_EQ(All<Release>().size(), 1u) << "of what nobody reads any more";
  Advance(std::chrono::seconds(1));
  ASSERT_EQ(All<Fetch>().size(), 1u);
  EXPECT_EQ(All<Fetch>()[0].value, moved_->value);
}

TEST_F(RenewTest, OnlyWhatIsMadeOfItIsTouched) {
  const ResultPtr dog = GivenLarge("read", "other bytes");
  Receive(One(first_));
  Receive(One(dog));
  Receive(Hand({NewStep("join", {"read", "else"})}, first_));
  Receive(One(moved_));
  ASSERT_EQ(All<Fetch>().size(), 1u);
  EXPECT_EQ(All<Fetch>()[0].value, moved_->value);
  Fetched(dog);
  ASSERT_TRUE(Executes("one"));
  EXPECT_EQ(All<Execute>()[0].inputs[0].value, dog->value);
}

// What else a hand-over says of a result is what was known: another lineage, state or place in the
// graph under the same id is a lie.
// promise: H-36
TEST_F(RenewTest, AnotherResultUnderTheSameIdIsNotBelieved) {
  const auto changed = [this](const std::function<void(StepResult&)>& change) {
    auto result = std::make_shared<StepResult>(*moved_);
    change(*result);
    return result;
  };
  const ResultPtr lies[] = {
      changed([](StepResult& r) { r.state = ResultState::kFailed; }),
      changed([](StepResult& r) { r.value.digest = Digest::Of("other bytes"); }),
      changed([](StepResult& r) { r.value.size += 1; }),
  };
  Receive(One(first_));
  for (const ResultPtr& lie : lies) {
    Receive(One(lie));
    EXPECT_TRUE(All<Fetch>().empty());
  }
  Fetched(first_);
  ASSERT_TRUE(Executes("one"));
  EXPECT_EQ(All<Execute>()[0].inputs[0].value, first_->value);
}

TEST_F(RenewTest, TheLineageStaysThatWasKnown) {
  auto lie = std::make_shared<StepResult>(*moved_);
  lie->lineage = ComputeLineage({first_->id});
  Receive(One(first_));
  Receive(One(lie));
  Fetched(moved_);
  Produce("one");
  EXPECT_EQ(SentTo("two").ancestors[0]->lineage, first_->lineage);
}

TEST_F(RenewTest, SoMayWhatItStandsOn) {
  const ResultPtr source = GivenLarge("source", "s"), other = GivenLarge("other", "o");
  auto lie = std::make_shared<StepResult>(*MovedTo(kSelf, other));
  lie->id = source->id;
  auto another = std::make_shared<StepResult>(*MovedTo(kSelf, other));
  another->id = ResultId();
  Receive(Hand({NewStep("one", {"read"}), Two()}, first_, {source, other}));
  Receive(Hand({NewStep("one", {"read"}), Two()}, moved_, {MovedTo(kC, source), lie, another}));
  Fetched(moved_);
  Produce("one");
  const std::vector<ResultPtr> ancestors = SentTo("two").ancestors;
  ASSERT_EQ(ancestors.size(), 3u);
  EXPECT_EQ(ancestors[0]->value.owner, kC);
  EXPECT_EQ(*ancestors[1], *other) << "another id";
  EXPECT_EQ(ancestors[2]->value.owner, kC);
}

// promise: H-30
TEST_F(RenewTest, AnEffectThatIsFencedTakesItsInputsFromWhereTheyAreByThen) {
  std::shared_ptr<Step> put = NewStep("put", {"read"});
  put->effect = Effect::kIdempotent;
  Receive(Hand({put}, first_));
  Fetched(first_);
  Follow(kOther.address, 2);
  Produce("put");
  Lead(3);
  Receive(Hand({put}, moved_));
  ASSERT_EQ(All<Fetch>().size(), 1u);
  EXPECT_EQ(All<Fetch>()[0].value, moved_->value);
  Fetched(moved_);
  EXPECT_TRUE(Executes("put"));
}

// A committed result that is its input's value speaks of bytes that have moved; those who were told
// hear of it again.
// promise: H-19, M-09
TEST_F(RenewTest, WhoWasToldOfAPassedValueHearsWhereItIsNow) {
  std::shared_ptr<Step> one = NewStep("one");
  one->inputs = {{"data", "read", /*passed=*/true}};
  Receive(Hand({one, Two()}, first_));
  Executed("one", {Outcome::PassedInput{"data"}});
  const HandOver before = SentTo("two");
  Receive(Hand({one, Two()}, moved_));
  const HandOver after = SentTo("two");
  EXPECT_EQ(after.key(), before.key()) << "it is the same result";
  EXPECT_EQ(after.result->value, moved_->value);
  EXPECT_EQ(after.ancestors[0]->value, moved_->value);
}

TEST_F(RenewTest, WhenAnotherInputMovesNobodyHearsOfAPassedValueAgain) {
  std::shared_ptr<Step> one = NewStep("one");
  one->inputs = {{"data", "read", /*passed=*/true}, {"other", "else", /*passed=*/true}};
  const ResultPtr other = GivenLarge("else", "other bytes");
  Receive(Hand({one, Two()}, first_));
  Receive(Hand({one, Two()}, other));
  Executed("one", {Outcome::PassedInput{"data"}});
  Receive(Hand({one, Two()}, MovedTo(kC, other)));
  EXPECT_TRUE(Sent<HandOver>().empty());
}

TEST_F(RenewTest, OfAValueOfItsOwnNobodyHearsAgain) {
  Receive(One(first_));
  Fetched(first_);
  Produce("one");
  Receive(One(moved_));
  EXPECT_TRUE(Sent<HandOver>().empty());
}

class RenewRefinedTest : public RenewTest {
 protected:
  RenewRefinedTest() {
    signatures_ = {MultiplyOf("default/b")};
    power_->refines_to = {signatures_[0].Key()};
  }
  HandOver Power(const ResultPtr& base) const {
    return Hand({power_, NewStep("print", {"power"}, "default/c")}, base);
  }
  // Into one step elsewhere, which takes the input over.
  void Refine() {
    RefinedStep step = NewMultiply({{"a", -1, "read"}});
    step.cluster = "default/b";
    Executed("power", {Outcome::Refined{{step}, InlineValue(EncodeRefinement({step}), kSelf)}});
  }
  const std::shared_ptr<Step> power_ = NewStep("power", {"read"});
};

// promise: H-19
TEST_F(RenewRefinedTest, RefinedStepsHearWhereWhatTheyTookOverIsNow) {
  Receive(Power(first_));
  Fetched(first_);
  Refine();
  const HandOver before = TheSent<HandOver>();
  ASSERT_EQ(before.step().bound.size(), 1u);
  EXPECT_EQ(before.step().bound[0].value, first_->value);
  Receive(Power(moved_));
  const HandOver after = TheSent<HandOver>();
  EXPECT_EQ(after.key(), before.key());
  EXPECT_EQ(after.step().bound[0].value, moved_->value);
}

// The other side of it: the refined step's daemon, for which the result is as it was and only the
// bound input has moved.
// promise: H-19
TEST_F(RenewRefinedTest, ABoundInputIsFetchedFromWhereItIsNow) {
  const ResultPtr refinement =
      NewResult(kRun, *power_, {}, InlineValue("[...]", kB), ResultState::kRefined);
  const auto step = [this](const Value& value) {
    std::shared_ptr<Step> refined = NewStep("power/0@1");
    refined->after = {"power"};
    refined->bound = {{"a", value, false}, {"b", InlineValue("7", kB), false}};
    return refined;
  };
  const auto hand = [&](const Value& value, const std::string& later) {
    std::shared_ptr<Step> next = NewStep("next", {"power/0@1"});
    next->arguments = later;
    next->bound = {{"c", value, false}};
    return Hand({step(value), next}, refinement);
  };
  Receive(hand(first_->value, "{}"));
  ASSERT_EQ(All<Fetch>().size(), 1u);
  Receive(hand(first_->value, "{\"changed\": true}"));
  EXPECT_TRUE(All<Fetch>().empty());
  Receive(hand(moved_->value, "{\"changed\": true}"));
  ASSERT_EQ(All<Fetch>().size(), 1u);
  EXPECT_EQ(All<Fetch>()[0].value, moved_->value);
  Fetched(moved_);
  ASSERT_TRUE(Executes("power/0@1"));
  ASSERT_EQ(All<Execute>()[0].inputs.size(), 2u);
  EXPECT_EQ(All<Execute>()[0].inputs[0].value, moved_->value);
  EXPECT_EQ(*All<Execute>()[0].inputs[1].value.inline_bytes, "7");
  Produce("power/0@1");
  ASSERT_TRUE(Executes("next"));
  EXPECT_EQ(All<Execute>()[0].step->arguments, "{}") << "as it was accepted";
  EXPECT_EQ(All<Execute>()[0].inputs.back().value, moved_->value);
}

// promise: H-36
TEST_F(RenewRefinedTest, OtherBoundInputsAreNotBelieved) {
  const ResultPtr refinement =
      NewResult(kRun, *power_, {}, InlineValue("[...]", kB), ResultState::kRefined);
  const auto hand = [&](std::vector<BoundInput> bound) {
    std::shared_ptr<Step> refined = NewStep("power/0@1");
    refined->after = {"power"};
    refined->bound = std::move(bound);
    return Hand({refined}, refinement);
  };
  Receive(hand({{"a", first_->value, false}}));
  Receive(hand({{"a", moved_->value, false}, {"b", moved_->value, false}}));
  EXPECT_TRUE(All<Fetch>().empty()) << "more than there were";
  Receive(hand({{"a", LargeValue("other bytes", kC), false}}));
  EXPECT_TRUE(All<Fetch>().empty());
  Value longer = moved_->value;
  longer.size += 1;
  Receive(hand({{"a", longer, false}}));
  EXPECT_TRUE(All<Fetch>().empty());
  Fetched(first_);
  ASSERT_TRUE(Executes("power/0@1"));
  EXPECT_EQ(All<Execute>()[0].inputs[0].value, first_->value);
}

}  // namespace
}  // namespace fractos
