#include "lib/kube/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "lib/kube/errors.h"

namespace fractos::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kStream[] =
    "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"name\":\"\xc3\xa9\"}}}\n"
    "\n"
    "{\"type\":\"MODIFIED\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"name\":\"b\"}}}\r\n"
    "{\"type\":\"DELETED\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"name\":\"c\"}}}\n"
    "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"9\"}}}"
    "\n";

// "ADDED é" for each event that is there.
void Drain(WatchDecoder& decoder, std::vector<std::string>& events) {
  for (;;) {
    absl::StatusOr<std::optional<WatchEvent>> event = decoder.Next();
    ASSERT_TRUE(event.ok()) << event.status();
    if (!event->has_value()) return;
    events.push_back(std::string(ToString((*event)->type)) + " " + (*event)->object.name() +
                     (*event)->object.resource_version());
  }
}

// promise: K-04
TEST(WatchDecoderTest, ChunksMayEndAnywhere) {
  const absl::string_view stream = kStream;
  for (size_t size = 1; size <= stream.size(); ++size) {
    WatchDecoder decoder;
    std::vector<std::string> events;
    for (size_t at = 0; at < stream.size(); at += size) {
      decoder.Feed(stream.substr(at, size));
      Drain(decoder, events);
    }
    EXPECT_TRUE(decoder.Finish().ok());
    EXPECT_THAT(events, ElementsAre("ADDED \xc3\xa9", "MODIFIED b", "DELETED c", "BOOKMARK 9"))
        << size;
  }
}

// promise: K-04
TEST(WatchDecoderTest, AnEndInTheMiddleOfAnEventIsAnError) {
  WatchDecoder decoder;
  decoder.Feed("{\"type\":\"ADDED\",\"object\":{}}");
  EXPECT_FALSE(decoder.Next()->has_value());
  EXPECT_TRUE(absl::IsDataLoss(decoder.Finish()));
  decoder.Feed("\n");
  EXPECT_TRUE(decoder.Next()->has_value());
  EXPECT_TRUE(decoder.Finish().ok());
}

// promise: K-05
TEST(WatchDecoderTest, RefusesWhatIsNoEvent) {
  for (const char* line :
       {"garbage\n", "{}\n", "[]\n", "{\"type\":\"ADDED\"}\n",
        "{\"type\":\"ADDED\",\"object\":5}\n", "{\"type\":\"added\",\"object\":{}}\n",
        "{\"type\":7,\"object\":{}}\n", "{\"type\":\"ADDED\",\"object\":{}\n", "\xff\n"}) {
    WatchDecoder decoder;
    decoder.Feed(line);
    EXPECT_TRUE(absl::IsDataLoss(decoder.Next().status())) << line;
    // And is of no use any more.
    decoder.Feed("{\"type\":\"ADDED\",\"object\":{}}\n");
    EXPECT_TRUE(absl::IsDataLoss(decoder.Next().status())) << line;
    EXPECT_TRUE(absl::IsDataLoss(decoder.Finish())) << line;
  }
}

// promise: K-05
TEST(WatchDecoderTest, BoundsALine) {
  const std::string prefix = R"({"type":"ADDED","object":{"a":")", suffix = R"("}})";
  const size_t limit = 1000;
  const std::string fits =
      prefix + std::string(limit - prefix.size() - suffix.size(), 'x') + suffix;
  ASSERT_EQ(fits.size(), limit);
  {
    WatchDecoder decoder(limit);
    decoder.Feed(fits);
    EXPECT_TRUE(decoder.Next().ok());
    decoder.Feed("\n" + fits + "\n");
    EXPECT_TRUE(decoder.Next()->has_value());
    EXPECT_TRUE(decoder.Next()->has_value());
  }
  {
    WatchDecoder decoder(limit);  // before the line has ended, so that memory is bounded
    decoder.Feed(fits + " ");
    EXPECT_TRUE(absl::IsDataLoss(decoder.Next().status()));
  }
  {
    WatchDecoder decoder(limit);
    decoder.Feed(" " + fits + "\n");
    EXPECT_THAT(std::string(decoder.Next().status().message()), HasSubstr("1000 bytes"));
  }
}

// promise: K-03
TEST(WatchDecoderTest, AnErrorEventHasTheServersStatus) {
  WatchDecoder decoder;
  decoder.Feed(R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired",)"
               R"("message":"too old resource version"}})"
               "\n");
  const std::optional<WatchEvent> event = decoder.Next().value();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->type, WatchEventType::kError);
  EXPECT_TRUE(IsExpired(event->status));
  EXPECT_THAT(std::string(event->status.message()), HasSubstr("too old"));
}

}  // namespace
}  // namespace fractos::kube
