// Whoever is asked to stop leaves its copying undone and nothing half done: the daemon kills an
// adaptor that does not answer soon, with everybody's steps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <stop_token>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "adaptors/kit/memory_file.h"
#include "adaptors/storage/root.h"
#include "adaptors/storage/storage_device.h"
#include "tests/unit/adaptors/adaptor_process.h"
#include "tests/unit/adaptors/syncs.h"

namespace fractos {
namespace {

using testing::IsEmpty;

// Asked to stop by a sendfile, when there is one.
std::stop_source* stopped_by_sendfile = nullptr;

class StorageStopTest : public testing::Test {
 protected:
  StorageStopTest() {
    const std::string options = absl::StrCat(R"({"root": ")", root_path_, R"("})");
    EXPECT_TRUE(device_.Configure(adaptor::Arguments::Parse(options, "option").value()).ok());
    root_ = device_.root().value();
  }
  ~StorageStopTest() override { stopped_by_sendfile = nullptr; }

  // The reason for which the operation fails, or "" when it does not.
  std::string Fails(const std::string& operation, const std::string& data = "") {
    adaptor::Request request;
    request.operation = operation;
    const char* arguments = operation == "concat" ? "{}" : R"({"key": "key"})";
    request.arguments = adaptor::Arguments::Parse(arguments, "argument").value();
    if (!data.empty()) request.inputs.push_back(adaptor::Input::Inline("data", data));
    request.stop = stop_.get_token();
    const adaptor::Answer answer = device_.Execute(request);
    const auto* failure = std::get_if<adaptor::Failure>(&answer.content());
    return failure == nullptr ? "" : failure->reason;
  }
  std::vector<std::string> Staged() {
    std::vector<std::string> names;
    for (const auto& entry :
         std::filesystem::directory_iterator(absl::StrCat(root_path_, "/", kStagingFolder))) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  TempFolder folder_;
  const std::string root_path_ = folder_ / "root";
  StorageDevice device_;
  const Root* root_ = nullptr;
  std::stop_source stop_;
  const std::string large_ = std::string(3 * adaptor::kStopBytes, 'x');
};

// promise: A-26
TEST_F(StorageStopTest, WhatCopiesMuchIsCancelled) {
  ASSERT_TRUE(root_->Put("key", large_).ok());
  for (const char* expected : {"", "Cancelled"}) {
    EXPECT_EQ(Fails("get"), expected);
    EXPECT_EQ(Fails("concat", large_), expected);
    EXPECT_EQ(Fails("put", large_), expected);
    stop_.request_stop();
  }
  EXPECT_TRUE(absl::IsCancelled(root_->Put("key", large_, stop_.get_token()))) << "it compares";
}

// promise: A-26
TEST_F(StorageStopTest, AFileThatIsBeingReadIsNotReadToItsEnd) {
  ASSERT_TRUE(root_->Put("key", large_).ok());
  stopped_by_sendfile = &stop_;
  EXPECT_EQ(Fails("get"), "Cancelled");
}

// promise: A-26
TEST_F(StorageStopTest, AFileThatIsBeingWrittenLeavesNothing) {
  size_t syncs = 0;
  {
    Syncs hook([&](const std::string&) {
      ++syncs;
      stop_.request_stop();
      return 0;
    });
    EXPECT_EQ(Fails("put", large_), "Cancelled");
  }
  EXPECT_EQ(syncs, 1u) << "no sync may be of more than is written between two looks";
  EXPECT_TRUE(absl::IsNotFound(root_->OpenFile("key").status()));
  EXPECT_THAT(Staged(), IsEmpty());
}

}  // namespace
}  // namespace fractos

// Stands before that of libc, which is linked dynamically.
extern "C" ssize_t sendfile(int out, int in, off_t* offset, size_t count) noexcept {
  if (fractos::stopped_by_sendfile != nullptr) fractos::stopped_by_sendfile->request_stop();
  return ::syscall(SYS_sendfile, out, in, offset, count);
}
