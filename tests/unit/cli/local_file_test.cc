#include "cli/local_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fractos {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class LocalFileTest : public ::testing::Test {
 protected:
  LocalFileTest() : folder_(absl::StrCat(::testing::TempDir(), "local_file_test.", ::getpid())) {
    fs::create_directories(folder_);
  }
  ~LocalFileTest() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return absl::StrCat(folder_, "/", name); }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name), std::ios::binary) << text;
    return Path(name);
  }
  static std::string Read(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  // What `fd` gives, as far as one read goes.
  static std::string ReadFrom(int fd) {
    std::string text(64, '\0');
    const ssize_t n = ::read(fd, text.data(), text.size());
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return text;
  }

  // Receives "photo", or fails when half of it is there.
  ExitCode Receive(const std::string& file, bool fail = false) {
    ::testing::internal::CaptureStderr();
    const ExitCode code = ReceiveLocalFile(file, [&](int out, bool is_new) {
      was_new_ = is_new;
      const std::string bytes = fail ? "pho" : "photo";
      EXPECT_EQ(::write(out, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
      return fail ? kExitFailed : kExitSucceeded;
    });
    said_ = ::testing::internal::GetCapturedStderr();
    return code;
  }
  // What is in the folder besides what the tests put there.
  size_t Files() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  const std::string folder_;
  bool was_new_ = false;
  std::string said_;
};

// promise: C-16
TEST_F(LocalFileTest, ARegularFileIsReplacedWholeOrNotAtAll) {
  const std::string file = Write("a", "before");
  ::chmod(file.c_str(), 0600);
  EXPECT_EQ(Receive(file, /*fail=*/true), kExitFailed);
  EXPECT_EQ(Read(file), "before");
  EXPECT_EQ(Receive(file), kExitSucceeded);
  EXPECT_TRUE(was_new_);
  EXPECT_EQ(Read(file), "photo");
  EXPECT_EQ(fs::status(file).permissions(), fs::perms(0600)) << "what was hidden stays so";
  EXPECT_EQ(Receive(Path("new")), kExitSucceeded);
  EXPECT_EQ(Read(Path("new")), "photo");
  EXPECT_EQ(Files(), 2u);
}

// promise: C-16
TEST_F(LocalFileTest, ALinkStaysAndItsFileIsReplaced) {
  fs::create_directory(Path("elsewhere"));
  const std::string file = Write("elsewhere/a", "before");
  fs::create_symlink("elsewhere/a", Path("link"));
  fs::create_symlink("link", Path("link-to-link"));
  EXPECT_EQ(Receive(Path("link-to-link"), /*fail=*/true), kExitFailed);
  EXPECT_EQ(Read(file), "before");
  EXPECT_EQ(Receive(Path("link-to-link")), kExitSucceeded);
  EXPECT_TRUE(was_new_);
  EXPECT_EQ(Read(file), "photo");
  EXPECT_TRUE(fs::is_symlink(Path("link")));
  EXPECT_TRUE(fs::is_symlink(Path("link-to-link")));
  fs::create_symlink("nowhere", Path("dangling"));
  EXPECT_EQ(Receive(Path("dangling")), kExitBadInput);
  EXPECT_THAT(said_, HasSubstr("dangling is a symbolic link to nothing; remove it"));
  EXPECT_FALSE(fs::exists(Path("nowhere")));
}

// promise: C-16
TEST_F(LocalFileTest, APipeIsWrittenTo) {
  ASSERT_EQ(::mkfifo(Path("pipe").c_str(), 0600), 0);
  // Both ends, so that neither waits for the other.
  const UniqueFd pipe(::open(Path("pipe").c_str(), O_RDWR | O_CLOEXEC));
  fs::create_symlink("pipe", Path("link"));
  for (const char* name : {"pipe", "link"}) {
    EXPECT_EQ(Receive(Path(name)), kExitSucceeded);
    EXPECT_FALSE(was_new_);
    EXPECT_EQ(ReadFrom(pipe.get()), "photo");
    EXPECT_TRUE(fs::is_fifo(Path(name)));
  }
}

// A terminal is the one device that a test may make.
// promise: C-16
TEST_F(LocalFileTest, ADeviceIsWrittenTo) {
  const UniqueFd terminal(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(terminal.valid());
  ASSERT_EQ(::unlockpt(terminal.get()), 0);
  const std::string device = ::ptsname(terminal.get());
  EXPECT_EQ(Receive(device), kExitSucceeded) << said_;
  EXPECT_FALSE(was_new_);
  EXPECT_EQ(ReadFrom(terminal.get()), "photo");
  EXPECT_TRUE(fs::is_character_file(device));
}

// As in `fractosctl cp storage:a /dev/stdout >>log`.
TEST_F(LocalFileTest, WhatStandardOutputGoesToIsNotReplaced) {
  const std::string log = Write("log", "before ");
  const UniqueFd file(::open(log.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  const UniqueFd kept(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  ASSERT_EQ(::dup2(file.get(), STDOUT_FILENO), STDOUT_FILENO);
  const ExitCode code = Receive("/dev/stdout");
  ::dup2(kept.get(), STDOUT_FILENO);
  EXPECT_EQ(code, kExitSucceeded);
  EXPECT_FALSE(was_new_);
  EXPECT_EQ(Read(log), "before photo");
}

// promise: C-23
TEST_F(LocalFileTest, AnInterruptedOneLeavesNothingBehind) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    ::signal(signal, SIG_DFL);
    const auto receive = [&] {
      ReceiveLocalFile(Path("a"), [&](int, bool) {
        if (Files() == 1) ::raise(signal);
        return kExitFailed;
      });
    };
    EXPECT_EXIT(receive(), ::testing::ExitedWithCode(kExitInterrupted), "");
    EXPECT_EQ(Files(), 0u);
    ::signal(signal, SIG_IGN);
    ReceiveLocalFile(Path("a"), [&](int, bool) {
      EXPECT_EQ(::raise(signal), 0);
      return kExitFailed;
    });
    EXPECT_EQ(::signal(signal, SIG_DFL), SIG_IGN);
  }
}

// promise: C-17
TEST_F(LocalFileTest, AFolderIsRefusedWithTheWayOut) {
  EXPECT_EQ(Receive(folder_), kExitBadInput);
  EXPECT_EQ(said_, absl::StrCat("fractosctl: ", folder_,
                                " is a folder; name the file that is to be made in it\n"));
  EXPECT_EQ(Files(), 0u);
  fs::create_symlink(".", Path("link"));
  EXPECT_EQ(Receive(Path("link")), kExitBadInput);
  const absl::StatusOr<UniqueFd> in = OpenLocalFile(folder_);
  EXPECT_EQ(in.status(), absl::InvalidArgumentError(absl::StrCat(
                             folder_, " is a folder; cp copies one file: name one in it")));
}

TEST_F(LocalFileTest, WhatCannotBeOpenedIsSaid) {
  EXPECT_EQ(Receive(Path("no/such")), kExitBadInput);
  EXPECT_THAT(said_, HasSubstr("no/such"));
  EXPECT_EQ(Receive(Write("file", "") + "/inside"), kExitBadInput);
  EXPECT_THAT(said_, HasSubstr("cannot write"));
  EXPECT_FALSE(OpenLocalFile(Path("no-such")).ok());
}

}  // namespace
}  // namespace fractos
