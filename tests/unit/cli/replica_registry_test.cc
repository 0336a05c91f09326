#include "cli/replica_registry.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fractos {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> NewsOf(ReplicaRegistry* registry) {
  std::vector<std::string> lines;
  for (const ReplicaNews& news : registry->TakeNews()) lines.push_back(FormatNews(news));
  return lines;
}

PeerInfo Peer(uint32_t replica, uint64_t epoch) {
  PeerInfo peer;
  peer.self.address = {"default/clock", replica};
  peer.epoch = epoch;
  return peer;
}

TEST(ReplicaRegistryTest, WhoLeadsInThePlaceOfAnotherIsNewsOnce) {
  ReplicaRegistry registry;
  registry.OnPeer(Peer(0, 1));
  registry.OnPeer(Peer(2, 0));
  EXPECT_THAT(NewsOf(&registry), IsEmpty()) << "the first leader is none";
  registry.Tell({{"default/clock", 0}, ReplicaNews::What::kDied});
  registry.OnPeer(Peer(2, 2));
  registry.OnPeer(Peer(2, 2));
  EXPECT_THAT(NewsOf(&registry), ElementsAre("clock-0 died", "clock-2 leads (epoch 2)"));
  EXPECT_THAT(NewsOf(&registry), IsEmpty());
}

}  // namespace
}  // namespace fractos
