// The event loop of a process: one thread that waits on a gRPC completion queue. Links, timers and
// posted work all arrive there, so one wake-up serves them all.
#ifndef FRACTOS_LIB_RUNTIME_EVENT_LOOP_H_
#define FRACTOS_LIB_RUNTIME_EVENT_LOOP_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "lib/base/clock.h"

namespace grpc {
class ServerBuilder;
class ServerCompletionQueue;
}  // namespace grpc

namespace fractos {

// An operation on the completion queue. Whoever starts it keeps this alive until Done was called,
// which happens exactly once.
class Completion {
 public:
  // `ok` as gRPC says it. Called on the loop's thread; after Run returned, in ~EventLoop.
  virtual void Done(bool ok) = 0;

 protected:
  ~Completion() = default;  // the loop never owns one
};

// Thread-safe unless a method says otherwise. Callbacks run on the thread inside Run, one at a
// time, and must not block.
class EventLoop {
 public:
  EventLoop();
  // Run must have returned, or never been called. Waits for the operations under way on the
  // completion queue, so whoever started them has cancelled them by now.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Serves until Stop. Everything still queued then is dropped, each callback destroyed unrun.
  // Call once.
  void Run();
  void Stop();

  // Runs `callback` soon, after those posted before. Posting many costs one wake-up.
  void Post(std::function<void()> callback);

  // Runs `callback` at `when` or up to a millisecond later. The returned id, never 0, cancels it;
  // cancelling one that ran is allowed.
  using TimerId = uint64_t;
  TimerId At(Time when, std::function<void()> callback);
  void Cancel(TimerId timer);

  // Whether the calling thread is the one inside Run.
  bool OnLoopThread() const;

  // For whoever speaks gRPC. Every operation on the queue takes as its tag what Begin returned for
  // it; the loop counts them, and is not destroyed before the last has ended. The builder already
  // has the queue and may build one server.
  grpc::ServerCompletionQueue* completion_queue();
  grpc::ServerBuilder* server_builder();
  void* Begin(Completion* completion);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_RUNTIME_EVENT_LOOP_H_
