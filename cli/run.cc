#include "cli/run.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "cli/complain.h"
#include "cli/display.h"
#include "cli/inputs.h"
#include "cli/kept_centre.h"
#include "cli/known_devices.h"
#include "cli/our_trace.h"
#include "cli/paths.h"
#include "cli/progress_view.h"
#include "cli/run_folder.h"
#include "cli/session.h"
#include "cli/trace.h"
#include "cli/wakeup.h"
#include "lib/driver/file_record_store.h"
#include "lib/plan/names.h"
#include "lib/plan/reasons.h"
#include "nlohmann/json.hpp"

namespace fractos {
namespace {

// A run that is ready to be started: what `run` made of the files, or `resume` of the folder.
struct Prepared {
  RunInputs inputs;
  TaskGraph graph;
  std::vector<PlacedCluster> needed;
  std::optional<KeptCentre> kept;  // the data centre that is up, if the run may use it
};

// Every cluster that the graph may reach. With a device that nobody knows before it runs, that is
// all of the user's: it may refine to any of them.
std::vector<PlacedCluster> Needed(const TaskGraph& graph, const Inputs& inputs,
                                  const ParameterValues& parameters) {
  const KnownDescriptions known = DescribeWithoutStarting(inputs.DeviceClusters());
  std::set<std::string> names;
  for (const auto* steps : {&graph.steps, &graph.on_failure}) {
    for (const TaskGraphStep& step : *steps) names.insert(ClusterOf(graph, step));
  }
  const bool all_known =
      std::none_of(known.undescribed.begin(), known.undescribed.end(),
                   [&names](const std::string& cluster) { return names.contains(cluster); });
  const absl::StatusOr<Plan> plan =
      all_known ? Compile(graph, known.descriptions, parameters)
                : absl::StatusOr<Plan>(absl::UnavailableError("not all devices are known"));
  if (plan.ok()) names = {plan->clusters.begin(), plan->clusters.end()};
  std::vector<PlacedCluster> needed;
  for (const PlacedCluster& placed : inputs.clusters) {
    const bool named = names.contains(placed.cluster.FullName());
    if (named || (!plan.ok() && !inputs.default_clusters)) needed.push_back(placed);
  }
  return needed;
}

// Reads, checks and chooses. Prints what is wrong; nothing has been started or written then.
absl::StatusOr<Prepared> Prepare(RunInputs run, ExitCode* code) {
  *code = kExitBadInput;
  Inputs inputs = ParseInputs(run.sources, HomeFolder());
  if (!inputs.diagnostics.empty()) {
    return absl::InvalidArgumentError(FormatDiagnostics(CheckInputs(inputs, run.parameters)));
  }
  absl::StatusOr<TaskGraph> graph = OnlyGraph(inputs);
  if (!graph.ok()) return absl::InvalidArgumentError(absl::StrCat(graph.status().message(), "\n"));

  absl::StatusOr<std::optional<KeptCentre>> kept = UseWhatIsUp(&inputs);
  if (!kept.ok()) {
    *code = kExitFailed;
    return absl::InternalError(absl::StrCat(kept.status().message(), "\n"));
  }
  if (const std::vector<Diagnostic> wrong = CheckGraph(*graph, inputs, run.parameters);
      !wrong.empty()) {
    return absl::InvalidArgumentError(FormatDiagnostics(wrong));
  }
  Prepared prepared;
  prepared.needed = Needed(*graph, inputs, run.parameters);
  if (kept->has_value() && Offers(**kept, prepared.needed)) prepared.kept = *std::move(kept);
  prepared.graph = *std::move(graph);
  prepared.inputs = std::move(run);
  *code = kExitSucceeded;
  return prepared;
}

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

absl::Status OpenCentre(Session* session, const Prepared& prepared, const ShowOptions& show) {
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
Plan UncompiledPlan(const Prepared& prepared) {
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
absl::StatusOr<RunSnapshot> RecordCancelled(const Prepared& prepared, FileRecordStore* store,
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

// Runs what is prepared, from its record on. `fresh` says that what goes wrong before the driver
// has it, bad input found only when the devices have described themselves included, leaves nothing
// behind: there is no record yet, so there would be nothing to list or to resume.
ExitCode Drive(Prepared prepared, FileRecordStore* store, RecordStore::Versioned stored, bool fresh,
               const ShowOptions& options) {
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
  if (absl::Status status = OpenCentre(session->get(), prepared, options); !status.ok()) {
    return Complain(status);
  }
  std::vector<std::string> names;
  for (const PlacedCluster& placed : prepared.needed) names.push_back(placed.cluster.FullName());
  const absl::StatusOr<Descriptions> descriptions =
      AwaitDevices(session->get(), names, prepared.inputs.deadline, options.quiet, wakeup);
  if (wakeup.interrupted()) return kExitInterrupted;
  if (!descriptions.ok()) return Complain(descriptions.status());

  const ParameterValues& parameters = prepared.inputs.parameters;
  if (const std::vector<Diagnostic> wrong = Validate(prepared.graph, *descriptions, parameters);
      !wrong.empty()) {
    return Refuse(wrong);
  }
  absl::StatusOr<Plan> plan = Compile(prepared.graph, *descriptions, parameters);
  if (!plan.ok()) return Complain(plan.status(), kExitBadInput);
  plan->name = prepared.inputs.name;
  plan->mode = prepared.inputs.mode;
  plan->deadline = prepared.inputs.deadline;
  plan->traceparent = prepared.inputs.traceparent;

  // Devices that had to start first cost the run no time.
  if (stored.version == 0) stored.record.start_us = NowMicroseconds((*session)->clock());
  const absl::Status started = (*session)->driver().Start(
      *plan, std::move(stored.record), stored.version, [&wakeup] { wakeup.Notify(); });
  if (!started.ok()) return Complain(started);
  std::move(forget).Cancel();
  const absl::StatusOr<RunSnapshot> end = Watch(session->get(), run, *plan, options, &wakeup);
  const ExitCode code =
      end.ok() ? PrintEnd(*plan, *end, options, trace_file) : Complain(end.status());
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

std::string FormatStart(int64_t microseconds) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixMicros(microseconds),
                          absl::LocalTimeZone());
}

struct ListedRun {
  RunRecord record;
  bool resumable = false;  // it has not ended, and nobody drives it
};

// The latest first.
absl::StatusOr<std::vector<ListedRun>> ReadRuns() {
  FileRecordStore store(RunsFolder());
  const absl::StatusOr<std::vector<RunId>> runs = store.List();
  if (!runs.ok()) return runs.status();
  std::vector<ListedRun> listed;
  for (const RunId& run : *runs) {
    absl::StatusOr<RecordStore::Versioned> stored = store.Load(run);
    if (absl::IsPermissionDenied(stored.status())) return stored.status();
    if (!stored.ok()) continue;  // killed before its first record; there is nothing to tell
    ListedRun one{std::move(stored->record)};
    one.resumable =
        !IsEnd(one.record.phase) &&
        !absl::IsFailedPrecondition(ProbeLock(absl::StrCat(store.FolderOf(run), "/lock")).status());
    listed.push_back(std::move(one));
  }
  std::sort(listed.begin(), listed.end(), [](const ListedRun& a, const ListedRun& b) {
    return a.record.start_us > b.record.start_us;
  });
  return listed;
}

void PrintRunsJson(const std::vector<ListedRun>& runs) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const ListedRun& run : runs) {
    list.push_back({{"run", run.record.run.ToHex()},
                    {"name", run.record.name},
                    {"phase", std::string(RunPhaseName(run.record.phase))},
                    {"startMicroseconds", run.record.start_us},
                    {"resumable", run.resumable}});
  }
  std::cout << list.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

void PrintRuns(const std::vector<ListedRun>& runs) {
  std::cout << absl::StrFormat("%-10s %-24s %-20s %s\n", "RUN", "NAME", "STARTED", "PHASE");
  for (const ListedRun& run : runs) {
    const RunRecord& record = run.record;
    const std::string phase =
        run.resumable ? absl::StrCat("Interrupted: fractosctl resume ", record.run.ToShortHex())
                      : std::string(RunPhaseName(record.phase));
    std::cout << absl::StrFormat("%-10s %-24s %-20s %s\n", record.run.ToShortHex(), record.name,
                                 FormatStart(record.start_us), phase);
  }
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
  absl::StatusOr<Prepared> prepared = Prepare(std::move(run), &code);
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
  absl::StatusOr<Prepared> prepared = Prepare(*std::move(inputs), &code);
  if (!prepared.ok()) {
    std::cerr << std::string(prepared.status().message());
    return code;
  }
  return Drive(*std::move(prepared), &store, *std::move(stored), /*fresh=*/false, options);
}

ExitCode ListRuns(const std::string& format) {
  const absl::StatusOr<std::vector<ListedRun>> runs = ReadRuns();
  if (!runs.ok()) return Complain(runs.status());
  if (format == "json") {
    PrintRunsJson(*runs);
  } else if (runs->empty()) {
    std::cout << "no runs yet; `fractosctl run FILE` starts one\n";
  } else {
    PrintRuns(*runs);
  }
  return kExitSucceeded;
}

}  // namespace fractos
