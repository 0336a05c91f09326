#include "cli/data_centre.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fractos {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> NewsOf(Roll* roll) {
  std::vector<std::string> lines;
  for (const ReplicaNews& news : roll->TakeNews()) lines.push_back(FormatNews(news));
  return lines;
}

PeerInfo Peer(uint32_t replica, uint64_t epoch) {
  PeerInfo peer;
  peer.self.address = {"default/clock", replica};
  peer.epoch = epoch;
  return peer;
}

TEST(RollTest, WhoLeadsInThePlaceOfAnotherIsNewsOnce) {
  Roll roll;
  roll.OnPeer(Peer(0, 1));
  roll.OnPeer(Peer(2, 0));
  EXPECT_THAT(NewsOf(&roll), IsEmpty()) << "the first leader is none";
  roll.Tell({{"default/clock", 0}, ReplicaNews::What::kDied});
  roll.OnPeer(Peer(2, 2));
  roll.OnPeer(Peer(2, 2));
  EXPECT_THAT(NewsOf(&roll), ElementsAre("clock-0 died", "clock-2 leads (epoch 2)"));
  EXPECT_THAT(NewsOf(&roll), IsEmpty());
}

}  // namespace
}  // namespace fractos
