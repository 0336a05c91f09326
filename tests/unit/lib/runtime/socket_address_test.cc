#include "lib/runtime/socket_address.h"

#include <sys/socket.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;

TEST(SocketAddressTest, IsThePathAsItStands) {
  for (const std::string& path : {std::string("s"), std::string(107, 'x')}) {
    const absl::StatusOr<sockaddr_un> address = SocketAddress(path);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->sun_family, AF_UNIX);
    EXPECT_EQ(std::string(address->sun_path), path);
  }
}

TEST(SocketAddressTest, IsRefusedWhenThereIsNoPathOrNoRoomForIt) {
  for (const std::string& path : {std::string(), std::string(108, 'x')}) {
    const absl::Status refused = SocketAddress(path).status();
    EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
    EXPECT_THAT(
        std::string(refused.message()),
        HasSubstr("\"" + path + "\" cannot be a socket path: it is empty or longer than 107"));
  }
}

}  // namespace
}  // namespace fractos
