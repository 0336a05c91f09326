// A file descriptor that is closed exactly once.
#ifndef FRACTOS_ADAPTORS_KIT_FD_H_
#define FRACTOS_ADAPTORS_KIT_FD_H_

#include <unistd.h>

#include <utility>

namespace fractos::adaptor {

// Owns a descriptor, or none. The kit has its own rather than lib/runtime's, because an adaptor
// needs nothing of the daemon but lib/base.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = other.Release();
    }
    return *this;
  }
  ~Fd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

}  // namespace fractos::adaptor

#endif  // FRACTOS_ADAPTORS_KIT_FD_H_
