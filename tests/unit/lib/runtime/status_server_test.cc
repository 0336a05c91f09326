#include "lib/runtime/status_server.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "lib/runtime/http_probe.h"

namespace fractos {
namespace {

std::unique_ptr<StatusServer> Serve(StatusServer::Pages pages) {
  return StatusServer::Start("127.0.0.1:0", std::move(pages)).value();
}
absl::StatusCode Get(const StatusServer& server, const std::string& path) {
  return ProbeHttp(absl::StrCat("http://", server.address(), path)).code();
}

TEST(StatusServerTest, ServesThePagesThatThereAre) {
  std::string sick;
  const auto server = Serve({nullptr, [&sick] { return sick; }, nullptr});
  EXPECT_EQ(Get(*server, "/healthz"), absl::StatusCode::kOk);
  sick = "the renewal hangs";
  EXPECT_EQ(Get(*server, "/healthz"), absl::StatusCode::kFailedPrecondition);
  const absl::Status why = ProbeHttp(absl::StrCat("http://", server->address(), "/healthz"));
  EXPECT_NE(why.message().find("the renewal hangs"), absl::string_view::npos) << why;
  EXPECT_EQ(Get(*server, "/metrics"), absl::StatusCode::kFailedPrecondition);
}

TEST(StatusServerTest, ProbesSayWhatIsWrong) {
  EXPECT_EQ(ProbeHttp("ftp://x").code(), absl::StatusCode::kInvalidArgument);
  std::string address;
  address = Serve({})->address();
  EXPECT_EQ(ProbeHttp(absl::StrCat("http://", address, "/")).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(StatusServer::Start("nowhere", {}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace fractos
