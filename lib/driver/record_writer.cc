#include "lib/driver/record_writer.h"

#include <utility>

namespace fractos {

RecordWriter::RecordWriter(size_t threads, RecordStore* store, Callbacks callbacks)
    : store_(store), callbacks_(std::move(callbacks)) {
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Write(); });
  }
}

RecordWriter::~RecordWriter() { Stop(); }

void RecordWriter::Add(const RunId& run, RunRecord record) {
  const absl::MutexLock lock(&mutex_);
  pending_.push_back({run, std::move(record)});
}

void RecordWriter::Stop() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void RecordWriter::Write() {
  while (true) {
    Pending next;
    {
      const absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(
          +[](RecordWriter* self) ABSL_NO_THREAD_SAFETY_ANALYSIS {
            return self->stopping_ || !self->pending_.empty();
          },
          this));
      if (stopping_) return;
      next = std::move(pending_.front());
      pending_.pop_front();
    }
    const std::optional<uint64_t> version = callbacks_.version(next.run);
    if (version.has_value()) callbacks_.written(next.run, store_->Write(next.record, *version));
  }
}

}  // namespace fractos
