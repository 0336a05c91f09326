#include "tests/integration/cli_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

std::string OutputOf(const std::string& folder, pid_t pid, const char* stream) {
  return absl::StrCat(folder, "/", pid, ".", stream);
}

}  // namespace

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

bool Exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

bool Eventually(const std::function<bool()>& holds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

Cli::Cli(std::string bin) : bin_(std::move(bin)) {
  char path[] = "/tmp/fractos-cli-XXXXXX";
  folder_ = ::mkdtemp(path);
  runtime_folder_ = folder_;
}

Cli::~Cli() {
  for (const pid_t pid : Processes()) ::kill(pid, SIGKILL);
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

std::string Cli::Write(const std::string& name, const std::string& text) const {
  const std::string path = absl::StrCat(folder_, "/", name);
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

pid_t Cli::Start(const std::vector<std::string>& arguments, const std::string& directory) {
  const std::string program = absl::StrCat(bin_, "/fractosctl");
  std::vector<char*> words = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  const std::string home = this->home();
  const std::string where = directory.empty() ? folder_ : directory;
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  const pid_t self = ::getpid();
  const auto redirect = [&](const char* stream, int to) {
    const std::string path = OutputOf(folder_, self, stream);
    ::dup2(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), to);
  };
  redirect("out", STDOUT_FILENO);
  redirect("err", STDERR_FILENO);
  ::dup2(::open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
  ::setenv("FRACTOS_HOME", home.c_str(), 1);
  ::setenv("XDG_RUNTIME_DIR", runtime_folder_.c_str(), 1);
  // Marks this test's processes, children included.
  ::setenv("FRACTOS_TEST_FOLDER", folder_.c_str(), 1);
  // What a test run in the background ignores is not to be ignored here.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_DFL);
  if (::chdir(where.c_str()) != 0) ::_exit(126);
  ::execv(program.c_str(), words.data());
  ::_exit(127);
}

CommandResult Cli::Finish(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  CommandResult result;
  if (WIFEXITED(status)) result.code = WEXITSTATUS(status);
  result.out = ReadFile(OutputOf(folder_, pid, "out"));
  result.err = ReadFile(OutputOf(folder_, pid, "err"));
  return result;
}

CommandResult Cli::Run(const std::vector<std::string>& arguments, const std::string& directory) {
  return Finish(Start(arguments, directory));
}

std::vector<pid_t> Cli::Processes() const {
  const std::string mark = absl::StrCat("FRACTOS_TEST_FOLDER=", folder_);
  std::vector<pid_t> pids;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    // A zombie has no environment any more.
    if (absl::StrContains(ReadFile(absl::StrCat("/proc/", pid, "/environ")), mark)) {
      pids.push_back(pid);
    }
  }
  return pids;
}

std::vector<std::string> Cli::PrivateFolders() const {
  std::vector<std::string> folders;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(runtime_folder_, error)) {
    if (absl::StartsWith(entry.path().filename().string(), "fractos-")) {
      folders.push_back(entry.path().string());
    }
  }
  return folders;
}

bool Cli::AllGone() const {
  return Eventually([this] { return Processes().empty(); });
}

}  // namespace fractos
