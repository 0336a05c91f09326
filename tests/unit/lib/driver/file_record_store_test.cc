#include "lib/driver/file_record_store.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/driver/memory_record_store.h"

namespace fractos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FileRecordStoreTest : public ::testing::Test {
 protected:
  FileRecordStoreTest() {
    char path[] = "/tmp/fractos-records-XXXXXX";
    directory_ = ::mkdtemp(path);
  }
  ~FileRecordStoreTest() override { std::filesystem::remove_all(directory_); }

  RunRecord Record(uint64_t redrive) const {
    RunRecord record;
    record.run = RunId::FromBytesOrDie("0123456789abcdef");
    record.name = "test";
    record.redrive = redrive;
    return record;
  }
  RunId run() const { return Record(0).run; }

  std::string directory_;
};

// promise: R-09
// Every store keeps the promise of RecordStore::Write.
void ComparesAndSwaps(RecordStore* store, RunRecord record) {
  EXPECT_EQ(store->Load(record.run).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store->Write(record, 1).status().code(), absl::StatusCode::kAborted);
  ASSERT_EQ(*store->Write(record, 0), 1u);
  EXPECT_EQ(store->Write(record, 0).status().code(), absl::StatusCode::kAlreadyExists);
  record.redrive = 2;
  ASSERT_EQ(*store->Write(record, 1), 2u);
  record.redrive = 3;
  EXPECT_EQ(store->Write(record, 1).status().code(), absl::StatusCode::kAborted);
  const auto loaded = store->Load(record.run);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->version, 2u);
  EXPECT_EQ(loaded->record.redrive, 2u);
}

TEST_F(FileRecordStoreTest, ComparesAndSwaps) {
  FileRecordStore store(directory_);
  ComparesAndSwaps(&store, Record(1));
  EXPECT_THAT(*store.List(), ElementsAre(run()));
}

TEST(MemoryRecordStoreTest, ComparesAndSwaps) {
  MemoryRecordStore store;
  RunRecord record;
  record.run = RunId::FromBytesOrDie("0123456789abcdef");
  ComparesAndSwaps(&store, record);
}

// promise: R-11
// "the file store writes atomically": a process killed at any stage leaves the record before or
// the record after, and the next process goes on from there.
TEST_F(FileRecordStoreTest, AKillAtAnyStageLeavesAWholeRecord) {
  for (const bool replaces : {false, true}) {
    for (int stage = 0; stage <= static_cast<int>(WriteStage::kDone); ++stage) {
      std::filesystem::remove_all(directory_);
      if (replaces) {
        FileRecordStore store(directory_);
        ASSERT_TRUE(store.Write(Record(1), 0).ok());
      }
      const pid_t child = ::fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        FileRecordStore store(directory_, [stage](WriteStage at) {
          if (static_cast<int>(at) == stage) ::_exit(42);
          return absl::OkStatus();
        });
        (void)store.Write(Record(2), replaces ? 1 : 0);
        ::_exit(1);
      }
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      ASSERT_EQ(WEXITSTATUS(status), 42);

      const bool is_new = stage > static_cast<int>(WriteStage::kRename);
      FileRecordStore store(directory_);
      const auto loaded = store.Load(run());
      if (!is_new && !replaces) {
        EXPECT_EQ(loaded.status().code(), absl::StatusCode::kNotFound) << stage;
      } else {
        ASSERT_TRUE(loaded.ok()) << stage << ": " << loaded.status();
        EXPECT_EQ(loaded->record.redrive, is_new ? 2u : 1u) << stage;
      }
      const uint64_t version = loaded.ok() ? loaded->version : 0;
      EXPECT_TRUE(store.Write(Record(3), version).ok()) << stage;
    }
  }
}

// "a full disk": the error says so, and the record before stands.
TEST_F(FileRecordStoreTest, AnErrorAtAnyStageKeepsTheRecordBefore) {
  for (int stage = 0; stage <= static_cast<int>(WriteStage::kRename); ++stage) {
    std::filesystem::remove_all(directory_);
    bool broken = false;
    FileRecordStore store(directory_, [&broken, stage](WriteStage at) {
      return broken && static_cast<int>(at) == stage ? absl::ResourceExhaustedError("disk full")
                                                     : absl::OkStatus();
    });
    ASSERT_TRUE(store.Write(Record(1), 0).ok());
    broken = true;
    EXPECT_EQ(store.Write(Record(2), 1).status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(store.Load(run())->record.redrive, 1u);
    broken = false;
    EXPECT_TRUE(store.Write(Record(2), 1).ok());
    EXPECT_EQ(store.Load(run())->record.redrive, 2u);
    EXPECT_FALSE(std::filesystem::exists(store.FolderOf(run()) + "/record.json.new"));
  }
}

// promise: R-12
// A lock guards each run: two drivers cannot drive one run, and a killed one frees it at once.
TEST_F(FileRecordStoreTest, OnlyOneProcessDrivesARunAndAKilledOneFreesIt) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    FileRecordStore store(directory_);
    const bool ok = store.Write(Record(1), 0).ok();
    (void)!::write(ready[1], ok ? "y" : "n", 1);
    while (true) ::pause();
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');

  FileRecordStore store(directory_);
  const absl::Status locked = store.Lock(run());
  EXPECT_EQ(locked.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(locked.message()), HasSubstr("driven by another fractosctl"));
  EXPECT_EQ(store.Write(Record(2), 1).status().code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(store.Load(run()).ok()) << "reading needs no lock";

  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(store.Lock(run()).ok());
  EXPECT_EQ(*store.Write(Record(2), 1), 2u);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(FileRecordStoreTest, ADamagedFileIsNamed) {
  FileRecordStore store(directory_);
  ASSERT_TRUE(store.Write(Record(1), 0).ok());
  const std::string path = store.FolderOf(run()) + "/record.json";
  for (const absl::string_view damage : {"", "x\n{}", "1\n{", "1\n{}"}) {
    ASSERT_TRUE(WriteFileAtomically(path, damage).ok());
    const absl::Status status = store.Load(run()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
    EXPECT_EQ(store.Write(Record(2), 1).status().code(), absl::StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace fractos
