// `fractos-adaptor storage put` and `get`, as `cp` runs them at the other end of a connection.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/digest.h"
#include "tests/unit/adaptors/adaptor_process.h"

namespace fractos {
namespace {

using testing::HasSubstr;

class StorageCommandTest : public testing::Test {
 protected:
  struct Ended {
    int code = -1;
    std::string out;
    std::string err;
  };

  static std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  // Runs `storage ARGUMENTS --options {root}` with these bytes on standard input.
  Ended Run(std::vector<std::string> arguments, const std::string& input = "") {
    std::ofstream(folder_ / "in", std::ios::binary) << input;
    arguments.insert(arguments.begin(), {FRACTOS_BIN_DIR "/fractos-adaptor", "storage"});
    arguments.insert(arguments.end(),
                     {"--options", absl::StrCat(R"({"root": ")", folder_ / "root", R"("})")});
    std::string line;
    for (const std::string& argument : arguments) absl::StrAppend(&line, "'", argument, "' ");
    absl::StrAppend(&line, "<", folder_ / "in", " >", folder_ / "out", " 2>", folder_ / "err");
    const int status = ::system(line.c_str());
    return {WEXITSTATUS(status), Read(folder_ / "out"), Read(folder_ / "err")};
  }

  bool Exists(const std::string& name) { return std::filesystem::exists(folder_ / name); }
  // Files that a writer left unfinished.
  size_t Staged() {
    size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "root")) {
      if (entry.is_regular_file()) ++count;
    }
    return count;
  }

  TempFolder folder_;
};

TEST_F(StorageCommandTest, PutsAndGets) {
  const std::string bytes("\0photo\xff", 7);
  EXPECT_EQ(Run({"put", "a/k"}, bytes).code, 0);
  const Ended got = Run({"get", "a/k"});
  EXPECT_EQ(got.code, 0);
  EXPECT_EQ(got.out, bytes);
  EXPECT_EQ(got.err, "");
  EXPECT_EQ(Run({"get", "a/k", "--sum"}).err,
            absl::StrCat("sum 7 ", Digest::Of(bytes).ToHex(), "\n"));
}

// promise: C-60
TEST_F(StorageCommandTest, InputOfAnotherSizeThanSaidStoresNothing) {
  for (const char* size : {"99", "101", "0"}) {
    const Ended put = Run({"put", "k", "--size", size}, std::string(100, 'x'));
    EXPECT_EQ(put.code, 1) << size;
    EXPECT_THAT(put.err, HasSubstr(absl::StrCat("100 bytes and not ", size)));
  }
  EXPECT_EQ(Staged(), 0u);
  EXPECT_EQ(Run({"put", "k", "--size", "100"}, std::string(100, 'x')).code, 0);
  EXPECT_EQ(Run({"put", "empty", "--size", "0"}).code, 0);
}

// promise: A-08
TEST_F(StorageCommandTest, KeysThatLeadOutOfTheRootAreRefused) {
  std::ofstream(folder_ / "secret") << "secret";
  std::filesystem::create_directory(folder_ / "root");
  std::filesystem::create_symlink(folder_ / "", folder_ / "root/link");
  for (const char* key : {"../secret", "/etc/passwd", "a/../../secret", "..", "a//b", ""}) {
    EXPECT_EQ(Run({"get", key}).code, 2) << key;
    EXPECT_EQ(Run({"put", key}, "x").code, 2) << key;
  }
  EXPECT_EQ(Run({"get", "link/secret"}).code, 1);
  EXPECT_EQ(Run({"put", "link/new"}, "x").code, 1);
  EXPECT_FALSE(Exists("new"));
  EXPECT_EQ(Read(folder_ / "secret"), "secret");
}

TEST_F(StorageCommandTest, OtherBytesNeverReplaceAndEqualOnesAreFine) {
  ASSERT_EQ(Run({"put", "k"}, "one").code, 0);
  EXPECT_EQ(Run({"put", "k"}, "one").code, 0);
  const Ended other = Run({"put", "k"}, "two");
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("put never overwrites"));
  EXPECT_EQ(Run({"get", "k"}).out, "one");
}

TEST_F(StorageCommandTest, WrongArgumentsShowTheUsage) {
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"put"},
                                                {"put", "k", "--size", "many"},
                                                {"put", "k", "--sum"},
                                                {"get", "k", "--size", "3"},
                                                {"get", "k", "j"}}) {
    const Ended ended = Run(wrong);
    EXPECT_EQ(ended.code, 2);
    EXPECT_THAT(ended.err, HasSubstr("usage: fractos-adaptor storage put"));
  }
}

}  // namespace
}  // namespace fractos
