#include <errno.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/digest.h"
#include "lib/memory/sealed_file.h"
#include "lib/memory/tcp_transfer.h"
#include "lib/runtime/channel.h"

namespace fractos {
namespace {

constexpr size_t kMaxTransfers = 8;
// Connections that are kept for the next pull; whoever talks to more daemons opens them again.
constexpr size_t kMaxChannels = 64;

struct Channel {
  explicit Channel(const std::string& endpoint)
      : stub(grpc::CreateCustomChannel(ChannelTarget(endpoint), grpc::InsecureChannelCredentials(),
                                       ChannelArgumentsFor(endpoint, kMemoryChunkBytes))) {
    KeepCallbackThreads();
  }
  grpc::GenericStub stub;
};

struct Request {
  uint64_t id = 0;
  Value value;
  std::string endpoint;
  Duration timeout{};
  TcpMemoryClient::Done done;
  bool retried = false;
};

absl::Status WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      return absl::ResourceExhaustedError(
          absl::StrCat("cannot keep a value that was pulled: ", ::strerror(errno)));
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace

class TcpMemoryClient::Impl : public std::enable_shared_from_this<Impl> {
 public:
  uint64_t Pull(const Value& value, const std::string& endpoint, Duration timeout, Done done) {
    uint64_t id;
    {
      absl::MutexLock lock(&mutex_);
      id = ++last_id_;
      queued_.push_back({id, value, endpoint, timeout, std::move(done)});
    }
    StartSome();
    return id;
  }

  void Cancel(uint64_t id) {
    Done done;
    {
      absl::MutexLock lock(&mutex_);
      if (auto it = active_.find(id); it != active_.end()) it->second->Cancel();
      for (auto it = queued_.begin(); it != queued_.end(); ++it) {
        if (it->id != id) continue;
        done = std::move(it->done);
        queued_.erase(it);
        break;
      }
    }
    if (done != nullptr) done(absl::CancelledError("the value is not needed any more"));
  }

  void Close() {
    std::deque<Request> queued;
    {
      absl::MutexLock lock(&mutex_);
      closed_ = true;
      queued.swap(queued_);
      for (auto& [id, transfer] : active_) transfer->Cancel();
    }
    for (Request& request : queued) request.done(absl::CancelledError("the client is closed"));
    absl::MutexLock lock(&mutex_);
    auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return active_.empty(); };
    mutex_.Await(absl::Condition(&idle));
  }

 private:
  // One call. gRPC calls its methods one after the other, and OnDone last.
  class Transfer final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
   public:
    Transfer(std::shared_ptr<Impl> client, Request request, std::shared_ptr<Channel> channel,
             bool fresh)
        : client_(std::move(client)),
          request_(std::move(request)),
          channel_(std::move(channel)),
          fresh_(fresh) {}

    // However it goes, OnDone says it: it comes on a thread of gRPC's, where whoever waits may take
    // the locks that the caller holds.
    void Start() {
      file_ = UniqueFd(::memfd_create("fractos", MFD_CLOEXEC | MFD_ALLOW_SEALING));
      if (!file_.valid()) {
        broken_ = absl::ResourceExhaustedError(
            absl::StrCat("no file for a value that is to be pulled: ", ::strerror(errno)));
        context_.TryCancel();  // before it begins: the owner does not hear of it
      }
      const auto limit = request_.timeout +
                         std::chrono::seconds(request_.value.size / kSlowestMemoryBytesPerSecond);
      context_.set_deadline(std::chrono::system_clock::now() +
                            std::chrono::duration_cast<std::chrono::milliseconds>(limit));
      const absl::string_view id = request_.value.object.bytes();
      const grpc::Slice slice(id.data(), id.size());
      asked_ = grpc::ByteBuffer(&slice, 1);
      channel_->stub.PrepareBidiStreamingCall(&context_, kMemoryMethod, {}, this);
      StartWriteLast(&asked_, {});
      StartRead(&chunk_);
      StartCall();
    }
    void Cancel() {
      cancelled_ = true;
      context_.TryCancel();
    }

    void OnReadDone(bool ok) override {
      if (!ok || !broken_.ok()) return;
      broken_ = Take();
      chunk_.Clear();
      if (broken_.ok()) {
        StartRead(&chunk_);
      } else {
        context_.TryCancel();
      }
    }

    void OnDone(const grpc::Status& status) override { client_->Ended(this, Judge(status)); }

    Request& request() { return request_; }
    const std::shared_ptr<Channel>& channel() const { return channel_; }
    bool fresh() const { return fresh_; }
    bool began() const { return received_ > 0; }
    bool cancelled() const { return cancelled_; }
    UniqueFd TakeFile() { return std::move(file_); }

   private:
    absl::Status Take() {
      std::vector<grpc::Slice> slices;
      if (!chunk_.Dump(&slices).ok()) return absl::DataLossError("a chunk cannot be read");
      for (const grpc::Slice& slice : slices) {
        const absl::string_view bytes(reinterpret_cast<const char*>(slice.begin()), slice.size());
        received_ += bytes.size();
        if (received_ > request_.value.size) {
          return absl::DataLossError(absl::StrCat("the owner sends more than the ",
                                                  request_.value.size, " bytes of the value"));
        }
        hasher_.Add(bytes);
        if (absl::Status status = WriteAll(file_.get(), bytes); !status.ok()) return status;
      }
      return absl::OkStatus();
    }

    absl::Status Judge(const grpc::Status& status) {
      if (!broken_.ok()) return broken_;
      if (cancelled_) return absl::CancelledError("the value is not needed any more");
      const std::string who = absl::StrCat("the owner at ", request_.endpoint);
      switch (status.error_code()) {
        case grpc::StatusCode::OK:
          break;
        case grpc::StatusCode::NOT_FOUND:
          return absl::NotFoundError(
              absl::StrCat(who, " has no Memory object ", request_.value.object.ToShortHex()));
        case grpc::StatusCode::ABORTED:
          return absl::ResourceExhaustedError(absl::StrCat(who, ": ", status.error_message()));
        case grpc::StatusCode::DEADLINE_EXCEEDED:
          return absl::DeadlineExceededError(absl::StrCat(who, " took too long"));
        default:
          return absl::UnavailableError(absl::StrCat(who, ": ", status.error_message()));
      }
      if (received_ != request_.value.size) {
        return absl::DataLossError(
            absl::StrCat(who, " sent ", received_, " of ", request_.value.size, " bytes"));
      }
      if (hasher_.Finish() != request_.value.digest) {
        return absl::DataLossError(absl::StrCat(who, " sent other bytes than the value has"));
      }
      return Seal(file_.get(), request_.value.size);
    }

    const std::shared_ptr<Impl> client_;
    Request request_;
    const std::shared_ptr<Channel> channel_;
    const bool fresh_;  // nothing was asked on this channel before
    grpc::ClientContext context_;
    grpc::ByteBuffer asked_;
    grpc::ByteBuffer chunk_;
    UniqueFd file_;
    DigestStream hasher_;
    uint64_t received_ = 0;
    absl::Status broken_;
    std::atomic<bool> cancelled_ = false;
  };

  // Starts what there is room for.
  void StartSome() {
    while (std::shared_ptr<Transfer> transfer = TakeNext()) transfer->Start();
  }

  std::shared_ptr<Transfer> TakeNext() {
    absl::MutexLock lock(&mutex_);
    if (closed_ || queued_.empty() || active_.size() >= kMaxTransfers) return nullptr;
    Request request = std::move(queued_.front());
    queued_.pop_front();
    auto channel = channels_.find(request.endpoint);
    const bool fresh = channel == channels_.end();
    if (fresh) {
      if (channels_.size() >= kMaxChannels) channels_.erase(channels_.begin());
      auto made = std::make_shared<Channel>(request.endpoint);
      channel = channels_.emplace(request.endpoint, std::move(made)).first;
    }
    const uint64_t id = request.id;
    auto transfer =
        std::make_shared<Transfer>(shared_from_this(), std::move(request), channel->second, fresh);
    active_.emplace(id, transfer);
    return transfer;
  }

  void Ended(Transfer* ended, const absl::Status& status) {
    std::shared_ptr<Transfer> transfer;  // what runs this, until this returns
    bool again = false;
    {
      absl::MutexLock lock(&mutex_);
      Request& request = ended->request();
      transfer = active_.at(request.id);
      if (absl::IsUnavailable(status)) {
        // The next pull looks the name up anew.
        auto channel = channels_.find(request.endpoint);
        if (channel != channels_.end() && channel->second == ended->channel()) {
          channels_.erase(channel);
        }
        // A connection that was kept may have been that of a process which is no more. A Cancel may
        // have come since the status was judged; one that comes later finds the pull queued.
        again = !ended->fresh() && !ended->began() && !request.retried && !ended->cancelled() &&
                !closed_;
      }
      if (again) {
        active_.erase(request.id);
        request.retried = true;
        queued_.push_front(std::move(request));
      }
    }
    if (!again) Tell(*transfer, status);
    StartSome();
  }

  // The end of a transfer. Who waits for the last one must find that everybody was told.
  void Tell(Transfer& transfer, const absl::Status& status) {
    const uint64_t id = transfer.request().id;
    if (status.ok()) {
      std::exchange(transfer.request().done, nullptr)(transfer.TakeFile());
    } else {
      std::exchange(transfer.request().done, nullptr)(status);
    }
    absl::MutexLock lock(&mutex_);
    active_.erase(id);
  }

  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Request> queued_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, std::shared_ptr<Transfer>> active_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<Channel>> channels_ ABSL_GUARDED_BY(mutex_);
};

TcpMemoryClient::TcpMemoryClient() : impl_(std::make_shared<Impl>()) {}
TcpMemoryClient::~TcpMemoryClient() { impl_->Close(); }
uint64_t TcpMemoryClient::Pull(const Value& value, const std::string& endpoint, Duration timeout,
                               Done done) {
  return impl_->Pull(value, endpoint, timeout, std::move(done));
}
void TcpMemoryClient::Cancel(uint64_t pull) { impl_->Cancel(pull); }

}  // namespace fractos
