#include "cli/place.h"

#include "gtest/gtest.h"

namespace fractos {
namespace {

TEST(PlaceTest, KubectlsNameForItMeansACluster) {
  EXPECT_TRUE(IsKubectlPlugin("kubectl-fractos"));
  EXPECT_TRUE(IsKubectlPlugin("/usr/local/bin/kubectl-fractos"));
  EXPECT_FALSE(IsKubectlPlugin("/opt/kubectl-fractos/fractosctl"));
  EXPECT_FALSE(IsKubectlPlugin("fractosctl"));
}

TEST(PlaceTest, AnyOptionOfKubectlsMeansACluster) {
  EXPECT_FALSE(ClusterOptions().Given());
  EXPECT_TRUE((ClusterOptions{.kubeconfig = "f"}).Given());
  EXPECT_TRUE((ClusterOptions{.context = "c"}).Given());
  EXPECT_TRUE((ClusterOptions{.ns = "n"}).Given());
  EXPECT_TRUE((ClusterOptions{.all_namespaces = true}).Given());
}

}  // namespace
}  // namespace fractos
