#include "adaptors/storage/storage_command.h"

#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "adaptors/kit/arguments.h"
#include "adaptors/storage/storage_device.h"
#include "lib/base/digest.h"

namespace fractos {
namespace {

constexpr const char* kUsage =
    "usage: fractos-adaptor storage put KEY [--options JSON] [--size BYTES] < FILE\n"
    "       fractos-adaptor storage get KEY [--options JSON] [--sum] > FILE\n";

struct Command {
  bool puts = false;
  std::string key;
  std::string options = R"({"root": "data"})";
  std::optional<uint64_t> size;
  bool sum = false;
};

std::optional<Command> ParseCommand(const std::vector<std::string>& arguments) {
  if (arguments.size() < 2) return std::nullopt;
  Command command;
  command.puts = arguments[0] == "put";
  command.key = arguments[1];
  for (size_t i = 2; i < arguments.size(); ++i) {
    const bool has_value = i + 1 < arguments.size();
    uint64_t size = 0;
    if (arguments[i] == "--options" && has_value) {
      command.options = arguments[++i];
    } else if (arguments[i] == "--size" && has_value && command.puts &&
               absl::SimpleAtoi(arguments[++i], &size)) {
      command.size = size;
    } else if (arguments[i] == "--sum" && !command.puts) {
      command.sum = true;
    } else {
      return std::nullopt;
    }
  }
  return command;
}

int Refuse(const absl::Status& status) {
  std::cerr << status.message() << "\n";
  return 1;
}

int Get(const Root& root, const Command& command) {
  absl::StatusOr<Root::File> file = root.OpenFile(command.key);
  if (!file.ok()) return Refuse(file.status());
  absl::StatusOr<std::string> bytes = file->ReadAll();
  if (!bytes.ok()) return Refuse(bytes.status());
  std::cout << *bytes;
  std::cout.flush();
  if (!std::cout.good()) return Refuse(absl::DataLossError("cannot write standard output"));
  if (command.sum) {
    std::cerr << "sum " << bytes->size() << " " << Digest::Of(*bytes).ToHex() << "\n";
  }
  return 0;
}

int Put(const Root& root, const Command& command) {
  Root::File input{UniqueFd(STDIN_FILENO), 0};
  absl::StatusOr<std::string> bytes = input.ReadAll();
  if (!bytes.ok()) return Refuse(bytes.status());
  if (command.size.has_value() && bytes->size() != *command.size) {
    return Refuse(
        absl::DataLossError(absl::StrCat("standard input has ", bytes->size(), " bytes and not ",
                                         *command.size, "; nothing is stored")));
  }
  absl::Status status = root.Put(command.key, *bytes);
  return status.ok() ? 0 : Refuse(status);
}

}  // namespace

int StorageCommand(const std::vector<std::string>& arguments) {
  std::optional<Command> command = ParseCommand(arguments);
  if (!command.has_value()) {
    std::cerr << kUsage;
    return 2;
  }
  absl::StatusOr<adaptor::Arguments> options =
      adaptor::Arguments::Parse(command->options, "option");
  StorageDevice device;
  absl::Status status = options.status();
  if (status.ok()) status = device.Configure(*options).status();
  if (status.ok()) status = CheckKey(command->key);
  if (!status.ok()) {
    std::cerr << status.message() << "\n";
    return 2;
  }
  const Root& root = **device.root();
  return command->puts ? Put(root, *command) : Get(root, *command);
}

}  // namespace fractos
