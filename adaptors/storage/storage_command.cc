#include "adaptors/storage/storage_command.h"

#include <unistd.h>

#include <iostream>

#include "adaptors/kit/arguments.h"
#include "adaptors/storage/storage_device.h"

namespace fractos {
namespace {

constexpr const char* kUsage =
    "usage: fractos-adaptor storage put KEY [--options JSON] < FILE\n"
    "       fractos-adaptor storage get KEY [--options JSON] > FILE\n";

int Refuse(const absl::Status& status) {
  std::cerr << status.message() << "\n";
  return 1;
}

int Get(const Root& root, const std::string& key) {
  absl::StatusOr<Root::File> file = root.OpenFile(key);
  if (!file.ok()) return Refuse(file.status());
  absl::StatusOr<std::string> bytes = file->ReadAll();
  if (!bytes.ok()) return Refuse(bytes.status());
  std::cout << *bytes;
  std::cout.flush();
  return std::cout.good() ? 0 : Refuse(absl::DataLossError("cannot write standard output"));
}

}  // namespace

int StorageCommand(const std::vector<std::string>& arguments) {
  bool has_options = arguments.size() == 4 && arguments[2] == "--options";
  if (arguments.size() != 2 && !has_options) {
    std::cerr << kUsage;
    return 2;
  }
  absl::StatusOr<adaptor::Arguments> options = adaptor::Arguments::Parse(
      has_options ? absl::string_view(arguments[3]) : R"({"root": "data"})", "option");
  StorageDevice device;
  absl::Status status = options.status();
  if (status.ok()) status = device.Configure(*options).status();
  if (status.ok()) status = CheckKey(arguments[1]);
  if (!status.ok()) {
    std::cerr << status.message() << "\n";
    return 2;
  }
  const Root& root = **device.root();
  if (arguments[0] == "get") return Get(root, arguments[1]);
  Root::File input{UniqueFd(STDIN_FILENO), 0};
  absl::StatusOr<std::string> bytes = input.ReadAll();
  if (!bytes.ok()) return Refuse(bytes.status());
  status = root.Put(arguments[1], *bytes);
  return status.ok() ? 0 : Refuse(status);
}

}  // namespace fractos
