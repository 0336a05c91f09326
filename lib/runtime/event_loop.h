// The event loop of a process: one thread that waits on a gRPC completion queue. Links, timers and
// posted work all arrive there, so one wake-up serves them all.
#ifndef FRACTOS_LIB_RUNTIME_EVENT_LOOP_H_
#define FRACTOS_LIB_RUNTIME_EVENT_LOOP_H_

#include <functional>
#include <memory>

#include "lib/base/clock.h"

namespace grpc {
class CompletionQueue;
class ServerCompletionQueue;
class ServerBuilder;
}  // namespace grpc

namespace fractos {

// Thread-safe unless a method says otherwise. Callbacks run on the thread inside Run, one at a
// time, and must not block.
class EventLoop {
 public:
  EventLoop();
  // Run must have returned, or never been called.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Serves until Stop. Everything still queued then is dropped, each callback destroyed unrun.
  void Run();
  void Stop();

  // Runs `callback` soon.
  void Post(std::function<void()> callback);

  // Runs `callback` at `when`. The returned id cancels it; cancelling one that ran is allowed.
  using TimerId = uint64_t;
  TimerId At(Time when, std::function<void()> callback);
  void Cancel(TimerId timer);

 private:
  friend class LinkTable;  // the only other user of the completion queue
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_RUNTIME_EVENT_LOOP_H_
