#include "cli/paths.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

namespace fs = std::filesystem;

std::string FromEnvironment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// As the shell means ~: what the environment says, else what the system knows of the user.
std::string OwnHome() {
  const std::string home = FromEnvironment("HOME");
  if (!home.empty()) return home;
  const passwd* const user = ::getpwuid(::geteuid());
  return user == nullptr || user->pw_dir == nullptr ? "" : user->pw_dir;
}

}  // namespace

void SettleFolders() {
  for (const char* name : {"FRACTOS_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "HOME"}) {
    const fs::path folder = FromEnvironment(name);
    if (folder.empty() || folder.is_absolute()) continue;
    std::error_code error;
    const fs::path settled = fs::absolute(folder, error);
    if (!error) ::setenv(name, settled.lexically_normal().c_str(), 1);
  }
}

std::string HomeFolder() {
  std::error_code error;
  if (const std::string home = FromEnvironment("FRACTOS_HOME"); !home.empty()) {
    return fs::absolute(home, error).lexically_normal().string();
  }
  if (const std::string data = FromEnvironment("XDG_DATA_HOME"); !data.empty()) {
    return absl::StrCat(data, "/fractos");
  }
  // Not /tmp: others could have made the folder there before us.
  const std::string home = OwnHome();
  return home.empty() ? "" : absl::StrCat(home, "/.local/share/fractos");
}

absl::Status CheckHome() {
  if (!HomeFolder().empty()) return absl::OkStatus();
  return absl::NotFoundError(
      "HOME is not set, and this user has no home folder: set FRACTOS_HOME to a folder in which "
      "runs and files can be kept");
}

std::string RunsFolder() { return absl::StrCat(HomeFolder(), "/runs"); }

std::string ProgramFolder() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return error ? "." : self.parent_path().string();
}

absl::StatusOr<std::string> FindProgram(absl::string_view name) {
  const std::string path = absl::StrCat(ProgramFolder(), "/", name);
  if (::access(path.c_str(), X_OK) != 0) {
    return absl::NotFoundError(
        absl::StrCat("there is no program ", path, ": it belongs beside fractosctl"));
  }
  return path;
}

std::string AbsoluteFolderOf(absl::string_view file) {
  std::error_code error;
  const fs::path path = fs::absolute(fs::path(std::string(file)), error);
  const std::string folder = path.lexically_normal().parent_path().string();
  return folder.empty() ? "/" : folder;
}

absl::Status MakeFolders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return absl::InternalError(absl::StrCat("cannot make ", path, ": ", error.message()));
  return absl::OkStatus();
}

void RemoveFolder(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
}

}  // namespace fractos
