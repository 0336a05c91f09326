// Tells ThreadSanitizer of the order that Debian's Abseil and gRPC make.
//
// Those libraries are not built for ThreadSanitizer. It sees neither that an absl::Mutex was locked
// nor that gRPC handed a tag from the thread that started an operation to the one that waits on the
// completion queue, and so reports a race for whatever they protect. Every program and test of the
// tsan preset therefore defines the functions below itself: the dynamic linker prefers them to the
// libraries' own, in the libraries too, and each calls the library's after or before it has told
// ThreadSanitizer which address was released or acquired.
//
// Rejected: to suppress by the names of the libraries' functions, which silences real races as
// well, since they stand in nearly every stack; and to build both libraries, an hour on two cores.
//
// What this cannot see: an order that gRPC makes other than by a tag, a lock or a pthread.
#include <dlfcn.h>

#include <cstddef>

extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void __tsan_ignore_thread_begin();
void __tsan_ignore_thread_end();
}

namespace {

// The function that the library defines under this name.
template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// A thread that gives up a lock evaluates the conditions that others wait for, on their behalf and
// while it still holds the lock, but after it was declared released here. What those read is no
// race.
class Unseen {
 public:
  Unseen() { __tsan_ignore_thread_begin(); }
  ~Unseen() { __tsan_ignore_thread_end(); }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;
};

}  // namespace

// absl::Mutex, absl::CondVar and absl::Notification, of which only the addresses matter here. Their
// arguments of type absl::Duration and absl::Time travel in two registers, as this does.
struct Span {
  long seconds;
  unsigned ticks;
};

// TAKES: a function NAME of RESULT (object, arguments...), after which the object is held.
// GIVES: before which it is given up. WAITS: both.
#define FRACTOS_REAL(SYMBOL, FUNCTION) static auto* const real = Next<decltype(FUNCTION)>(#SYMBOL)

#define FRACTOS_TAKES(FUNCTION, SYMBOL)         \
  extern "C" void FUNCTION(void*) asm(#SYMBOL); \
  extern "C" void FUNCTION(void* mutex) {       \
    FRACTOS_REAL(SYMBOL, FUNCTION);             \
    {                                           \
      const Unseen unseen;                      \
      real(mutex);                              \
    }                                           \
    __tsan_acquire(mutex);                      \
  }
#define FRACTOS_GIVES(FUNCTION, SYMBOL)         \
  extern "C" void FUNCTION(void*) asm(#SYMBOL); \
  extern "C" void FUNCTION(void* mutex) {       \
    FRACTOS_REAL(SYMBOL, FUNCTION);             \
    __tsan_release(mutex);                      \
    const Unseen unseen;                        \
    real(mutex);                                \
  }
#define FRACTOS_TRIES(FUNCTION, SYMBOL)         \
  extern "C" bool FUNCTION(void*) asm(#SYMBOL); \
  extern "C" bool FUNCTION(void* mutex) {       \
    FRACTOS_REAL(SYMBOL, FUNCTION);             \
    const bool taken = real(mutex);             \
    if (taken) __tsan_acquire(mutex);           \
    return taken;                               \
  }

FRACTOS_TAKES(MutexLock, _ZN4absl7debian35Mutex4LockEv)
FRACTOS_TAKES(MutexReaderLock, _ZN4absl7debian35Mutex10ReaderLockEv)
FRACTOS_GIVES(MutexUnlock, _ZN4absl7debian35Mutex6UnlockEv)
FRACTOS_GIVES(MutexReaderUnlock, _ZN4absl7debian35Mutex12ReaderUnlockEv)
FRACTOS_TRIES(MutexTryLock, _ZN4absl7debian35Mutex7TryLockEv)
FRACTOS_TRIES(MutexReaderTryLock, _ZN4absl7debian35Mutex13ReaderTryLockEv)

// The waits of a mutex: (mutex, condition[, until]). They hold it before and after.
extern "C" void MutexAwait(void*,
                           const void*) asm("_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE");
extern "C" void MutexAwait(void* mutex, const void* condition) {
  FRACTOS_REAL(_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE, MutexAwait);
  __tsan_release(mutex);
  {
    const Unseen unseen;
    real(mutex, condition);
  }
  __tsan_acquire(mutex);
}

extern "C" bool MutexAwaitWithTimeout(void*, const void*, Span) asm(
    "_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
extern "C" bool MutexAwaitWithTimeout(void* mutex, const void* condition, Span timeout) {
  FRACTOS_REAL(_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE,
               MutexAwaitWithTimeout);
  bool met = false;
  __tsan_release(mutex);
  {
    const Unseen unseen;
    met = real(mutex, condition, timeout);
  }
  __tsan_acquire(mutex);
  return met;
}

extern "C" bool MutexAwaitWithDeadline(void*, const void*, Span) asm(
    "_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
extern "C" bool MutexAwaitWithDeadline(void* mutex, const void* condition, Span deadline) {
  FRACTOS_REAL(_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE,
               MutexAwaitWithDeadline);
  bool met = false;
  __tsan_release(mutex);
  {
    const Unseen unseen;
    met = real(mutex, condition, deadline);
  }
  __tsan_acquire(mutex);
  return met;
}

// The waits of a condition variable: (variable, mutex[, until]).
extern "C" void CondVarWait(void*, void*) asm("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
extern "C" void CondVarWait(void* variable, void* mutex) {
  FRACTOS_REAL(_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE, CondVarWait);
  __tsan_release(mutex);
  {
    const Unseen unseen;
    real(variable, mutex);
  }
  __tsan_acquire(mutex);
}

extern "C" bool CondVarWaitWithTimeout(void*, void*, Span) asm(
    "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
extern "C" bool CondVarWaitWithTimeout(void* variable, void* mutex, Span timeout) {
  FRACTOS_REAL(_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE,
               CondVarWaitWithTimeout);
  bool timed_out = false;
  __tsan_release(mutex);
  {
    const Unseen unseen;
    timed_out = real(variable, mutex, timeout);
  }
  __tsan_acquire(mutex);
  return timed_out;
}

extern "C" bool CondVarWaitWithDeadline(void*, void*, Span) asm(
    "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
extern "C" bool CondVarWaitWithDeadline(void* variable, void* mutex, Span deadline) {
  FRACTOS_REAL(_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE,
               CondVarWaitWithDeadline);
  bool timed_out = false;
  __tsan_release(mutex);
  {
    const Unseen unseen;
    timed_out = real(variable, mutex, deadline);
  }
  __tsan_acquire(mutex);
  return timed_out;
}

// A notification's own mutex is seen, but not the flag that it looks at first.
FRACTOS_GIVES(NotificationNotify, _ZN4absl7debian312Notification6NotifyEv)
FRACTOS_TAKES(NotificationWait, _ZNK4absl7debian312Notification19WaitForNotificationEv)

extern "C" bool NotificationWaitWithTimeout(const void*, Span) asm(
    "_ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE");
extern "C" bool NotificationWaitWithTimeout(const void* notification, Span timeout) {
  FRACTOS_REAL(_ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE,
               NotificationWaitWithTimeout);
  bool notified = false;
  {
    const Unseen unseen;
    notified = real(notification, timeout);
  }
  if (notified) __tsan_acquire(const_cast<void*>(notification));
  return notified;
}

// gRPC: whoever starts an operation releases its tag, and whoever gets that tag from the completion
// queue acquires it.
constexpr int kGrpcOperationComplete = 2;  // GRPC_OP_COMPLETE
struct GrpcEvent {                         // grpc_event
  int type;
  int success;
  void* tag;
};
struct GrpcTime {  // gpr_timespec
  long seconds;
  int nanoseconds;
  int clock;
};

extern "C" int grpc_call_start_batch(void* call, const void* operations, size_t count, void* tag,
                                     void* reserved) {
  FRACTOS_REAL(grpc_call_start_batch, grpc_call_start_batch);
  __tsan_release(tag);
  return real(call, operations, count, tag, reserved);
}

extern "C" bool GrpcBeginOperation(void*,
                                   void*) asm("_Z16grpc_cq_begin_opP21grpc_completion_queuePv");
extern "C" bool GrpcBeginOperation(void* queue, void* tag) {
  FRACTOS_REAL(_Z16grpc_cq_begin_opP21grpc_completion_queuePv, GrpcBeginOperation);
  __tsan_release(tag);
  return real(queue, tag);
}

extern "C" GrpcEvent grpc_completion_queue_next(void* queue, GrpcTime deadline, void* reserved) {
  FRACTOS_REAL(grpc_completion_queue_next, grpc_completion_queue_next);
  const GrpcEvent event = real(queue, deadline, reserved);
  // Otherwise nothing was handed over, and the tag is whatever was there.
  if (event.type == kGrpcOperationComplete) __tsan_acquire(event.tag);
  return event;
}

// Read by ThreadSanitizer as it starts. What the libraries that are not built for it call is not
// looked at: memory that gRPC frees on one thread was used on another in an order that only gRPC
// knows. The first report ends the program, so that a test of several processes fails too. A test
// may fork and go on with threads.
extern "C" const char* __tsan_default_options() {
  return "ignore_noninstrumented_modules=1:halt_on_error=1:die_after_fork=0";
}
