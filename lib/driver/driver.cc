#include "lib/driver/driver.h"

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "lib/driver/driver_memory.h"
#include "lib/driver/record_writer.h"
#include "lib/driver/run_span.h"
#include "lib/link/hop_tracer.h"

namespace fractos {
namespace {

int64_t Microseconds(auto duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

// Which run a message is about; none for what concerns a whole cluster.
std::optional<RunId> RunOf(const Message& message) {
  struct Visitor {
    std::optional<RunId> operator()(const HandOver& m) const { return m.continuation->run; }
    std::optional<RunId> operator()(const Accepted& m) const { return m.edge.run; }
    std::optional<RunId> operator()(const Passed& m) const { return m.edge.run; }
    std::optional<RunId> operator()(const Nack& m) const { return m.edge.run; }
    std::optional<RunId> operator()(const StaleEpoch&) const { return std::nullopt; }
    std::optional<RunId> operator()(const Report& m) const { return m.run; }
    std::optional<RunId> operator()(const Recorded& m) const { return m.run; }
    std::optional<RunId> operator()(const Query& m) const { return m.run; }
    std::optional<RunId> operator()(const FetchRedrive& m) const { return m.run; }
    std::optional<RunId> operator()(const Holding& m) const { return m.run; }
    std::optional<RunId> operator()(const Abort& m) const { return m.run; }
    std::optional<RunId> operator()(const End& m) const { return m.run; }
  };
  return std::visit(Visitor(), message);
}

LinkOptions LinkOptionsOf(const Driver::Options& options) {
  LinkOptions link;
  link.ping_interval = options.ping_interval;
  return link;
}

std::string AdvertisedMemory(const Driver::Options& options) {
  return options.memory_advertised.empty() ? options.memory_endpoint : options.memory_advertised;
}

// Whether the sender keeps something until it is told that the run is over.
bool WaitsForAnswer(const Message& message) {
  return std::holds_alternative<Report>(message) || std::holds_alternative<FetchRedrive>(message);
}

}  // namespace

class Driver::Impl final : public LinkObserver {
 public:
  Impl(EventLoop* loop, Options options, RecordStore* store, const Clock* clock, Random* random)
      : loop_(loop),
        options_(std::move(options)),
        clock_(clock),
        random_(random),
        self_{Address::Driver(options_.name), random->NewId<BootId>()},
        hops_(options_.spans == nullptr
                  ? nullptr
                  : std::make_unique<HopTracer>(options_.spans, clock, self_)),
        links_(loop, PeerInfo{self_, 0, "", AdvertisedMemory(options_)}, this,
               LinkOptionsOf(options_)),
        writer_(options_.record_writers, store,
                {[this](const RunId& id) { return VersionOf(id); },
                 [this](const RunId& id, const absl::StatusOr<uint64_t>& written) {
                   Written(id, written);
                 }}),
        memory_(self_, options_.memory_quota_bytes, random,
                [this](const RunId& id, DriverMemory::Pulled pulled) {
                  OnPulled(id, std::move(pulled));
                }) {}

  // First of all the writer, whose threads use the rest.
  ~Impl() override { writer_.Stop(); }

  absl::Status ServeMemory() {
    return options_.memory_endpoint.empty() ? absl::OkStatus()
                                            : memory_.Serve(options_.memory_endpoint);
  }

  void Learn(const std::vector<ClusterView>& clusters) {
    for (const ClusterView& view : clusters) {
      links_.Learn(view);
      size_t before = 0;
      {
        const absl::MutexLock lock(&mutex_);
        ClusterView& known = clusters_[view.cluster];
        before = known.endpoints.size();
        known = view;
        for (const RunId& id : RunsThatNeed(view.cluster)) runs_.at(id).core->Learn(view);
      }
      Disconnect(view.cluster, view.endpoints.size(), before);
      for (uint32_t replica = 0; replica < view.endpoints.size(); ++replica) {
        links_.Connect({view.cluster, replica});
      }
    }
  }

  void Unlearn(const std::string& cluster) {
    size_t replicas = 0;
    {
      const absl::MutexLock lock(&mutex_);
      const auto found = clusters_.find(cluster);
      if (found == clusters_.end()) return;
      replicas = found->second.endpoints.size();
      clusters_.erase(found);
    }
    Disconnect(cluster, 0, replicas);
  }

  std::vector<ClusterView> clusters() const {
    const absl::MutexLock lock(&mutex_);
    std::vector<ClusterView> views;
    for (const auto& [name, view] : clusters_) views.push_back(view);
    return views;
  }

  std::vector<PeerInfo> peers() const {
    const absl::MutexLock lock(&mutex_);
    std::vector<PeerInfo> peers;
    for (const auto& [address, peer] : peers_) peers.push_back(peer);
    return peers;
  }

  absl::Status Start(Plan plan, RunRecord record, uint64_t version,
                     std::function<void()> on_change) {
    const RunId id = record.run;
    const std::function<void()> changed = on_change;
    {
      const LinkTable::Batch batch(&links_);
      // One critical section: nobody may step a core that has not started.
      const absl::MutexLock lock(&mutex_);
      if (runs_.contains(id)) {
        return absl::AlreadyExistsError(absl::StrCat("run ", id.ToHex(), " is driven here"));
      }
      std::vector<ClusterView> views;
      for (const std::string& name : plan.clusters) {
        const auto found = clusters_.find(name);
        if (found == clusters_.end()) {
          return absl::NotFoundError(
              absl::StrCat("DeviceCluster ", name, " is not known to this driver"));
        }
        views.push_back(found->second);
      }
      RunCore::Options core;
      core.self = self_;
      core.hold_window = options_.hold_window;
      core.wall_offset_us = Microseconds(clock_->WallNow().time_since_epoch()) -
                            Microseconds(clock_->Now().time_since_epoch());
      core.seed = random_->Next();
      core.traceparent = RunTraceparent(id, plan.traceparent, options_.spans != nullptr);
      Run run;
      run.needs = {plan.clusters.begin(), plan.clusters.end()};
      run.version = version;
      run.on_change = std::move(on_change);
      if (options_.spans != nullptr) run.asked_by = plan.traceparent;
      run.core = std::make_unique<RunCore>(std::move(core), std::move(plan), std::move(record),
                                           std::move(views));
      StepRun(id, runs_.emplace(id, std::move(run)).first->second,
              [this](Run& started, Time now, DriverActions* actions)
                  ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
                    started.core->Start(now, actions);
                    for (const auto& [address, peer] : peers_) {
                      if (started.needs.contains(address.cluster)) {
                        started.core->LinkUp(now, peer.self, peer.epoch, actions);
                      }
                    }
                  });
    }
    if (changed != nullptr) changed();
    return absl::OkStatus();
  }

  absl::StatusOr<RunSnapshot> Snapshot(const RunId& id) const {
    const absl::MutexLock lock(&mutex_);
    const auto found = runs_.find(id);
    if (found == runs_.end()) {
      return absl::NotFoundError(absl::StrCat("run ", id.ToHex(), " is not driven here"));
    }
    const Run& run = found->second;
    RunSnapshot snapshot;
    snapshot.record = run.core->record();
    snapshot.executing = run.core->executing();
    snapshot.finished = run.finished;
    snapshot.lost = run.lost;
    if (run.finished) snapshot.outputs = run.core->outputs();
    snapshot.transfer = run.core->transfer();
    snapshot.centralized_bytes = run.core->centralized_bytes();
    return snapshot;
  }

  void Cancel(const RunId& id) {
    WithRun(id, [](Run& run, Time now, DriverActions* actions) { run.core->Cancel(now, actions); });
  }

  void Forget(const RunId& id) {
    DriverMemory::Pulls unneeded;
    {
      const absl::MutexLock lock(&mutex_);
      const auto found = runs_.find(id);
      if (found == runs_.end()) return;
      if (found->second.timer.has_value()) loop_->Cancel(found->second.timer->id);
      memory_.Release(found->second.memory);
      unneeded.swap(found->second.memory.pulls);
      runs_.erase(found);
    }
    CancelPulls(unneeded);
  }

  void Abandon(const RunId& id) {
    {
      const LinkTable::Batch batch(&links_);
      const absl::MutexLock lock(&mutex_);
      const auto found = runs_.find(id);
      if (found == runs_.end()) return;
      for (const std::string& cluster : found->second.needs) {
        const auto view = clusters_.find(cluster);
        const size_t replicas = view == clusters_.end() ? 0 : view->second.endpoints.size();
        for (uint32_t replica = 0; replica < replicas; ++replica) {
          links_.Send({cluster, replica}, End{id});
        }
      }
    }
    Forget(id);
  }

  std::optional<Duration> SilentFor(const Address& replica) const {
    return links_.SilentFor(replica);
  }

  void Shutdown(Duration grace) {
    writer_.Stop();
    {
      const absl::MutexLock lock(&mutex_);
      for (auto& [id, run] : runs_) {
        if (run.timer.has_value()) loop_->Cancel(run.timer->id);
        run.timer.reset();
      }
    }
    // Shared: `done` may come after the grace, when nobody waits any more.
    const auto closed = std::make_shared<absl::Notification>();
    links_.Shutdown(grace, [closed] { closed->Notify(); });
    closed->WaitForNotificationWithTimeout(absl::FromChrono(2 * grace));
  }

  void OnPeer(const PeerInfo& peer) override {
    std::vector<RunId> concerned;
    {
      const absl::MutexLock lock(&mutex_);
      const Address& address = peer.self.address;
      const auto view = clusters_.find(address.cluster);
      // Let go of meanwhile: nobody would say that it is lost.
      if (view == clusters_.end() || address.replica >= view->second.endpoints.size()) return;
      peers_[address] = peer;
      if (peer.epoch > view->second.epoch) {
        view->second.epoch = peer.epoch;
        view->second.leader = address.replica;
      }
      concerned = RunsThatNeed(address.cluster);
    }
    for (const RunId& id : concerned) {
      WithRun(id, [this, &peer](Run& run, Time now, DriverActions* actions)
                      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
                        if (!peers_.contains(peer.self.address)) return;  // lost meanwhile
                        run.core->LinkUp(now, peer.self, peer.epoch, actions);
                      });
    }
    if (options_.on_peer != nullptr) options_.on_peer(peer);
  }

  void OnPeerLost(const Address& peer) override {
    std::vector<RunId> concerned;
    {
      const absl::MutexLock lock(&mutex_);
      peers_.erase(peer);
      concerned = RunsThatNeed(peer.cluster);
    }
    for (const RunId& id : concerned) {
      WithRun(id, [&peer](Run& run, Time now, DriverActions* actions) {
        run.core->LinkDown(now, peer, actions);
      });
    }
    if (options_.on_peer_lost != nullptr) options_.on_peer_lost(peer);
  }

  void OnMessages(const Incarnation& from, std::vector<Message> messages) override {
    const LinkTable::Batch batch(&links_);
    for (Message& message : messages) {
      const std::optional<RunId> id = RunOf(message);
      if (!id.has_value()) continue;
      if (hops_ != nullptr) hops_->Received(from, message);
      const bool waits = WaitsForAnswer(message);
      const bool known =
          WithRun(*id, [&from, &message](Run& run, Time now, DriverActions* actions) {
            run.core->Receive(now, from, std::move(message), actions);
          });
      if (known || !waits) continue;
      if (options_.is_over == nullptr || options_.is_over(*id)) {
        links_.Send(from.address, End{*id});
      }
    }
  }

 private:
  struct Timer {
    Time when;
    EventLoop::TimerId id;
  };
  struct Run {
    std::unique_ptr<RunCore> core;
    std::set<std::string> needs;
    uint64_t version = 0;
    std::function<void()> on_change;
    std::optional<Timer> timer;
    std::string asked_by;  // a traceparent, if runs are traced
    DriverMemory::OfRun memory;
    bool finished = false;
    absl::Status lost;
  };

  std::vector<RunId> RunsThatNeed(const std::string& cluster) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::vector<RunId> ids;
    for (const auto& [id, run] : runs_) {
      if (run.needs.contains(cluster)) ids.push_back(id);
    }
    return ids;
  }

  // Steps the run's core by `step`, carries out what follows, then says that something changed.
  // False when the run is not here.
  template <typename F>
  bool WithRun(const RunId& id, F step) {
    std::function<void()> on_change;
    DriverMemory::Pulls unneeded;
    {
      const LinkTable::Batch batch(&links_);
      const absl::MutexLock lock(&mutex_);
      const auto found = runs_.find(id);
      if (found == runs_.end()) return false;
      Run& run = found->second;
      // A core that has lost its run must do nothing more; whoever drives it now does.
      if (run.lost.ok()) StepRun(id, run, std::move(step));
      on_change = run.on_change;
      if (run.finished || !run.lost.ok()) unneeded.swap(run.memory.pulls);
    }
    CancelPulls(unneeded);
    if (on_change != nullptr) on_change();
    return true;
  }

  // Each calls back as it ends, some at once.
  void CancelPulls(const DriverMemory::Pulls& pulls) ABSL_LOCKS_EXCLUDED(mutex_) {
    memory_.Cancel(pulls);
  }

  template <typename F>
  void StepRun(const RunId& id, Run& run, F step) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    DriverActions actions;
    step(run, clock_->Now(), &actions);
    CarryOut(id, run, std::move(actions));
    SetTimer(id, run);
  }

  void CarryOut(const RunId& id, Run& run, DriverActions actions)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    struct Visitor {
      Impl* self;
      const RunId& id;
      Run& run;
      DriverActions* next;
      void operator()(const Send& send) {
        if (self->hops_ != nullptr) self->hops_->Sent(send.message);
        self->links_.Send(send.to, send.message);
      }
      void operator()(WriteRecord& write) { self->writer_.Add(id, std::move(write.record)); }
      void operator()(const PullValue& pull) ABSL_EXCLUSIVE_LOCKS_REQUIRED(self->mutex_) {
        self->Bring(id, run, pull, next);
      }
      void operator()(const Finished&) {
        run.finished = true;
        self->Trace(run);
      }
    };
    while (!actions.empty()) {
      DriverActions next;
      for (DriverAction& action : actions) std::visit(Visitor{this, id, run, &next}, action);
      actions = std::move(next);
    }
  }

  void Trace(const Run& run) const {
    if (options_.spans == nullptr) return;
    std::optional<Span> span = RunSpan(run.core->record(), run.core->plan().mode, run.asked_by);
    if (span.has_value()) options_.spans->Export(*std::move(span));
  }

  void SetTimer(const RunId& id, Run& run) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const std::optional<Time> due = run.finished ? std::nullopt : run.core->NextTick();
    if (run.timer.has_value()) {
      if (due.has_value() && *due == run.timer->when) return;
      loop_->Cancel(run.timer->id);
      run.timer.reset();
    }
    if (!due.has_value()) return;
    run.timer = Timer{*due, loop_->At(*due, [this, id, when = *due] { OnTimer(id, when); })};
  }

  void OnTimer(const RunId& id, Time when) {
    WithRun(id, [when](Run& run, Time now, DriverActions* actions) {
      // A timer that was cancelled too late must not disarm the one that took its place.
      if (run.timer.has_value() && run.timer->when == when) run.timer.reset();
      run.core->Tick(now, actions);
    });
  }

  void Bring(const RunId& id, Run& run, const PullValue& pull, DriverActions* next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto peer = peers_.find(pull.value.owner.address);
    const bool linked = peer != peers_.end() && peer->second.self == pull.value.owner;
    std::optional<absl::StatusOr<Value>> value =
        memory_.Bring(id, pull, linked ? &peer->second : nullptr, &run.memory);
    if (value.has_value()) run.core->Pulled(clock_->Now(), pull.step, *std::move(value), next);
  }

  void OnPulled(const RunId& id, DriverMemory::Pulled pulled) {
    bool kept = false;
    WithRun(id, [this, &pulled, &kept](Run& run, Time now, DriverActions* actions)
                    ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
                      kept = memory_.Keep(&pulled, &run.memory);
                      if (kept)
                        run.core->Pulled(now, pulled.step, std::move(pulled.value), actions);
                    });
    // The run ended, or went to another driver, while the bytes were on their way.
    if (!kept) memory_.Drop(pulled);
  }

  // Lets go of the replicas from `begin` to before `end`.
  void Disconnect(const std::string& cluster, size_t begin, size_t end) {
    for (size_t replica = begin; replica < end; ++replica) {
      const Address address{cluster, static_cast<uint32_t>(replica)};
      links_.Disconnect(address);
      OnPeerLost(address);
    }
  }

  // What the writer of records asks and tells.
  std::optional<uint64_t> VersionOf(const RunId& id) const {
    const absl::MutexLock lock(&mutex_);
    const auto found = runs_.find(id);
    if (found == runs_.end()) return std::nullopt;
    return found->second.version;
  }
  void Written(const RunId& id, const absl::StatusOr<uint64_t>& written) {
    WithRun(id, [&written](Run& run, Time now, DriverActions* actions) {
      if (written.ok()) run.version = *written;
      // The core stops driving what it cannot record.
      if (!written.ok()) run.lost = written.status();
      run.core->Written(now, written.status(), actions);
    });
  }

  EventLoop* const loop_;
  const Options options_;
  const Clock* const clock_;
  Random* const random_;
  const Incarnation self_;
  const std::unique_ptr<HopTracer> hops_;  // null: nobody traces

  mutable absl::Mutex mutex_;
  std::map<std::string, ClusterView> clusters_ ABSL_GUARDED_BY(mutex_);
  std::map<Address, PeerInfo> peers_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<RunId, Run> runs_ ABSL_GUARDED_BY(mutex_);

  LinkTable links_;
  RecordWriter writer_;
  // Last, so that its threads, which use all of the above, end first.
  DriverMemory memory_;
};

absl::StatusOr<std::unique_ptr<Driver>> Driver::Create(EventLoop* loop, Options options,
                                                       RecordStore* store, const Clock* clock,
                                                       Random* random) {
  auto impl = std::make_unique<Impl>(loop, std::move(options), store, clock, random);
  if (absl::Status status = impl->ServeMemory(); !status.ok()) return status;
  return std::unique_ptr<Driver>(new Driver(std::move(impl)));
}

Driver::Driver(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Driver::~Driver() = default;

void Driver::Learn(const std::vector<ClusterView>& clusters) { impl_->Learn(clusters); }
void Driver::Unlearn(const std::string& cluster) { impl_->Unlearn(cluster); }
std::vector<ClusterView> Driver::clusters() const { return impl_->clusters(); }
std::vector<PeerInfo> Driver::peers() const { return impl_->peers(); }

absl::Status Driver::Start(Plan plan, RunRecord record, uint64_t version,
                           std::function<void()> on_change) {
  return impl_->Start(std::move(plan), std::move(record), version, std::move(on_change));
}

absl::StatusOr<RunSnapshot> Driver::Snapshot(const RunId& run) const {
  return impl_->Snapshot(run);
}

void Driver::Cancel(const RunId& run) { impl_->Cancel(run); }
void Driver::Forget(const RunId& run) { impl_->Forget(run); }
void Driver::Abandon(const RunId& run) { impl_->Abandon(run); }
std::optional<Duration> Driver::SilentFor(const Address& replica) const {
  return impl_->SilentFor(replica);
}
void Driver::Shutdown(Duration grace) { impl_->Shutdown(grace); }

}  // namespace fractos
