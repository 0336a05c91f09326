#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/kube/client.h"
#include "lib/kube/errors.h"

namespace fractos::kube {
namespace {

using ::testing::ElementsAre;

const Collection kPods{{"", "v1", "pods"}, "default"};

// Serves `total` objects, and fails the list of that number.
class PagedServer final : public ListerWatcher {
 public:
  explicit PagedServer(int total) : total_(total) {}
  int fail_at = -1;
  absl::Status failure = ExpiredError("continue token is too old");
  std::vector<std::string> requests;

  absl::StatusOr<ObjectList> List(const Context&, const Collection&,
                                  const ListOptions& options) override {
    requests.push_back(absl::StrCat("limit=", options.limit, " continue=", options.continue_token,
                                    " rv=", options.resource_version,
                                    options.resource_version_match));
    if (static_cast<int>(requests.size()) - 1 == fail_at) return failure;
    int at = options.continue_token.empty() ? 0 : std::stoi(options.continue_token);
    const int end =
        options.limit == 0 ? total_ : std::min<int>(total_, at + static_cast<int>(options.limit));
    ObjectList list;
    list.resource_version = absl::StrCat("rv", requests.size());
    for (; at < end; ++at) list.items.emplace_back("v1", "Pod", "default", absl::StrCat("p", at));
    if (at < total_) list.continue_token = absl::StrCat(at);
    return list;
  }
  absl::StatusOr<std::unique_ptr<Watcher>> Watch(const Context&, const Collection&,
                                                 const WatchOptions&) override {
    return absl::UnimplementedError("");
  }

 private:
  const int total_;
};

// promise: K-06
TEST(PagerTest, ListsInPagesOf500) {
  PagedServer server(1100);
  const absl::StatusOr<Pager::Result> result =
      Pager(&server).List({}, kPods, {.resource_version = "0"});
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->paginated);
  EXPECT_EQ(result->list.items.size(), 1100u);
  EXPECT_EQ(result->list.items[1099].name(), "p1099");
  EXPECT_EQ(result->list.resource_version, "rv1");
  EXPECT_EQ(result->list.continue_token, "");
  EXPECT_THAT(server.requests, ElementsAre("limit=500 continue= rv=0", "limit=500 continue=500 rv=",
                                           "limit=500 continue=1000 rv="));
}

TEST(PagerTest, OnePageIsNotPaginated) {
  PagedServer server(500);
  const absl::StatusOr<Pager::Result> result = Pager(&server).List({}, kPods, {});
  ASSERT_TRUE(result.ok());
  EXPECT_FALSE(result->paginated);
  EXPECT_EQ(server.requests.size(), 1u);
}

// promise: K-06
TEST(PagerTest, AnOldTokenInTheMiddleMeansAFullList) {
  PagedServer server(1100);
  server.fail_at = 2;
  const absl::StatusOr<Pager::Result> result = Pager(&server).List(
      {}, kPods, {.resource_version = "7", .resource_version_match = "NotOlderThan"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->list.items.size(), 1100u);
  EXPECT_EQ(result->list.items[0].name(), "p0");
  EXPECT_EQ(result->list.resource_version, "rv4");
  EXPECT_EQ(server.requests.back(), "limit=0 continue= rv=7NotOlderThan");
}

// promise: K-06
TEST(PagerTest, OtherErrorsAreTheCallers) {
  PagedServer first(1100);
  first.fail_at = 0;
  EXPECT_TRUE(IsExpired(Pager(&first).List({}, kPods, {}).status()));
  EXPECT_EQ(first.requests.size(), 1u);

  PagedServer middle(1100);
  middle.fail_at = 1;
  middle.failure = ForbiddenError(kPods.resource, "list", "");
  EXPECT_TRUE(IsForbidden(Pager(&middle).List({}, kPods, {}).status()));
  EXPECT_EQ(middle.requests.size(), 2u);
}

TEST(PagerTest, WithoutPagesThereIsNoLimit) {
  PagedServer server(1100);
  ASSERT_TRUE(Pager(&server, 0).List({}, kPods, {.resource_version = "7"}).ok());
  EXPECT_THAT(server.requests, ElementsAre("limit=0 continue= rv=7"));
}

}  // namespace
}  // namespace fractos::kube
