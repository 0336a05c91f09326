// Runs fractosctl the way a person does, in a folder of its own, for tests.
#ifndef FRACTOS_TESTS_INTEGRATION_CLI_PROCESS_H_
#define FRACTOS_TESTS_INTEGRATION_CLI_PROCESS_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace fractos {

struct CommandResult {
  int code = -1;  // -1: killed by a signal
  std::string out;
  std::string err;
};

// A temporary folder with a home for fractosctl, removed at the end; and commands in it.
class Cli {
 public:
  // `bin` holds fractosctl and, beside it, the programs that it starts.
  explicit Cli(std::string bin);
  ~Cli();
  Cli(const Cli&) = delete;
  Cli& operator=(const Cli&) = delete;

  const std::string& folder() const { return folder_; }
  std::string home() const { return folder_ + "/home"; }
  // Where sockets go; this folder unless another one is named, which must exist.
  void set_runtime_folder(std::string path) { runtime_folder_ = std::move(path); }
  std::string Write(const std::string& name, const std::string& text) const;

  // Runs to its end.
  CommandResult Run(const std::vector<std::string>& arguments, const std::string& directory = "");

  // Starts it, its output going to files; Finish waits for its end.
  pid_t Start(const std::vector<std::string>& arguments, const std::string& directory = "");
  CommandResult Finish(pid_t pid);

  // The processes whose environment says that they belong to this folder, zombies left out.
  std::vector<pid_t> Processes() const;
  // The folders for sockets that are there.
  std::vector<std::string> PrivateFolders() const;
  // Waits, for at most ten seconds, until there are none; says whether that came true.
  bool AllGone() const;

 private:
  std::string bin_;
  std::string folder_;
  std::string runtime_folder_;
};

// Waits, for at most ten seconds, until `holds()`. Other processes give no event to wait for, so it
// looks every few milliseconds.
bool Eventually(const std::function<bool()>& holds);

std::string ReadFile(const std::string& path);
bool Exists(const std::string& path);

}  // namespace fractos

#endif  // FRACTOS_TESTS_INTEGRATION_CLI_PROCESS_H_
