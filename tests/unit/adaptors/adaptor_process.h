// The daemon's end of an adaptor, for tests: starts any adaptor command and speaks the protocol.
#ifndef FRACTOS_TESTS_UNIT_ADAPTORS_ADAPTOR_PROCESS_H_
#define FRACTOS_TESTS_UNIT_ADAPTORS_ADAPTOR_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fractos/v1/adaptor.pb.h"
#include "lib/base/unique_fd.h"

namespace fractos {

// A value that is sent as a sealed memory file when `file` is set.
struct TestInput {
  std::string name;
  std::string bytes;
  bool file = false;
  bool passed = false;
};

// What came back. `bytes` holds the value, wherever it travelled; the fields of a file say how.
struct TestAnswer {
  v1::Result result;
  std::string bytes;
  bool was_file = false;
  bool sealed_well = false;  // all three seals could be added

  const v1::Failure& failure() const { return result.failure(); }
};

// One adaptor process with its socket. Every read gives up after `kPatience`, so that a test fails
// rather than hangs. Not thread-safe.
class AdaptorProcess {
 public:
  // Starts `command` with FRACTOS_ADAPTOR_FD, in `folder` when it is not empty.
  explicit AdaptorProcess(const std::vector<std::string>& command, const std::string& folder = "");
  ~AdaptorProcess();
  AdaptorProcess(const AdaptorProcess&) = delete;
  AdaptorProcess& operator=(const AdaptorProcess&) = delete;

  // The description, or "Reason: message" of the failure. Nothing when it closed instead.
  std::optional<std::string> Configure(const std::string& options_json);

  // Queues one request; Flush sends what is queued with one system call, unless there are files.
  void Execute(uint64_t id, const std::string& operation, const std::string& arguments_json,
               const std::vector<TestInput>& inputs = {}, uint64_t timeout_ms = 60'000);
  void Cancel(uint64_t id);
  void Flush();

  // The next answer, in the order the adaptor gives them. Nothing when it closed or kept silent.
  std::optional<TestAnswer> Next();

  // Execute, Flush, Next; an answer without kind when nothing came.
  TestAnswer Call(const std::string& operation, const std::string& arguments_json,
                  const std::vector<TestInput>& inputs = {});

  void SendRaw(const std::string& bytes);
  void CloseSocket() { socket_.Reset(); }
  // The exit code, -signal, or nothing when it is still running after the patience.
  std::optional<int> WaitForExit();

 private:
  void SendMessage(const v1::ToAdaptor& message, std::vector<UniqueFd> fds);
  std::optional<v1::FromAdaptor> Receive();

  UniqueFd socket_;
  pid_t pid_ = -1;
  uint64_t next_id_ = 1'000'000;
  std::string out_;
  std::string in_;
  std::deque<UniqueFd> fds_;
};

// A folder that is removed with all that is in it.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace fractos

#endif  // FRACTOS_TESTS_UNIT_ADAPTORS_ADAPTOR_PROCESS_H_
