// A Memory whose pulls never come.
#ifndef FRACTOS_TESTS_UNIT_LIB_DRIVER_SILENT_MEMORY_H_
#define FRACTOS_TESTS_UNIT_LIB_DRIVER_SILENT_MEMORY_H_

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "lib/base/unique_fd.h"

namespace fractos {

// Where connections are taken and nothing is ever said.
class SilentMemory {
 public:
  SilentMemory() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(socket_.get(), any, size), 0);
    EXPECT_EQ(::listen(socket_.get(), 16), 0);
    EXPECT_EQ(::getsockname(socket_.get(), any, &size), 0);
    endpoint_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  }
  const std::string& endpoint() const { return endpoint_; }

 private:
  const UniqueFd socket_;
  std::string endpoint_;
};

}  // namespace fractos

#endif  // FRACTOS_TESTS_UNIT_LIB_DRIVER_SILENT_MEMORY_H_
