// The inside of RunCore, shared by the files that implement its parts:
//   run_core.cc   events: links, time, writes, the end
//   failing.cc    the graph as it grows, and what is done once a step has failed
//   recording.cc  reports become the record
//   driving.cc    hand-overs from the record
//   recovery.cc   finding out what is still held, and driving the rest again
#ifndef FRACTOS_LIB_DRIVER_CORE_RUN_CORE_IMPL_H_
#define FRACTOS_LIB_DRIVER_CORE_RUN_CORE_IMPL_H_

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "lib/base/random.h"
#include "lib/driver/core/run_core.h"
#include "lib/driver/core/run_graph.h"
#include "lib/protocol/hold_table.h"
#include "lib/protocol/leader_book.h"

namespace fractos {

class RunCore::Impl {
 public:
  Impl(Options options, Plan plan, RunRecord record, std::vector<ClusterView> clusters);

  struct Event {
    Time now;
    DriverActions* actions;
    void Emit(DriverAction action) { actions->push_back(std::move(action)); }
  };

  // run_core.cc
  void Start(Event& event);
  void Receive(Event& event, const Incarnation& from, Message message);
  void Written(Event& event, const absl::Status& status);
  void LinkUp(Event& event, const Incarnation& peer, uint64_t epoch);
  void LinkDown(Event& event, const Address& peer);
  void Learn(const ClusterView& view);
  void Cancel(Event& event);
  void Tick(Event& event);
  std::optional<Time> NextTick() const;

  // recording.cc
  void Pulled(Event& event, const StepPath& step, absl::StatusOr<Value> value);

  const Plan& plan() const { return plan_; }
  const RunRecord& record() const { return record_; }
  std::vector<Output> outputs() const;
  Transfer transfer() const;
  uint64_t centralized_bytes() const;
  std::vector<StepPath> executing() const { return {executing_.begin(), executing_.end()}; }

 private:
  enum class Recovery {
    kNone,
    kWaiting,   // something died: holders get their time to send again
    kProbing,   // asking everybody what is held
    kRaising,   // writing the raised redrive epoch
    kSettling,  // everybody is told, and says what continues
  };

  // run_core.cc
  void Flush(Event& event);
  void Write(Event& event);  // now, or as soon as the write under way has ended
  void WriteBy(Time due);
  RunRecord Storable() const;
  void Finish(Event& event, RunPhase phase);
  void SendToAll(Event& event, const Message& message);
  Failure DeadlineFailure() const;
  int64_t Micros(Time time) const { return WallMicros(time, options_.wall_offset_us); }

  // failing.cc
  void Fail(Event& event, Failure failure);
  void StartErrorContinuation(Event& event);
  // After `refined` was recorded as refined, if any. False: the run failed.
  bool BuildGraph(Event& event, const StepPath& refined = {});
  void SkipWhatIsNotDone(Event& event);

  // recording.cc
  void On(Event& event, const Incarnation& from, const Report& message);
  void RecordPending(Event& event);
  enum class Verdict { kRecord, kKnown, kWait, kRefuse };
  Verdict Judge(Event& event, const StepResult& result);
  bool IsUrgent(const StepResult& result) const;
  void Add(Event& event, const ResultPtr& result);
  void Acknowledge(Event& event);
  void CheckEnd(Event& event);
  bool IsReleasable(const StepPtr& step, const StepResult& result) const;
  bool IsOutput(const StepResult& result) const;
  bool HaveOutputs(Event& event);
  std::vector<StepPath> AllSinks() const;

  // driving.cc
  void Drive(Event& event);
  bool IsHeld(const EdgeKey& edge) const;
  bool DrivenHere(const Step& step, const ResultPtr& result) const;
  bool Readable(Event& event, const ResultPtr& result);
  const Value* OwnValue(const StepResult& result) const;
  void HandOverTo(Event& event, const StepPtr& step, const StepPath& from, const ResultPtr& result);
  void On(Event& event, const Incarnation& from, const Accepted& message);
  void On(Event& event, const Incarnation& from, const Passed& message);
  void On(Event& event, const Incarnation& from, const Nack& message);

  // recovery.cc
  // Somebody works on the run, or it got on. Acknowledgements do not count: a hold that is sent
  // again every two seconds to somebody who waits in vain is silence.
  void Heard(Event& event) {
    heard_ = event.now;
    silences_ = 0;
  }
  void Suspect(Event& event);  // something that may have held part of the run is gone
  void Probe(Event& event);
  void On(Event& event, const Incarnation& from, const Holding& message);
  void On(Event& event, const Incarnation& from, const FetchRedrive& message);
  void CheckAnswers(Event& event, bool time_is_up);
  void Recovered(Event& event);  // nobody's answer is waited for any more
  bool IsReadable(const StepResult& result) const;
  bool IsGone(const Value& value) const;
  std::set<StepPath> LostResults() const;
  bool EverythingIsHeld();
  void Unrecord(const std::set<StepPath>& lost);
  bool StandsOnNothing(const StepPath& path) const;
  void Raise(Event& event);
  Query MakeQuery(Time now) const;

  const Options options_;
  const Plan plan_;
  RunRecord record_;
  RunGraph graph_;
  SeededRandom random_;
  LeaderBook book_;
  HoldTable holds_;
  HoldTable::Sends sends_;
  Time deadline_;
  bool finished_ = false;
  bool ending_ = false;  // the last write is on its way

  // Writing.
  bool writing_ = false;
  bool write_again_ = false;
  Time write_due_ = Time::max();
  RunRecord written_;           // of the write under way
  std::set<ResultId> durable_;  // acknowledged by the store
  uint64_t durable_redrive_ = 0;
  RunPhase durable_phase_ = RunPhase::kPending;

  // Reported, not yet recorded: a predecessor or a refinement's bytes are missing.
  std::vector<ResultPtr> pending_;                   // in the order of arrival: ancestors first
  std::map<ResultId, std::set<Address>> reporters_;  // to be told once it is durable
  std::set<ResultId> released_;
  std::set<ObjectId> released_objects_;
  std::set<StepPath> executing_;

  // Values in the driver's own Memory: results by step. Read by OwnValue, for another result of the
  // step may have taken its place in the record.
  std::map<StepPath, Value> own_values_;
  std::set<StepPath> pulling_;

  // Driving.
  std::set<EdgeKey> sent_;
  std::set<StepPath> drive_from_;  // results whose edges nobody else sends

  // Recovery.
  Recovery recovery_ = Recovery::kNone;
  Time recovery_due_ = Time::max();
  bool suspected_ = false;  // again, while a recovery was under way
  bool force_ = false;      // drive again even if everything seems to be held
  bool resuming_ = false;   // nothing is known yet of what the last driver left
  int silences_ = 0;        // in a row
  std::set<ObjectId> lost_objects_;
  // Values whose results were un-recorded because nobody has them, until their owner comes back.
  std::map<ObjectId, Incarnation> dead_objects_;
  std::set<ResultId> lost_results_;  // un-recorded: who held their values holds nothing
  std::map<Address, BootId> up_;
  std::map<Address, Holding> holdings_;
  std::set<ResultId> news_;        // recorded since the last probe began
  std::set<ObjectId> unreadable_;  // asked for since then, in vain
  Time heard_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_DRIVER_CORE_RUN_CORE_IMPL_H_
