// The record of a run: what must outlast every process. Small: of all values it holds the bytes of
// small outputs only.
#ifndef FRACTOS_LIB_DRIVER_CORE_RECORD_H_
#define FRACTOS_LIB_DRIVER_CORE_RECORD_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "lib/protocol/message.h"

namespace fractos {

enum class RunPhase {
  kPending,  // recorded, nothing sent
  kRunning,
  kFailing,    // a step failed for good: the error continuation runs
  kSucceeded,  // the last three are the end
  kFailed,
  kCancelled,
};

// One run. Written whole, by compare-and-swap on its version.
struct RunRecord {
  RunId run;
  std::string name;
  RunPhase phase = RunPhase::kPending;
  uint64_t redrive = 0;  // R: raised before anything is sent under it
  int64_t start_us = 0;  // wall clock; the deadline counts from here
  int64_t end_us = 0;
  Failure failure;  // why it is Failing or Failed
  StepPath failed_step;
  std::map<StepPath, ResultPtr> steps;  // inline bytes: those of small outputs
  // Set with the end: under which path each output stands in `steps`. A sink that refined has its
  // value under a path that only the refinement's bytes could tell.
  std::map<std::string, StepPath> outputs;
  // What `steps` moved between processes, and the bytes it would have been with every result going
  // through the driver. Filled in when the record is written, for stores that show it to people;
  // not read back.
  Transfer transfer;
  uint64_t centralized_bytes = 0;
};

bool IsEnd(RunPhase phase);
absl::string_view RunPhaseName(RunPhase phase);

// A record as text (JSON), and back. InvalidArgument on anything else.
std::string EncodeRecord(const RunRecord& record);
absl::StatusOr<RunRecord> DecodeRecord(absl::string_view text);

// Keeps records. Implementations block. Unless one says that it is thread-safe, it is called from
// one thread (Driver::Options::record_writers).
class RecordStore {
 public:
  struct Versioned {
    RunRecord record;
    uint64_t version = 0;
  };
  virtual ~RecordStore() = default;
  // NotFound when there is none.
  virtual absl::StatusOr<Versioned> Load(const RunId& run) = 0;
  // Durable when it returns OK. `version` 0 creates (AlreadyExists); else Aborted when the stored
  // version is another one: somebody else drives the run. Returns the new version.
  virtual absl::StatusOr<uint64_t> Write(const RunRecord& record, uint64_t version) = 0;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_DRIVER_CORE_RECORD_H_
