#include "adaptors/kit/frames.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"

namespace fractos::adaptor {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
constexpr size_t kBatchBytes = 256 * 1024;
constexpr size_t kMaxDescriptorsPerRead = 64;  // twice what one frame may carry
constexpr size_t kMaxDescriptorsQueued = 4096;

uint32_t LengthAt(const char* header) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(header);
  return static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8 |
         static_cast<uint32_t>(bytes[2]) << 16 | static_cast<uint32_t>(bytes[3]) << 24;
}

void PutLength(uint32_t length, char* header) {
  for (size_t i = 0; i < kFrameHeaderBytes; ++i, length >>= 8) {
    header[i] = static_cast<char>(length & 0xff);
  }
}

}  // namespace

absl::StatusOr<std::optional<absl::string_view>> FrameReader::Next() {
  if (end_ - begin_ < kFrameHeaderBytes) return std::nullopt;
  size_t length = LengthAt(buffer_.data() + begin_);
  if (length > kMaxMessageBytes) {
    return absl::InvalidArgumentError(absl::StrCat("a frame of ", length, " bytes, more than the ",
                                                   kMaxMessageBytes, " allowed"));
  }
  if (end_ - begin_ < kFrameHeaderBytes + length) return std::nullopt;
  absl::string_view body(buffer_.data() + begin_ + kFrameHeaderBytes, length);
  begin_ += kFrameHeaderBytes + length;
  return body;
}

absl::StatusOr<bool> FrameReader::Fill() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  size_t wanted = end_ + kReadBytes;
  if (end_ >= kFrameHeaderBytes) {  // the rest of a large frame with as few reads as can be
    wanted = std::max(wanted, kFrameHeaderBytes + LengthAt(buffer_.data()));
  }
  if (buffer_.size() < wanted) buffer_.resize(wanted);

  alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptorsPerRead * sizeof(int))];
  iovec part{buffer_.data() + end_, buffer_.size() - end_};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  // Sleeps in poll, not in recvmsg: the latter also wakes up when the daemon takes what was
  // answered before (room to write again), which costs two switches of processes per execution.
  ssize_t n = ::recvmsg(socket_, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  while (n < 0 && (errno == EINTR || errno == EAGAIN)) {
    pollfd readable{socket_, POLLIN, 0};
    if (errno == EAGAIN && ::poll(&readable, 1, -1) < 0 && errno != EINTR) break;
    n = ::recvmsg(socket_, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  }
  if (n < 0 && errno == ECONNRESET) return false;
  if (n < 0) return absl::ErrnoToStatus(errno, "cannot read from the daemon");
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
      descriptors_.emplace_back(fd);
    }
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    return absl::ResourceExhaustedError(
        "too many descriptors from the daemon for those that this process may have open (ulimit "
        "-Hn): raise that, or lower spec.maxInFlight of the DeviceCluster");
  }
  if (descriptors_.size() > kMaxDescriptorsQueued) {
    return absl::ResourceExhaustedError("too many descriptors from the daemon");
  }
  if (n == 0) return false;
  end_ += static_cast<size_t>(n);
  return true;
}

absl::StatusOr<UniqueFd> FrameReader::TakeDescriptor() {
  if (descriptors_.empty()) {
    return absl::InvalidArgumentError("a frame names a descriptor that did not come with it");
  }
  UniqueFd fd = std::move(descriptors_.front());
  descriptors_.pop_front();
  return fd;
}

void FrameWriter::Append(std::string frame, std::vector<UniqueFd> descriptors) {
  PutLength(static_cast<uint32_t>(frame.size() - kFrameHeaderBytes), frame.data());
  absl::MutexLock lock(&mutex_);
  if (!descriptors.empty() || queue_.empty() || queue_.back().bytes.size() >= kBatchBytes) {
    queue_.push_back({std::move(frame), std::move(descriptors)});
  } else {
    queue_.back().bytes += frame;
  }
}

absl::Status FrameWriter::Flush() {
  absl::MutexLock lock(&mutex_);
  if (writing_ || !status_.ok()) return status_;
  writing_ = true;
  while (!queue_.empty() && status_.ok()) {
    Batch batch = std::move(queue_.front());
    queue_.pop_front();
    mutex_.Unlock();
    absl::Status written = Write(batch);
    mutex_.Lock();
    status_.Update(written);
  }
  writing_ = false;
  return status_;
}

absl::Status FrameWriter::Write(const Batch& batch) {
  size_t done = 0;
  while (done < batch.bytes.size()) {
    iovec part{const_cast<char*>(batch.bytes.data()) + done, batch.bytes.size() - done};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptorsPerRead * sizeof(int))] = {};
    if (done == 0 && !batch.descriptors.empty()) {
      size_t bytes = batch.descriptors.size() * sizeof(int);
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(bytes);
      cmsghdr* c = CMSG_FIRSTHDR(&message);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN(bytes);
      for (size_t i = 0; i < batch.descriptors.size(); ++i) {
        int fd = batch.descriptors[i].get();
        std::memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(int));
      }
    }
    ssize_t n = ::sendmsg(socket_, &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "cannot write to the daemon");
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

}  // namespace fractos::adaptor
