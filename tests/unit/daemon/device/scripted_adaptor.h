// Adaptors made of a script in a thread, at the other end of a socket pair: they can misbehave in
// ways that no adaptor kit would allow.
#ifndef FRACTOS_TESTS_UNIT_DAEMON_DEVICE_SCRIPTED_ADAPTOR_H_
#define FRACTOS_TESTS_UNIT_DAEMON_DEVICE_SCRIPTED_ADAPTOR_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "daemon/device/adaptor_launcher.h"
#include "fractos/v1/adaptor.pb.h"
#include "lib/base/unique_fd.h"

namespace fractos::testing {

// A device with one operation "work", and one that refines.
extern const char kDescription[];

// The script's side of the socket. Blocking; every call ends when the socket is shut down.
class AdaptorEnd {
 public:
  explicit AdaptorEnd(int socket) : socket_(socket) {}

  struct Received {
    v1::ToAdaptor message;
    std::vector<UniqueFd> descriptors;
  };
  // Nothing once the daemon's side is gone.
  std::optional<Received> Receive();
  // The next Execute; skips nothing, so nullopt for anything else.
  std::optional<v1::Execute> ReceiveExecute();

  void Send(const v1::FromAdaptor& message, const std::vector<int>& descriptors = {});
  void SendRaw(absl::string_view bytes, const std::vector<int>& descriptors = {});

  // Answers Configure.
  bool Describe(absl::string_view json = kDescription);
  void AnswerInline(uint64_t id, absl::string_view bytes);
  void AnswerFile(uint64_t id, int file, uint64_t size);
  // Answers every execution with the bytes of its first input, inline, until the end.
  void EchoForever();
  // Reads and drops until the end.
  void SwallowForever();

  int socket() const { return socket_; }

 private:
  bool ReceiveBytes(size_t count, std::string* bytes, std::vector<UniqueFd>* descriptors);
  const int socket_;
};

using Script = std::function<void(AdaptorEnd&)>;

// The first launch runs the first script, and so on; the last one runs for all launches after.
class ScriptLauncher final : public AdaptorLauncher {
 public:
  explicit ScriptLauncher(std::vector<Script> scripts) : scripts_(std::move(scripts)) {}
  ~ScriptLauncher() override;

  absl::StatusOr<UniqueFd> Launch(std::function<void(std::string how)> on_exit) override;
  void Kill() override;
  int launches() const {
    absl::MutexLock lock(&mutex_);
    return launches_;
  }

 private:
  const std::vector<Script> scripts_;
  mutable absl::Mutex mutex_;
  int launches_ ABSL_GUARDED_BY(mutex_) = 0;
  bool killed_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<UniqueFd> current_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

// A memory file of `size` bytes; not sealed.
UniqueFd MemoryFileOf(absl::string_view bytes);

}  // namespace fractos::testing

#endif  // FRACTOS_TESTS_UNIT_DAEMON_DEVICE_SCRIPTED_ADAPTOR_H_
