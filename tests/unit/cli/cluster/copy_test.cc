#include "cli/cluster/copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "lib/base/unique_fd.h"
#include "tests/unit/cli/cluster/cluster_test.h"

namespace fractos::cluster {
namespace {

using ::testing::HasSubstr;

// A kubectl that writes down what it is asked and runs the adaptor's command here.
constexpr char kKubectl[] = R"(#!/bin/sh
printf '%s\n' "$*" >>"$FOLDER/asked"
while [ "$1" != -- ]; do shift; done
shift 2
if [ -n "$CUT" ]; then
  head -c "$CUT" | "$ADAPTOR" "$@"
else
  "$ADAPTOR" "$@"
fi
code=$?
[ $code -eq 0 ] || echo "command terminated with exit code $code" >&2
exit $code
)";

class CopyTest : public ClusterTest {
 protected:
  CopyTest() : folder_(absl::StrCat(::testing::TempDir(), "cluster_copy_test.", ::getpid())) {
    std::filesystem::create_directories(folder_);
    Write("kubectl", kKubectl);
    ::chmod((folder_ + "/kubectl").c_str(), 0755);
    ::setenv("KUBECTL", (folder_ + "/kubectl").c_str(), 1);
    ::setenv("FOLDER", folder_.c_str(), 1);
    ::setenv("ADAPTOR", FRACTOS_BIN_DIR "/fractos-adaptor", 1);
    ::unsetenv("CUT");
    PutStorage();
    kube::Object storage = *server_.Find(DeviceClusters("default"), "storage");
    storage.mutable_spec()["adaptor"]["options"]["root"] = folder_ + "/store";
    server_.Put(DeviceClusters("default"), storage);
  }
  ~CopyTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
    return folder_ + "/" + name;
  }
  static std::string Read(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  Printed CopyIt(const std::string& from, const std::string& to) {
    return Capture([&] { return Copy(target_, {from, to, {}}); });
  }

  const std::string folder_;
};

// promise: C-59
TEST_F(CopyTest, ThereAndBackThroughTheLeadersAdaptor) {
  target_.kubectl_flags = {"--context=c"};
  const std::string bytes("\0photo\xff", 7);
  const std::string file = Write("in.bin", bytes);
  const Printed put = CopyIt(file, "storage:pictures/a.bin");
  EXPECT_EQ(put.code, kExitSucceeded) << put.err;
  EXPECT_EQ(Read(folder_ + "/store/pictures/a.bin"), bytes);
  EXPECT_THAT(Read(folder_ + "/asked"),
              HasSubstr("--context=c exec storage-1 -n default -c adaptor -i -- fractos-adaptor "
                        "storage put pictures/a.bin --size 7 --options {\"root\":"));
  const std::string back = folder_ + "/back.bin";
  EXPECT_EQ(CopyIt("default/storage:pictures/a.bin", back).code, kExitSucceeded);
  EXPECT_EQ(Read(back), bytes);
  EXPECT_EQ(CopyIt("storage:pictures/a.bin", "-").out, bytes);
}

TEST_F(CopyTest, WhatTheStorageRefusesIsSaidInItsWords) {
  const std::string file = Write("in.bin", "one");
  ASSERT_EQ(CopyIt(file, "storage:k").code, kExitSucceeded);
  const Printed other = CopyIt(Write("in.bin", "two"), "storage:k");
  EXPECT_EQ(other.code, kExitFailed);
  EXPECT_THAT(other.err, HasSubstr("already there with other bytes"));
  EXPECT_THAT(other.err, ::testing::Not(HasSubstr("terminated")));
  EXPECT_EQ(Read(folder_ + "/store/k"), "one");
  const Printed escape = CopyIt(file, "storage:../escape");
  EXPECT_EQ(escape.code, kExitBadInput);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/escape"));
  const std::string back = Write("back.bin", "before");
  EXPECT_EQ(CopyIt("storage:no-such", back).code, kExitFailed);
  EXPECT_EQ(Read(back), "before");
}

// promise: C-60
TEST_F(CopyTest, AConnectionThatBreaksStoresAndLeavesNoPart) {
  const std::string file = Write("in.bin", std::string(100, 'x'));
  ::setenv("CUT", "40", 1);
  const Printed put = CopyIt(file, "storage:k");
  EXPECT_EQ(put.code, kExitFailed);
  EXPECT_THAT(put.err, HasSubstr("40 bytes and not 100"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/store/k"));
  ::unsetenv("CUT");
  ASSERT_EQ(CopyIt(file, "storage:k").code, kExitSucceeded);

  // Cut on the way back: a kubectl that ends well all the same, as old ones did.
  Write("kubectl", "#!/bin/sh\nprintf xxxx\nexit 0\n");
  const std::string back = Write("back.bin", "before");
  const Printed get = CopyIt("storage:k", back);
  EXPECT_EQ(get.code, kExitFailed);
  EXPECT_THAT(get.err, HasSubstr("the connection broke before all of k was here"));
  EXPECT_EQ(Read(back), "before");
  EXPECT_EQ(CopyIt("storage:k", "-").out, "");
}

// promise: C-16, C-60
TEST_F(CopyTest, APipeGetsAllOrNothing) {
  ASSERT_EQ(CopyIt(Write("in.bin", "photo"), "storage:k").code, kExitSucceeded);
  const std::string pipe = folder_ + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  // Both ends, so that neither waits for the other.
  const UniqueFd ends(::open(pipe.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  char bytes[16];
  EXPECT_EQ(CopyIt("storage:k", pipe).code, kExitSucceeded);
  EXPECT_EQ(::read(ends.get(), bytes, sizeof(bytes)), 5);
  Write("kubectl", "#!/bin/sh\nprintf xxxx\nexit 0\n");
  EXPECT_EQ(CopyIt("storage:k", pipe).code, kExitFailed);
  EXPECT_EQ(::read(ends.get(), bytes, sizeof(bytes)), -1) << "nothing is there";
}

TEST_F(CopyTest, WhatCannotBeCopiedIsRefused) {
  const std::string file = Write("in.bin", "x");
  EXPECT_THAT(CopyIt(folder_, "storage:k").err, HasSubstr("is a folder"));
  EXPECT_THAT(CopyIt("storage:k", folder_).err, HasSubstr("is a folder"));
  EXPECT_EQ(CopyIt(file, file).code, kExitBadInput);
  EXPECT_EQ(CopyIt(file, "storage:").code, kExitBadInput);
  EXPECT_THAT(CopyIt(file, "strage:k").err, HasSubstr("there is no DeviceCluster default/strage"));
  // As a server answers that has no such resource at all.
  Fail("get", "deviceclusters",
       kube::MakeError(kube::ApiStatus{
           .code = 404, .reason = kube::kReasonNotFound, .message = "no such page"}));
  EXPECT_THAT(CopyIt(file, "storage:k").err, HasSubstr("is FractOS installed there?"));
  EXPECT_EQ(CopyIt(folder_ + "/no-such", "storage:k").code, kExitBadInput);
  kube::Object storage = *server_.Find(DeviceClusters("default"), "storage");
  storage.mutable_status().erase("leader");
  server_.Put(DeviceClusters("default"), storage);
  const Printed led = CopyIt(file, "storage:k");
  EXPECT_EQ(led.code, kExitFailed);
  EXPECT_THAT(led.err, HasSubstr("no replica of DeviceCluster default/storage leads"));
  storage.mutable_spec()["adaptor"]["command"] = {"fractos-adaptor", "cnn"};
  server_.Put(DeviceClusters("default"), storage);
  EXPECT_THAT(CopyIt(file, "storage:k").err, HasSubstr("is no storage"));
}

TEST_F(CopyTest, WithoutKubectlItSaysWhatIsNeeded) {
  ::setenv("KUBECTL", (folder_ + "/no-such-program").c_str(), 1);
  const Printed printed = CopyIt(Write("in.bin", "x"), "storage:k");
  EXPECT_EQ(printed.code, kExitFailed);
  EXPECT_THAT(printed.err, HasSubstr("cp needs kubectl in PATH"));
}

}  // namespace
}  // namespace fractos::cluster
