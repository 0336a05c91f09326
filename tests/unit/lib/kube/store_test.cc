#include "lib/kube/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fractos::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ObjectPtr Pod(absl::string_view ns, absl::string_view name,
              const std::vector<std::string>& owners = {}) {
  Object pod("v1", "Pod", ns, name);
  for (const std::string& uid : owners) {
    pod.mutable_metadata()["ownerReferences"].push_back(
        {{"apiVersion", "v1"}, {"kind", "X"}, {"name", "x"}, {"uid", uid}});
  }
  return std::make_shared<const Object>(std::move(pod));
}

constexpr char kNamespaceIndex[] = "namespace";
constexpr char kOwnerUidIndex[] = "ownerUid";

std::vector<std::string> IndexByNamespace(const Object& object) { return {object.ns()}; }

std::vector<std::string> IndexByOwnerUid(const Object& object) {
  std::vector<std::string> uids;
  for (const OwnerReference& owner : object.owner_references()) uids.push_back(owner.uid);
  return uids;
}

std::vector<std::string> Names(const std::vector<ObjectPtr>& objects) {
  std::vector<std::string> names;
  for (const ObjectPtr& object : objects) names.push_back(object->key().ToString());
  return names;
}

TEST(StoreTest, FindsByKeyAndListsInOrder) {
  Store store;
  EXPECT_EQ(store.Put(Pod("b", "x")), nullptr);
  store.Put(Pod("a", "y"));
  store.Put(Pod("", "node"));
  EXPECT_THAT(store.Keys(), ElementsAre("a/y", "b/x", "node"));
  EXPECT_EQ(store.Get("b/x")->name(), "x");
  EXPECT_EQ(store.Get("b/z"), nullptr);
  const ObjectPtr second = Pod("b", "x");
  EXPECT_NE(store.Put(second), nullptr);
  EXPECT_EQ(store.Get("b/x"), second);  // itself, no copy
  EXPECT_EQ(store.Erase("b/x"), second);
  EXPECT_EQ(store.Erase("b/x"), nullptr);
  EXPECT_EQ(store.size(), 2u);
}

TEST(StoreTest, IndicesFollowEveryChange) {
  // promise: K-62
  Store store;
  store.Put(Pod("a", "early", {"u1"}));
  store.AddIndex(kNamespaceIndex, IndexByNamespace);
  store.AddIndex(kOwnerUidIndex, IndexByOwnerUid);
  store.Put(Pod("a", "p", {"u1", "u2"}));
  store.Put(Pod("b", "p", {"u2"}));
  EXPECT_THAT(Names(store.ByIndex(kNamespaceIndex, "a")), ElementsAre("a/early", "a/p"));
  EXPECT_THAT(Names(store.ByIndex(kOwnerUidIndex, "u1")), ElementsAre("a/early", "a/p"));
  EXPECT_THAT(Names(store.ByIndex(kOwnerUidIndex, "u2")), ElementsAre("a/p", "b/p"));
  store.Put(Pod("a", "p", {"u3"}));
  EXPECT_THAT(Names(store.ByIndex(kOwnerUidIndex, "u2")), ElementsAre("b/p"));
  store.Erase("b/p");
  EXPECT_THAT(store.ByIndex(kOwnerUidIndex, "u2"), IsEmpty());
  EXPECT_THAT(Names(store.ByIndex(kOwnerUidIndex, "u3")), ElementsAre("a/p"));
  EXPECT_THAT(store.ByIndex("no such index", "u1"), IsEmpty());
}

TEST(StoreTest, ACustomIndexMayGiveNoValueOrSeveral) {
  Store store;
  store.AddIndex("letters", [](const Object& object) {
    std::vector<std::string> letters;
    for (const char c : object.name()) letters.emplace_back(1, c);
    return letters;
  });
  store.Put(Pod("a", "xy"));
  store.Put(Pod("a", "yz"));
  EXPECT_THAT(Names(store.ByIndex("letters", "y")), ElementsAre("a/xy", "a/yz"));
  EXPECT_THAT(Names(store.ByIndex("letters", "x")), ElementsAre("a/xy"));
}

TEST(StoreTest, ReplaceHoldsExactlyWhatItIsGiven) {
  Store store;
  store.AddIndex(kNamespaceIndex, IndexByNamespace);
  store.Put(Pod("a", "old"));
  store.Put(Pod("a", "both"));
  const auto before = store.Replace({Pod("a", "both"), Pod("c", "new")});
  EXPECT_EQ(before.size(), 2u);
  EXPECT_THAT(store.Keys(), ElementsAre("a/both", "c/new"));
  EXPECT_THAT(Names(store.ByIndex(kNamespaceIndex, "a")), ElementsAre("a/both"));
  EXPECT_THAT(Names(store.ByIndex(kNamespaceIndex, "c")), ElementsAre("c/new"));
}

}  // namespace
}  // namespace fractos::kube
