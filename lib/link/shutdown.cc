#include <chrono>
#include <utility>

#include "lib/link/link_table_impl.h"

namespace fractos {

void LinkTable::Impl::Shutdown(Duration grace, std::function<void()> done) {
  absl::MutexLock lock(&mutex_);
  shutting_down_ = true;
  shut_down_ = std::move(done);
  loop_->Cancel(tick_);
  std::weak_ptr<Impl> weak = weak_from_this();
  auto cancel_all = [weak] {
    if (std::shared_ptr<Impl> self = weak.lock()) self->CancelAll();
  };
  grace_ = loop_->At(std::chrono::steady_clock::now() + grace, cancel_all);
  loop_->Post([weak] {
    if (std::shared_ptr<Impl> self = weak.lock()) self->CloseIdle();
  });
}

void LinkTable::Impl::CloseIdle() {
  std::vector<std::shared_ptr<Stream>> idle, unopened;
  WorkList work;
  {
    absl::MutexLock lock(&mutex_);
    loop_->Cancel(sweep_);
    TakeAllWorkLocked(&work);
    for (auto& [stream, link] : links_) {
      if (!link->open) unopened.push_back(link->stream);
      if (CloseNowLocked(*link)) idle.push_back(link->stream);
    }
    FinishShutdownLocked();
  }
  WriteAll(std::move(work));
  for (const std::shared_ptr<Stream>& stream : idle) stream->Close();
  for (const std::shared_ptr<Stream>& stream : unopened) stream->Cancel();
}

bool LinkTable::Impl::CloseNowLocked(Link& link) {
  if (!shutting_down_ || link.writing || link.closing || !link.open) return false;
  const Peer* peer = FindLocked(link.peer);
  if (peer != nullptr && !peer->queue.empty() && FirstOpenLocked(*peer) == &link) return false;
  link.closing = true;
  return true;
}

void LinkTable::Impl::CancelAll() {
  std::vector<std::shared_ptr<Stream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    for (auto& [stream, link] : links_) streams.push_back(link->stream);
  }
  for (const std::shared_ptr<Stream>& stream : streams) stream->Cancel();
}

void LinkTable::Impl::FinishShutdownLocked() {
  if (!shutting_down_ || !links_.empty()) return;
  loop_->Cancel(grace_);
  if (shut_down_ != nullptr) loop_->Post(std::exchange(shut_down_, nullptr));
}

}  // namespace fractos
