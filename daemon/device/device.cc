#include "daemon/device/device.h"

#include <poll.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "daemon/device/adaptor.h"
#include "daemon/device/answer.h"
#include "daemon/device/frame_stream.h"
#include "daemon/device/in_flight.h"
#include "daemon/device/request.h"
#include "daemon/device/stager.h"
#include "daemon/device/when.h"
#include "fractos/v1/adaptor.pb.h"
#include "lib/runtime/waker.h"

namespace fractos {
namespace {

// An adaptor that lived this long earned a quick restart.
constexpr std::chrono::seconds kHealthy{10};
// After this many executions in a row that were not answered within the inline wait, only every
// so-many-th tries it again: an operation that takes milliseconds is not worth waiting for.
constexpr int kMissesBeforeSkipping = 4;
constexpr uint64_t kTryEvery = 16;
// A chain of steps on this device alone must not keep the event loop's thread from everything else.
constexpr std::chrono::milliseconds kInlineTurn{1};
// A quick answer is there before a thread that sleeps for it has fallen asleep and been woken: so
// much of the inline wait is spent looking, where another processor can make the answer meanwhile.
constexpr Duration kSpin = std::chrono::microseconds(40);
const bool kMaySpin = std::thread::hardware_concurrency() > 1;
constexpr size_t kStagingThreads = 2;
constexpr Time kNever = InFlight::kNever;

timespec ToTimespec(Duration duration) {
  duration = std::max(duration, Duration::zero());
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  return {static_cast<time_t>(seconds.count()), static_cast<long>((duration - seconds).count())};
}

absl::string_view ReasonOf(const absl::Status& broken) {
  if (absl::IsInvalidArgument(broken)) return kAdaptorGarbage;
  if (absl::IsResourceExhausted(broken)) return kReplyTooLarge;
  return kAdaptorCrashed;
}

}  // namespace

class Device::Impl {
 public:
  Impl(Options options, AdaptorLauncher* launcher, MemoryStore* store, const Clock* clock,
       DeviceObserver* observer)
      : options_(std::move(options)),
        launcher_(launcher),
        store_(store),
        clock_(clock),
        observer_(observer),
        waker_(std::make_shared<Waker>()),
        in_flight_(options_.cancel_grace),
        stager_(kStagingThreads) {}

  ~Impl() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    waker_->Wake();
    if (supervisor_.joinable()) supervisor_.join();
    launcher_->Kill();
  }

  void Start() {
    supervisor_ = std::thread([this] { Supervise(); });
  }

  void Execute(Ticket ticket, fractos::Execute execution);
  void Settle();
  void Cancel(Ticket ticket);

  Stats stats() const {
    absl::MutexLock lock(&mutex_);
    Stats stats = stats_;
    stats.in_flight = in_flight_.size();
    stats.ready = adaptor_ != nullptr;
    return stats;
  }

 private:
  using Done = std::vector<Executed>;

  void Fail(Ticket ticket, const AttemptKey& attempt, absl::string_view reason,
            absl::string_view message);
  void Deliver(Done done) {
    if (!done.empty()) observer_->OnExecuted(std::move(done));
  }
  std::shared_ptr<Adaptor> TakeInlineTurn(Time turn_ends);
  bool WaitInline(Adaptor& adaptor);
  void WriteTo(Adaptor& adaptor, OutFrame frame);
  void SendTo(Adaptor& adaptor);
  void Break(const Adaptor& adaptor, absl::Status why);

  absl::Status ReadAnswers(Adaptor& adaptor, Done* done);
  absl::Status TakeAnswer(Adaptor& adaptor, absl::string_view frame, Done* done);

  void Supervise();
  absl::Status LaunchAndServe();
  absl::Status Serve(Adaptor& adaptor);
  InFlight::Due TakeDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for `events` on the socket (if there is one), a wake-up or `until`, while keeping the
  // deadlines of executions that wait. Returns what the socket has.
  int Poll(int socket, int events, Time until);
  bool stopping() const {
    absl::MutexLock lock(&mutex_);
    return stopping_;
  }

  const Options options_;
  AdaptorLauncher* const launcher_;
  MemoryStore* const store_;
  const Clock* const clock_;
  DeviceObserver* const observer_;
  const std::shared_ptr<Waker> waker_;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  InFlight in_flight_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Adaptor> adaptor_ ABSL_GUARDED_BY(mutex_);  // null: not ready
  absl::Status broken_ ABSL_GUARDED_BY(mutex_);               // why adaptor_ is no good
  // The supervisor reads, or has been told to. While it does not, it sleeps without listening to
  // the socket, so an answer wakes one thread only. It reads until nothing is running, and again
  // when the Settle that follows an Execute hands the reading over to it.
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool waiting_inline_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread::id settler_ ABSL_GUARDED_BY(mutex_);  // inside Settle, and waits inline or delivers
  Time next_due_ ABSL_GUARDED_BY(mutex_) = kNever;   // when the supervisor looks at deadlines again
  int inline_misses_ ABSL_GUARDED_BY(mutex_) = 0;
  Stats stats_ ABSL_GUARDED_BY(mutex_);

  std::thread supervisor_;
  Stager stager_;  // last: its tasks use the rest
};

void Device::Impl::Fail(Ticket ticket, const AttemptKey& attempt, absl::string_view reason,
                        absl::string_view message) {
  Done done;
  done.push_back({ticket, attempt, FailedOutcome(reason, message)});
  Deliver(std::move(done));
}

void Device::Impl::Execute(Ticket ticket, fractos::Execute execution) {
  if (execution.step->when.has_value()) {
    std::optional<Outcome> ended = CheckWhen(*execution.step->when, execution.inputs, *store_);
    if (ended.has_value()) {
      Done done;
      done.push_back({ticket, std::move(execution.attempt), *std::move(ended)});
      Deliver(std::move(done));
      return;
    }
  }
  absl::StatusOr<OutFrame> frame = ExecuteFrame(ticket, execution, *store_);
  if (!frame.ok()) {
    Fail(ticket, execution.attempt,
         absl::IsNotFound(frame.status()) ? reason::kInputLost : reason::kMemoryExhausted,
         frame.status().message());
    return;
  }
  OutFrame request = *std::move(frame);
  std::shared_ptr<Adaptor> adaptor;
  bool wake = false;
  {
    absl::MutexLock lock(&mutex_);
    ++stats_.executions;
    adaptor = adaptor_;
    Time deadline;
    if (adaptor != nullptr) {
      deadline = in_flight_.AddSent(ticket, std::move(execution), clock_->Now());
      // In here: a Cancel of what is sent must come behind it.
      adaptor->stream().Queue(std::move(request));
    } else {
      deadline =
          in_flight_.AddWaiting(ticket, std::move(execution), std::move(request), clock_->Now());
    }
    // Nobody else looks at the deadlines while there is no adaptor, or once the supervisor reads.
    wake = (reading_ || adaptor == nullptr) && deadline < next_due_;
  }
  if (adaptor != nullptr) SendTo(*adaptor);
  if (wake) waker_->Wake();
}

void Device::Impl::WriteTo(Adaptor& adaptor, OutFrame frame) {
  adaptor.stream().Queue(std::move(frame));
  SendTo(adaptor);
}

void Device::Impl::SendTo(Adaptor& adaptor) {
  absl::Status sent = adaptor.stream().Send();
  if (!sent.ok()) {
    Break(adaptor, std::move(sent));
  } else if (adaptor.stream().WantsWrite()) {
    waker_->Wake();
  }
}

void Device::Impl::Break(const Adaptor& adaptor, absl::Status why) {
  {
    absl::MutexLock lock(&mutex_);
    if (adaptor_.get() != &adaptor || !broken_.ok()) return;
    broken_ = std::move(why);
  }
  waker_->Wake();
}

void Device::Impl::Settle() {
  {
    absl::MutexLock lock(&mutex_);
    // Called from what an answer set off: the Settle that read the answer goes on below.
    if (settler_ == std::this_thread::get_id()) return;
  }
  Time turn_ends = clock_->Now() + kInlineTurn;
  while (std::shared_ptr<Adaptor> adaptor = TakeInlineTurn(turn_ends)) {
    if (!WaitInline(*adaptor)) break;
  }
  absl::MutexLock lock(&mutex_);
  if (settler_ == std::this_thread::get_id()) settler_ = std::thread::id();
}

// The adaptor, if this thread is to wait for its next answer. If not, somebody else is sure to.
std::shared_ptr<Adaptor> Device::Impl::TakeInlineTurn(Time turn_ends) {
  {
    absl::MutexLock lock(&mutex_);
    if (in_flight_.empty() || adaptor_ == nullptr || reading_ || waiting_inline_) return nullptr;
    bool free = settler_ == std::thread::id() || settler_ == std::this_thread::get_id();
    bool worthwhile = inline_misses_ < kMissesBeforeSkipping || stats_.executions % kTryEvery == 0;
    if (free && worthwhile && in_flight_.size() == 1 && options_.inline_wait > Duration::zero() &&
        clock_->Now() < turn_ends) {
      settler_ = std::this_thread::get_id();
      waiting_inline_ = true;
      return adaptor_;
    }
    reading_ = true;
  }
  waker_->Wake();
  return nullptr;
}

// Waits for answers and delivers them. False if none came, which leaves the reading to others.
bool Device::Impl::WaitInline(Adaptor& adaptor) {
  const Time start = clock_->Now();
  const Time until = start + options_.inline_wait;
  const Time sleep = start + std::min(kSpin, options_.inline_wait);
  Done done;
  absl::Status status;
  while (kMaySpin && done.empty() && status.ok() && clock_->Now() < sleep) {
    status = ReadAnswers(adaptor, &done);
  }
  while (done.empty() && status.ok()) {
    timespec left = ToTimespec(until - clock_->Now());
    pollfd socket{adaptor.stream().fd(), POLLIN, 0};
    int ready = ppoll(&socket, 1, &left, nullptr);
    if (ready > 0) status = ReadAnswers(adaptor, &done);
    if (ready == 0 || clock_->Now() >= until) break;
  }
  bool answered = !done.empty();
  bool wake = false;
  {
    absl::MutexLock lock(&mutex_);
    waiting_inline_ = false;
    inline_misses_ = answered ? 0 : inline_misses_ + 1;
    stats_.answered_inline += done.size();
    if (!in_flight_.empty() && !reading_) wake = reading_ = true;
  }
  if (!status.ok()) Break(adaptor, std::move(status));
  if (wake) waker_->Wake();
  Deliver(std::move(done));
  return answered;
}

void Device::Impl::Cancel(Ticket ticket) {
  std::shared_ptr<Adaptor> adaptor;
  {
    absl::MutexLock lock(&mutex_);
    if (!in_flight_.Cancel(ticket)) return;
    adaptor = adaptor_;
  }
  if (adaptor != nullptr) WriteTo(*adaptor, CancelFrame(ticket));
}

absl::Status Device::Impl::ReadAnswers(Adaptor& adaptor, Done* done) {
  return adaptor.Read(
      [this, &adaptor, done](absl::string_view frame) { return TakeAnswer(adaptor, frame, done); });
}

absl::Status Device::Impl::TakeAnswer(Adaptor& adaptor, absl::string_view frame, Done* done) {
  v1::FromAdaptor message;
  if (!message.ParseFromArray(frame.data(), static_cast<int>(frame.size()))) {
    return absl::InvalidArgumentError("the adaptor sent a frame that does not parse");
  }
  if (!message.has_result()) {
    return absl::InvalidArgumentError("the adaptor sent a frame that is no result");
  }
  v1::Result& result = *message.mutable_result();
  std::optional<UniqueFd> file;
  if (result.has_file()) file = adaptor.stream().TakeDescriptor();
  const Ticket ticket = result.id();
  std::optional<InFlight::Answered> answered;
  {
    absl::MutexLock lock(&mutex_);
    answered = in_flight_.TakeAnswered(ticket);
  }
  if (!answered.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the adaptor answered the execution ", ticket, ", which is not running"));
  }
  if (!answered->wanted) return absl::OkStatus();
  fractos::Execute& execution = answered->execution;
  if (!result.has_file()) {
    Outcome outcome = JudgeAnswer(&result, execution, store_);
    done->push_back({ticket, std::move(execution.attempt), std::move(outcome)});
    return absl::OkStatus();
  }
  if (file.has_value() && !file->valid()) {
    done->push_back({ticket, std::move(execution.attempt),
                     FailedOutcome(kMemoryExhausted,
                                   "the daemon has no descriptor left for the answer's memory file",
                                   /*retryable=*/true)});
    return absl::OkStatus();
  }
  // std::function copies its captures, and a descriptor cannot be copied.
  auto shared = std::make_shared<UniqueFd>(std::move(file).value_or(UniqueFd()));
  stager_.Post(
      [this, ticket, shared, size = result.file().size(), attempt = std::move(execution.attempt)] {
        Done staged;
        staged.push_back({ticket, attempt, JudgeFile(std::move(*shared), size, store_)});
        Deliver(std::move(staged));
      });
  return absl::OkStatus();
}

// --- The supervisor's thread ---------------------------------------------------------------------

void Device::Impl::Supervise() {
  Duration backoff = options_.first_backoff;
  while (!stopping()) {
    Time started = clock_->Now();
    absl::Status ended = LaunchAndServe();
    if (stopping()) return;
    observer_->OnDown(ended);
    Time now = clock_->Now();
    if (now - started > kHealthy) backoff = options_.first_backoff;
    for (Time until = now + backoff; !stopping() && clock_->Now() < until;) Poll(-1, 0, until);
    backoff = std::min(backoff * 2, options_.max_backoff);
    absl::MutexLock lock(&mutex_);
    ++stats_.restarts;
  }
}

absl::Status Device::Impl::LaunchAndServe() {
  if (const int incoming = launcher_->Incoming(); incoming >= 0) {
    while (Poll(incoming, POLLIN, kNever) == 0) {
      if (stopping()) return absl::CancelledError("stopping");
    }
  }
  absl::StatusOr<std::shared_ptr<Adaptor>> launched = Adaptor::Launch(launcher_, waker_);
  if (!launched.ok()) return launched.status();
  const std::shared_ptr<Adaptor> adaptor = *std::move(launched);
  absl::StatusOr<DeviceDescription> description = adaptor->Describe(
      options_.options_json, options_.configure_timeout, *clock_,
      [this, fd = adaptor->stream().fd()](int events, Time until) -> absl::StatusOr<int> {
        int ready = Poll(fd, events, until);
        if (stopping()) return absl::CancelledError("stopping");
        return ready;
      });
  if (!description.ok()) return adaptor->End(description.status());
  observer_->OnDescribed(*description);

  {
    absl::MutexLock lock(&mutex_);
    adaptor_ = adaptor;
    broken_ = absl::OkStatus();
    for (OutFrame& frame : in_flight_.SendWaiting()) adaptor->stream().Queue(std::move(frame));
    reading_ = !in_flight_.empty();
  }
  SendTo(*adaptor);
  absl::Status ended = Serve(*adaptor);
  // A writer may have found its stream broken, or its process had ended: what it managed to answer
  // before still counts.
  Done done;
  if (absl::IsUnavailable(ended)) ReadAnswers(*adaptor, &done).IgnoreError();
  ended = adaptor->End(std::move(ended));
  {
    absl::MutexLock lock(&mutex_);
    adaptor_ = nullptr;
    reading_ = false;
    in_flight_.FailSent(ReasonOf(ended), ended.message(), &done);
    if (stopping_) return ended;
  }
  Deliver(std::move(done));
  return ended;
}

absl::Status Device::Impl::Serve(Adaptor& adaptor) {
  while (true) {
    int events = adaptor.stream().WantsWrite() ? POLLOUT : 0;
    InFlight::Due due;
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return absl::CancelledError("stopping");
      if (!broken_.ok()) return broken_;
      due = TakeDue();
      if (in_flight_.empty()) reading_ = false;
      next_due_ = due.next;
      if (reading_) events |= POLLIN;
    }
    // First, for whoever hears of a timeout may execute the next one at once: an adaptor that does
    // one after the other has to give up the old one for it.
    for (Ticket ticket : due.to_cancel) WriteTo(adaptor, CancelFrame(ticket));
    Deliver(std::move(due.timed_out));
    if (due.hangs != 0) {
      return absl::DeadlineExceededError(absl::StrCat(
          "the adaptor was killed: it left the execution ", due.hangs, " unanswered after Cancel"));
    }
    if (adaptor.ended()) return absl::UnavailableError("the adaptor ended");

    int ready = Poll(adaptor.stream().fd(), events, due.next);
    if ((ready & POLLOUT) != 0) {
      absl::Status flushed = adaptor.stream().Flush();
      if (!flushed.ok()) return flushed;
    }
    // POLLHUP comes unasked, also while somebody waits inline: reading twice does no harm.
    if ((ready & ~POLLOUT) == 0) continue;
    Done done;
    absl::Status read = ReadAnswers(adaptor, &done);
    {
      // Before anybody hears of the answers: who executes next because of one may wait inline.
      absl::MutexLock lock(&mutex_);
      if (in_flight_.empty()) reading_ = false;
    }
    Deliver(std::move(done));
    if (!read.ok()) return read;
  }
}

InFlight::Due Device::Impl::TakeDue() {
  InFlight::Due due = in_flight_.TakeDue(clock_->Now());
  stats_.timeouts += due.timed_out.size();
  return due;
}

int Device::Impl::Poll(int socket, int events, Time until) {
  bool serving;
  InFlight::Due due;
  {
    absl::MutexLock lock(&mutex_);
    serving = adaptor_ != nullptr;
    if (!serving) {
      due = TakeDue();
      until = next_due_ = std::min(until, due.next);
    }
  }
  Deliver(std::move(due.timed_out));
  pollfd fds[2] = {waker_->Poll(), {socket, static_cast<short>(events), 0}};
  timespec left{};
  if (until != kNever) {
    left = ToTimespec(std::chrono::duration_cast<Duration>(until - clock_->Now()));
  }
  int ready = ppoll(fds, socket < 0 ? 1 : 2, until == kNever ? nullptr : &left, nullptr);
  if (ready <= 0) return 0;
  if (fds[0].revents != 0) waker_->Clear();
  return socket < 0 ? 0 : fds[1].revents;
}

// -------------------------------------------------------------------------------------------------

Device::Device(Options options, AdaptorLauncher* launcher, MemoryStore* store, const Clock* clock,
               DeviceObserver* observer)
    : impl_(std::make_unique<Impl>(std::move(options), launcher, store, clock, observer)) {}

Device::~Device() = default;

void Device::Start() { impl_->Start(); }

void Device::Execute(Ticket ticket, fractos::Execute execution) {
  impl_->Execute(ticket, std::move(execution));
}

void Device::Settle() { impl_->Settle(); }

void Device::Cancel(Ticket ticket) { impl_->Cancel(ticket); }

Device::Stats Device::stats() const { return impl_->stats(); }

}  // namespace fractos
