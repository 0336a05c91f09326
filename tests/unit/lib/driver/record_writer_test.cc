#include "lib/driver/record_writer.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fractos {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

RunId RunNamed(char name) { return RunId::FromBytes(std::string(RunId::kSize, name)).value(); }

// Says what happened, in order: "write NAME VERSION", "written VERSION".
class Log {
 public:
  void Add(std::string line) {
    const absl::MutexLock lock(&mutex_);
    lines_.push_back(std::move(line));
  }
  std::vector<std::string> Await(size_t lines) {
    const absl::MutexLock lock(&mutex_);
    const auto enough = [this, lines]()
                            ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return lines_.size() >= lines; };
    mutex_.Await(absl::Condition(&enough));
    return lines_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

class FakeStore final : public RecordStore {
 public:
  explicit FakeStore(Log* log) : log_(log) {}
  absl::StatusOr<Versioned> Load(const RunId&) override { return absl::NotFoundError("none"); }
  absl::StatusOr<uint64_t> Write(const RunRecord& record, uint64_t version) override {
    log_->Add(absl::StrCat("write ", record.name, " ", version));
    return version + 1;
  }

 private:
  Log* const log_;
};

class RecordWriterTest : public ::testing::Test {
 protected:
  RecordWriter::Callbacks Callbacks() {
    return {[](const RunId& run) -> std::optional<uint64_t> {
              if (run == RunNamed('x')) return std::nullopt;
              return 7;
            },
            [this](const RunId&, const absl::StatusOr<uint64_t>& written) {
              log_.Add(absl::StrCat("written ", written.value_or(0)));
            }};
  }
  static RunRecord Record(const char* name) {
    RunRecord record;
    record.name = name;
    return record;
  }
  Log log_;
  FakeStore store_{&log_};
};

TEST_F(RecordWriterTest, WritesInOrderWhatIsDrivenStill) {
  RecordWriter writer(1, &store_, Callbacks());
  writer.Add(RunNamed('a'), Record("first"));
  writer.Add(RunNamed('x'), Record("let go of"));
  writer.Add(RunNamed('b'), Record("second"));
  EXPECT_THAT(log_.Await(4),
              ElementsAre("write first 7", "written 8", "write second 7", "written 8"));
}

TEST_F(RecordWriterTest, NothingIsWrittenAfterStop) {
  RecordWriter writer(2, &store_, Callbacks());
  writer.Stop();
  writer.Add(RunNamed('a'), Record("late"));
  writer.Stop();
  EXPECT_THAT(log_.Await(0), IsEmpty());
}

}  // namespace
}  // namespace fractos
