#include "lib/kube/rest_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "lib/kube/errors.h"
#include "tests/unit/lib/kube/fake_transport.h"
#include "tests/unit/lib/kube/jumping_clock.h"
#include "tests/unit/lib/kube/temporary_folder.h"

namespace fractos::kube {
namespace {

using std::chrono::seconds;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Collection kPods{{"", "v1", "pods"}, "default"};
const Collection kClusters{{"fractos.dev", "v1alpha1", "deviceclusters"}, "ns"};
const Collection kNodes{{"", "v1", "nodes"}, ""};
const Collection kLeases{{"coordination.k8s.io", "v1", "leases"}, "ns"};

constexpr char kPod[] = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}})";
constexpr char kTooMany[] = R"({"kind":"Status","status":"Failure","code":429,)"
                            R"("reason":"TooManyRequests","message":"slow down"})";

class CountingObserver final : public RestObserver {
 public:
  void OnRequest(absl::string_view code, absl::string_view method,
                 absl::string_view host) override {
    requests.push_back(absl::StrCat(code, " ", method, " ", host));
  }
  void OnRetry(absl::string_view code, absl::string_view, absl::string_view) override {
    retries.push_back(std::string(code));
  }
  void OnDuration(absl::string_view, absl::string_view, Duration duration) override {
    durations.push_back(duration);
  }
  void OnResponseSize(absl::string_view, absl::string_view, size_t size) override {
    response_bytes += size;
  }

  std::vector<std::string> requests, retries;
  std::vector<Duration> durations;
  size_t response_bytes = 0;
};

class RestClientTest : public testing::Test {
 protected:
  std::unique_ptr<RestClient> NewClient(RestConfig config, RestOptions options = {}) {
    options.observer = &observer_;
    return RestClient::New(config, server_.factory(), &clock_, options).value();
  }
  std::string Target() { return server_.last().target; }

  FakeServer server_;
  JumpingClock clock_;
  CountingObserver observer_;
  std::unique_ptr<RestClient> client_ =
      NewClient({.host = "https://api:6443", .bearer_token = "secret"});
};

// What is sent

// promise: K-16
TEST_F(RestClientTest, EachVerbHasItsMethodPathAndBody) {
  const Object pod = Object::Parse(kPod).value();
  Object stored = pod;
  stored.set_resource_version("7");
  for (int i = 0; i < 12; ++i) server_.Say(200, kPod);

  ASSERT_TRUE(client_->Get({}, kPods, "x").ok());
  ASSERT_TRUE(client_->Create({}, kPods, pod, {.field_manager = "me"}).ok());
  ASSERT_TRUE(client_->Update({}, kPods, stored, {}).ok());
  ASSERT_TRUE(client_->UpdateStatus({}, kPods, stored, {}).ok());
  ASSERT_TRUE(client_->Apply({}, kPods, pod, {.field_manager = "me", .force = true}).ok());
  ASSERT_TRUE(client_->ApplyStatus({}, kPods, pod, {.field_manager = "me"}).ok());
  ASSERT_TRUE(client_->Patch({}, kPods, "x", {{"a", nullptr}}, {}).ok());
  ASSERT_TRUE(client_->Patch({}, kPods, "x", Json::object(), {.subresource = "status"}).ok());
  ASSERT_TRUE(client_->Delete({}, kPods, "x", {}).ok());
  ASSERT_TRUE(client_
                  ->Delete({}, kPods, "x",
                           {.uid = "u",
                            .resource_version = "7",
                            .propagation = Propagation::kForeground,
                            .grace_period_seconds = 0})
                  .ok());
  ASSERT_TRUE(client_->Get({}, kClusters, "c").ok());
  ASSERT_TRUE(client_->Get({}, kNodes, "n").ok());

  std::vector<std::string> lines;
  for (const HttpRequest& request : server_.requests()) {
    lines.push_back(absl::StrCat(request.method, " ", request.target, " ",
                                 HeaderOf(request, "Content-Type"), " ", request.body));
    EXPECT_EQ(HeaderOf(request, "Authorization"), "Bearer secret");
    EXPECT_EQ(HeaderOf(request, "Accept"), "application/json");
    EXPECT_THAT(HeaderOf(request, "User-Agent"), HasSubstr("fractos/"));
  }
  const std::string path = "/api/v1/namespaces/default/pods";
  EXPECT_THAT(
      lines,
      ElementsAre("GET " + path + "/x  ",
                  "POST " + path + "?fieldManager=me application/json " + pod.ToText(),
                  "PUT " + path + "/x application/json " + stored.ToText(),
                  "PUT " + path + "/x/status application/json " + stored.ToText(),
                  "PATCH " + path + "/x?fieldManager=me&force=true application/apply-patch+yaml " +
                      pod.ToText(),
                  "PATCH " + path +
                      "/x/status?fieldManager=me&force=false application/apply-patch+yaml " +
                      pod.ToText(),
                  "PATCH " + path + "/x application/merge-patch+json {\"a\":null}",
                  "PATCH " + path + "/x/status application/merge-patch+json {}",
                  "DELETE " + path +
                      "/x application/json {\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\"}",
                  "DELETE " + path +
                      "/x application/json {\"apiVersion\":\"v1\",\"gracePeriodSeconds\":0,"
                      "\"kind\":\"DeleteOptions\",\"preconditions\":{\"resourceVersion\":\"7\","
                      "\"uid\":\"u\"},\"propagationPolicy\":\"Foreground\"}",
                  "GET /apis/fractos.dev/v1alpha1/namespaces/ns/deviceclusters/c  ",
                  "GET /api/v1/nodes/n  "));
}

TEST_F(RestClientTest, ListsWithOptions) {
  server_.Say(200, R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9",
    "continue":"more","remainingItemCount":3},"items":[{"metadata":{"name":"a"}},
    {"kind":"Other","metadata":{"name":"b"}}]})");
  const absl::StatusOr<ObjectList> list = client_->List({}, kPods,
                                                        {.limit = 500,
                                                         .continue_token = "t=/+&",
                                                         .resource_version = "0",
                                                         .resource_version_match = "NotOlderThan",
                                                         .label_selector = "a=b,c in (d)",
                                                         .field_selector = "metadata.name=x"});
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(Target(),
            "/api/v1/namespaces/default/pods?limit=500&continue=t%3D%2F%2B%26&resourceVersion=0"
            "&resourceVersionMatch=NotOlderThan&labelSelector=a%3Db%2Cc%20in%20%28d%29"
            "&fieldSelector=metadata.name%3Dx");
  EXPECT_EQ(list->resource_version, "9");
  EXPECT_EQ(list->continue_token, "more");
  EXPECT_EQ(list->remaining_item_count, 3);
  ASSERT_EQ(list->items.size(), 2u);
  EXPECT_EQ(list->items[0].kind(), "Pod");
  EXPECT_EQ(list->items[0].api_version(), "v1");
  EXPECT_EQ(list->items[1].kind(), "Other");

  server_.Say(200, R"({"kind":"PodList","items":null})");
  EXPECT_THAT(client_->List({}, kPods, {})->items, IsEmpty());
}

// promise: K-16
TEST_F(RestClientTest, WhatCouldMeanAnotherPathIsNotSent) {
  for (const char* name : {"", ".", "..", "a/b", "a%2Fb"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(client_->Get({}, kPods, name).status())) << name;
    EXPECT_TRUE(absl::IsInvalidArgument(client_->Delete({}, kPods, name, {}))) << name;
  }
  Collection elsewhere = kPods;
  elsewhere.ns = "../../secrets";
  EXPECT_TRUE(absl::IsInvalidArgument(client_->List({}, elsewhere, {}).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(client_->Patch({}, kPods, "x", {}, {.subresource = "a/b"}).status()));
  const Object unversioned = Object::Parse(kPod).value();
  EXPECT_TRUE(absl::IsInvalidArgument(client_->Update({}, kPods, unversioned, {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(client_->Apply({}, kPods, unversioned, {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(client_->GetRaw({}, "version").status()));
  EXPECT_THAT(server_.requests(), IsEmpty());
}

TEST_F(RestClientTest, ImpersonatesAndPrefixesPaths) {
  client_ = NewClient({.host = "https://proxy/k8s/c1",
                       .username = "u",
                       .password = "p",
                       .impersonate = {.user = "someone",
                                       .uid = "1",
                                       .groups = {"a", "b"},
                                       .extra = {{"x.io/y", {"z"}}}},
                       .user_agent = "mine"});
  server_.Say(200, "{\"gitVersion\":\"v1.30.0\"}");
  EXPECT_EQ(client_->GetRaw({}, "/version").value(), "{\"gitVersion\":\"v1.30.0\"}");
  const HttpRequest request = server_.last();
  EXPECT_EQ(request.target, "/k8s/c1/version");
  EXPECT_EQ(HeaderOf(request, "Authorization"), "Basic dTpw");
  EXPECT_EQ(HeaderOf(request, "User-Agent"), "mine");
  EXPECT_EQ(HeaderOf(request, "Impersonate-User"), "someone");
  EXPECT_EQ(HeaderOf(request, "Impersonate-Uid"), "1");
  EXPECT_EQ(HeaderOf(request, "Impersonate-Extra-x.io%2Fy"), "z");
  EXPECT_EQ(std::count_if(request.headers.begin(), request.headers.end(),
                          [](const auto& h) { return h.first == "Impersonate-Group"; }),
            2);
}

// promise: K-17
TEST_F(RestClientTest, CredentialsAreNotSentInTheClear) {
  client_ = NewClient({.host = "http://api:80", .bearer_token = "secret"});
  EXPECT_TRUE(absl::IsInvalidArgument(client_->Get({}, kPods, "x").status()));
  EXPECT_THAT(server_.requests(), IsEmpty());
}

TEST_F(RestClientTest, LeasesAndWatchesHaveTheirLanes) {
  server_.Say(200, "{}");
  server_.Say(200, "{}");
  server_.Say(200, "");
  ASSERT_TRUE(client_->Get({}, kLeases, "x").ok());
  ASSERT_TRUE(client_->Get({}, kPods, "x").ok());
  ASSERT_TRUE(client_->Watch({}, kLeases, {}).ok());
  EXPECT_EQ(server_.requests()[0].lane, Lane::kLease);
  EXPECT_EQ(server_.requests()[1].lane, Lane::kRest);
  EXPECT_EQ(server_.requests()[2].lane, Lane::kWatch);
}

// What comes back

// promise: K-18
TEST_F(RestClientTest, AnErrorHasTheServersStatusAndNamesVerbAndResource) {
  server_.Say(403, R"({"kind":"Status","status":"Failure","reason":"Forbidden","code":403,
    "message":"pods is forbidden: User \"u\" cannot list resource \"pods\""})");
  const absl::Status status = client_->List({}, kPods, {}).status();
  EXPECT_TRUE(IsForbidden(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("list pods in namespace default: pods is forbidden: User"));
  server_.Say(409, "");
  EXPECT_TRUE(
      kube::IsAlreadyExists(client_->Create({}, kPods, Object::Parse(kPod).value(), {}).status()));
  server_.Say(409, "conflict");
  Object stored = Object::Parse(kPod).value();
  stored.set_resource_version("7");
  const absl::Status conflict = client_->Update({}, kClusters, stored, {}).status();
  EXPECT_TRUE(IsConflict(conflict));
  EXPECT_THAT(std::string(conflict.message()),
              HasSubstr("update deviceclusters.fractos.dev \"x\" in namespace ns"));
  server_.Say(302, "", {{"Location", "https://elsewhere"}});
  EXPECT_EQ(GetApiStatus(client_->Get({}, kPods, "x").status())->code, 302);
}

// promise: K-18
TEST_F(RestClientTest, GarbageIsDataLoss) {
  for (const char* body : {"", "garbage", "[]", "{\"a\":", "\xff"}) {
    server_.Say(200, body);
    EXPECT_TRUE(absl::IsDataLoss(client_->Get({}, kPods, "x").status())) << body;
  }
  for (const char* body :
       {"", "{}", kPod, R"({"kind":"PodList","items":{}})", R"({"kind":"PodList","items":[5]})"}) {
    server_.Say(200, body);
    EXPECT_TRUE(absl::IsDataLoss(client_->List({}, kPods, {}).status())) << body;
  }
  EXPECT_THAT(clock_.waits(), IsEmpty());
}

TEST_F(RestClientTest, AnswersAreBounded) {
  client_ = NewClient({.host = "https://api"}, {.max_response_bytes = 10});
  server_.Say(200, std::string(11, ' '));
  EXPECT_TRUE(absl::IsResourceExhausted(client_->GetRaw({}, "/").status()));
  server_.Say(500, std::string(3 << 20, 'x'));
  EXPECT_TRUE(IsInternalError(client_->GetRaw({}, "/").status()));
}

// promise: K-97
TEST_F(RestClientTest, EachWarningIsToldOnce) {
  std::vector<std::string> told;
  client_ = NewClient({.host = "https://api"},
                      {.on_warning = [&told](absl::string_view text) { told.emplace_back(text); }});
  for (const char* version : {"v1beta1", "v1beta1", "v1beta2", "v1beta1"}) {
    server_.Say(200, kPod, {{"Warning", absl::StrCat("299 - \"", version, " is deprecated\"")}});
    ASSERT_TRUE(client_->Get({}, kPods, "x").ok());
  }
  EXPECT_THAT(told,
              ElementsAre("299 - \"v1beta1 is deprecated\"", "299 - \"v1beta2 is deprecated\""));
}

// What is asked again

// promise: K-19
TEST_F(RestClientTest, RetryAfterIsObeyedForWritesToo) {
  server_.Say(429, kTooMany, {{"Retry-After", "3"}});
  server_.Say(503, "", {{"Retry-After", "5"}});
  server_.Say(201, kPod);
  EXPECT_TRUE(client_->Create({}, kPods, Object::Parse(kPod).value(), {}).ok());
  EXPECT_THAT(clock_.waits(), ElementsAre(seconds(3), seconds(5)));
  EXPECT_THAT(observer_.requests,
              ElementsAre("429 POST api:6443", "503 POST api:6443", "201 POST api:6443"));
  EXPECT_THAT(observer_.retries, ElementsAre("503", "201"));
  EXPECT_THAT(observer_.durations, ElementsAre(seconds(8)));
  EXPECT_EQ(observer_.response_bytes, std::string(kPod).size());
  EXPECT_EQ(server_.requests()[2].body, server_.requests()[0].body);
}

// promise: K-19
TEST_F(RestClientTest, TenTimesAtMost) {
  for (int i = 0; i < 20; ++i) server_.Say(429, kTooMany, {{"Retry-After", "1"}});
  const absl::Status status = client_->Get({}, kPods, "x").status();
  EXPECT_TRUE(IsTooManyRequests(status));
  EXPECT_EQ(SuggestsRetryAfter(status), seconds(1));
  EXPECT_THAT(server_.requests(), SizeIs(11));
}

// promise: K-19
TEST_F(RestClientTest, WithoutASecondsHeaderOrWithAnotherCodeNothingIsAskedAgain) {
  const std::pair<int, std::map<std::string, std::string>> answers[] = {
      {429, {}},
      {500, {}},
      {503, {{"Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT"}}},
      {503, {{"Retry-After", "-1"}}},
      {409, {{"Retry-After", "1"}}},
      {404, {{"Retry-After", "1"}}}};
  for (const auto& [status, headers] : answers) {
    server_.Say(status, "", headers);
    EXPECT_FALSE(client_->Get({}, kPods, "x").ok());
  }
  EXPECT_THAT(server_.requests(), SizeIs(std::size(answers)));
  EXPECT_THAT(clock_.waits(), IsEmpty());
}

// promise: K-19
TEST_F(RestClientTest, ABrokenConnectionIsForgivenReadersAlone) {
  server_.Fail(TransportFailure::kConnectionLost);
  server_.Say(200, kPod);
  EXPECT_TRUE(client_->Get({}, kPods, "x").ok());
  EXPECT_THAT(clock_.waits(), ElementsAre(seconds(1)));
  EXPECT_THAT(observer_.requests, ElementsAre("<error> GET api:6443", "200 GET api:6443"));

  Object stored = Object::Parse(kPod).value();
  stored.set_resource_version("7");
  const size_t before = server_.requests().size();
  for (int i = 0; i < 5; ++i) server_.Fail(TransportFailure::kConnectionLost);
  EXPECT_TRUE(IsConnectionLost(client_->Create({}, kPods, stored, {}).status()));
  EXPECT_TRUE(IsConnectionLost(client_->Update({}, kPods, stored, {}).status()));
  EXPECT_TRUE(IsConnectionLost(client_->Apply({}, kPods, stored, {.field_manager = "m"}).status()));
  EXPECT_TRUE(IsConnectionLost(client_->Patch({}, kPods, "x", {}, {}).status()));
  EXPECT_TRUE(IsConnectionLost(client_->Delete({}, kPods, "x", {})));
  EXPECT_EQ(server_.requests().size(), before + 5);

  for (const TransportFailure failure : {TransportFailure::kConnectionRefused,
                                         TransportFailure::kTimeout, TransportFailure::kOther}) {
    server_.Fail(failure);
    EXPECT_EQ(GetTransportFailure(client_->Get({}, kPods, "x").status()), failure);
  }
  EXPECT_EQ(server_.requests().size(), before + 8);
}

// promise: K-19
TEST_F(RestClientTest, NobodyWaitsBeyondTheDeadlineOrAStop) {
  server_.Say(429, kTooMany, {{"Retry-After", "60"}});
  const absl::Status late =
      client_->Get({.deadline = clock_.Now() + seconds(60)}, kPods, "x").status();
  EXPECT_TRUE(IsTooManyRequests(late)) << late;
  EXPECT_THAT(clock_.waits(), IsEmpty());

  std::stop_source stop;
  stop.request_stop();
  server_.Say(429, kTooMany, {{"Retry-After", "1"}});
  EXPECT_TRUE(absl::IsCancelled(client_->Get({.stop = stop.get_token()}, kPods, "x").status()));
}

TEST_F(RestClientTest, RequestsArePaced) {
  client_ = NewClient({.host = "https://api"}, {.qps = 10, .burst = 2});
  for (int i = 0; i < 4; ++i) {
    server_.Say(200, kPod);
    ASSERT_TRUE(client_->Get({}, kPods, "x").ok());
  }
  EXPECT_THAT(clock_.waits(), SizeIs(2));
  // Watches are not.
  server_.Say(200, "");
  ASSERT_TRUE(client_->Watch({}, kPods, {}).ok());
  EXPECT_THAT(clock_.waits(), SizeIs(2));
}

// Watches

constexpr char kAdded[] = "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n";

// promise: K-33
TEST_F(RestClientTest, AWatchYieldsEventsUntilItsEnd) {
  const std::string added = kAdded;
  server_.Say(
      {.chunks = {added.substr(0, 10), added.substr(10) + added.substr(0, 3), added.substr(3)}});
  const auto watcher = client_
                           ->Watch({}, kPods,
                                   {.resource_version = "7",
                                    .label_selector = "a=b",
                                    .send_initial_events = true,
                                    .timeout = seconds(300)})
                           .value();
  EXPECT_EQ(Target(),
            "/api/v1/namespaces/default/pods?watch=true&allowWatchBookmarks=true&resourceVersion=7"
            "&labelSelector=a%3Db&sendInitialEvents=true&timeoutSeconds=300");
  EXPECT_EQ((*watcher->Next({}))->object.name(), "a");
  EXPECT_EQ((*watcher->Next({}))->object.name(), "a");
  EXPECT_FALSE(watcher->Next({})->has_value());
  EXPECT_FALSE(watcher->Next({})->has_value());
}

// promise: K-33
TEST_F(RestClientTest, AWatchThatBreaksSaysSoAndGoesOnSayingSo) {
  const auto broken = [this](FakeAnswer answer) {
    server_.Say(std::move(answer));
    const auto watcher = client_->Watch({}, kPods, {}).value();
    EXPECT_TRUE(watcher->Next({})->has_value());
    const absl::Status status = watcher->Next({}).status();
    EXPECT_EQ(watcher->Next({}).status(), status);
    EXPECT_THAT(std::string(status.message()), HasSubstr("watch pods in namespace default: "));
    return status;
  };
  EXPECT_TRUE(IsConnectionLost(broken(
      {.chunks = {kAdded}, .end = MakeError(TransportFailure::kConnectionLost, "injected")})));
  EXPECT_EQ(GetTransportFailure(broken(
                {.chunks = {kAdded}, .end = MakeError(TransportFailure::kTimeout, "injected")})),
            TransportFailure::kTimeout);
  EXPECT_TRUE(absl::IsDataLoss(broken({.chunks = {kAdded, "garbage\n"}})));
  EXPECT_TRUE(absl::IsDataLoss(broken({.chunks = {kAdded, "{\"type\":"}})));
  EXPECT_TRUE(
      absl::IsDataLoss(broken({.chunks = {kAdded, std::string(kMaxWatchLineBytes + 1, ' ')}})));
}

// promise: K-33
TEST_F(RestClientTest, AnErrorEventIsAnEvent) {
  server_.Say(200, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}\n");
  const auto watcher = client_->Watch({}, kPods, {}).value();
  EXPECT_TRUE(IsExpired((*watcher->Next({}))->status));
}

// promise: K-33
TEST_F(RestClientTest, AWatchIsStoppedFromAnotherThread) {
  server_.Say({.chunks = {kAdded}, .stalls = true});
  const auto watcher = client_->Watch({}, kPods, {}).value();
  EXPECT_TRUE(watcher->Next({})->has_value());
  // A deadline and a stop of the wait leave it as it is.
  EXPECT_TRUE(absl::IsDeadlineExceeded(watcher->Next({.deadline = Time::min()}).status()));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(absl::IsCancelled(watcher->Next({.stop = stop.get_token()}).status()));
  std::thread reader([&watcher] { EXPECT_FALSE(watcher->Next({})->has_value()); });
  watcher->Stop();
  reader.join();
  watcher->Stop();
  EXPECT_FALSE(watcher->Next({})->has_value());
}

// promise: K-33
TEST_F(RestClientTest, AWatchThatIsRefusedIsAnError) {
  server_.Say(410, R"({"kind":"Status","status":"Failure","code":410,"reason":"Expired"})");
  EXPECT_TRUE(IsExpired(client_->Watch({}, kPods, {}).status()));
  server_.Say(429, kTooMany, {{"Retry-After", "2"}});
  server_.Fail(TransportFailure::kTimeout);
  server_.Fail(TransportFailure::kConnectionLost);
  server_.Say(200, "");
  EXPECT_TRUE(client_->Watch({}, kPods, {}).ok());
  EXPECT_THAT(clock_.waits(), ElementsAre(seconds(2), seconds(1), seconds(1)));
  server_.Fail(TransportFailure::kConnectionRefused);
  EXPECT_TRUE(IsConnectionRefused(client_->Watch({}, kPods, {}).status()));
}

// Credentials and certificates that change

// promise: K-08
TEST_F(RestClientTest, A401MakesTheNextRequestFetchTheToken) {
  TemporaryFolder folder;
  client_ = NewClient({.host = "https://api", .bearer_token_file = folder.Write("token", "one")});
  server_.Say(200, kPod);
  ASSERT_TRUE(client_->Get({}, kPods, "x").ok());
  folder.Write("token", "two");
  server_.Say(401, "");
  EXPECT_TRUE(IsUnauthorized(client_->Get({}, kPods, "x").status()));
  EXPECT_EQ(HeaderOf(server_.last(), "Authorization"), "Bearer one");
  EXPECT_THAT(server_.requests(), SizeIs(2));
  server_.Say(200, kPod);
  ASSERT_TRUE(client_->Get({}, kPods, "x").ok());
  EXPECT_EQ(HeaderOf(server_.last(), "Authorization"), "Bearer two");
}

// promise: K-24
TEST_F(RestClientTest, CertificatesAreTakenUpWhenTheirFilesChange) {
  TemporaryFolder folder;
  const RestConfig config{.host = "https://api",
                          .tls = {.ca_file = folder.Write("ca", "ca1"),
                                  .cert_file = folder.Write("cert", "cert1"),
                                  .key_file = folder.Write("key", "key1")}};
  client_ = NewClient(config);
  const auto get = [this] {
    server_.Say(200, kPod);
    return client_->Get({}, kPods, "x").ok();
  };
  ASSERT_TRUE(get());
  folder.Write("ca", "ca2");
  clock_.Advance(std::chrono::minutes(5) - seconds(1));
  ASSERT_TRUE(get());
  EXPECT_THAT(server_.made, SizeIs(1));
  clock_.Advance(seconds(1));
  ASSERT_TRUE(get());
  ASSERT_THAT(server_.made, SizeIs(2));
  EXPECT_EQ(server_.made[1].ca_pem, "ca2");
  EXPECT_EQ(server_.closed_all, 0);  // what is under way is none the worse

  folder.Write("cert", "cert2");
  folder.Write("key", "key2");
  clock_.Advance(std::chrono::minutes(5));
  ASSERT_TRUE(get());
  ASSERT_THAT(server_.made, SizeIs(3));
  EXPECT_EQ(server_.made[2].cert_pem, "cert2");
  EXPECT_EQ(server_.closed_all, 1);

  // What cannot be read or used leaves all as it is.
  folder.Remove("ca");
  clock_.Advance(std::chrono::minutes(5));
  ASSERT_TRUE(get());
  folder.Write("ca", "ca3");
  server_.refuse = absl::InvalidArgumentError("bad PEM");
  clock_.Advance(std::chrono::minutes(5));
  ASSERT_TRUE(get());
  EXPECT_THAT(server_.made, SizeIs(3));
  // Unchanged, nothing is made.
  server_.refuse = absl::OkStatus();
  folder.Write("ca", "ca2");
  clock_.Advance(std::chrono::minutes(5));
  ASSERT_TRUE(get());
  EXPECT_THAT(server_.made, SizeIs(3));
}

TEST_F(RestClientTest, AWatchOutlivesItsClient) {
  server_.Say(200, kAdded);
  const auto watcher = client_->Watch({}, kPods, {}).value();
  client_.reset();
  EXPECT_TRUE(watcher->Next({})->has_value());
}

TEST_F(RestClientTest, RefusesAConfigurationThatIsOfNoUse) {
  EXPECT_FALSE(RestClient::New({.host = ""}, server_.factory(), &clock_).ok());
  EXPECT_FALSE(
      RestClient::New({.host = "https://x", .exec = ExecConfig{}}, server_.factory(), &clock_)
          .ok());
}

}  // namespace
}  // namespace fractos::kube
