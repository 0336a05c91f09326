// One gRPC stream of a Link, driven by the event loop's completion queue: the order in which its
// operations may be started and must end, for both ends alike. What the frames mean is LinkTable's.
#ifndef FRACTOS_LIB_LINK_STREAM_H_
#define FRACTOS_LIB_LINK_STREAM_H_

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/runtime/channel.h"
#include "lib/runtime/event_loop.h"

namespace fractos {

// The gRPC method that Links use.
inline constexpr char kLinkMethod[] = "/fractos.v1.Link/Connect";

// Each operation under way owns a reference to its stream, and the stream one to its owner, so
// nothing is destroyed under gRPC's feet. Thread-safe.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  // Called on the event loop's thread.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void OnStarted(const std::shared_ptr<Stream>& stream) = 0;
    virtual void OnFrame(const std::shared_ptr<Stream>& stream, absl::string_view frame) = 0;
    // The Write before has ended; the next is allowed.
    virtual void OnWritten(const std::shared_ptr<Stream>& stream) = 0;
    // No frame will come any more. Called once, also for a stream that never started.
    virtual void OnBroken(const std::shared_ptr<Stream>& stream) = 0;
  };

  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Writes one frame. Not before OnStarted, and not again before OnWritten. Nothing happens on a
  // stream that has broken.
  void Write(std::string frame);
  // Ends the stream after what has been written. Not while a Write is under way.
  void Close();
  // Ends the stream at once.
  void Cancel();

 protected:
  // One operation, as the completion queue knows it.
  class Operation final : public Completion {
   public:
    Operation(Stream* stream, void (Stream::*done)(bool)) : stream_(stream), done_(done) {}
    // What to pass to gRPC: keeps the stream until Done.
    void* Begin() {
      keep_ = stream_->shared_from_this();
      return stream_->loop_->Begin(this);
    }
    void Done(bool ok) override {
      const std::shared_ptr<Stream> keep = std::move(keep_);
      (keep.get()->*done_)(ok);
    }

   private:
    Stream* const stream_;
    void (Stream::*const done_)(bool);
    std::shared_ptr<Stream> keep_;
  };

  Stream(std::shared_ptr<Owner> owner, EventLoop* loop) : loop_(loop), owner_(std::move(owner)) {}

  // The call exists (or, not `ok`, never will).
  void Started(bool ok);

  virtual void StartRead(grpc::ByteBuffer* into, void* tag) = 0;
  virtual void StartWrite(const grpc::ByteBuffer& frame, void* tag) = 0;
  // A client says that it writes no more and waits for the server, which finishes the call.
  virtual bool IsClient() const = 0;
  virtual void StartHalfClose(void* tag) = 0;
  virtual void StartFinish(void* tag) = 0;
  virtual void TryCancel() = 0;

  EventLoop* const loop_;

 private:
  void ReadDone(bool ok);
  void WriteDone(bool ok);
  void HalfCloseDone(bool ok);
  void FinishDone(bool ok);
  // Whether to start the last operation now: nothing else is under way, and none will be.
  bool TakeFinishLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<Owner> owner_;
  Operation read_{this, &Stream::ReadDone};
  Operation write_{this, &Stream::WriteDone};
  Operation half_close_{this, &Stream::HalfCloseDone};
  Operation finish_{this, &Stream::FinishDone};
  grpc::ByteBuffer received_;  // of the read under way

  absl::Mutex mutex_;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;   // the last read ended
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;  // or half-closing
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;   // nothing more is to be written
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
};

// The end that dials.
class ClientStream final : public Stream {
 public:
  ClientStream(std::shared_ptr<Owner> owner, EventLoop* loop) : Stream(std::move(owner), loop) {}
  // Dials "unix:/path" or "host:port". Call once.
  void Dial(const std::string& endpoint, const Keepalive& keepalive = {});

 private:
  void StartDone(bool ok) { Started(ok); }
  void StartRead(grpc::ByteBuffer* into, void* tag) override { call_->Read(into, tag); }
  void StartWrite(const grpc::ByteBuffer& frame, void* tag) override { call_->Write(frame, tag); }
  bool IsClient() const override { return true; }
  void StartHalfClose(void* tag) override { call_->WritesDone(tag); }
  void StartFinish(void* tag) override { call_->Finish(&status_, tag); }
  void TryCancel() override { context_.TryCancel(); }

  grpc::ClientContext context_;
  grpc::Status status_;
  std::unique_ptr<grpc::GenericStub> stub_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  Operation start_{this, static_cast<void (Stream::*)(bool)>(&ClientStream::StartDone)};
};

// The end that was dialled.
class ServerStream final : public Stream {
 public:
  ServerStream(std::shared_ptr<Owner> owner, EventLoop* loop)
      : Stream(std::move(owner), loop), call_(&context_) {}
  // Waits for somebody to dial; `next` is called when this has happened, before OnStarted, and is
  // where to accept the one after.
  void Accept(grpc::AsyncGenericService* service, std::function<void()> next);

 private:
  void AcceptDone(bool ok);
  void RefuseDone(bool) {}
  void StartRead(grpc::ByteBuffer* into, void* tag) override { call_.Read(into, tag); }
  void StartWrite(const grpc::ByteBuffer& frame, void* tag) override { call_.Write(frame, tag); }
  bool IsClient() const override { return false; }
  void StartHalfClose(void*) override {}
  void StartFinish(void* tag) override { call_.Finish(grpc::Status::OK, tag); }
  void TryCancel() override { context_.TryCancel(); }

  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter call_;
  std::function<void()> next_;
  Operation refuse_{this, static_cast<void (Stream::*)(bool)>(&ServerStream::RefuseDone)};
  Operation accept_{this, static_cast<void (Stream::*)(bool)>(&ServerStream::AcceptDone)};
};

}  // namespace fractos

#endif  // FRACTOS_LIB_LINK_STREAM_H_
