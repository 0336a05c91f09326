// Each trap of cpprestsdk that cpprest_transport.h lists, against a real TLS server.
#include "lib/kube/cpprest_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "lib/kube/errors.h"
#include "tests/unit/lib/kube/temporary_folder.h"
#include "tests/unit/lib/kube/tls_test_server.h"

namespace fractos::kube {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kNames[] = "DNS:localhost,IP:127.0.0.1,IP:::1";
constexpr char kChunkedHead[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

const TestAuthority& Authority() {
  static const TestAuthority* const authority = new TestAuthority("cluster");
  return *authority;
}

TransportConfig ConfigFor(const TlsTestServer& server) {
  return {.host = "localhost", .port = server.port(), .ca_pem = Authority().ca_pem()};
}

HttpRequest GetOf(const std::string& target) { return {.method = "GET", .target = target}; }

struct Answer {
  int status = 0;
  std::string body = {};
};

absl::StatusOr<Answer> Ask(HttpTransport& transport, const HttpRequest& request) {
  absl::StatusOr<std::unique_ptr<HttpResponse>> response = transport.Send({}, request);
  if (!response.ok()) return response.status();
  absl::StatusOr<std::string> body = ReadBody({}, **response, 1 << 20);
  if (!body.ok()) return body.status();
  return Answer{(*response)->status(), *std::move(body)};
}

std::optional<TransportFailure> FailureOf(const absl::StatusOr<Answer>& answer) {
  return GetTransportFailure(answer.status());
}

// Answers every request with its own text.
void Echo(TestConnection& connection) {
  while (std::optional<std::string> request = connection.ReadRequest()) {
    connection.Answer(200, *request);
  }
}

TestIdentity ServerIdentity() { return Authority().Issue("server", kNames); }

// What is sent

TEST(CpprestTransportTest, SendsRequestsAndReadsAnswers) {
  TlsTestServer server(ServerIdentity(), Echo);
  const auto transport = NewCpprestTransport(ConfigFor(server)).value();
  const absl::StatusOr<Answer> answer =
      Ask(*transport, {.method = "POST",
                       .target = "/apis/apps/v1/x?labelSelector=a%3Db%2Cc&limit=1",
                       .headers = {{"Authorization", "Bearer t"},
                                   {"Impersonate-Group", "a"},
                                   {"Impersonate-Group", "b"},
                                   {"Content-Type", "application/apply-patch+yaml"}},
                       .body = "{\"a\":1}"});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 200);
  EXPECT_THAT(answer->body, HasSubstr("POST /apis/apps/v1/x?labelSelector=a%3Db%2Cc&limit=1 HTTP"));
  EXPECT_THAT(answer->body, HasSubstr("Authorization:Bearer t\r\n"));
  EXPECT_THAT(answer->body, HasSubstr("Content-Type:application/apply-patch+yaml\r\n"));
  EXPECT_THAT(answer->body, HasSubstr(absl::StrCat("Host:localhost:", server.port(), "\r\n")));
  EXPECT_THAT(answer->body, HasSubstr("Impersonate-Group:a\r\nImpersonate-Group:b\r\n"));
  EXPECT_THAT(answer->body, HasSubstr("\r\n\r\n{\"a\":1}"));
}

TEST(CpprestTransportTest, HeadersAreFoundWhateverTheirCase) {
  TlsTestServer server(ServerIdentity(), [](TestConnection& connection) {
    while (connection.ReadRequest().has_value()) connection.Answer(429, "", "retry-AFTER: 7\r\n");
  });
  const auto transport = NewCpprestTransport(ConfigFor(server)).value();
  const auto response = transport->Send({}, GetOf("/")).value();
  EXPECT_EQ(response->status(), 429);
  EXPECT_EQ(response->header("Retry-After"), "7");
  EXPECT_EQ(response->header("Other"), "");
}

// promise: K-20
TEST(CpprestTransportTest, WhatCannotBeSentIsRefusedHere) {
  TlsTestServer server(ServerIdentity(), Echo);
  const auto transport = NewCpprestTransport(ConfigFor(server)).value();
  const auto code = [&transport](const HttpRequest& request) {
    return Ask(*transport, request).status().code();
  };
  EXPECT_EQ(code(GetOf("")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(GetOf("no slash")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(GetOf("/a b")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.method = "GET", .target = "/", .headers = {{"Authorization", "a\r\nX: b"}}}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(server.connections(), 0);
}

TEST(CpprestTransportTest, RefusesAConfigurationThatIsOfNoUse) {
  const TestIdentity one = Authority().Issue("one", ""), two = Authority().Issue("two", "");
  const TransportConfig good{.host = "localhost", .port = 1};
  const auto refused = [&good](const std::function<void(TransportConfig&)>& change) {
    TransportConfig config = good;
    change(config);
    return absl::IsInvalidArgument(NewCpprestTransport(config).status());
  };
  EXPECT_FALSE(refused([](TransportConfig&) {}));
  EXPECT_TRUE(refused([](TransportConfig& c) { c.ca_pem = "garbage"; }));
  EXPECT_TRUE(refused([](TransportConfig& c) {
    c.ca_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  }));
  EXPECT_TRUE(refused([&one](TransportConfig& c) { c.cert_pem = one.cert_pem; }));
  EXPECT_TRUE(refused([&](TransportConfig& c) {
    c.cert_pem = one.cert_pem;
    c.key_pem = two.key_pem;
  }));
  EXPECT_TRUE(refused([&](TransportConfig& c) {
    c.cert_pem = one.cert_pem;
    c.key_pem = "garbage";
  }));
  EXPECT_TRUE(refused([](TransportConfig& c) { c.proxy_url = "socks5://x:1"; }));
  EXPECT_TRUE(refused([](TransportConfig& c) { c.host = "a b"; }));
}

// Whom one talks to

// promise: K-21
TEST(CpprestTransportTest, TrustsTheClustersAuthorityAlone) {
  TlsTestServer server(ServerIdentity(), Echo);
  TransportConfig config = ConfigFor(server);
  EXPECT_TRUE(Ask(*NewCpprestTransport(config).value(), GetOf("/")).ok());
  const int connections = server.connections();

  config.ca_pem = TestAuthority("another").ca_pem();
  const absl::StatusOr<Answer> answer = Ask(*NewCpprestTransport(config).value(), GetOf("/"));
  EXPECT_EQ(FailureOf(answer), TransportFailure::kOther) << answer.status();
  EXPECT_THAT(std::string(answer.status().message()), HasSubstr("certificate verify failed"));
  EXPECT_EQ(server.connections(), connections);
}

// promise: K-21
TEST(CpprestTransportTest, TheSystemsAuthoritiesCountOnlyWhenTheClusterNamesNone) {
  TlsTestServer server(ServerIdentity(), Echo);
  const TemporaryFolder folder;
  const std::string system = folder.Write("system.pem", Authority().ca_pem());
  ::setenv("SSL_CERT_FILE", system.c_str(), 1);
  TransportConfig config = ConfigFor(server);
  config.ca_pem = TestAuthority("another").ca_pem();
  EXPECT_EQ(FailureOf(Ask(*NewCpprestTransport(config).value(), GetOf("/"))),
            TransportFailure::kOther);
  config.ca_pem = "";
  EXPECT_TRUE(Ask(*NewCpprestTransport(config).value(), GetOf("/")).ok());
  ::unsetenv("SSL_CERT_FILE");
  EXPECT_EQ(FailureOf(Ask(*NewCpprestTransport(config).value(), GetOf("/"))),
            TransportFailure::kOther);
  config.insecure = true;
  EXPECT_TRUE(Ask(*NewCpprestTransport(config).value(), GetOf("/")).ok());
}

// promise: K-22
TEST(CpprestTransportTest, TheCertificateMustBeForTheServersName) {
  absl::Mutex mutex;
  std::string sni = "?";
  TlsTestServer server(Authority().Issue("localhost", "DNS:kubernetes.default.svc"),
                       [&](TestConnection& connection) {
                         {
                           absl::MutexLock lock(&mutex);
                           sni = connection.sni();
                         }
                         Echo(connection);
                       });
  TransportConfig config = ConfigFor(server);
  // The common name says "localhost", but does not count.
  EXPECT_EQ(FailureOf(Ask(*NewCpprestTransport(config).value(), GetOf("/"))),
            TransportFailure::kOther);
  config.server_name = "kubernetes.default.svc";
  EXPECT_TRUE(Ask(*NewCpprestTransport(config).value(), GetOf("/")).ok());
  absl::MutexLock lock(&mutex);
  EXPECT_EQ(sni, "kubernetes.default.svc");
}

// promise: K-22
TEST(CpprestTransportTest, AnAddressIsNoTlsName) {
  absl::Mutex mutex;
  std::string sni = "?";
  TlsTestServer server(ServerIdentity(), [&](TestConnection& connection) {
    {
      absl::MutexLock lock(&mutex);
      sni = connection.sni();
    }
    Echo(connection);
  });
  TransportConfig config = ConfigFor(server);
  config.host = "127.0.0.1";
  const absl::StatusOr<Answer> answer = Ask(*NewCpprestTransport(config).value(), GetOf("/"));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->body, HasSubstr(absl::StrCat("Host:127.0.0.1:", server.port())));
  {
    absl::MutexLock lock(&mutex);
    EXPECT_EQ(sni, "");
  }
  TlsTestServer other(Authority().Issue("127.0.0.1", "DNS:localhost,IP:127.0.0.2"), Echo);
  config.port = other.port();
  EXPECT_EQ(FailureOf(Ask(*NewCpprestTransport(config).value(), GetOf("/"))),
            TransportFailure::kOther);
}

// promise: K-23
TEST(CpprestTransportTest, ReachesAnIpv6Address) {
  TlsTestServer server(ServerIdentity(), Echo, {.address = "::1"});
  if (!server.ok()) GTEST_SKIP() << "this machine has no ::1";
  TransportConfig config = ConfigFor(server);
  config.host = "::1";
  const absl::StatusOr<Answer> answer = Ask(*NewCpprestTransport(config).value(), GetOf("/"));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->body, HasSubstr(absl::StrCat("Host:[::1]:", server.port())));
}

// promise: K-24
TEST(CpprestTransportTest, ShowsItsCertificateAndANewOneInANewTransport) {
  absl::Mutex mutex;
  std::string subject;
  TlsTestServer server(ServerIdentity(),
                       [&](TestConnection& connection) {
                         {
                           absl::MutexLock lock(&mutex);
                           subject = connection.client_subject();
                         }
                         Echo(connection);
                       },
                       {.client_ca_pem = Authority().ca_pem()});
  TransportConfig config = ConfigFor(server);
  EXPECT_FALSE(Ask(*NewCpprestTransport(config).value(), GetOf("/")).ok());
  for (const char* name : {"first", "second"}) {
    const TestIdentity identity = Authority().Issue(name, "");
    config.cert_pem = identity.cert_pem;
    config.key_pem = identity.key_pem;
    const absl::StatusOr<Answer> answer = Ask(*NewCpprestTransport(config).value(), GetOf("/"));
    ASSERT_TRUE(answer.ok()) << answer.status();
    absl::MutexLock lock(&mutex);
    EXPECT_EQ(subject, name);
  }
}

// promise: K-14
TEST(CpprestTransportTest, GoesThroughAProxyThatSeesNoMoreThanTheAddress) {
  absl::Mutex mutex;
  std::string sni;
  TlsTestServer server(ServerIdentity(), [&](TestConnection& connection) {
    {
      absl::MutexLock lock(&mutex);
      sni = connection.sni();
    }
    Echo(connection);
  });
  TestProxy proxy(server.port());
  TransportConfig config = ConfigFor(server);
  config.proxy_url = absl::StrCat("http://127.0.0.1:", proxy.port());
  const auto transport = NewCpprestTransport(config).value();
  for (int i = 0; i < 3; ++i) {
    const absl::StatusOr<Answer> answer =
        Ask(*transport,
            {.method = "POST", .target = "/x", .headers = {{"Authorization", "t"}}, .body = "{}"});
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_THAT(answer->body, HasSubstr("POST /x HTTP/1.1"));
  }
  EXPECT_THAT(proxy.request(),
              HasSubstr(absl::StrCat("CONNECT localhost:", server.port(), " HTTP/1.1")));
  EXPECT_THAT(proxy.request(), Not(HasSubstr("Authorization")));
  absl::MutexLock lock(&mutex);
  EXPECT_EQ(sni, "localhost");
}

// promise: K-25
TEST(CpprestTransportTest, RedirectsAreNotFollowed) {
  TlsTestServer elsewhere(ServerIdentity(), Echo);
  for (const int status : {301, 302, 303, 307, 308}) {
    TlsTestServer server(ServerIdentity(), [&, status](TestConnection& connection) {
      while (connection.ReadRequest().has_value()) {
        connection.Answer(
            status, "",
            absl::StrCat("Location: https://localhost:", elsewhere.port(), "/steal\r\n"));
      }
    });
    const auto transport = NewCpprestTransport(ConfigFor(server)).value();
    const absl::StatusOr<Answer> answer =
        Ask(*transport,
            {.method = "GET", .target = "/", .headers = {{"Authorization", "Bearer secret"}}});
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->status, status);
  }
  EXPECT_EQ(elsewhere.connections() + elsewhere.failed_handshakes(), 0);
}

// How a body ends

// promise: K-26
TEST(CpprestTransportTest, AStreamEndsInGoodOrder) {
  TlsTestServer server(ServerIdentity(), [](TestConnection& connection) {
    connection.ReadRequest();
    connection.Write(kChunkedHead);
    connection.Chunk("one\n");
    connection.Chunk("two\n");
    connection.Chunk("");
  });
  const auto transport = NewCpprestTransport(ConfigFor(server)).value();
  const auto response = transport->Send({}, GetOf("/")).value();
  EXPECT_EQ(ReadBody({}, *response, 100).value(), "one\ntwo\n");
  EXPECT_EQ(response->Read({}).value(), "");
  EXPECT_EQ(response->Read({}).value(), "");
}

// promise: K-26
TEST(CpprestTransportTest, AStreamThatBreaksOffIsAnError) {
  for (const char* tail : {"", "5", "5\r\n", "5\r\nab", "5\r\nabcde", "5\r\nabcde\r\n"}) {
    for (const bool abrupt : {true, false}) {
      TlsTestServer server(ServerIdentity(), [tail, abrupt](TestConnection& connection) {
        connection.ReadRequest();
        connection.Write(kChunkedHead);
        connection.Chunk("one\n");
        connection.Write(tail);
        if (abrupt) connection.set_abrupt();
      });
      const auto transport = NewCpprestTransport(ConfigFor(server)).value();
      const absl::StatusOr<Answer> answer = Ask(*transport, GetOf("/"));
      EXPECT_EQ(FailureOf(answer), TransportFailure::kConnectionLost)
          << tail << abrupt << answer.status();
    }
  }
}

// promise: K-26
TEST(CpprestTransportTest, ABodyShorterThanItsLengthIsAnError) {
  TlsTestServer server(ServerIdentity(), [](TestConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort");
  });
  const auto transport = NewCpprestTransport(ConfigFor(server)).value();
  EXPECT_EQ(FailureOf(Ask(*transport, GetOf("/"))), TransportFailure::kConnectionLost);
}

TEST(CpprestTransportTest, WhatIsNoHttpIsAnError) {
  for (const char* bytes :
       {"garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc"}) {
    TlsTestServer server(ServerIdentity(), [bytes](TestConnection& connection) {
      connection.ReadRequest();
      connection.Write(bytes);
    });
    const auto transport = NewCpprestTransport(ConfigFor(server)).value();
    EXPECT_EQ(FailureOf(Ask(*transport, GetOf("/"))), TransportFailure::kOther) << bytes;
  }
}

TEST(CpprestTransportTest, ABodyIsBounded) {
  TlsTestServer server(ServerIdentity(), [](TestConnection& connection) {
    connection.ReadRequest();
    connection.Write(kChunkedHead);
    while (connection.Chunk(std::string(1000, 'x'))) {
    }
  });
  const auto transport = NewCpprestTransport(ConfigFor(server)).value();
  const auto response = transport->Send({}, GetOf("/")).value();
  EXPECT_TRUE(absl::IsResourceExhausted(ReadBody({}, *response, 10'000).status()));
}

// promise: K-27
TEST(CpprestTransportTest, AReaderThatIsSlowHoldsTheSenderBack) {
  constexpr size_t kChunk = 64 * 1024, kTotal = 64 * 1024 * 1024;
  absl::Notification blocked;
  std::atomic<size_t> sent{0};
  TlsTestServer server(ServerIdentity(), [&](TestConnection& connection) {
    connection.ReadRequest();
    connection.Write(kChunkedHead);
    const std::string chunk =
        absl::StrCat(absl::Hex(kChunk), "\r\n", std::string(kChunk, 'x'), "\r\n");
    while (sent < kTotal && connection.WriteWithin(chunk, /*patience_ms=*/300)) sent += kChunk;
    blocked.Notify();
    for (; sent < kTotal && connection.Write(chunk); sent += kChunk) {
    }
    connection.Chunk("");
  });
  const auto transport = NewCpprestTransport(ConfigFor(server)).value();
  const auto response = transport->Send({}, GetOf("/")).value();
  blocked.WaitForNotification();
  EXPECT_LT(sent, kTotal / 2);  // what the kernel's buffers and ours hold
  EXPECT_EQ(ReadBody({}, *response, 2 * kTotal)->size(), kTotal);
}

// Waiting, and not any more

// promise: K-28
TEST(CpprestTransportTest, ASilentPeerTimesOutInItsLane) {
  TlsTestServer server(ServerIdentity(), [](TestConnection& connection) {
    const std::optional<std::string> request = connection.ReadRequest();
    if (request.has_value() && absl::StrContains(*request, "/stream")) {
      connection.Write(kChunkedHead);
      connection.Chunk("one\n");
    }
    connection.AwaitClose();
  });
  const auto transport = NewCpprestTransport(ConfigFor(server), {.watch_idle = milliseconds(150),
                                                                 .lease_idle = milliseconds(100)})
                             .value();
  HttpRequest request = GetOf("/stream");
  request.lane = Lane::kWatch;
  const auto response = transport->Send({}, request).value();
  EXPECT_EQ(response->Read({}).value(), "one\n");
  EXPECT_EQ(GetTransportFailure(response->Read({}).status()), TransportFailure::kTimeout);
  request = GetOf("/silence");
  request.lane = Lane::kLease;
  EXPECT_EQ(FailureOf(Ask(*transport, request)), TransportFailure::kTimeout);
}

// promise: K-29
TEST(CpprestTransportTest, AStopUnblocksWhoeverWaits) {
  TlsTestServer server(ServerIdentity(), [](TestConnection& connection) {
    const std::optional<std::string> request = connection.ReadRequest();
    if (request.has_value() && absl::StrContains(*request, "/stream")) {
      connection.Write(kChunkedHead);
    }
    connection.AwaitClose();
  });
  const auto transport = NewCpprestTransport(ConfigFor(server)).value();
  {
    std::stop_source stop;
    absl::Status status;
    std::thread caller(
        [&] { status = transport->Send({.stop = stop.get_token()}, GetOf("/silence")).status(); });
    stop.request_stop();
    caller.join();
    EXPECT_TRUE(absl::IsCancelled(status)) << status;
  }
  const auto response = transport->Send({}, GetOf("/stream")).value();
  {
    std::stop_source stop;
    absl::Status status;
    std::thread caller([&] { status = response->Read({.stop = stop.get_token()}).status(); });
    stop.request_stop();
    caller.join();
    EXPECT_TRUE(absl::IsCancelled(status)) << status;
  }
  // The stream is as it was until somebody closes it.
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      response->Read({.deadline = std::chrono::steady_clock::now()}).status()));
  absl::Status status;
  std::thread caller([&] { status = response->Read({}).status(); });
  response->Close();
  caller.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

// promise: K-29
TEST(CpprestTransportTest, ADeadlineEndsAWait) {
  TlsTestServer server(ServerIdentity(), [](TestConnection& connection) {
    connection.AwaitClose();  // which also proves that the connection is given up
  });
  const auto transport = NewCpprestTransport(ConfigFor(server)).value();
  const absl::Status status =
      transport->Send({.deadline = std::chrono::steady_clock::now() + milliseconds(50)}, GetOf("/"))
          .status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_EQ(GetTransportFailure(status), std::nullopt);
}

// promise: K-29
TEST(CpprestTransportTest, ItsEndClosesEveryAnswer) {
  TlsTestServer server(ServerIdentity(), [](TestConnection& connection) {
    connection.ReadRequest();
    connection.Write(kChunkedHead);
    connection.AwaitClose();
  });
  auto transport = NewCpprestTransport(ConfigFor(server)).value();
  const auto first = transport->Send({}, GetOf("/")).value();
  transport->CloseAll();
  EXPECT_TRUE(absl::IsCancelled(first->Read({}).status()));
  const auto second = transport->Send({}, GetOf("/")).value();
  std::thread reader([&] { EXPECT_TRUE(absl::IsCancelled(second->Read({}).status())); });
  transport.reset();
  reader.join();
}

// What happens to a write

// promise: K-30
TEST(CpprestTransportTest, AWriteIsNotRepeatedOnAConnectionThatDied) {
  std::atomic<int> writes{0}, on_reused{0};
  TlsTestServer server(ServerIdentity(), [&](TestConnection& connection) {
    for (int requests = 0; std::optional<std::string> request = connection.ReadRequest();
         ++requests) {
      if (!absl::StartsWith(*request, "GET")) {
        ++writes;
        if (requests > 0) ++on_reused;
        return;  // closed without an answer, as by a server that restarts
      }
      connection.Answer(200, "");
    }
  });
  const auto transport = NewCpprestTransport(ConfigFor(server)).value();
  // Whether the connection is back in the pool in time is the library's matter; once is enough.
  const char* const methods[] = {"POST", "PUT", "PATCH", "DELETE"};
  int sent = 0;
  for (; sent < 400 && (on_reused < 8 || sent < 8); ++sent) {
    const absl::StatusOr<Answer> got = Ask(*transport, GetOf("/"));
    ASSERT_TRUE(got.ok()) << sent << got.status();
    const char* method = methods[sent % 4];
    const absl::StatusOr<Answer> answer =
        Ask(*transport, {.method = method, .target = "/", .body = sent % 8 < 4 ? "{}" : ""});
    EXPECT_EQ(FailureOf(answer), TransportFailure::kConnectionLost) << method << answer.status();
  }
  EXPECT_GE(on_reused, 8);
  EXPECT_EQ(writes, sent);
}

// promise: K-31
TEST(CpprestTransportTest, TellsWhetherAConnectionWasMade) {
  int port = 0;
  {
    TlsTestServer server(ServerIdentity(), Echo);
    port = server.port();
  }
  const auto refused =
      NewCpprestTransport({.host = "localhost", .port = port, .ca_pem = Authority().ca_pem()})
          .value();
  EXPECT_TRUE(IsConnectionRefused(Ask(*refused, GetOf("/")).status()));

  TlsTestServer server(ServerIdentity(), [](TestConnection& connection) {
    connection.ReadRequest();
    connection.set_abrupt();
  });
  const auto lost = NewCpprestTransport(ConfigFor(server)).value();
  EXPECT_TRUE(IsConnectionLost(Ask(*lost, GetOf("/")).status()));
}

TEST(CpprestTransportTest, ManyAtOnce) {
  TlsTestServer server(ServerIdentity(), Echo);
  const auto transport = NewCpprestTransport(ConfigFor(server)).value();
  std::atomic<int> good{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&transport, &good] {
      for (int j = 0; j < 20; ++j) good += Ask(*transport, GetOf("/")).ok();
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(good, 160);
  EXPECT_LE(server.connections(), 160);
}

// promise: K-32
TEST(CpprestTransportDeathTest, TheProcessExitsInGoodOrder) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        {
          TlsTestServer server(ServerIdentity(), [](TestConnection& connection) {
            while (std::optional<std::string> request = connection.ReadRequest()) {
              if (absl::StrContains(*request, "/stream")) {
                connection.Write(kChunkedHead);
                connection.AwaitClose();
              } else {
                connection.Answer(200, "");
              }
            }
          });
          auto transport = NewCpprestTransport(ConfigFor(server)).value();
          for (int i = 0; i < 3; ++i) (void)Ask(*transport, GetOf("/"));
          const auto stream = transport->Send({}, GetOf("/stream")).value();
          transport.reset();
        }
        std::exit(0);  // with static destructors and atexit handlers
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace fractos::kube
