#include "cli/cluster/show.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/cluster/follower.h"
#include "cli/cluster/observed_run.h"
#include "cli/cluster/status_trace.h"
#include "cli/complain.h"
#include "cli/display.h"
#include "cli/progress_view.h"
#include "cli/report.h"
#include "cli/wakeup.h"
#include "lib/plan/duration.h"

namespace fractos::cluster {
namespace {

Display::Kind KindFor(const ShowOptions& options) {
  if (options.quiet) return Display::Kind::kQuiet;
  return options.verbose ? Display::Kind::kPlain : Display::Choose();
}

// The display, and above it why nothing moves.
class Screen {
 public:
  explicit Screen(const ShowOptions& options) : kind_(KindFor(options)), display_(kind_) {}

  void Show(const ObservedRun& run, const absl::Status& trouble, int64_t now_us) {
    const RunSnapshot& snapshot = run.snapshot;
    const RunRecord& record = snapshot.record;
    const int64_t end = snapshot.finished ? record.end_us : now_us;
    const int64_t elapsed = record.start_us == 0 ? 0 : std::max<int64_t>(end - record.start_us, 0);
    ProgressModel model = BuildProgress(run.plan, snapshot, elapsed);
    std::string note = trouble.ok() || snapshot.finished
                           ? run.note
                           : absl::StrCat("no word from the cluster: ", trouble.message());
    std::replace(note.begin(), note.end(), '\n', ' ');
    // In the picture where it is drawn over; else a line when there is something new.
    if (kind_ == Display::Kind::kLive && !note.empty()) absl::StrAppend(&model.title, " · ", note);
    if (kind_ == Display::Kind::kPlain && note != said_ && !note.empty()) {
      std::cerr << note << "\n";
    }
    said_ = std::move(note);
    display_.Show(model);
  }
  int RedrawMilliseconds() const { return display_.RedrawMilliseconds(); }

 private:
  const Display::Kind kind_;
  Display display_;
  std::string said_;
};

// How long an operator may take to see a new run before that is remarkable, and how long after its
// deadline to end it.
constexpr Duration kTakenUpWithin = std::chrono::seconds(5);
constexpr Duration kEndGrace = std::chrono::seconds(10);
// Without a word from the cluster time alone makes the difference.
constexpr int kLookAgainMilliseconds = 1000;

bool TakenUp(const kube::Object& object) { return !object.status().empty(); }

std::string NotTakenUp(const kube::Object& object) {
  return absl::StrCat("no operator has taken up ", object.key().ToString(),
                      " yet: is one running, and does it watch this namespace (watchNamespaces)?");
}

ExitCode PrintEnd(const ObservedRun& run, const kube::Object& object, const ShowOptions& options) {
  const ExitCode code = run.code();
  if (run.accepted == ObservedRun::Accepted::kNo && options.format == ReportFormat::kText) {
    std::cerr << "fractosctl: TaskGraph " << object.key().ToString()
              << " was not accepted: " << run.note << "\n";
    if (absl::StrContains(run.note, "there is no device ")) {
      std::cerr << "`kubectl fractos status` lists those there are; `kubectl apply` makes one\n";
    }
  } else {
    std::cout << FormatReport({run.plan, run.snapshot}, options.format,
                              Display::WantsColour(STDOUT_FILENO))
              << std::flush;
  }
  if (options.trace_file.empty()) return code;
  const absl::Status written = WriteStatusTrace(object, options.trace_file);
  if (written.ok()) return code;
  return Complain(written, code == kExitSucceeded ? kExitFailed : code);
}

}  // namespace

std::string WhatIsLeft(const kube::Object& task_graph) {
  return absl::StrCat("TaskGraph ", task_graph.key().ToString(), " is left there: `kubectl delete ",
                      "taskgraph ", task_graph.name(), " -n ", task_graph.ns(), "` removes it");
}

ExitCode ShowToItsEnd(const Target& target, kube::Object task_graph, const ShowOptions& options,
                      const std::function<OnInterrupt(const kube::Object&)>& on_interrupt) {
  const Time begin = target.clock->Now();  // before a follower can tell anybody anything
  Wakeup wakeup;
  Screen screen(options);
  const kube::Collection collection = TaskGraphs(task_graph.ns());
  Follower follower(target.client, target.clock, collection, std::move(task_graph),
                    [&wakeup] { wakeup.Notify(); });
  bool interrupted = false;
  while (true) {
    const Follower::View view = follower.Now();
    ObservedRun run = ObserveRun(*view.object);
    const Duration waited = target.clock->Now() - begin;
    const bool taken_up = TakenUp(*view.object);
    if (!taken_up && waited >= kTakenUpWithin) {
      run.note = absl::StrCat("note: ", NotTakenUp(*view.object));
    }
    const int64_t now_us = std::chrono::duration_cast<std::chrono::microseconds>(
                               target.clock->WallNow().time_since_epoch())
                               .count();
    screen.Show(run, view.trouble, now_us);
    if (run.snapshot.finished) return PrintEnd(run, *view.object, options);
    if (view.gone) {
      return Complain(absl::NotFoundError(absl::StrCat("TaskGraph ", view.object->key().ToString(),
                                                       " was deleted before it had ended")));
    }
    // Nobody else would ever end it.
    if (!taken_up && view.trouble.ok() && waited >= run.plan.deadline + kEndGrace) {
      return Complain(absl::DeadlineExceededError(absl::StrCat(
                          "its deadline, ", FormatDuration(run.plan.deadline), ", has passed; ",
                          NotTakenUp(*view.object), "\n", WhatIsLeft(*view.object))),
                      kExitDeadline);
    }
    if (wakeup.interrupted() && !interrupted) {
      interrupted = true;
      if (on_interrupt(*view.object) == OnInterrupt::kLeave) return kExitInterrupted;
    }
    const int redraw = screen.RedrawMilliseconds();
    wakeup.Wait(redraw < 0 && !taken_up ? kLookAgainMilliseconds : redraw);
  }
}

}  // namespace fractos::cluster
