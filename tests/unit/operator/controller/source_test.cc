#include "operator/controller/source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/unit/lib/kube/fake_time.h"

namespace fractos::ctrl {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kLabel[] = "fractos.dev/cluster";

kube::ObjectPtr Pod(const std::string& owner, const std::string& version = "1",
                    int64_t generation = 1) {
  kube::Object pod("v1", "Pod", "ns", "pod");
  if (!owner.empty()) pod.SetLabel(kLabel, owner);
  pod.set_resource_version(version);
  pod.mutable_metadata()["generation"] = generation;
  return std::make_shared<const kube::Object>(std::move(pod));
}

class SourceTest : public ::testing::Test {
 protected:
  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    while (queue_.Len() > 0) {
      keys.push_back(*queue_.Get());
      queue_.Done(keys.back());
    }
    return keys;
  }
  kube::FakeTime time_;
  kube::WorkQueue queue_{{&time_, nullptr, nullptr}};
};

TEST_F(SourceTest, AnObjectConcernsItselfOrWhomItsLabelNames) {
  EnqueueHandler self(&queue_, EnqueueRequestForObject());
  self.OnAdd(Pod("storage"), true);
  EXPECT_THAT(Keys(), ElementsAre("ns/pod"));

  EnqueueHandler owner(&queue_, EnqueueRequestForLabel(kLabel));
  owner.OnAdd(Pod("storage"), true);
  owner.OnAdd(Pod(""), true);
  EXPECT_THAT(Keys(), ElementsAre("ns/storage"));
}

TEST_F(SourceTest, AnOwnerThatLostAnObjectIsTold) {
  EnqueueHandler owner(&queue_, EnqueueRequestForLabel(kLabel));
  owner.OnUpdate(Pod("old"), Pod("new"));
  EXPECT_THAT(Keys(), ElementsAre("ns/old", "ns/new"));
  owner.OnDelete(Pod("new"), false);
  EXPECT_THAT(Keys(), ElementsAre("ns/new"));
}

TEST_F(SourceTest, PredicatesLeaveOutUpdatesThatAreNoNews) {
  EnqueueHandler spec(&queue_, EnqueueRequestForObject(), GenerationChanged);
  spec.OnUpdate(Pod("x", "1", 1), Pod("x", "2", 1));
  EXPECT_THAT(Keys(), IsEmpty()) << "only the status changed";
  spec.OnUpdate(Pod("x", "2", 1), Pod("x", "3", 2));
  EXPECT_THAT(Keys(), ElementsAre("ns/pod"));

  EnqueueHandler any(&queue_, EnqueueRequestForObject(), ResourceVersionChanged);
  any.OnUpdate(Pod("x", "2"), Pod("x", "2"));
  EXPECT_THAT(Keys(), IsEmpty());
}

}  // namespace
}  // namespace fractos::ctrl
