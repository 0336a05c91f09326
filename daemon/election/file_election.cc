#include "daemon/election/file_election.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "daemon/election/epoch_file.h"
#include "lib/base/limits.h"
#include "lib/base/unique_fd.h"
#include "lib/runtime/waker.h"

namespace fractos {
namespace {

constexpr int kRetryMilliseconds = 1000;
constexpr absl::Duration kRetry = absl::Milliseconds(kRetryMilliseconds);
constexpr absl::Duration kNudge = absl::Milliseconds(5);

// flock(2) waits for ever, and only a signal gets a thread out of it. A real-time one, for the
// ordinary ones have meanings.
int NudgeSignal() { return SIGRTMIN + 3; }

void InstallNudgeHandler() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigaction(NudgeSignal(), &action, nullptr);  // without SA_RESTART
}

bool SameFile(int fd, const std::string& path) {
  struct stat held;
  struct stat named;
  return fstat(fd, &held) == 0 && stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
         held.st_dev == named.st_dev;
}

}  // namespace

class FileElection::Impl {
 public:
  Impl(Options options, ElectionObserver* observer)
      : options_(std::move(options)),
        lock_path_(options_.folder + "/lock"),
        epoch_path_(options_.folder + "/epoch"),
        leader_path_(options_.folder + "/leader"),
        observer_(observer) {}

  ~Impl() {
    Resign();
    if (candidate_.joinable()) JoinCandidate();
    stop_watcher_.Wake();
    if (watcher_.joinable()) watcher_.join();
  }

  void Start() {
    InstallNudgeHandler();
    candidate_ = std::thread([this] {
      Stand();
      absl::MutexLock lock(&mutex_);
      candidate_done_ = true;
    });
    watcher_ = std::thread([this] { Watch(); });
  }

  void StepDown(uint64_t seen) {
    if (seen >= kMaxEpoch) return;  // nobody would believe the next one
    absl::MutexLock lock(&mutex_);
    floor_ = std::max(floor_, seen);
    // Told of an epoch that is not above ours: whoever said so has not seen the last election.
    if (leading_ && seen > epoch_) step_down_ = true;
  }

  void Resign() {
    absl::MutexLock lock(&mutex_);
    resigned_ = true;
  }

 private:
  // The candidate's thread.
  void Stand();
  absl::StatusOr<UniqueFd> Acquire();
  absl::StatusOr<uint64_t> RecordNextEpoch();
  bool GivesUp() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return resigned_ || step_down_; }
  bool resigned() {
    absl::MutexLock lock(&mutex_);
    return resigned_;
  }

  void JoinCandidate() {
    {
      absl::MutexLock lock(&mutex_);
      // The signal is lost on a thread that is about to call flock, so it is sent until it works.
      while (!mutex_.AwaitWithTimeout(absl::Condition(&candidate_done_), kNudge)) {
        pthread_kill(candidate_.native_handle(), NudgeSignal());
      }
    }
    candidate_.join();
  }

  // The watcher's thread.
  void Watch();
  void TellLeader(LeaderInfo* told);

  const Options options_;
  const std::string lock_path_;
  const std::string epoch_path_;
  const std::string leader_path_;
  ElectionObserver* const observer_;
  Waker stop_watcher_;

  absl::Mutex mutex_;
  bool leading_ ABSL_GUARDED_BY(mutex_) = false;
  bool step_down_ ABSL_GUARDED_BY(mutex_) = false;
  bool resigned_ ABSL_GUARDED_BY(mutex_) = false;
  bool candidate_done_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t floor_ ABSL_GUARDED_BY(mutex_) = 0;  // the highest epoch we were told of

  std::thread candidate_;
  std::thread watcher_;
};

void FileElection::Impl::Stand() {
  while (!resigned()) {
    absl::Status failed;
    absl::StatusOr<UniqueFd> held = Acquire();
    if (absl::IsCancelled(held.status())) return;
    absl::StatusOr<uint64_t> epoch = held.ok() ? RecordNextEpoch() : held.status();
    if (!epoch.ok()) {
      // Let go of it: another replica may fare better, and a person may look.
      if (held.ok()) held->Reset();
      observer_->OnElectionError(epoch.status());
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&resigned_), kRetry);
      continue;
    }
    {
      absl::MutexLock lock(&mutex_);
      leading_ = true;
      epoch_ = *epoch;
    }
    observer_->OnElected(*epoch);
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &Impl::GivesUp));
    leading_ = step_down_ = false;
  }
}

// The lock, held. Cancelled when standing is over.
absl::StatusOr<UniqueFd> FileElection::Impl::Acquire() {
  while (true) {
    UniqueFd file(open(lock_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!file.valid()) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot open the lock file ", lock_path_));
    }
    while (flock(file.get(), LOCK_EX) != 0) {
      if (errno != EINTR) {
        return absl::ErrnoToStatus(errno, absl::StrCat("cannot lock ", lock_path_));
      }
      if (resigned()) return absl::CancelledError("resigned");
    }
    if (resigned()) return absl::CancelledError("resigned");
    // Somebody may have removed the file meanwhile; others would then lock another one.
    if (SameFile(file.get(), lock_path_)) return file;
  }
}

absl::StatusOr<uint64_t> FileElection::Impl::RecordNextEpoch() {
  absl::StatusOr<uint64_t> last = ReadEpoch(epoch_path_);
  if (!last.ok()) return last.status();
  uint64_t next;
  {
    absl::MutexLock lock(&mutex_);
    next = std::max(*last, floor_) + 1;
  }
  absl::Status written = WriteEpoch(epoch_path_, next);
  if (!written.ok()) return written;
  written = WriteLeader(leader_path_, {options_.self.address.replica, options_.self.boot, next});
  if (!written.ok()) return written;
  return next;
}

void FileElection::Impl::Watch() {
  UniqueFd changes(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  bool watched = changes.valid() &&
                 inotify_add_watch(changes.get(), options_.folder.c_str(), IN_MOVED_TO) >= 0;
  if (!watched) {
    observer_->OnElectionError(absl::ErrnoToStatus(
        errno, absl::StrCat("cannot watch ", options_.folder, " for who leads")));
  }
  LeaderInfo told;
  while (true) {
    TellLeader(&told);
    pollfd fds[2] = {stop_watcher_.Poll(), {changes.get(), POLLIN, 0}};
    // Without a watch, looked at as often as a failed attempt to stand is repeated.
    if (poll(fds, watched ? 2 : 1, watched ? -1 : kRetryMilliseconds) < 0) continue;
    if (fds[0].revents != 0) return;
    alignas(inotify_event) char events[4096];
    while (watched && read(changes.get(), events, sizeof(events)) > 0) {
    }
  }
}

void FileElection::Impl::TellLeader(LeaderInfo* told) {
  std::optional<LeaderInfo> leader = ReadLeader(leader_path_);
  if (!leader.has_value() || leader->epoch <= told->epoch) return;
  *told = *leader;
  if (leader->boot != options_.self.boot) observer_->OnLeader(*leader);
}

absl::StatusOr<std::unique_ptr<FileElection>> FileElection::Create(Options options,
                                                                   ElectionObserver* observer) {
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (error) {
    return absl::ErrnoToStatus(error.value(),
                               absl::StrCat("cannot make the folder ", options.folder));
  }
  return std::unique_ptr<FileElection>(
      new FileElection(std::make_unique<Impl>(std::move(options), observer)));
}

FileElection::FileElection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FileElection::~FileElection() = default;
void FileElection::Start() { impl_->Start(); }
void FileElection::StepDown(uint64_t seen) { impl_->StepDown(seen); }
void FileElection::Resign() { impl_->Resign(); }

std::string ElectionFolder(absl::string_view directory, absl::string_view cluster) {
  return absl::StrCat(directory, "/clusters/", cluster);
}

}  // namespace fractos
