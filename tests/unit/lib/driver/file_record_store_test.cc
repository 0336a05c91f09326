#include "lib/driver/file_record_store.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/driver/memory_record_store.h"

namespace fractos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

RunRecord Record(uint64_t redrive) {
  RunRecord record;
  record.run = RunId::FromBytesOrDie("0123456789abcdef");
  record.name = "test";
  record.redrive = redrive;
  return record;
}

// This program once more, as another driver: what is forked from a process with threads may not
// even allocate. It is killed at the latest when this object goes.
class OtherDriver {
 public:
  explicit OtherDriver(const std::vector<std::string>& arguments) {
    int ends[2];
    if (::pipe(ends) != 0) return;
    std::vector<char*> argv;
    for (const std::string& one : arguments) argv.push_back(const_cast<char*>(one.c_str()));
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], 1);
      ::execv("/proc/self/exe", argv.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    said_ = ends[0];
  }
  ~OtherDriver() {
    Kill();
    ::close(said_);
  }
  // The next character it says; 0 when it ends without.
  char Hear() {
    char answer = 0;
    return ::read(said_, &answer, 1) == 1 ? answer : '\0';
  }
  int ExitCode() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void Kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ExitCode();
  }

 private:
  pid_t pid_ = -1;
  int said_ = -1;
};

class FileRecordStoreTest : public ::testing::Test {
 protected:
  FileRecordStoreTest() {
    char path[] = "/tmp/fractos-records-XXXXXX";
    directory_ = ::mkdtemp(path);
  }
  ~FileRecordStoreTest() override { std::filesystem::remove_all(directory_); }

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
      OtherDriver other(
          {"driver", "--die", directory_, std::to_string(stage), std::to_string(replaces ? 1 : 0)});
      ASSERT_EQ(other.ExitCode(), 42);

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
  OtherDriver other({"driver", "--drive", directory_});
  ASSERT_EQ(other.Hear(), 'y');

  FileRecordStore store(directory_);
  const absl::Status locked = store.Lock(run());
  EXPECT_EQ(locked.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(locked.message()), HasSubstr("driven by another fractosctl"));
  EXPECT_EQ(store.Write(Record(2), 1).status().code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(store.Load(run()).ok()) << "reading needs no lock";

  other.Kill();
  EXPECT_TRUE(store.Lock(run()).ok());
  EXPECT_EQ(*store.Write(Record(2), 1), 2u);
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

// Dies at `stage` of writing, over the first version of the record or none.
int WriteAndDie(const std::string& directory, int stage, uint64_t version) {
  FileRecordStore store(directory, [stage](WriteStage at) {
    if (static_cast<int>(at) == stage) ::_exit(42);
    return absl::OkStatus();
  });
  (void)store.Write(Record(2), version);
  return 1;
}

int Drive(const std::string& directory) {
  FileRecordStore store(directory);
  const bool ok = store.Write(Record(1), 0).ok();
  (void)!::write(1, ok ? "y" : "n", 1);
  while (true) ::pause();
}

}  // namespace fractos

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "--die" && argc == 5) {
    return fractos::WriteAndDie(argv[2], std::stoi(argv[3]), std::stoul(argv[4]));
  }
  if (mode == "--drive" && argc == 3) return fractos::Drive(argv[2]);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
