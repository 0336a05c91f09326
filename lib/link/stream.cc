#include "lib/link/stream.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <atomic>
#include <string>
#include <utility>

#include "lib/base/limits.h"

namespace fractos {
namespace {

// A frame while gRPC has it. Some thread of gRPC's deletes it, after counts of gRPC's own have gone
// down; the flag makes that order one which ThreadSanitizer sees too, for it does not see those.
struct OwnedFrame {
  explicit OwnedFrame(std::string frame) : bytes(std::move(frame)) {
    written.store(true, std::memory_order_release);
  }
  ~OwnedFrame() { written.load(std::memory_order_acquire); }
  std::string bytes;
  std::atomic<bool> written = false;
};

// The frame as a gRPC buffer that owns the string: no copy.
grpc::ByteBuffer ToBuffer(std::string frame) {
  auto* owned = new OwnedFrame(std::move(frame));
  const grpc::Slice slice(
      owned->bytes.data(), owned->bytes.size(),
      [](void* owned_frame) { delete static_cast<OwnedFrame*>(owned_frame); }, owned);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

void Stream::Write(std::string frame) {
  {
    absl::MutexLock lock(&mutex_);
    if (!started_ || broken_ || cancelled_ || closed_) return;
    writing_ = true;
  }
  StartWrite(ToBuffer(std::move(frame)), write_.Begin());
}

void Stream::Close() {
  {
    absl::MutexLock lock(&mutex_);
    if (!started_ || broken_ || cancelled_ || closed_) return;
    closed_ = true;
    (IsClient() ? writing_ : finishing_) = true;
  }
  if (IsClient()) {
    StartHalfClose(half_close_.Begin());
  } else {
    StartFinish(finish_.Begin());
  }
}

void Stream::Cancel() {
  {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
  }
  TryCancel();
}

void Stream::Started(bool ok) {
  bool cancelled;
  {
    absl::MutexLock lock(&mutex_);
    started_ = true;
    cancelled = cancelled_;
  }
  const std::shared_ptr<Stream> self = shared_from_this();
  if (!ok) {
    ReadDone(false);
    return;
  }
  if (cancelled) TryCancel();
  StartRead(&received_, read_.Begin());
  if (!cancelled) owner_->OnStarted(self);
}

void Stream::ReadDone(bool ok) {
  const std::shared_ptr<Stream> self = shared_from_this();
  if (ok) {
    grpc::Slice slice;
    if (!received_.TrySingleSlice(&slice).ok()) received_.DumpToSingleSlice(&slice);
    received_.Clear();
    owner_->OnFrame(self, {reinterpret_cast<const char*>(slice.begin()), slice.size()});
    StartRead(&received_, read_.Begin());
    return;
  }
  bool finish;
  {
    absl::MutexLock lock(&mutex_);
    broken_ = true;
    finish = TakeFinishLocked();
  }
  owner_->OnBroken(self);
  if (finish) StartFinish(finish_.Begin());
}

void Stream::WriteDone(bool ok) {
  bool finish;
  bool told;
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    finish = TakeFinishLocked();
    told = ok && !broken_ && !cancelled_;
  }
  if (finish) return StartFinish(finish_.Begin());
  if (!ok) TryCancel();  // the read under way says the rest
  if (told) owner_->OnWritten(shared_from_this());
}

void Stream::HalfCloseDone(bool) {
  bool finish;
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    finish = TakeFinishLocked();
  }
  if (finish) StartFinish(finish_.Begin());
}

void Stream::FinishDone(bool) {}

bool Stream::TakeFinishLocked() {
  if (!broken_ || writing_ || finishing_) return false;
  finishing_ = true;
  return true;
}

void ClientStream::Dial(const std::string& endpoint, const Keepalive& keepalive) {
  // A channel of its own for each dial: it looks the name up anew, and so finds a pod that moved.
  stub_ = std::make_unique<grpc::GenericStub>(
      grpc::CreateCustomChannel(ChannelTarget(endpoint), grpc::InsecureChannelCredentials(),
                                ChannelArgumentsFor(endpoint, kMaxMessageBytes, keepalive)));
  call_ = stub_->PrepareCall(&context_, kLinkMethod, loop_->completion_queue());
  call_->StartCall(start_.Begin());
}

void ServerStream::Accept(grpc::AsyncGenericService* service, std::function<void()> next) {
  next_ = std::move(next);
  service->RequestCall(&context_, &call_, loop_->completion_queue(), loop_->completion_queue(),
                       accept_.Begin());
}

void ServerStream::AcceptDone(bool ok) {
  if (!ok) return;  // the server shuts down
  std::exchange(next_, nullptr)();
  if (context_.method() != kLinkMethod) {
    call_.Finish(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "this server speaks Link only"),
                 refuse_.Begin());
    return;
  }
  Started(true);
}

}  // namespace fractos
