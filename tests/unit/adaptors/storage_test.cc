// The promises of the storage adaptor: keys never leave the root, put creates whole files or none.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "adaptors/storage/beneath.h"
#include "adaptors/storage/root.h"
#include "lib/base/digest.h"
#include "lib/base/limits.h"
#include "tests/unit/adaptors/adaptor_process.h"
#include "tests/unit/lib/runtime/no_descriptors.h"

namespace fractos {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class RootTest : public testing::Test {
 protected:
  RootTest() : root_(Root::Open(folder_ / "root").value()) {}
  std::vector<std::string> Staged() {
    std::vector<std::string> names;
    for (const auto& entry :
         std::filesystem::directory_iterator(folder_ / "root/" + std::string(kStagingFolder))) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }
  TempFolder folder_;
  Root root_;
};

// promise: A-08
TEST_F(RootTest, KeysThatLeadOutOfTheRootAreRefused) {
  WriteFile(folder_ / "secret", "secret");
  for (const char* key : {"../secret", "a/../../secret", "/etc/passwd", "..", ".", "./x", "a//b",
                          "a/", "", "a/..", "line\nbreak"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(root_.OpenFile(key).status())) << key;
    EXPECT_TRUE(absl::IsInvalidArgument(root_.Put(key, "x"))) << key;
    EXPECT_TRUE(absl::IsInvalidArgument(root_.Delete(key))) << key;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(root_.Put(absl::string_view("nul\0.txt", 8), "x")));
  EXPECT_EQ(ReadFile(folder_ / "secret"), "secret");
}

TEST_F(RootTest, KeysAreBounded) {
  EXPECT_TRUE(CheckKey(std::string(kMaxKeySegmentBytes, 'k')).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(CheckKey(std::string(kMaxKeySegmentBytes + 1, 'k'))));
  std::string longest;
  while (longest.size() + 2 < kMaxKeyBytes) longest += "k/";
  longest += "kk";
  ASSERT_EQ(longest.size(), kMaxKeyBytes);
  EXPECT_TRUE(CheckKey(longest).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(CheckKey(longest + "k")));
}

TEST_F(RootTest, TheStagingFolderIsNoKey) {
  std::string key = std::string(kStagingFolder) + "/x";
  EXPECT_TRUE(absl::IsInvalidArgument(root_.Put(key, "x")));
  EXPECT_THAT(root_.List("").value(), IsEmpty());
}

// promise: A-08
TEST_F(RootTest, NoSymbolicLinkIsFollowed) {
  WriteFile(folder_ / "secret", "secret");
  std::filesystem::create_directory(folder_ / "outside");
  WriteFile(folder_ / "outside/file", "outside");
  std::filesystem::create_symlink(folder_ / "secret", folder_ / "root/file");
  std::filesystem::create_directory_symlink(folder_ / "outside", folder_ / "root/folder");
  for (const char* key : {"file", "folder/file", "folder/new"}) {
    EXPECT_FALSE(root_.OpenFile(key).ok()) << key;
    EXPECT_FALSE(root_.Put(key, "new").ok()) << key;
    EXPECT_FALSE(root_.Delete(key).ok()) << key;
  }
  EXPECT_EQ(ReadFile(folder_ / "secret"), "secret");
  EXPECT_EQ(ReadFile(folder_ / "outside/file"), "outside");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "outside/new"));
  EXPECT_THAT(root_.List("").value(), IsEmpty());
}

// promise: A-08
TEST_F(RootTest, OldKernelsDoNotFollowThemEither) {
  WriteFile(folder_ / "secret", "secret");
  std::filesystem::create_symlink(folder_ / "secret", folder_ / "root/file");
  std::filesystem::create_directory_symlink(folder_.path(), folder_ / "root/folder");
  UniqueFd root(::open((folder_ / "root").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_TRUE(root_.Put("a/b", "inside").ok());
  EXPECT_TRUE(OpenBeneathBySegments(root.get(), "a/b", O_RDONLY).valid());
  EXPECT_FALSE(OpenBeneathBySegments(root.get(), "file", O_RDONLY).valid());
  EXPECT_FALSE(OpenBeneathBySegments(root.get(), "folder/secret", O_RDONLY).valid());
}

TEST_F(RootTest, PutCreatesFoldersAndTheFile) {
  ASSERT_TRUE(root_.Put("a/b/c.txt", "bytes").ok());
  EXPECT_EQ(root_.OpenFile("a/b/c.txt").value().ReadAll().value(), "bytes");
  EXPECT_THAT(Staged(), IsEmpty());
}

// promise: A-10
TEST_F(RootTest, PutOfEqualBytesSucceedsAndOfOtherBytesIsAlreadyExists) {
  ASSERT_TRUE(root_.Put("key", "bytes").ok());
  EXPECT_TRUE(root_.Put("key", "bytes").ok());
  for (const char* other : {"bytez", "byte", "bytes!", ""}) {
    EXPECT_TRUE(absl::IsAlreadyExists(root_.Put("key", other))) << other;
  }
  EXPECT_EQ(ReadFile(folder_ / "root/key"), "bytes");
  EXPECT_THAT(Staged(), IsEmpty());
}

// promise: A-09
TEST_F(RootTest, OfRacingPutsOneWinsAndAReaderSeesItWhole) {
  constexpr size_t kWriters = 4;
  std::vector<absl::Status> statuses(kWriters);
  std::vector<std::string> values;
  for (size_t i = 0; i < kWriters; ++i) {
    values.emplace_back(200'000, static_cast<char>('a' + i));
  }
  std::atomic<bool> done = false;
  size_t partial = 0;
  std::thread reader([&] {
    while (!done) {
      absl::StatusOr<Root::File> file = root_.OpenFile("race");
      if (file.ok() && file->size != values[0].size()) ++partial;
    }
  });
  std::vector<std::thread> writers;
  for (size_t i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] { statuses[i] = root_.Put("race", values[i]); });
  }
  for (std::thread& writer : writers) writer.join();
  done = true;
  reader.join();
  std::string stored = ReadFile(folder_ / "root/race");
  for (size_t i = 0; i < kWriters; ++i) {
    EXPECT_EQ(statuses[i].ok(), stored == values[i]);
    EXPECT_TRUE(statuses[i].ok() || absl::IsAlreadyExists(statuses[i])) << statuses[i];
  }
  EXPECT_EQ(partial, 0u);
}

// promise: B-30, B-33
TEST_F(RootTest, AFullDiskIsAFailureAndLeavesNothing) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 10'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  absl::Status status = root_.Put("big", std::string(20'000, 'x'));
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("big"));
  EXPECT_TRUE(absl::IsNotFound(root_.OpenFile("big").status()));
  EXPECT_THAT(Staged(), IsEmpty());
}

TEST_F(RootTest, OnlyStaleLeftoversOfCrashedWritersAreRemoved) {
  std::string staging = folder_ / "root/" + std::string(kStagingFolder);
  WriteFile(staging + "/fresh", "somebody writes it");
  WriteFile(staging + "/stale", "nobody does");
  timespec long_ago[2] = {{1'000'000, 0}, {1'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (staging + "/stale").c_str(), long_ago, 0), 0);
  ASSERT_TRUE(Root::Open(folder_ / "root").ok());
  EXPECT_THAT(Staged(), ElementsAre("fresh"));
}

TEST_F(RootTest, AListLeavesNothingOutWithoutSayingSo) {
  ASSERT_TRUE(root_.Put("a/1", "x").ok());
  NoDescriptors none(/*left=*/1);  // enough for the root, and not for the folder in it
  EXPECT_TRUE(absl::IsResourceExhausted(root_.List("").status()));
}

// promise: A-11
TEST_F(RootTest, ListIsSortedAndByPrefix) {
  for (const char* key : {"b", "a/2", "a/1", "ab"}) ASSERT_TRUE(root_.Put(key, "x").ok());
  EXPECT_THAT(root_.List("").value(), ElementsAre("a/1", "a/2", "ab", "b"));
  EXPECT_THAT(root_.List("a").value(), ElementsAre("a/1", "a/2", "ab"));
  EXPECT_THAT(root_.List("a/").value(), ElementsAre("a/1", "a/2"));
  EXPECT_THAT(root_.List("a/2").value(), ElementsAre("a/2"));
  EXPECT_THAT(root_.List("c").value(), IsEmpty());
}

// promise: A-11
TEST_F(RootTest, DeleteIsIdempotentAndTakesNoFolder) {
  ASSERT_TRUE(root_.Put("a/b", "x").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(root_.Delete("a")));
  EXPECT_TRUE(root_.Delete("a/b").ok());
  EXPECT_TRUE(root_.Delete("a/b").ok());
  EXPECT_TRUE(absl::IsNotFound(root_.OpenFile("a/b").status()));
}

class StorageAdaptorTest : public testing::Test {
 protected:
  void Configure(const std::string& options) {
    std::optional<std::string> description = adaptor_.Configure(options);
    ASSERT_TRUE(description.has_value());
    ASSERT_EQ(description->front(), '{') << *description;
    description_ = *description;
  }
  TempFolder folder_;
  AdaptorProcess adaptor_{{FRACTOS_BIN_DIR "/fractos-adaptor", "storage"}, folder_.path()};
  std::string description_;
};

TEST_F(StorageAdaptorTest, TheRootIsRelativeToTheWorkingDirectory) {
  Configure(R"({"root": "data"})");
  TestAnswer put = adaptor_.Call("put", R"({"key": "k"})", {{.name = "data", .bytes = "v"}});
  EXPECT_EQ(put.bytes, R"({"key":"k","size":1,"sha256":")" + Digest::Of("v").ToHex() + R"("})");
  EXPECT_EQ(ReadFile(folder_ / "data/k"), "v");
}

TEST_F(StorageAdaptorTest, WithoutARootItRefusesToStart) {
  std::optional<std::string> answer = adaptor_.Configure("{}");
  ASSERT_TRUE(answer.has_value());
  EXPECT_THAT(*answer, HasSubstr("option 'root' is missing"));
}

// promise: B-20
TEST_F(StorageAdaptorTest, AMissingKeyIsNotFoundAndNamed) {
  Configure(R"({"root": "data"})");
  TestAnswer answer = adaptor_.Call("get", R"({"key": "no/such.png"})");
  EXPECT_EQ(answer.failure().reason(), "NotFound");
  EXPECT_THAT(answer.failure().message(), HasSubstr("no/such.png"));
  EXPECT_FALSE(answer.failure().retryable());
}

TEST_F(StorageAdaptorTest, ABigFileIsAMemoryFile) {
  Configure(R"({"root": "data"})");
  std::string big(3 * kMaxMessageBytes + 1, 'B');
  adaptor_.Call("put", R"({"key": "big"})", {{.name = "data", .bytes = big, .file = true}});
  TestAnswer answer = adaptor_.Call("get", R"({"key": "big"})");
  EXPECT_TRUE(answer.was_file);
  EXPECT_TRUE(answer.sealed_well);
  EXPECT_EQ(answer.bytes, big);
}

// promise: A-11
TEST_F(StorageAdaptorTest, ConcatJoinsInTheOrderOfNames) {
  Configure(R"({"root": "data"})");
  TestAnswer answer = adaptor_.Call("concat", R"({"separator": ", "})",
                                    {{.name = "b", .bytes = "two"}, {.name = "a", .bytes = "one"}});
  EXPECT_EQ(answer.bytes, "one, two");
  std::string half(kMaxInlineValueBytes, 'h');
  answer =
      adaptor_.Call("concat", "{}", {{.name = "a", .bytes = half}, {.name = "b", .bytes = "!"}});
  EXPECT_TRUE(answer.was_file);
  EXPECT_EQ(answer.bytes, half + "!");
}

// promise: A-11
TEST_F(StorageAdaptorTest, StatAndListTellWhatIsThere) {
  Configure(R"({"root": "data"})");
  adaptor_.Call("put", R"({"key": "a/k"})", {{.name = "data", .bytes = "v"}});
  EXPECT_EQ(adaptor_.Call("stat", R"({"key": "a/k"})").bytes,
            R"({"key":"a/k","exists":true,"size":1})");
  EXPECT_EQ(adaptor_.Call("stat", R"({"key": "k"})").bytes,
            R"({"key":"k","exists":false,"size":0})");
  EXPECT_EQ(adaptor_.Call("list", "{}").bytes, "a/k\n");
}

// promise: A-11
TEST_F(StorageAdaptorTest, GetIsDeterministicOnlyWithImmutableWhichTakesDeleteAway) {
  Configure(R"({"root": "data", "immutable": true})");
  EXPECT_THAT(description_, testing::Not(HasSubstr("\"delete\"")));
  adaptor_.Call("put", R"({"key": "k"})", {{.name = "data", .bytes = "v"}});
  EXPECT_EQ(adaptor_.Call("delete", R"({"key": "k"})").failure().reason(), "Immutable");
  EXPECT_EQ(adaptor_.Call("get", R"({"key": "k"})").bytes, "v");
}

}  // namespace
}  // namespace fractos
