#include "daemon/election/lease_election.h"

#include <algorithm>
#include <functional>
#include <set>
#include <stop_token>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "lib/api/names.h"
#include "lib/kube/errors.h"
#include "lib/kube/leader_elector.h"

namespace fractos {
namespace {

// Conflicts with the operator's own writes of the status are over as soon as it has written.
constexpr Duration kConflictPause = std::chrono::milliseconds(10);
// Of different ones in a row: one cause may show in several ways.
constexpr size_t kMaxToldErrors = 8;

absl::StatusOr<uint64_t> EpochOf(const kube::Object& cluster) {
  const int64_t epoch = kube::IntegerMember(cluster.status(), "leaderEpoch");
  if (epoch >= 0 && static_cast<uint64_t>(epoch) <= kMaxEpoch) {
    return static_cast<uint64_t>(epoch);
  }
  return absl::DataLossError(
      absl::StrCat("status.leaderEpoch of DeviceCluster ", cluster.key().ToString(), " is ", epoch,
                   ", which no election gives; set it to the highest that this cluster ever had"));
}

}  // namespace

class LeaseElection::Impl {
 public:
  Impl(Options options, kube::Client* client, kube::WaitableClock* clock, Random* random,
       ElectionObserver* observer)
      : options_(std::move(options)),
        identity_(absl::StrCat(options_.pod_uid, "/", options_.self.boot.ToHex())),
        client_(client),
        clock_(clock),
        random_(random),
        observer_(observer) {}

  ~Impl() {
    Resign();
    if (candidate_.joinable()) candidate_.join();
    looker_stop_.request_stop();
    {
      absl::MutexLock lock(&mutex_);
      look_ = true;
    }
    if (looker_.joinable()) looker_.join();
  }

  absl::Status Init() {
    kube::LeaderElectionOptions election;
    election.lock = {options_.ns, options_.lease, identity_, {{kLeaderPodLabel, options_.pod}}, {}};
    election.lease_duration = options_.lease_duration;
    election.renew_deadline = options_.renew_deadline;
    election.retry_period = options_.retry_period;
    election.release_on_cancel = true;
    election.create_lease = false;
    election.callbacks.on_started_leading = [this](const std::stop_token& stop,
                                                   const kube::Leadership& leadership) {
      Lead(stop, leadership);
    };
    election.callbacks.on_stopped_leading = [this] { StopLeading(); };
    election.callbacks.on_new_leader = [this](const std::string& identity) {
      absl::MutexLock lock(&mutex_);
      leader_ = identity;
      look_ = true;
    };
    election.on_error = [this](const absl::Status& why) { Report(why); };
    auto elector = kube::LeaderElector::Create(client_, clock_, random_, std::move(election));
    if (!elector.ok()) return elector.status();
    elector_ = *std::move(elector);
    return absl::OkStatus();
  }

  void Start() {
    looker_ = std::thread([this] { Look(looker_stop_.get_token()); });
    candidate_ = std::thread([this] { Stand(); });
  }

  void StepDown(uint64_t seen) {
    if (seen > kMaxEpoch) return;
    std::stop_source turn(std::nostopstate);
    {
      absl::MutexLock lock(&mutex_);
      floor_ = std::max(floor_, seen);
      // Told of an epoch that is not above ours: whoever said so has not seen the last election.
      if (epoch_ != 0 && seen > epoch_) turn = turn_;
    }
    turn.request_stop();
  }

  void Resign() {
    std::stop_source turn(std::nostopstate);
    {
      absl::MutexLock lock(&mutex_);
      resigned_ = true;
      turn = turn_;
    }
    turn.request_stop();
  }

  absl::Status Check(Duration tolerance) const { return elector_->Check(tolerance); }

 private:
  void Stand();
  void Lead(const std::stop_token& stop, const kube::Leadership& leadership);
  absl::StatusOr<uint64_t> RaiseEpoch(const kube::Context& context, int64_t transitions);
  void AnnounceElected(uint64_t epoch);
  absl::Status CheckLease(const kube::Context& context);
  void StopLeading();
  void Look(const std::stop_token& stop);
  absl::StatusOr<LeaderInfo> ReadLeader(const kube::Context& context);
  // `unless_known`: not if something else that went wrong was told already.
  void Report(const absl::Status& why, bool unless_known = false);

  // Calls `tell` without the lock, after whatever is being told, if `still` holds then. One thing
  // is told at a time, so nobody hears first of what was last.
  void Tell(const std::function<bool()>& still, const std::function<void()>& tell)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &Impl::SilentLocked));
      if (!still()) return;
      telling_ = true;
    }
    tell();
    absl::MutexLock lock(&mutex_);
    telling_ = false;
  }
  bool SilentLocked() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !telling_; }

  kube::Context Soon(const std::stop_token& stop) const {
    return {stop, clock_->Now() + options_.renew_deadline};
  }

  const Options options_;
  const std::string identity_;
  kube::Client* const client_;
  kube::WaitableClock* const clock_;
  Random* const random_;
  ElectionObserver* const observer_;
  std::unique_ptr<kube::LeaderElector> elector_;  // set by Init

  absl::Mutex mutex_;
  bool resigned_ ABSL_GUARDED_BY(mutex_) = false;
  std::stop_source turn_ ABSL_GUARDED_BY(mutex_);  // ends the present turn of the elector
  bool has_lease_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;  // not 0: OnElected was told of it
  uint64_t floor_ ABSL_GUARDED_BY(mutex_) = 0;  // the highest epoch we were told of
  std::string leader_ ABSL_GUARDED_BY(mutex_);  // the identity in the Lease
  bool look_ ABSL_GUARDED_BY(mutex_) = false;   // somebody should find out who that is
  bool telling_ ABSL_GUARDED_BY(mutex_) = false;
  BootId told_leader_ ABSL_GUARDED_BY(mutex_);                 // whom OnLeader was told of
  std::set<std::string> told_errors_ ABSL_GUARDED_BY(mutex_);  // since something went well

  std::stop_source looker_stop_;
  std::thread candidate_;
  std::thread looker_;
};

// --- The candidate's thread, on which the elector runs

void LeaseElection::Impl::Stand() {
  while (true) {
    std::stop_token stop;
    {
      absl::MutexLock lock(&mutex_);
      if (resigned_) return;
      turn_ = std::stop_source();
      stop = turn_.get_token();
    }
    const absl::Status lost = elector_->Run(stop);
    if (!lost.ok()) Report(lost);
  }
}

void LeaseElection::Impl::StopLeading() {
  {
    absl::MutexLock lock(&mutex_);
    has_lease_ = false;
    look_ = true;  // the looker may have looked away from a leader who is there already
  }
  Tell([this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return std::exchange(epoch_, 0) != 0; },
       [this] { observer_->OnDeposed(); });
}

// --- The elector's thread for a leader

void LeaseElection::Impl::Lead(const std::stop_token& stop, const kube::Leadership& leadership) {
  {
    absl::MutexLock lock(&mutex_);
    has_lease_ = true;
  }
  absl::Status failed;
  while (!stop.stop_requested()) {
    // Whoever wrote instead may be a leader that came after us.
    if (!failed.ok()) failed = CheckLease(Soon(stop));
    if (failed.ok()) {
      const absl::StatusOr<uint64_t> epoch = RaiseEpoch(Soon(stop), leadership.lease_transitions);
      if (epoch.ok()) return AnnounceElected(*epoch);
      failed = epoch.status();
    }
    if (stop.stop_requested()) return;
    const bool conflict = kube::IsConflict(failed);
    if (!conflict) Report(failed);
    kube::SleepFor(*clock_, conflict ? kConflictPause : options_.retry_period, stop);
  }
}

void LeaseElection::Impl::AnnounceElected(uint64_t epoch) {
  Tell(
      [this, epoch]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        if (!has_lease_ || !elector_->IsLeader()) return false;
        epoch_ = epoch;
        told_leader_ = BootId();
        told_errors_.clear();
        return true;
      },
      [this, epoch] { observer_->OnElected(epoch); });
}

absl::StatusOr<uint64_t> LeaseElection::Impl::RaiseEpoch(const kube::Context& context,
                                                         int64_t transitions) {
  const kube::Collection clusters{kDeviceClusters, options_.ns};
  absl::StatusOr<kube::Object> cluster = client_->Get(context, clusters, options_.cluster);
  if (!cluster.ok()) return cluster.status();
  const absl::StatusOr<uint64_t> last = EpochOf(*cluster);
  if (!last.ok()) return last.status();
  uint64_t epoch;
  {
    absl::MutexLock lock(&mutex_);
    epoch = std::max({*last, static_cast<uint64_t>(std::max<int64_t>(transitions, 0)), floor_}) + 1;
  }
  kube::Json& status = cluster->mutable_status();
  status["leaderEpoch"] = epoch;
  status["leader"] = {{"pod", options_.pod}, {"endpoint", options_.endpoint}};
  const absl::Status written =
      client_->UpdateStatus(context, clusters, *cluster, {"fractos-daemon"}).status();
  if (!written.ok()) return written;
  return epoch;
}

// OK if the Lease names this process.
absl::Status LeaseElection::Impl::CheckLease(const kube::Context& context) {
  const absl::StatusOr<kube::Object> lease =
      client_->Get(context, {kube::kLeases, options_.ns}, options_.lease);
  if (!lease.ok()) return lease.status();
  if (kube::ReadLease(*lease).record.holder_identity == identity_) return absl::OkStatus();
  return absl::AbortedError("the Lease is another's");
}

// --- The looker's thread

void LeaseElection::Impl::Look(const std::stop_token& stop) {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&look_));
      look_ = false;
      // Who leads itself need not ask; nor is there anybody to ask for.
      if (has_lease_ || leader_.empty() || leader_ == identity_) {
        if (stop.stop_requested()) return;
        continue;
      }
    }
    if (stop.stop_requested()) return;
    const absl::StatusOr<LeaderInfo> seen = ReadLeader(Soon(stop));
    if (stop.stop_requested()) return;
    if (!seen.ok()) {
      Report(seen.status(), /*unless_known=*/true);
      kube::SleepFor(*clock_, options_.retry_period, stop);
      absl::MutexLock lock(&mutex_);
      look_ = true;
      continue;
    }
    Tell(
        [this, &seen]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
          // Overtaken: this process has it now, or yet another one of which the elector will tell.
          if (has_lease_ || resigned_ || !absl::EndsWith(leader_, seen->boot.ToHex())) return false;
          const bool known = told_leader_ == seen->boot && told_errors_.empty();
          told_leader_ = seen->boot;
          told_errors_.clear();
          return !known;
        },
        [this, &seen] { observer_->OnLeader(*seen); });
  }
}

absl::StatusOr<LeaderInfo> LeaseElection::Impl::ReadLeader(const kube::Context& context) {
  const absl::StatusOr<kube::Object> lease =
      client_->Get(context, {kube::kLeases, options_.ns}, options_.lease);
  if (!lease.ok()) return lease.status();
  const std::string holder = kube::ReadLease(*lease).record.holder_identity;
  const std::string& pod = lease->label(kLeaderPodLabel);
  const std::optional<uint32_t> replica = PodOrdinal(pod);
  const size_t slash = holder.rfind('/');
  const absl::StatusOr<BootId> boot =
      BootId::FromHex(slash == std::string::npos ? "" : holder.substr(slash + 1));
  if (!replica.has_value() || !boot.ok()) {
    return absl::DataLossError(absl::StrCat("the Lease ", options_.ns, "/", options_.lease,
                                            " is held by \"", holder, "\" of the pod \"", pod,
                                            "\", which is no replica of ", options_.cluster));
  }
  return LeaderInfo{*replica, *boot, /*epoch=*/0};
}

// --- Any thread

void LeaseElection::Impl::Report(const absl::Status& why, bool unless_known) {
  // That somebody else was faster is how elections go.
  if (absl::IsCancelled(why) || absl::IsAborted(why)) return;
  const std::string text(why.message());
  Tell(
      [this, &text, unless_known]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        // Once is enough until something goes well. That is when the looker sees who leads.
        look_ = true;
        if (told_errors_.size() >= (unless_known ? 1 : kMaxToldErrors)) return false;
        return told_errors_.insert(text).second;
      },
      [this, &why] { observer_->OnElectionError(why); });
}

// -------------------------------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<LeaseElection>> LeaseElection::Create(Options options,
                                                                     kube::Client* client,
                                                                     kube::WaitableClock* clock,
                                                                     Random* random,
                                                                     ElectionObserver* observer) {
  for (const auto& [what, text] : {std::pair("namespace", &options.ns),
                                   {"DeviceCluster", &options.cluster},
                                   {"Lease", &options.lease},
                                   {"pod's name", &options.pod},
                                   {"pod's uid", &options.pod_uid},
                                   {"endpoint", &options.endpoint}}) {
    if (text->empty()) return absl::InvalidArgumentError(absl::StrCat("the ", what, " is missing"));
  }
  auto impl = std::make_unique<Impl>(std::move(options), client, clock, random, observer);
  if (absl::Status status = impl->Init(); !status.ok()) return status;
  return std::unique_ptr<LeaseElection>(new LeaseElection(std::move(impl)));
}

LeaseElection::LeaseElection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LeaseElection::~LeaseElection() = default;
void LeaseElection::Start() { impl_->Start(); }
void LeaseElection::StepDown(uint64_t seen) { impl_->StepDown(seen); }
void LeaseElection::Resign() { impl_->Resign(); }
absl::Status LeaseElection::Check(Duration tolerance) const { return impl_->Check(tolerance); }

std::optional<uint32_t> PodOrdinal(absl::string_view pod) {
  const size_t dash = pod.rfind('-');
  if (dash == absl::string_view::npos || dash == 0) return std::nullopt;
  const absl::string_view digits = pod.substr(dash + 1);
  uint32_t ordinal = 0;
  if (digits.empty() || digits.size() > 4 || (digits.size() > 1 && digits[0] == '0') ||
      !std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(digits, &ordinal)) {
    return std::nullopt;
  }
  return ordinal;
}

}  // namespace fractos
