// fractos-adaptor: the adaptors that ship, each by its name.
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "adaptors/echo/echo_device.h"
#include "adaptors/kit/serve.h"
#include "adaptors/math/math_device.h"
#include "adaptors/storage/storage_command.h"
#include "adaptors/storage/storage_device.h"

namespace fractos {
namespace {

constexpr const char* kHelp =
    R"(usage: fractos-adaptor NAME [--connect PATH | --describe [--options JSON]]
       fractos-adaptor storage put KEY [--options JSON] [--size BYTES] < FILE
       fractos-adaptor storage get KEY [--options JSON] [--sum] > FILE

Serves one device to the daemon that started it, over the Unix socket whose descriptor
FRACTOS_ADAPTOR_FD numbers, or the one that listens at PATH. NAME is one of:

  storage   files under one folder              options: {root, immutable}
  math      exact arithmetic on big integers
  cnn       what a photograph shows             options: {model, labels, input: {size, mean, scale}}
  echo      nothing useful, for tests           options: {hostile, log}

  --connect    serve the daemon whose --adaptor-socket is PATH, once it is there
  --describe   print the device's description (docs/adaptors.md gives the format) and exit
  --options    the DeviceCluster's spec.adaptor.options
  --size       refuse to store anything but so many bytes
  --sum        say on stderr how many bytes were written, and their SHA-256
)";

constexpr const char* kNames[] = {"storage", "math", "cnn", "echo"};

int UnknownName(const std::string& name) {
  std::cerr << "there is no adaptor '" << name.substr(0, 64) << "'; there are:";
  const char* separator = " ";
  for (const char* known : kNames) std::cerr << std::exchange(separator, ", ") << known;
  std::cerr << " (see fractos-adaptor --help)\n";
  return 2;
}

// The cnn adaptor is a program of its own beside this one: loading OpenCV's libraries would make
// every other adaptor start later and weigh more.
int ExecCnn(char** argv) {
  char path[PATH_MAX] = {};
  ssize_t length = ::readlink("/proc/self/exe", path, sizeof(path) - 1);
  std::string self(path, length > 0 ? static_cast<size_t>(length) : 0);
  std::string program = self.substr(0, self.rfind('/') + 1) + "fractos-adaptor-cnn";
  ::execv(program.c_str(), argv + 1);
  std::cerr << "cannot start " << program << ": " << std::strerror(errno) << "\n";
  return 2;
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << kHelp;
    return 2;
  }
  std::string name = argv[1];
  std::vector<std::string> arguments(argv + 2, argv + argc);
  if (name == "--help" || name == "-h" || name == "help") {
    std::cout << kHelp;
    return 0;
  }
  if (name == "--version") {
    std::cout << "fractos-adaptor " << FRACTOS_VERSION << "\n";
    return 0;
  }
  if (!arguments.empty() && (arguments[0] == "--help" || arguments[0] == "-h")) {
    std::cout << kHelp;
    return 0;
  }
  if (name == "cnn") return ExecCnn(argv);
  if (name == "math") {
    MathDevice device;
    return adaptor::AdaptorMain(device, arguments);
  }
  if (name == "echo") {
    EchoDevice device;
    return adaptor::AdaptorMain(device, arguments);
  }
  if (name == "storage") {
    if (!arguments.empty() && (arguments[0] == "put" || arguments[0] == "get")) {
      return StorageCommand(arguments);
    }
    StorageDevice device;
    return adaptor::AdaptorMain(device, arguments);
  }
  return UnknownName(name);
}

}  // namespace
}  // namespace fractos

int main(int argc, char** argv) { return fractos::Main(argc, argv); }
