// What a simulated world holds the protocol to: the promises about the record, which it sees
// written, and about values, whose bytes say what they were made of.
#ifndef FRACTOS_TESTS_SIM_CHECKER_H_
#define FRACTOS_TESTS_SIM_CHECKER_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/continuation/actions.h"
#include "lib/base/digest.h"
#include "lib/driver/core/record.h"
#include "lib/driver/core/run_graph.h"
#include "lib/plan/plan.h"

namespace fractos::sim {

// Is told what happens, in order, and collects what must not have happened. Sees nothing of a
// core's inside but what it does.
class Checker {
 public:
  explicit Checker(const Plan& plan);

  // What a device made, refinements included.
  void SawBytes(const std::string& bytes);
  const std::string& BytesOf(const Digest& digest) const { return bytes_.at(digest); }

  // The barrier: an effect starts only on results that stand in a record that was written.
  void OnExecute(const fractos::Execute& execute);

  // Exactly one recorded result per step, of one lineage, and a redrive epoch that only rises.
  void OnWritten(const std::optional<RunRecord>& before, const RunRecord& after);

  // The record that the run ended with is of one piece: every result is the value of the recorded
  // results before it. Null: the run did not end.
  void OnEnd(const RunRecord* record);

  void Violation(std::string what) { violations_.push_back(std::move(what)); }
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  // The record holds no bytes; to look at it, the refinements' are put back.
  RecordedSteps WithRefinements(const RunRecord& record) const;
  void OpenBarriers(const RunRecord& record);
  void CheckLineages(const RunGraph& graph, const RecordedSteps& recorded);
  // Where a run that did not get through got stuck.
  std::string Stuck(const RunGraph& graph, const RecordedSteps& recorded) const;

  const Plan plan_;
  bool has_barrier_ = false;  // some step waits for the record
  std::set<std::pair<StepPath, Lineage>> open_;
  std::map<Digest, std::string> bytes_;
  std::vector<std::string> violations_;
};

}  // namespace fractos::sim

#endif  // FRACTOS_TESTS_SIM_CHECKER_H_
