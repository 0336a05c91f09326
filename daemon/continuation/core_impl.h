// The inside of Core, shared by the files that implement its parts:
//   core.cc       events that are not messages: links, leadership, time
//   receive.cc    hand-overs coming in, and answers to those that went out
//   execute.cc    from an accepted attempt to a committed result
//   forward.cc    handing on, and telling predecessors when they may forget
//   report.cc     the driver's side: reports, the record, re-drives, the end
#ifndef FRACTOS_DAEMON_CONTINUATION_CORE_IMPL_H_
#define FRACTOS_DAEMON_CONTINUATION_CORE_IMPL_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "daemon/continuation/core.h"
#include "daemon/continuation/run.h"
#include "lib/base/random.h"
#include "lib/protocol/hold_table.h"
#include "lib/protocol/leader_book.h"

namespace fractos {

// How often the driver is told that something is still executing.
inline constexpr Duration kKeepalive = std::chrono::seconds(1);

class Core::Impl {
 public:
  explicit Impl(Options options);

  void Receive(Time now, const Incarnation& from, Message message, Actions* actions);
  void Fetched(Time now, const RunId& run, const Value& value, const absl::Status& status,
               Actions* actions);
  void Executed(Time now, const AttemptKey& key, Outcome outcome, Actions* actions);
  void LinkUp(Time now, const Incarnation& peer, uint64_t epoch, Actions* actions);
  void LinkDown(Time now, const Address& peer, Actions* actions);
  void Lead(Time now, uint64_t epoch, Actions* actions);
  void Follow(Time now, const Address& leader, uint64_t epoch, Actions* actions);
  void Drain() { draining_ = true; }
  bool Idle() const;
  std::optional<Time> NextTick() const;
  void Tick(Time now, Actions* actions);
  Stats stats() const;
  bool leads() const { return leads_; }
  uint64_t epoch() const { return epoch_; }

 private:
  // One event: every step of its handling sees the same time and adds to the same actions.
  struct Event {
    Time now;
    Actions* actions;
    void Emit(Action action) { actions->push_back(std::move(action)); }
  };

  // core.cc
  Run* FindRun(const RunId& id);
  Run& RunOf(Event& event, const HandOver& message);
  void Flush(Event& event);    // what the handling of an event left to do: local hand-overs, sends
  void SendOut(Event& event);  // what is in `sends_`; to `local_` what is for this daemon
  void StepDownBelow(Event& event, uint64_t seen);
  void Arm(const Run& run, Time due) { timers_.push({due, run.id}); }
  void TickRun(Event& event, Run& run);
  void Expire(Event& event, Run& run);
  void ReleaseFetched(Event& event, Run& run);
  void Forget(Event& event, std::map<RunId, Run>::iterator entry);
  bool IsSelf(const Address& address) const { return address == options_.self.address; }
  int64_t Micros(Time time) const { return WallMicros(time, options_.wall_offset_us); }
  void Reach(Event& event, const Run& run, const StepPath& step, StepState state);

  // receive.cc
  void On(Event& event, const Incarnation& from, HandOver message);
  void On(Event& event, const Incarnation& from, const Accepted& message);
  void On(Event& event, const Incarnation& from, const Passed& message);
  void On(Event& event, const Incarnation& from, const Nack& message);
  void On(Event& event, const Incarnation& from, const StaleEpoch& message);
  void TellDeposed(Event& event, const Incarnation& from, uint64_t epoch);
  void LearnViews(Event& event, const Continuation& continuation);
  std::optional<Nack> Refuse(const Incarnation& from, const HandOver& message);
  void Keep(Event& event, Run& run, const Incarnation& from, HandOver message);
  void Renew(Event& event, Run& run, Candidate& candidate, const HandOver& message);
  void PassOn(Event& event, Run& run, Attempt& attempt, const std::vector<NamedValue>& before);
  void Fire(Event& event, Run& run, const Candidate& candidate);
  void RaiseRedrive(Event& event, Run& run, uint64_t redrive);

  // execute.cc
  void Accept(Event& event, Run& run, const std::vector<const Candidate*>& chosen, Lineage lineage);
  void Adopt(Event& event, Run& run, Attempt& attempt);
  // An effect accepted under a leadership that is over: whoever leads now executes it, under the
  // same idempotency key.
  bool IsFenced(const Attempt& attempt) const;
  static std::vector<NamedValue> InputsOf(const Attempt& attempt);  // as its device names them
  void TakeInputs(const Run& run, Attempt& attempt);
  // Takes over what `candidate`, one of the attempt's, says of where the bytes are.
  void TakeRenewed(const Run& run, Attempt& attempt, const Candidate& candidate);
  void Queue(Attempt& attempt);
  void StartNext(Event& event);
  void FetchInputs(Event& event, Run& run, Attempt& attempt);
  bool IsHere(const Run& run, const Value& value) const;
  bool IsLost(const Run& run, const Value& value) const;
  bool WillBeRead(const Run& run, const ObjectId& object) const;
  void ReleaseRead(Event& event);
  void ReviewFetched(const Run& run);
  void RequestFetch(Event& event, Run& run, const Value& value);
  void StartExecuting(Event& event, Run& run, Attempt& attempt);
  void Settle(Event& event, Run& run, Attempt& attempt);  // a staged outcome, once R is settled
  void CommitResult(Event& event, Run& run, Attempt& attempt, ResultState state, Value value,
                    Failure failure);
  void FreeSlot(const Attempt& attempt);                // if it has one
  void Drop(Event& event, Run& run, Attempt& attempt);  // all but the entry itself
  void ReleaseObject(Event& event, Run& run, const ObjectId& object);

  // forward.cc
  void Forward(Event& event, Run& run, Attempt& attempt);
  HandOver MakeHandOver(Run& run, const Attempt& attempt, const StepPtr& successor);
  bool DriverHandsOver(const Run& run, const Step& successor) const;
  void MarkSafe(Event& event, Run& run, const EdgeKey& edge);
  void CheckPassed(Event& event, Run& run, Attempt& attempt);
  void TellPassed(Event& event, Run& run, const Candidate& candidate);
  Attempt* ProducerOf(Run& run, const ResultId& result);

  // report.cc
  void On(Event& event, const Incarnation& from, const Recorded& message);
  void On(Event& event, const Incarnation& from, const Query& message);
  void On(Event& event, const Incarnation& from, const Abort& message);
  void On(Event& event, const Incarnation& from, const End& message);
  template <typename Ignored>
  void On(Event& event, const Incarnation& from, const Ignored& message);  // not for daemons
  void ScheduleReport(Run& run, Time due);
  void SendReport(Event& event, Run& run);
  void SendKeepalive(Event& event, Run& run);
  void SettleRedrive(Event& event, Run& run, const Query& query);
  Holding Holdings(const Run& run);
  std::vector<StepPath> Executing(const Run& run) const;

  const Options options_;
  SeededRandom random_;
  LeaderBook book_;
  HoldTable holds_;
  std::map<RunId, Run> runs_;
  // When some run wants Tick's attention; entries may be stale and then cost only the look.
  using Timer = std::pair<Time, RunId>;
  mutable std::priority_queue<Timer, std::vector<Timer>, std::greater<Timer>> timers_;
  // Runs that are over, so that what is still under way does not start them again; in the order in
  // which they may be forgotten too. By the hundred thousand on a busy daemon, hence no tree.
  absl::flat_hash_set<RunId> ended_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<Timer>> ended_until_;
  std::deque<AttemptKey> queue_;
  size_t occupied_ = 0;         // execution slots
  std::deque<HandOver> local_;  // to steps of this daemon's own cluster
  HoldTable::Sends sends_;
  // Fetched values that may have no reader left: to be looked at before the event is over.
  std::vector<std::pair<RunId, ObjectId>> read_;
  bool leads_ = false;
  bool draining_ = false;
  uint64_t epoch_ = 0;
  Address leader_;
  Stats stats_;
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_CONTINUATION_CORE_IMPL_H_
