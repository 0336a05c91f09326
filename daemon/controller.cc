#include "daemon/controller.h"

#include <optional>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/step_span.h"

namespace fractos {
namespace {

Core::Options CoreOptions(const DeviceController::Options& options, const Clock& clock) {
  Core::Options core;
  core.self = options.self;
  core.max_in_flight = options.max_in_flight;
  core.max_runs = options.max_runs;
  core.seed = options.seed;
  auto wall =
      std::chrono::duration_cast<std::chrono::microseconds>(clock.WallNow().time_since_epoch());
  auto steady =
      std::chrono::duration_cast<std::chrono::microseconds>(clock.Now().time_since_epoch());
  core.wall_offset_us = (wall - steady).count();
  return core;
}

PeerInfo InitialInfo(const DeviceController::Options& options) {
  PeerInfo info;
  info.self = options.self;
  info.memory_endpoint =
      MemoryEndpointOf(options.advertised.empty() ? options.endpoint : options.advertised);
  return info;
}

// What an outcome that nobody wants leaves in the store.
ObjectId StagedObject(const Outcome& outcome) {
  if (const auto* produced = std::get_if<Outcome::Produced>(&outcome.what)) {
    return produced->value.object;
  }
  if (const auto* refined = std::get_if<Outcome::Refined>(&outcome.what)) {
    return refined->value.object;
  }
  return ObjectId();
}

}  // namespace

DeviceController::DeviceController(Options options, EventLoop* loop, AdaptorLauncher* launcher,
                                   const Clock* clock, Random* random,
                                   std::unique_ptr<Failpoint> failpoint,
                                   ControllerObserver* observer)
    : options_(std::move(options)),
      loop_(loop),
      clock_(clock),
      observer_(observer),
      failpoint_(std::move(failpoint)),
      meter_(clock),
      hops_(options_.spans == nullptr
                ? nullptr
                : std::make_unique<HopTracer>(options_.spans, clock, options_.self)),
      core_(CoreOptions(options_, *clock)),
      info_(InitialInfo(options_)),
      store_(options_.self, options_.memory_quota_bytes, random),
      links_(loop, InitialInfo(options_), this),
      fetcher_(std::make_unique<Fetcher>(
          options_.self, &store_,
          [this](const RunId& run, const Value& value, const absl::Status& status) {
            Step([&run, &value, &status](Core& core, Time now, Actions* actions) {
              core.Fetched(now, run, value, status, actions);
            });
          })),
      device_(std::make_unique<Device>(options_.device, launcher, &store_, clock, this)) {}

DeviceController::~DeviceController() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
  mutex_.Await(absl::Condition(this, &DeviceController::QuietLocked));
}

absl::Status DeviceController::Start(std::unique_ptr<Election> election) {
  election_ = std::move(election);
  if (absl::Status served = ServeMemory(); !served.ok()) return served;
  if (absl::Status listens = links_.Listen(options_.endpoint); !listens.ok()) return listens;
  device_->Start();
  return absl::OkStatus();
}

absl::Status DeviceController::ServeMemory() {
  const std::string where = MemoryEndpointOf(options_.endpoint);
  if (where.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options_.endpoint, " is neither unix:/path nor host:port, below 65535"));
  }
  absl::StatusOr<std::unique_ptr<MemoryServer>> server = MemoryServer::Start(where, &store_);
  if (!server.ok()) return server.status();
  memory_server_ = *std::move(server);
  if (absl::EndsWith(where, ":0")) {
    Announce([this](PeerInfo* info) {
      std::string& said = info->memory_endpoint;
      said = absl::StrCat(said.substr(0, said.rfind(':') + 1), memory_server_->port());
    });
  }
  return absl::OkStatus();
}

// --- Stepping the core

template <typename Event>
void DeviceController::Step(Event event) {
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    Actions actions;
    Time now = clock_->Now();
    event(core_, now, &actions);
    QueueLocked(std::move(actions), now);
    if (carrying_out_) return;
    carrying_out_ = true;
    ++active_;
  }
  CarryOutQueued();
  device_->Settle();
  absl::MutexLock lock(&mutex_);
  --active_;
}

void DeviceController::QueueLocked(Actions actions, Time now) {
  for (Action& action : actions) {
    Item item{std::move(action)};
    if (const auto* execute = std::get_if<Execute>(&item.action)) {
      item.ticket = ++last_ticket_;
      executions_[execute->attempt] = {item.ticket, now, execute->step->operation};
    } else if (const auto* cancel = std::get_if<Cancel>(&item.action)) {
      auto it = executions_.find(cancel->attempt);
      if (it == executions_.end()) continue;
      item.ticket = it->second.ticket;
      executions_.erase(it);
    }
    queue_.push_back(std::move(item));
  }
}

void DeviceController::CarryOutQueued() {
  std::deque<Item> batch;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      batch.clear();
      batch.swap(queue_);
      if (batch.empty()) {
        carrying_out_ = false;
        ArmTimerLocked();
        if (on_idle_ != nullptr && core_.Idle()) loop_->Post(std::exchange(on_idle_, nullptr));
        return;
      }
    }
    LinkTable::Batch frames(&links_);
    for (Item& item : batch) CarryOut(std::move(item));
  }
}

// A timer that is too early costs one needless Tick; setting it anew at each step would cost more.
void DeviceController::ArmTimerLocked() {
  std::optional<Time> next = core_.NextTick();
  if (!next.has_value() || (timer_ != 0 && timer_at_ <= *next)) return;
  if (timer_ != 0) loop_->Cancel(timer_);
  timer_at_ = *next;
  timer_ = loop_->At(*next, [this] {
    {
      absl::MutexLock lock(&mutex_);
      timer_ = 0;
    }
    Step([](Core& core, Time now, Actions* actions) { core.Tick(now, actions); });
  });
}

void DeviceController::CarryOut(Item item) {
  struct Visitor {
    DeviceController* self;
    Ticket ticket;
    void operator()(Send& send) {
      self->meter_.Sent(send.message);
      if (self->hops_ != nullptr) self->hops_->Sent(send.message);
      self->links_.Send(send.to, send.message);
    }
    void operator()(LearnClusters& learn) {
      for (const ClusterView& cluster : learn.clusters) {
        self->links_.Learn(cluster);
        self->fetcher_->Learn(cluster);
      }
    }
    void operator()(Fetch& fetch) { self->fetcher_->Fetch(fetch.run, fetch.value); }
    void operator()(Execute& execute) {
      self->meter_.Executing(execute.attempt, execute.step->operation);
      self->device_->Execute(ticket, std::move(execute));
    }
    void operator()(Cancel&) { self->device_->Cancel(ticket); }
    // Not there any more: released by a later action of the core, which knows.
    void operator()(Commit& commit) { self->store_.Commit(commit.object).IgnoreError(); }
    void operator()(Release& release) { self->fetcher_->Release(release.object); }
    void operator()(Reached& reached) {
      self->observer_->OnReached(reached);
      if (auto step = self->meter_.Reached(reached)) {
        self->observer_->OnStep(step->first, step->second);
      }
      if (self->failpoint_ != nullptr) self->failpoint_->Reach(reached);
    }
    void operator()(Traced& traced) {
      if (self->options_.spans == nullptr) return;
      if (auto span = StepSpan(traced)) self->options_.spans->Export(*std::move(span));
    }
    void operator()(StepDown& step_down) {
      self->Announce([](PeerInfo* info) { info->epoch = 0; });
      self->election_->StepDown(step_down.seen);
    }
  };
  std::visit(Visitor{this, item.ticket}, item.action);
}

void DeviceController::Announce(const std::function<void(PeerInfo*)>& change) {
  absl::MutexLock lock(&info_mutex_);
  change(&info_);
  links_.Update(info_);
}

// --- Events

void DeviceController::OnPeer(const PeerInfo& peer) {
  fetcher_->Learn(peer);
  Step([&peer](Core& core, Time now, Actions* actions) {
    core.LinkUp(now, peer.self, peer.epoch, actions);
  });
}

void DeviceController::OnPeerLost(const Address& peer) {
  fetcher_->Forget(peer);
  Step([&peer](Core& core, Time now, Actions* actions) { core.LinkDown(now, peer, actions); });
}

void DeviceController::OnMessages(const Incarnation& from, std::vector<Message> messages) {
  for (const Message& message : messages) {
    if (std::optional<Duration> hop = meter_.Received(message)) observer_->OnHop(*hop);
    if (hops_ != nullptr) hops_->Received(from, message);
  }
  Step([&from, &messages](Core& core, Time now, Actions* actions) {
    for (Message& message : messages) core.Receive(now, from, std::move(message), actions);
  });
}

void DeviceController::OnExecuted(std::vector<Executed> executed) {
  std::vector<ObjectId> unwanted;
  std::vector<std::pair<std::string, Duration>> took;
  Step([this, &executed, &unwanted, &took](Core& core, Time now, Actions* actions)
           ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
             for (Executed& one : executed) {
               auto it = executions_.find(one.attempt);
               if (it == executions_.end() || it->second.ticket != one.ticket) {
                 // Cancelled while the answer was under way.
                 unwanted.push_back(StagedObject(one.outcome));
                 continue;
               }
               took.emplace_back(std::move(it->second.operation), now - it->second.start);
               executions_.erase(it);
               core.Executed(now, one.attempt, std::move(one.outcome), actions);
             }
           });
  for (const ObjectId& object : unwanted) {
    if (!object.IsNone()) store_.Release(object);
  }
  for (const auto& [operation, duration] : took) observer_->OnExecution(operation, duration);
}

void DeviceController::OnDescribed(const DeviceDescription& description) {
  Announce([&description](PeerInfo* info) {
    info->description_json = DeviceDescriptionToJson(description);
  });
  observer_->OnDescribed(description);
  absl::MutexLock lock(&mutex_);
  // Not before: a replica that can do nothing would lead in the place of one that can.
  if (!described_ && !resigned_ && !stopping_) election_->Start();
  described_ = true;
}

void DeviceController::OnDown(const absl::Status& why) { observer_->OnAdaptorDown(why); }

void DeviceController::OnElected(uint64_t epoch) {
  {
    absl::MutexLock lock(&mutex_);
    if (resigned_) return;  // won while giving up: nobody was told, so nothing is to be undone
    election_works_ = true;
  }
  Step([epoch](Core& core, Time now, Actions* actions) { core.Lead(now, epoch, actions); });
  Announce([epoch](PeerInfo* info) { info->epoch = epoch; });
  observer_->OnLeading(epoch);
}

// The process stays, and finishes the steps without effects that it has accepted.
void DeviceController::OnDeposed() {
  {
    absl::MutexLock lock(&mutex_);
    if (resigned_) return;  // peers know, and what is under way may end as it would have
    election_works_ = false;
  }
  Announce([](PeerInfo* info) { info->epoch = 0; });
  Step([](Core& core, Time now, Actions* actions) {
    core.Follow(now, Address(), /*epoch=*/0, actions);
  });
  observer_->OnDeposed();
}

void DeviceController::OnLeader(const LeaderInfo& leader) {
  Address address{options_.self.address.cluster, leader.replica};
  {
    absl::MutexLock lock(&mutex_);
    election_works_ = true;
  }
  Step([&address, &leader](Core& core, Time now, Actions* actions) {
    core.Follow(now, address, leader.epoch, actions);
  });
  observer_->OnFollowing(address, leader.epoch);
}

void DeviceController::OnElectionError(const absl::Status& why) {
  {
    absl::MutexLock lock(&mutex_);
    // A leader that cannot see who else leads has been elected all the same.
    if (!core_.leads()) election_works_ = false;
  }
  observer_->OnElectionError(why);
}

// --- The end

void DeviceController::BeginDrain(std::function<void()> idle) {
  {
    absl::MutexLock lock(&mutex_);
    resigned_ = true;
    on_idle_ = std::move(idle);
  }
  Announce([](PeerInfo* info) { info->epoch = 0; });
  election_->Resign();
  Step([](Core& core, Time, Actions*) { core.Drain(); });
}

void DeviceController::Shutdown(Duration grace, std::function<void()> done) {
  links_.Shutdown(grace, std::move(done));
}

DeviceController::Status DeviceController::status() const {
  Status status;
  {
    absl::MutexLock lock(&mutex_);
    status.described = described_;
    status.leads = core_.leads() && !resigned_;
    status.election_works = election_works_ || status.leads;
    status.epoch = core_.epoch();
    status.core = core_.stats();
  }
  status.device = device_->stats();
  status.links = links_.stats();
  status.fetches = fetcher_->stats();
  status.meter = meter_.counts();
  status.memory_used_bytes = store_.used_bytes();
  status.memory_quota_bytes = options_.memory_quota_bytes;
  if (memory_server_ != nullptr) {
    status.memory_served_bytes = memory_server_->served_bytes();
  }
  return status;
}

}  // namespace fractos
