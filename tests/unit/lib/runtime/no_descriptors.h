// A process that has no descriptor left.
#ifndef FRACTOS_TESTS_UNIT_LIB_RUNTIME_NO_DESCRIPTORS_H_
#define FRACTOS_TESTS_UNIT_LIB_RUNTIME_NO_DESCRIPTORS_H_

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace fractos {

// As long as it lives nothing can be opened in this process, or `left` files at most, as if all its
// other descriptors were in use; what is open stays so. It counts what is open now: nothing else
// may be about to close something. UBSan opens a pipe when it meets a type for the first time, and
// takes the object for broken when it cannot: a test run alone may need to do once before what it
// then does without descriptors.
class NoDescriptors {
 public:
  explicit NoDescriptors(int left = 0) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest_free = ::open("/", O_RDONLY | O_CLOEXEC);
    ::close(lowest_free);
    rlimit none = before_;
    none.rlim_cur = static_cast<rlim_t>(lowest_free + left);
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_;
};

}  // namespace fractos

#endif  // FRACTOS_TESTS_UNIT_LIB_RUNTIME_NO_DESCRIPTORS_H_
