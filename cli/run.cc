#include "cli/run.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "cli/complain.h"
#include "cli/display.h"
#include "cli/inputs.h"
#include "cli/our_trace.h"
#include "cli/paths.h"
#include "cli/prepare.h"
#include "cli/progress_view.h"
#include "cli/run_folder.h"
#include "cli/session.h"
#include "cli/trace.h"
#include "cli/wakeup.h"
#include "lib/driver/file_record_store.h"
#include "lib/plan/names.h"
#include "lib/plan/reasons.h"

namespace fractos {
namespace {

int64_t NowMicroseconds(const Clock& clock) {
  return std::chrono::duration_cast<std::chrono::microseconds>(clock.WallNow().time_since_epoch())
      .count();
}

// Shows the run until it ends.
absl::StatusOr<RunSnapshot> Watch(Session* session, const RunId& run, const Plan& plan,
                                  const ShowOptions& options, Wakeup* wakeup) {
  Display display(options.quiet     ? Display::Kind::kQuiet
                  : options.verbose ? Display::Kind::kPlain
                                    : Display::Choose());
  bool cancelled = false;
  while (true) {
    if (wakeup->interrupted() && !cancelled) {
      cancelled = true;
      std::cerr << "cancelling; press Ctrl-C again to stop at once\n";
      session->driver().Cancel(run);
    }
    absl::StatusOr<RunSnapshot> snapshot = session->driver().Snapshot(run);
    if (!snapshot.ok()) return snapshot;
    if (!snapshot->lost.ok()) return snapshot->lost;
    const RunRecord& record = snapshot->record;
    const int64_t end = snapshot->finished ? record.end_us : NowMicroseconds(session->clock());
    display.Show(BuildProgress(plan, *snapshot, std::max<int64_t>(end - record.start_us, 0)),
                 session->TakeNews());
    if (snapshot->finished) return snapshot;
    wakeup->Wait(display.RedrawMilliseconds());
  }
}

absl::Status OpenCentre(Session* session, const PreparedRun& prepared, const ShowOptions& show) {
  if (prepared.kept.has_value()) {
    return session->UseCentre(prepared.needed, prepared.kept->folder, prepared.kept->clusters);
  }
  return session->StartCentre(prepared.needed, prepared.inputs.restart, show.verbose);
}

// Waits for the devices, as long as nobody interrupts, and not much longer than the run may take; a
// person hears early of one that keeps failing to start.
absl::StatusOr<Descriptions> AwaitDevices(Session* session, const std::vector<std::string>& names,
                                          Duration deadline, bool quiet, const Wakeup& wakeup) {
  constexpr Duration kSlice = std::chrono::milliseconds(500);
  constexpr Duration kPatience = std::chrono::seconds(3);
  // Starting costs the run no time, so a short deadline must not forbid it.
  const Duration limit = std::clamp<Duration>(deadline, kPatience, Session::kReadyTimeout);
  std::string said;
  for (Duration waited = kSlice;; waited += kSlice) {
    absl::StatusOr<Descriptions> ready = session->AwaitReady(names, kSlice);
    if (!absl::IsDeadlineExceeded(ready.status()) || wakeup.interrupted()) return ready;
    if (waited >= limit) {
      // What was said once is not said again.
      if (said != ready.status().message()) return ready;
      return absl::DeadlineExceededError(
          absl::StrCat("gave up after ", absl::FormatDuration(absl::FromChrono(waited))));
    }
    if (waited != kPatience || quiet) continue;
    said = std::string(ready.status().message());
    std::cerr << "fractosctl: " << said << "\nstill waiting; Ctrl-C stops\n";
  }
}

// Prints how the run ended.
ExitCode PrintEnd(const Plan& plan, const RunSnapshot& end, const ShowOptions& options,
                  TraceFile* trace) {
  std::cout << FormatReport({plan, end}, options.format, Display::WantsColour(STDOUT_FILENO))
            << std::flush;
  const ExitCode code = ExitCodeOf(end.record);
  if (trace == nullptr) return code;
  const absl::Status traced = trace->Write(ChromeTrace(plan, end.record));
  if (traced.ok()) return code;
  return Complain(traced, code == kExitSucceeded ? kExitFailed : code);
}

// What the report of a run that never began says of its steps.
Plan UncompiledPlan(const PreparedRun& prepared) {
  Plan plan;
  plan.name = prepared.inputs.name;
  plan.mode = prepared.inputs.mode;
  for (const auto& [from, to] : {std::pair(&prepared.graph.steps, &plan.steps),
                                 std::pair(&prepared.graph.on_failure, &plan.on_failure)}) {
    for (const TaskGraphStep& written : *from) {
      auto step = std::make_shared<Step>();
      step->path = written.name;
      step->cluster = ClusterOf(prepared.graph, written);
      step->operation = written.operation;
      to->push_back(std::move(step));
    }
  }
  return plan;
}

// The end of a run whose graph says that it is cancelled. The operator does the same with an object
// that is made so: it is recorded, and nothing is started.
absl::StatusOr<RunSnapshot> RecordCancelled(const PreparedRun& prepared, FileRecordStore* store,
                                            RecordStore::Versioned stored) {
  RunSnapshot end;
  end.finished = true;
  end.record = std::move(stored.record);
  end.record.phase = RunPhase::kCancelled;
  end.record.failure = {reason::kCancelled, "cancelled before it began"};
  end.record.start_us = end.record.end_us = NowMicroseconds(SystemClock());
  absl::Status status = WriteRunInputs(store->FolderOf(end.record.run), prepared.inputs);
  if (status.ok()) status = store->Write(end.record, stored.version).status();
  if (!status.ok()) return status;
  return end;
}

// Has the devices there, and compiles by what they say of themselves. Complains of what goes wrong.
ExitCode PlanOnDevices(Session* session, const PreparedRun& prepared, const ShowOptions& options,
                       const Wakeup& wakeup, Plan* plan) {
  if (absl::Status status = OpenCentre(session, prepared, options); !status.ok()) {
    return Complain(status);
  }
  std::vector<std::string> names;
  for (const PlacedCluster& placed : prepared.needed) names.push_back(placed.cluster.FullName());
  const absl::StatusOr<Descriptions> descriptions =
      AwaitDevices(session, names, prepared.inputs.deadline, options.quiet, wakeup);
  if (wakeup.interrupted()) return kExitInterrupted;
  if (!descriptions.ok()) return Complain(descriptions.status());

  const ParameterValues& parameters = prepared.inputs.parameters;
  if (const std::vector<Diagnostic> wrong = Validate(prepared.graph, *descriptions, parameters);
      !wrong.empty()) {
    return Refuse(wrong);
  }
  absl::StatusOr<Plan> compiled = Compile(prepared.graph, *descriptions, parameters);
  if (!compiled.ok()) return Complain(compiled.status(), kExitBadInput);
  *plan = *std::move(compiled);
  plan->name = prepared.inputs.name;
  plan->mode = prepared.inputs.mode;
  plan->deadline = prepared.inputs.deadline;
  plan->traceparent = prepared.inputs.traceparent;
  return kExitSucceeded;
}

// Runs what is prepared, from its record on. `fresh` says that what goes wrong before the driver
// has it, bad input found only when the devices have described themselves included, leaves nothing
// behind: there is no record yet, so there would be nothing to list or to resume.
ExitCode Drive(PreparedRun prepared, FileRecordStore* store, RecordStore::Versioned stored,
               bool fresh, const ShowOptions& options) {
  const RunId run = stored.record.run;
  absl::Cleanup forget = [fresh, folder = store->FolderOf(run)] {
    if (fresh) RemoveFolder(folder);
  };
  std::optional<TraceFile> trace;
  if (!options.trace_file.empty()) {
    absl::StatusOr<TraceFile> opened = TraceFile::Open(options.trace_file);
    if (!opened.ok()) return Complain(opened.status(), kExitBadInput);
    trace.emplace(*std::move(opened));
  }
  TraceFile* const trace_file = trace.has_value() ? &*trace : nullptr;
  if (prepared.graph.cancel) {
    const absl::StatusOr<RunSnapshot> end = RecordCancelled(prepared, store, std::move(stored));
    if (!end.ok()) return Complain(end.status());
    std::move(forget).Cancel();
    if (!options.quiet) std::cerr << "note: spec.cancel is true, so nothing was started\n";
    return PrintEnd(UncompiledPlan(prepared), *end, options, trace_file);
  }
  Wakeup wakeup;
  absl::StatusOr<std::unique_ptr<Session>> session = Session::Open(run.ToHex(), store);
  if (!session.ok()) return Complain(session.status());

  prepared.inputs.data_centre_kept = prepared.kept.has_value();
  prepared.inputs.data_centre =
      prepared.kept.has_value() ? prepared.kept->folder : (*session)->folder();
  if (absl::Status status = WriteRunInputs(store->FolderOf(run), prepared.inputs); !status.ok()) {
    return Complain(status);
  }
  Plan plan;
  if (const ExitCode code = PlanOnDevices(session->get(), prepared, options, wakeup, &plan);
      code != kExitSucceeded) {
    return code;
  }

  // Devices that had to start first cost the run no time.
  if (stored.version == 0) stored.record.start_us = NowMicroseconds((*session)->clock());
  const absl::Status started = (*session)->driver().Start(
      plan, std::move(stored.record), stored.version, [&wakeup] { wakeup.Notify(); });
  if (!started.ok()) return Complain(started);
  std::move(forget).Cancel();
  const absl::StatusOr<RunSnapshot> end = Watch(session->get(), run, plan, options, &wakeup);
  const ExitCode code =
      end.ok() ? PrintEnd(plan, *end, options, trace_file) : Complain(end.status());
  // Before `wakeup` goes, which the driver's threads notify.
  session->reset();
  return code;
}

// As Kubernetes names an object: `generateName` is a prefix, completed by something unique.
std::string NameOf(const TaskGraph& graph, const std::string& given, const RunId& run) {
  if (!given.empty()) return given;
  if (!graph.name.empty()) return graph.name;
  return absl::StrCat(graph.generate_name, run.ToShortHex().substr(0, 5));
}

// The run whose id begins with `prefix`.
absl::StatusOr<RunId> FindRun(const FileRecordStore& store, const std::string& prefix) {
  const absl::StatusOr<std::vector<RunId>> runs = store.List();
  if (!runs.ok()) return runs.status();
  std::vector<RunId> found;
  for (const RunId& run : *runs) {
    if (absl::StartsWith(run.ToHex(), prefix)) found.push_back(run);
  }
  if (found.empty()) {
    return absl::NotFoundError(
        absl::StrCat("there is no run ", prefix, "; `fractosctl runs` lists them"));
  }
  if (found.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(prefix, " begins the ids of ", found.size(), " runs; give more of it"));
  }
  return found.front();
}

}  // namespace

ExitCode Run(const RunOptions& options) {
  RunInputs run;
  if (!options.name.empty() && !IsDnsName(options.name)) {
    return Complain(absl::InvalidArgumentError(absl::StrCat("--name ", DnsNameRule(options.name))),
                    kExitBadInput);
  }
  absl::StatusOr<ParameterValues> parameters = ParseParameters(options.parameters);
  if (!parameters.ok()) return Complain(parameters.status(), kExitBadInput);
  run.parameters = *std::move(parameters);
  absl::StatusOr<std::vector<SourceFile>> sources =
      ReadSources({&options.files}, options.device_files);
  if (!sources.ok()) return Complain(sources.status(), kExitBadInput);
  run.sources = *std::move(sources);
  run.restart = options.restart;
  run.traceparent = OurTraceparent();
  ExitCode code = kExitSucceeded;
  absl::StatusOr<PreparedRun> prepared = PrepareRun(std::move(run), &code);
  if (!prepared.ok()) {
    std::cerr << std::string(prepared.status().message());
    return code;
  }
  RunInputs& inputs = prepared->inputs;
  inputs.mode = options.mode.value_or(prepared->graph.mode);
  inputs.deadline = options.deadline.value_or(prepared->graph.deadline);

  SystemRandom random;
  RecordStore::Versioned stored;
  stored.record.run = random.NewId<RunId>();
  inputs.name = NameOf(prepared->graph, options.name, stored.record.run);
  stored.record.name = inputs.name;
  FileRecordStore store(RunsFolder());
  if (absl::Status locked = store.Lock(stored.record.run); !locked.ok()) return Complain(locked);
  return Drive(*std::move(prepared), &store, std::move(stored), /*fresh=*/true, options.show);
}

ExitCode Resume(const std::string& prefix, const ShowOptions& options) {
  FileRecordStore store(RunsFolder());
  const absl::StatusOr<RunId> run = FindRun(store, prefix);
  if (!run.ok()) return Complain(run.status(), kExitBadInput);
  if (absl::Status locked = store.Lock(*run); !locked.ok()) return Complain(locked);
  absl::StatusOr<RunInputs> inputs = ReadRunInputs(store.FolderOf(*run));
  if (absl::IsNotFound(inputs.status())) {
    return Complain(absl::NotFoundError(
        absl::StrCat("run ", run->ToHex(), " was killed before it began; run its graph again")));
  }
  if (!inputs.ok()) return Complain(inputs.status());
  absl::StatusOr<RecordStore::Versioned> stored = store.Load(*run);
  if (absl::IsNotFound(stored.status())) {
    // Killed between writing down the inputs and the first record: nothing had been started.
    RecordStore::Versioned begin;
    begin.record.run = *run;
    begin.record.name = inputs->name;
    stored = std::move(begin);
  }
  if (!stored.ok()) return Complain(stored.status());
  if (IsEnd(stored->record.phase)) {
    std::cout << "run " << run->ToShortHex()
              << " has ended: " << std::string(RunPhaseName(stored->record.phase)) << "\n";
    return ExitCodeOf(stored->record);
  }
  ExitCode code = kExitSucceeded;
  absl::StatusOr<PreparedRun> prepared = PrepareRun(*std::move(inputs), &code);
  if (!prepared.ok()) {
    std::cerr << std::string(prepared.status().message());
    return code;
  }
  return Drive(*std::move(prepared), &store, *std::move(stored), /*fresh=*/false, options);
}

}  // namespace fractos
