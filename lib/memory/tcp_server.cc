#include <grpcpp/alarm.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "lib/memory/tcp_transfer.h"
#include "lib/runtime/channel.h"

namespace fractos {
namespace {

constexpr int kMaxReaders = 256;
constexpr std::chrono::seconds kRequestPatience{10};

std::chrono::system_clock::time_point After(uint64_t bytes) {
  return std::chrono::system_clock::now() + kRequestPatience +
         std::chrono::seconds(bytes / kSlowestMemoryBytesPerSecond);
}

// The bytes as a slice that keeps the object alive for as long as gRPC needs it: no copy.
grpc::ByteBuffer ToBuffer(const BytesPtr& bytes, size_t offset, size_t size) {
  auto* keep = new BytesPtr(bytes);
  const grpc::Slice slice(
      const_cast<char*>(bytes->view().data()) + offset, size,
      [](void* kept) { delete static_cast<BytesPtr*>(kept); }, keep);
  return grpc::ByteBuffer(&slice, 1);
}

// Cancels a call that takes too long. gRPC gives a server no deadline that its client did not ask
// for.
class Patience {
 public:
  explicit Patience(grpc::CallbackServerContext* context) : call_(std::make_shared<Call>()) {
    absl::MutexLock lock(&call_->mutex);
    call_->context = context;
  }
  // The call is about to go.
  void End() {
    absl::MutexLock lock(&call_->mutex);
    call_->context = nullptr;
  }
  void Until(std::chrono::system_clock::time_point when) {
    alarm_ = std::make_unique<grpc::Alarm>();
    alarm_->Set(when, [call = call_](bool ok) {
      if (!ok) return;
      absl::MutexLock lock(&call->mutex);
      if (call->context != nullptr) call->context->TryCancel();
    });
  }

 private:
  struct Call {
    absl::Mutex mutex;
    grpc::CallbackServerContext* context ABSL_GUARDED_BY(mutex) = nullptr;
  };
  const std::shared_ptr<Call> call_;
  std::unique_ptr<grpc::Alarm> alarm_;
};

}  // namespace

class TcpMemoryServer::Impl final : public grpc::CallbackGenericService {
 public:
  explicit Impl(const MemoryStore* store) : store_(store) { KeepCallbackThreads(); }
  ~Impl() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  }

  absl::Status Listen(const std::string& endpoint) {
    grpc::ServerBuilder builder;
    ApplyArguments(ChannelArgumentsFor(endpoint, kMemoryChunkBytes), &builder);
    builder.RegisterCallbackGenericService(this);
    builder.AddListeningPort(endpoint, grpc::InsecureServerCredentials(), &port_);
    server_ = builder.BuildAndStart();
    if (server_ != nullptr && port_ != 0) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("cannot serve Memory at ", endpoint));
  }

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new Answer(this, context);
  }

  int port() const { return port_; }
  uint64_t served_bytes() const { return served_bytes_.load(); }

 private:
  // One reader's call. gRPC calls its methods one after the other, by counts of its own; the mutex,
  // for which nobody ever waits, makes that order one which ThreadSanitizer sees too.
  class Answer final : public grpc::ServerGenericBidiReactor {
   public:
    Answer(Impl* server, grpc::GenericCallbackServerContext* context)
        : server_(server), patience_(context) {
      if (server_->readers_.fetch_add(1) >= kMaxReaders) {
        // Not RESOURCE_EXHAUSTED, which gRPC itself says of messages that are too long.
        Finish({grpc::StatusCode::ABORTED, "too many readers"});
      } else if (context->method() != kMemoryMethod) {
        Finish({grpc::StatusCode::UNIMPLEMENTED, "this server serves Memory only"});
      } else {
        patience_.Until(After(0));
        StartRead(&request_);
      }
    }

    void OnReadDone(bool ok) override {
      absl::MutexLock lock(&mutex_);
      grpc::Slice slice;
      if (!ok || !request_.TrySingleSlice(&slice).ok()) {
        return Finish({grpc::StatusCode::INVALID_ARGUMENT, "no object was asked for"});
      }
      const absl::StatusOr<ObjectId> object =
          ObjectId::FromBytes({reinterpret_cast<const char*>(slice.begin()), slice.size()});
      if (!object.ok()) {
        return Finish({grpc::StatusCode::INVALID_ARGUMENT, "that is no object's id"});
      }
      absl::StatusOr<BytesPtr> bytes = server_->store_->GetCommitted(*object);
      if (!bytes.ok()) return Finish({grpc::StatusCode::NOT_FOUND, "no such object"});
      bytes_ = *std::move(bytes);
      patience_.Until(After(bytes_->view().size()));
      WriteNext();
    }

    void OnWriteDone(bool ok) override {
      absl::MutexLock lock(&mutex_);
      if (!ok) return Finish({grpc::StatusCode::CANCELLED, "the reader has gone"});
      server_->served_bytes_.fetch_add(last_);
      WriteNext();
    }

    void OnDone() override {
      { absl::MutexLock lock(&mutex_); }
      patience_.End();
      server_->readers_.fetch_sub(1);
      delete this;
    }

   private:
    void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      const size_t left = bytes_->view().size() - offset_;
      if (left == 0) return Finish(grpc::Status::OK);
      last_ = std::min(left, kMemoryChunkBytes);
      chunk_ = ToBuffer(bytes_, offset_, last_);
      offset_ += last_;
      StartWrite(&chunk_);
    }

    Impl* const server_;
    absl::Mutex mutex_;
    Patience patience_;
    grpc::ByteBuffer request_;
    grpc::ByteBuffer chunk_;
    BytesPtr bytes_;
    size_t offset_ = 0;  // of what has not been written yet
    size_t last_ = 0;    // how much the write under way has
  };

  const MemoryStore* const store_;
  int port_ = 0;
  std::atomic<int> readers_ = 0;
  std::atomic<uint64_t> served_bytes_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

absl::StatusOr<std::unique_ptr<TcpMemoryServer>> TcpMemoryServer::Start(const std::string& endpoint,
                                                                        const MemoryStore* store) {
  auto impl = std::make_unique<Impl>(store);
  if (absl::Status status = impl->Listen(endpoint); !status.ok()) return status;
  return std::unique_ptr<TcpMemoryServer>(new TcpMemoryServer(std::move(impl)));
}

TcpMemoryServer::TcpMemoryServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TcpMemoryServer::~TcpMemoryServer() = default;
int TcpMemoryServer::port() const { return impl_->port(); }
uint64_t TcpMemoryServer::served_bytes() const { return impl_->served_bytes(); }

}  // namespace fractos
