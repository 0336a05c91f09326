#include "lib/plan/task_graph.h"

#include <gtest/gtest.h>

namespace fractos {
namespace {

TEST(ModeTest, HasANameThatIsReadBack) {
  EXPECT_EQ(ModeName(Mode::kDistributed), "Distributed");
  EXPECT_EQ(ModeName(Mode::kCentralized), "Centralized");
  for (const Mode mode : {Mode::kDistributed, Mode::kCentralized}) {
    EXPECT_EQ(ParseMode(ModeName(mode)), mode);
  }
  for (const char* other : {"", "centralized", "Both"}) EXPECT_EQ(ParseMode(other), std::nullopt);
}

}  // namespace
}  // namespace fractos
