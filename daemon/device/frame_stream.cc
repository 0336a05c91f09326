#include "daemon/device/frame_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

constexpr size_t kHeaderBytes = 4;
constexpr size_t kFirstBufferBytes = 64 * 1024;
constexpr size_t kMaxFramesPerSend = 64;
constexpr size_t kMaxDescriptorsPerReceive = 32;

void AppendHeader(size_t length, std::string* out) {
  for (int shift = 0; shift < 32; shift += 8) {
    out->push_back(static_cast<char>((length >> shift) & 0xff));
  }
}

size_t ParseHeader(const char* bytes) {
  size_t length = 0;
  for (int i = 3; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(bytes[i]);
  return length;
}

}  // namespace

FrameStream::FrameStream(UniqueFd socket) : socket_(std::move(socket)) {
  fcntl(socket_.get(), F_SETFL, fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
}

void FrameStream::Queue(OutFrame frame) {
  Queued queued;
  queued.bytes.reserve(kHeaderBytes + frame.payload.size());
  AppendHeader(frame.payload.size(), &queued.bytes);
  queued.bytes += frame.payload;
  frame.payload.clear();
  queued.frame = std::move(frame);
  absl::MutexLock lock(&write_mutex_);
  queue_.push_back(std::move(queued));
}

absl::Status FrameStream::Send() {
  std::deque<Queued> batch;
  {
    absl::MutexLock lock(&write_mutex_);
    if (writing_ || blocked_ || queue_.empty()) return absl::OkStatus();
    writing_ = true;
    batch.swap(queue_);
  }
  return SendQueued(std::move(batch));
}

bool FrameStream::WantsWrite() const {
  absl::MutexLock lock(&write_mutex_);
  return blocked_;
}

absl::Status FrameStream::Flush() {
  {
    absl::MutexLock lock(&write_mutex_);
    if (writing_) return absl::OkStatus();
    blocked_ = false;
  }
  return Send();
}

// Sends `batch`, then what was queued meanwhile. Runs with writing_ set, so by one thread at a
// time.
absl::Status FrameStream::SendQueued(std::deque<Queued> batch) {
  while (true) {
    absl::Status status;
    while (!batch.empty() && status.ok()) status = SendSome(&batch);
    if (!status.ok()) {
      absl::MutexLock lock(&write_mutex_);
      writing_ = false;
      if (!absl::IsResourceExhausted(status)) return status;
      // The socket is full. What is left goes before what others queued meanwhile.
      std::move(queue_.begin(), queue_.end(), std::back_inserter(batch));
      queue_.swap(batch);
      blocked_ = true;
      return absl::OkStatus();
    }
    absl::MutexLock lock(&write_mutex_);
    batch.swap(queue_);
    if (batch.empty()) {
      writing_ = false;
      return absl::OkStatus();
    }
  }
}

// Sends from the front of `batch`. ResourceExhausted: the socket takes no more now.
absl::Status FrameStream::SendSome(std::deque<Queued>* batch) {
  iovec parts[kMaxFramesPerSend];
  size_t count = 0;
  for (Queued& queued : *batch) {
    // Descriptors go with the first byte of their frame, so such a frame starts a send.
    bool carries = queued.sent == 0 && !queued.frame.descriptors.empty();
    if (count == kMaxFramesPerSend || (carries && count > 0)) break;
    parts[count++] = {queued.bytes.data() + queued.sent, queued.bytes.size() - queued.sent};
  }
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = count;
  Queued& first = batch->front();
  std::vector<char> control;
  if (first.sent == 0 && !first.frame.descriptors.empty()) {
    size_t bytes = first.frame.descriptors.size() * sizeof(int);
    control.resize(CMSG_SPACE(bytes));
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(header), first.frame.descriptors.data(), bytes);
  }
  ssize_t sent = sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) {
    if (errno == EINTR) return absl::OkStatus();
    if (errno == EAGAIN || errno == EWOULDBLOCK) return absl::ResourceExhaustedError("full");
    return absl::UnavailableError(absl::StrCat("cannot write to the adaptor: ", strerror(errno)));
  }
  for (size_t left = static_cast<size_t>(sent); left > 0;) {
    Queued& queued = batch->front();
    size_t taken = std::min(left, queued.bytes.size() - queued.sent);
    queued.sent += taken;
    left -= taken;
    if (queued.sent == queued.bytes.size()) batch->pop_front();
  }
  return absl::OkStatus();
}

absl::Status FrameStream::Read(absl::FunctionRef<absl::Status(absl::string_view)> on_frame) {
  bool more = true;
  while (more) {
    absl::Status read = ReadChunk(&more);
    // What arrived before the peer went is still worth having.
    absl::Status handled = TakeFrames(on_frame);
    if (!handled.ok()) return handled;
    if (!read.ok()) return read;
  }
  return absl::OkStatus();
}

absl::Status FrameStream::ReadChunk(bool* more) {
  *more = false;
  if (buffer_.empty()) buffer_.resize(kFirstBufferBytes);
  iovec part{buffer_.data() + end_, buffer_.size() - end_};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptorsPerReceive * sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t got = recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return absl::OkStatus();
    if (errno == EINTR) {
      *more = true;
      return absl::OkStatus();
    }
    return absl::UnavailableError(absl::StrCat("cannot read from the adaptor: ", strerror(errno)));
  }
  size_t received = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      descriptors_.emplace_back(fd);
    }
    received += count;
  }
  // Cut off though there was room: this process may open no more. A frame brings one at most, and
  // what is lost keeps its place, so that the next frame's is not taken for it.
  const bool cut = (message.msg_flags & MSG_CTRUNC) != 0;
  if (cut && received < kMaxDescriptorsPerReceive) descriptors_.emplace_back();
  if (received == kMaxDescriptorsPerReceive || descriptors_.size() > kMaxPendingDescriptors) {
    return absl::InvalidArgumentError(absl::StrCat("the adaptor sent more than ",
                                                   kMaxPendingDescriptors, " descriptors at once"));
  }
  if (got == 0) return absl::UnavailableError("the adaptor closed its socket");
  end_ += static_cast<size_t>(got);
  // A receive that carries descriptors ends early, so a short one does not mean there is no more.
  *more = end_ == buffer_.size() || message.msg_controllen > 0;
  return absl::OkStatus();
}

absl::Status FrameStream::TakeFrames(absl::FunctionRef<absl::Status(absl::string_view)> on_frame) {
  size_t needed = kHeaderBytes;
  while (end_ - begin_ >= kHeaderBytes) {
    size_t length = ParseHeader(buffer_.data() + begin_);
    if (length > kMaxMessageBytes) {
      return absl::ResourceExhaustedError(absl::StrCat("the adaptor sent a frame of ", length,
                                                       " bytes; at most ", kMaxMessageBytes,
                                                       " are allowed"));
    }
    needed = kHeaderBytes + length;
    if (end_ - begin_ < needed) break;
    absl::string_view frame(buffer_.data() + begin_ + kHeaderBytes, length);
    begin_ += needed;
    needed = kHeaderBytes;
    absl::Status status = on_frame(frame);
    if (!status.ok()) return status;
  }
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (!descriptors_.empty()) {
      return absl::InvalidArgumentError("the adaptor sent a descriptor that no frame names");
    }
    // One large answer must not cost an idle daemon its memory for ever.
    if (buffer_.size() > kFirstBufferBytes) {
      buffer_.resize(kFirstBufferBytes);
      buffer_.shrink_to_fit();
    }
    return absl::OkStatus();
  }
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() < needed) buffer_.resize(needed);
  return absl::OkStatus();
}

std::optional<UniqueFd> FrameStream::TakeDescriptor() {
  if (descriptors_.empty()) return std::nullopt;
  UniqueFd file = std::move(descriptors_.front());
  descriptors_.pop_front();
  return file;
}

}  // namespace fractos
