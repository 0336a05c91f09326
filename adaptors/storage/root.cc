#include "adaptors/storage/root.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "adaptors/kit/memory_file.h"
#include "adaptors/storage/beneath.h"
#include "lib/base/random.h"
#include "lib/base/utf8.h"

namespace fractos {
namespace {

constexpr mode_t kFolderMode = 0777;  // the umask narrows it
constexpr mode_t kFileMode = 0666;

std::string Quoted(absl::string_view key) {
  constexpr size_t kShown = 100;
  return absl::StrCat("'", EscapeText(CutText(key, kShown), '\''),
                      key.size() > kShown ? "'..." : "'");
}

// Parent folder ("" for the root itself) and name.
std::pair<absl::string_view, absl::string_view> Split(absl::string_view key) {
  size_t slash = key.rfind('/');
  if (slash == absl::string_view::npos) return {"", key};
  return {key.substr(0, slash), key.substr(slash + 1)};
}

absl::Status FullDisk(int error, absl::string_view key) {
  return absl::ResourceExhaustedError(
      absl::StrCat("no room to store ", Quoted(key), ": ", std::generic_category().message(error)));
}

absl::Status CannotWrite(absl::string_view key) {
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) return FullDisk(errno, key);
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", Quoted(key)));
}

// Syncs part by part: one sync of it all takes as long as the disk does, and nothing stops it.
absl::Status WriteAll(int fd, absl::string_view bytes, absl::string_view key,
                      const std::stop_token& stop) {
  do {
    if (absl::Status status = adaptor::CheckStop(stop); !status.ok()) return status;
    absl::string_view part = bytes.substr(0, adaptor::kStopBytes);
    bytes.remove_prefix(part.size());
    while (!part.empty()) {
      ssize_t n = ::write(fd, part.data(), part.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return CannotWrite(key);
      part.remove_prefix(static_cast<size_t>(n));
    }
    if (::fsync(fd) != 0) return CannotWrite(key);
  } while (!bytes.empty());
  return absl::OkStatus();
}

absl::Status IsNoFile(absl::string_view key) {
  return absl::InvalidArgumentError(
      absl::StrCat("key ", Quoted(key),
                   " leads over a symbolic link, which is never followed, or "
                   "over something that is no folder"));
}

bool IsStrayPath(int error) {
  return error == ELOOP || error == EXDEV || error == ENOTDIR || error == EISDIR;
}

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

// Takes the descriptor.
Directory OpenDirectory(UniqueFd fd) {
  Directory directory(::fdopendir(fd.get()), &::closedir);
  if (directory != nullptr) fd.Release();
  return directory;
}

// What is not there any more, or is no file or folder of ours.
bool IsNoneOfOurs(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

absl::Status CannotList(absl::string_view key) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot list ", Quoted(key)));
}

// Adds the keys below `folder` that begin with `prefix`. A folder that vanishes meanwhile is empty;
// one that cannot be read is an error, for a list must not leave out what is there.
absl::Status ListInto(UniqueFd fd, const std::string& folder, absl::string_view prefix,
                      std::vector<std::string>* keys) {
  Directory directory = OpenDirectory(std::move(fd));
  if (directory == nullptr) return CannotList(folder);
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr && errno != 0 && !IsNoneOfOurs(errno)) return CannotList(folder);
    if (entry == nullptr) return absl::OkStatus();
    std::string name = entry->d_name;
    if (name == "." || name == ".." || (folder.empty() && name == kStagingFolder)) continue;
    std::string key = absl::StrCat(folder, folder.empty() ? "" : "/", name);
    struct stat info {};
    if (::fstatat(::dirfd(directory.get()), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (IsNoneOfOurs(errno)) continue;
      return CannotList(key);
    }
    if (S_ISREG(info.st_mode) && absl::StartsWith(key, prefix) && CheckKey(key).ok()) {
      keys->push_back(std::move(key));
      if (keys->size() > kMaxListedKeys) {
        return absl::ResourceExhaustedError(absl::StrCat("more than ", kMaxListedKeys,
                                                         " keys begin with ", Quoted(prefix),
                                                         "; use a longer one"));
      }
    } else if (S_ISDIR(info.st_mode) && key.size() < kMaxKeyBytes &&
               (absl::StartsWith(prefix, absl::StrCat(key, "/")) ||
                absl::StartsWith(key, prefix))) {
      UniqueFd below(::openat(::dirfd(directory.get()), name.c_str(),
                              O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!below.valid()) {
        if (IsNoneOfOurs(errno)) continue;
        return CannotList(key);
      }
      absl::Status status = ListInto(std::move(below), key, prefix, keys);
      if (!status.ok()) return status;
    }
  }
}

}  // namespace

absl::Status CheckKey(absl::string_view key) {
  auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("key ", Quoted(key), " ", why));
  };
  if (key.empty()) return absl::InvalidArgumentError("the key is empty");
  if (key.size() > kMaxKeyBytes) {
    return refuse(absl::StrCat("is longer than ", kMaxKeyBytes, " bytes"));
  }
  if (key.front() == '/') return refuse("is absolute; keys are relative to the root");
  for (char c : key) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      return refuse("has a control character");
    }
  }
  bool first = true;
  for (absl::string_view segment : absl::StrSplit(key, '/')) {
    if (segment.empty()) return refuse("has an empty segment");
    if (segment == "." || segment == "..") return refuse("has '.' or '..' as a segment");
    if (segment.size() > kMaxKeySegmentBytes) {
      return refuse(absl::StrCat("has a segment of more than ", kMaxKeySegmentBytes, " bytes"));
    }
    if (first && segment == kStagingFolder) return refuse("is where unfinished files lie");
    first = false;
  }
  return absl::OkStatus();
}

absl::StatusOr<Root> Root::Open(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot create the root folder ", path, ": ", error.message()));
  }
  Root root(path);
  root.root_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.root_.valid()) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open the root folder ", path));
  }
  // A root that cannot be written to can still be read from.
  absl::StatusOr<UniqueFd> staging = root.OpenFolder(kStagingFolder, /*create=*/true);
  if (staging.ok()) root.staging_ = *std::move(staging);
  root.RemoveStale();
  return root;
}

absl::StatusOr<UniqueFd> Root::OpenFolder(absl::string_view folder, bool create) const {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY;
  UniqueFd fd = folder.empty() ? OpenBeneath(root_.get(), ".", kFlags)
                               : OpenBeneath(root_.get(), folder, kFlags);
  if (fd.valid()) return fd;
  if (errno != ENOENT || !create)
    return absl::ErrnoToStatus(errno, absl::StrCat("folder ", folder));
  auto [parent_path, name] = Split(folder);
  absl::StatusOr<UniqueFd> parent = OpenFolder(parent_path, create);
  if (!parent.ok()) return parent.status();
  if (::mkdirat(parent->get(), std::string(name).c_str(), kFolderMode) != 0 && errno != EEXIST) {
    if (errno == ENOSPC || errno == EDQUOT) return FullDisk(errno, folder);
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot create folder ", folder, " in ", path_));
  }
  fd = OpenBeneath(root_.get(), folder, kFlags);
  if (!fd.valid())
    return IsStrayPath(errno) ? IsNoFile(folder) : absl::ErrnoToStatus(errno, absl::StrCat(folder));
  return fd;
}

absl::StatusOr<Root::File> Root::OpenFile(absl::string_view key) const {
  if (absl::Status status = CheckKey(key); !status.ok()) return status;
  // Not to wait for the writer of a named pipe.
  File file{OpenBeneath(root_.get(), key, O_RDONLY | O_NONBLOCK), 0};
  if (!file.fd.valid()) {
    if (errno == ENOENT) return absl::NotFoundError(absl::StrCat("there is no key ", Quoted(key)));
    if (IsStrayPath(errno)) return IsNoFile(key);
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open key ", Quoted(key)));
  }
  struct stat info {};
  if (::fstat(file.fd.get(), &info) != 0) return absl::ErrnoToStatus(errno, "fstat");
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("key ", Quoted(key), " is a folder, not a file"));
  }
  file.size = static_cast<uint64_t>(info.st_size);
  return file;
}

absl::StatusOr<std::string> Root::File::ReadAll() const {
  std::string bytes;
  std::string block(64 * 1024, '\0');
  while (true) {
    ssize_t n = ::read(fd.get(), block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "cannot read a file");
    if (n == 0) return bytes;
    bytes.append(block, 0, static_cast<size_t>(n));
  }
}

absl::Status Root::Put(absl::string_view key, absl::string_view bytes,
                       const std::stop_token& stop) const {
  if (absl::Status status = CheckKey(key); !status.ok()) return status;
  // Looked at first, so that repeating a put, the common case after a re-drive, writes nothing.
  absl::Status existing = CompareExisting(key, bytes, stop);
  if (existing.ok()) return SyncAbove(key);  // another replica may have only just linked it
  if (!absl::IsNotFound(existing)) return existing;
  if (!staging_.valid()) {
    return absl::FailedPreconditionError(absl::StrCat("the root folder ", path_, " is read-only"));
  }
  std::string name;
  absl::Status status = Stage(key, bytes, stop, &name);
  if (status.ok()) status = Publish(name, key, bytes, stop);
  if (!name.empty()) ::unlinkat(staging_.get(), name.c_str(), 0);
  return status;
}

absl::Status Root::Stage(absl::string_view key, absl::string_view bytes,
                         const std::stop_token& stop, std::string* name) const {
  SystemRandom random;
  std::string candidate = random.NewId<ObjectId>().ToHex();
  UniqueFd fd(::openat(staging_.get(), candidate.c_str(),
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!fd.valid()) {
    if (errno == ENOSPC || errno == EDQUOT) return FullDisk(errno, key);
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot create a file in ", path_));
  }
  *name = candidate;
  return WriteAll(fd.get(), bytes, key, stop);
}

absl::Status Root::Publish(const std::string& staged, absl::string_view key,
                           absl::string_view bytes, const std::stop_token& stop) const {
  auto [folder_path, name_view] = Split(key);
  absl::StatusOr<UniqueFd> folder = OpenFolder(folder_path, /*create=*/true);
  if (!folder.ok()) {
    return absl::IsResourceExhausted(folder.status()) ? folder.status() : IsNoFile(key);
  }
  std::string name(name_view);
  // link and not rename: it fails when the name is taken, however closely two writers race.
  if (::linkat(staging_.get(), staged.c_str(), folder->get(), name.c_str(), 0) != 0) {
    if (errno == EEXIST) {
      absl::Status existing = CompareExisting(key, bytes, stop);
      if (existing.ok()) return SyncAbove(key);  // whoever won the race may not have done so yet
      if (!absl::IsNotFound(existing)) return existing;
      return absl::AbortedError(
          absl::StrCat("key ", Quoted(key), " was there and is gone: somebody else deletes it"));
    }
    if (errno == ENOSPC || errno == EDQUOT) return FullDisk(errno, key);
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot create key ", Quoted(key)));
  }
  return SyncAbove(key);
}

absl::Status Root::SyncFolderOf(absl::string_view key) const {
  absl::StatusOr<UniqueFd> folder = OpenFolder(Split(key).first, /*create=*/false);
  if (!folder.ok()) return folder.status();
  if (::fsync(folder->get()) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot make key ", Quoted(key), " last"));
}

absl::Status Root::SyncAbove(absl::string_view key) const {
  absl::Status status = SyncFolderOf(key);
  for (absl::string_view folder = Split(key).first; status.ok() && !folder.empty();
       folder = Split(folder).first) {
    status = SyncFolderOf(folder);
  }
  return status;
}

absl::Status Root::CompareExisting(absl::string_view key, absl::string_view bytes,
                                   const std::stop_token& stop) const {
  absl::StatusOr<File> file = OpenFile(key);
  if (!file.ok()) return file.status();
  bool equal = file->size == bytes.size();
  std::string block(64 * 1024, '\0');
  for (size_t at = 0; equal && at < bytes.size();) {
    if (absl::Status status = adaptor::CheckStop(stop); !status.ok()) return status;
    ssize_t n = ::read(file->fd.get(), block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot read key ", Quoted(key)));
    absl::string_view part(block.data(), static_cast<size_t>(n));
    equal = n > 0 && bytes.substr(at, part.size()) == part;
    at += part.size();
  }
  if (equal) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat("key ", Quoted(key),
                                               " is already there with other bytes; put never "
                                               "overwrites, so give another key"));
}

absl::Status Root::Delete(absl::string_view key) const {
  if (absl::Status status = CheckKey(key); !status.ok()) return status;
  absl::StatusOr<File> file = OpenFile(key);
  if (absl::IsNotFound(file.status())) {
    // Another replica may have only just deleted it. No file comes back to a folder that is gone.
    absl::Status synced = SyncFolderOf(key);
    return absl::IsNotFound(synced) ? absl::OkStatus() : synced;
  }
  if (!file.ok()) return file.status();
  auto [folder_path, name] = Split(key);
  absl::StatusOr<UniqueFd> folder = OpenFolder(folder_path, /*create=*/false);
  if (!folder.ok()) return folder.status();
  if (::unlinkat(folder->get(), std::string(name).c_str(), 0) != 0 && errno != ENOENT) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot delete key ", Quoted(key)));
  }
  return SyncFolderOf(key);
}

absl::StatusOr<std::vector<std::string>> Root::List(absl::string_view prefix) const {
  absl::StatusOr<UniqueFd> root = OpenFolder("", /*create=*/false);
  if (!root.ok()) return root.status();
  std::vector<std::string> keys;
  if (absl::Status status = ListInto(*std::move(root), "", prefix, &keys); !status.ok()) {
    return status;
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

void Root::RemoveStale() const {
  constexpr time_t kStaleSeconds = 3600;  // longer than any run lasts, so nobody still writes it
  absl::StatusOr<UniqueFd> fd = OpenFolder(kStagingFolder, /*create=*/false);
  if (!fd.ok()) return;
  Directory directory = OpenDirectory(*std::move(fd));
  if (directory == nullptr) return;
  time_t now = std::time(nullptr);
  while (const dirent* entry = ::readdir(directory.get())) {
    struct stat info {};
    if (::fstatat(::dirfd(directory.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    if (S_ISREG(info.st_mode) && now - info.st_mtime > kStaleSeconds) {
      ::unlinkat(::dirfd(directory.get()), entry->d_name, 0);
    }
  }
}

}  // namespace fractos
