// What a process syncs, for tests of what is on disk when an answer is given.
#ifndef FRACTOS_TESTS_UNIT_ADAPTORS_SYNCS_H_
#define FRACTOS_TESTS_UNIT_ADAPTORS_SYNCS_H_

#include <functional>
#include <string>

namespace fractos {

// As long as it lives every fsync of this process first asks `on_sync`, with the path that the
// descriptor was opened by: not 0 is the errno with which it then fails. One at a time, and while
// no other thread syncs.
class Syncs {
 public:
  explicit Syncs(std::function<int(const std::string& path)> on_sync);
  ~Syncs();
  Syncs(const Syncs&) = delete;
  Syncs& operator=(const Syncs&) = delete;
};

}  // namespace fractos

#endif  // FRACTOS_TESTS_UNIT_ADAPTORS_SYNCS_H_
