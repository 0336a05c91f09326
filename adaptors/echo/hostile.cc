#include "adaptors/echo/hostile.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "adaptors/echo/hostile_operations.json.h"
#include "adaptors/kit/memory_file.h"
#include "lib/base/random.h"

namespace fractos {
namespace {

using adaptor::Answer;
using adaptor::MemoryFile;
using adaptor::RefinedStep;
using adaptor::Request;

// Behind the kit's back.
void WriteToDaemon(absl::string_view bytes) {
  const char* number = std::getenv("FRACTOS_ADAPTOR_FD");
  int fd = -1;
  if (number == nullptr || !absl::SimpleAtoi(number, &fd)) return;
  while (!bytes.empty()) {
    ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

[[noreturn]] void Hang() {
  while (true) ::pause();
}

Answer Unsealable() {
  absl::StatusOr<MemoryFile> file = MemoryFile::Create("unsealable");
  if (!file.ok()) return Answer::Fail(file.status());
  std::string bytes(4096, 'u');
  if (absl::Status status = file->Append(bytes); !status.ok()) return Answer::Fail(status);
  // Leaked on purpose: as long as it is mapped the file cannot be sealed.
  void* mapped = ::mmap(nullptr, bytes.size(), PROT_READ | PROT_WRITE, MAP_SHARED, file->fd(), 0);
  if (mapped == MAP_FAILED) return Answer::Fail(absl::ErrnoToStatus(errno, "mmap"));
  return Answer::File(*std::move(file));
}

// A descriptor that is not what it is said to be.
Answer Forged(int fd, uint64_t size) { return Answer::File(MemoryFile::Forge(UniqueFd(fd), size)); }

Answer Pipe() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return Answer::Fail(absl::ErrnoToStatus(errno, "pipe"));
  ::close(ends[1]);
  return Forged(ends[0], 100'000);
}

Answer RefineMany(const Request& request) {
  absl::StatusOr<int64_t> count = request.arguments.Integer("steps", 0, 100'000);
  if (!count.ok()) return Answer::Fail(count.status());
  std::vector<RefinedStep> steps(static_cast<size_t>(*count));
  for (RefinedStep& step : steps) {
    step.operation = "copy";
    step.arguments_json = R"({"text": "x"})";
  }
  return Answer::Refined(std::move(steps));
}

Answer RefineForward() {
  std::vector<RefinedStep> steps(2);
  steps[0].operation = "identity";
  steps[0].inputs.emplace_back("data", uint32_t{1});
  steps[1] = steps[0];
  return Answer::Refined(std::move(steps));
}

Answer RandomBytes(const Request& request) {
  absl::StatusOr<int64_t> size = request.arguments.Integer("size", 0, 1 << 26, 16);
  if (!size.ok()) return Answer::Fail(size.status());
  SystemRandom random;
  std::string bytes;
  while (bytes.size() < static_cast<size_t>(*size)) {
    uint64_t word = random.Next();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  bytes.resize(static_cast<size_t>(*size));
  return Answer::Value(std::move(bytes));
}

Answer WaitForFile(const Request& request) {
  absl::StatusOr<std::string> path = request.arguments.String("path");
  if (!path.ok()) return Answer::Fail(path.status());
  while (::access(path->c_str(), F_OK) != 0) {
    if (request.stop.stop_requested()) return Answer::Fail(absl::CancelledError("not wanted"));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return Answer::Value("ok");
}

Answer Append(const Request& request, const std::string& log) {
  absl::StatusOr<std::string> text = request.arguments.String("text");
  if (!text.ok()) return Answer::Fail(text.status());
  UniqueFd fd(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd.valid()) return Answer::Fail(absl::ErrnoToStatus(errno, absl::StrCat("log ", log)));
  std::string line =
      absl::StrCat(*text, " ", absl::BytesToHexString(request.idempotency_key), "\n");
  if (::write(fd.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    return Answer::Fail(absl::ErrnoToStatus(errno, absl::StrCat("log ", log)));
  }
  return Answer::Value("ok");
}

}  // namespace

std::string AddHostileOperations(absl::string_view description) {
  nlohmann::json json = nlohmann::json::parse(description.begin(), description.end());
  nlohmann::json more = nlohmann::json::parse(kHostileOperations.begin(), kHostileOperations.end());
  for (nlohmann::json& operation : more) json["operations"].push_back(std::move(operation));
  return json.dump();
}

Answer ExecuteHostile(const Request& request, const std::string& log) {
  const std::string& operation = request.operation;
  if (operation == "crash") std::abort();
  if (operation == "exit") std::_Exit(0);
  if (operation == "hang") Hang();
  if (operation == "garbage") {
    WriteToDaemon(std::string("\x08\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff", 12));
    Hang();
  }
  if (operation == "huge") {
    WriteToDaemon(std::string("\x00\x00\x00\x80", 4) + std::string(1 << 16, 'h'));
    Hang();
  }
  if (operation == "unsealable") return Unsealable();
  if (operation == "noMemoryFile") return Pipe();
  if (operation == "shortFile") return Forged(::memfd_create("short", MFD_ALLOW_SEALING), 1 << 20);
  if (operation == "passUnknown") return Answer::Passed("nobody");
  if (operation == "passUndeclared") return Answer::Passed("data");
  if (operation == "refineOutside") {
    return Answer::Refined({RefinedStep{".", "crash", "{}", {}, {}}});
  }
  if (operation == "refineMany") return RefineMany(request);
  if (operation == "refineForward") return RefineForward();
  if (operation == "random") return RandomBytes(request);
  if (operation == "waitForFile") return WaitForFile(request);
  if (operation == "append") return Append(request, log);
  return Answer::Fail(
      absl::UnimplementedError(absl::StrCat("echo has no operation '", operation, "'")));
}

}  // namespace fractos
