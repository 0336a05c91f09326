#include "lib/memory/memory_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/digest.h"
#include "lib/base/limits.h"
#include "lib/memory/sealed_file.h"

namespace fractos {
namespace {

class InlineBytes final : public Bytes {
 public:
  explicit InlineBytes(std::shared_ptr<const std::string> bytes) : bytes_(std::move(bytes)) {}
  absl::string_view view() const override { return *bytes_; }
  int fd() const override { return -1; }

 private:
  const std::shared_ptr<const std::string> bytes_;
};

class MappedBytes final : public Bytes {
 public:
  static absl::StatusOr<BytesPtr> Map(UniqueFd file, uint64_t size) {
    void* start = nullptr;
    if (size > 0) {
      start = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
      if (start == MAP_FAILED) return absl::ErrnoToStatus(errno, "cannot map a memory file");
    }
    return BytesPtr(new MappedBytes(std::move(file), start, size));
  }
  ~MappedBytes() override {
    if (start_ != nullptr) ::munmap(start_, size_);
  }
  absl::string_view view() const override { return {static_cast<const char*>(start_), size_}; }
  int fd() const override { return file_.get(); }

 private:
  MappedBytes(UniqueFd file, void* start, uint64_t size)
      : file_(std::move(file)), start_(start), size_(size) {}
  const UniqueFd file_;
  void* const start_;
  const uint64_t size_;
};

}  // namespace

class MemoryStore::Impl {
 public:
  Impl(Incarnation self, uint64_t quota, Random* random)
      : self_(std::move(self)), quota_(quota), random_(random) {}

  absl::StatusOr<Value> StageInline(std::string bytes) {
    const uint64_t size = bytes.size();
    if (absl::Status status = Reserve(size); !status.ok()) return status;
    return Add(std::make_shared<const std::string>(std::move(bytes)));
  }

  absl::StatusOr<Value> StageFile(UniqueFd file, uint64_t size) {
    // Before anything is read: whoever made the file may have promised more than there can be.
    if (absl::Status status = Reserve(size); !status.ok()) return status;
    absl::StatusOr<Value> value = SealAndAdd(std::move(file), size);
    if (!value.ok()) Unreserve(size);
    return value;
  }

  absl::Status Commit(const ObjectId& object) {
    absl::MutexLock lock(&mutex_);
    auto found = objects_.find(object);
    if (found == objects_.end() || found->second.cached) return NoSuch(object);
    found->second.committed = true;
    return absl::OkStatus();
  }

  void Release(const ObjectId& object) {
    BytesPtr bytes;  // unmapped after the lock is free
    absl::MutexLock lock(&mutex_);
    auto found = objects_.find(object);
    if (found == objects_.end()) return;
    bytes = std::move(found->second.bytes);
    used_ -= bytes->view().size();
    objects_.erase(found);
  }

  absl::StatusOr<BytesPtr> Get(const ObjectId& object, bool committed) const {
    absl::MutexLock lock(&mutex_);
    auto found = objects_.find(object);
    if (found == objects_.end() || (committed && !found->second.committed)) return NoSuch(object);
    return found->second.bytes;
  }

  absl::Status Cache(const Value& value, UniqueFd file) {
    if (absl::Status status = CheckSealed(file.get(), value.size); !status.ok()) return status;
    if (absl::Status fits = CheckFits(value.size); !fits.ok()) return fits;
    if (absl::Status status = Reserve(value.size); !status.ok()) return status;
    absl::StatusOr<BytesPtr> bytes = MappedBytes::Map(std::move(file), value.size);
    bool added = false;
    if (bytes.ok()) {
      absl::MutexLock lock(&mutex_);
      added = objects_.try_emplace(value.object, Object{*bytes, false, true}).second;
    }
    if (!added) Unreserve(value.size);  // or it is there already, which is as good
    return bytes.status();
  }

  absl::Status CheckFits(uint64_t size) const {
    if (size <= quota_) return absl::OkStatus();
    return absl::OutOfRangeError(
        absl::StrCat("it is larger than all of Memory, which is ", quota_, " bytes"));
  }

  absl::Status CheckRoom(uint64_t size) const {
    absl::MutexLock lock(&mutex_);
    return CheckRoomLocked(size);
  }

  uint64_t used_bytes() const {
    absl::MutexLock lock(&mutex_);
    return used_;
  }

 private:
  struct Object {
    BytesPtr bytes;
    bool committed = false;
    bool cached = false;  // another daemon's, never served from here
  };

  static absl::Status NoSuch(const ObjectId& object) {
    return absl::NotFoundError(absl::StrCat("there is no Memory object ", object.ToShortHex()));
  }

  absl::Status CheckRoomLocked(uint64_t size) const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    if (size <= quota_ && used_ <= quota_ - size) return absl::OkStatus();
    return absl::ResourceExhaustedError(absl::StrCat("no room for a value of ", size,
                                                     " bytes: ", used_, " of ", quota_,
                                                     " bytes of Memory are in use"));
  }

  absl::Status Reserve(uint64_t size) {
    absl::MutexLock lock(&mutex_);
    absl::Status room = CheckRoomLocked(size);
    if (room.ok()) used_ += size;
    return room;
  }

  void Unreserve(uint64_t size) {
    absl::MutexLock lock(&mutex_);
    used_ -= size;
  }

  absl::StatusOr<Value> SealAndAdd(UniqueFd file, uint64_t size) {
    if (absl::Status status = Seal(file.get(), size); !status.ok()) return status;
    absl::StatusOr<BytesPtr> bytes = MappedBytes::Map(std::move(file), size);
    if (!bytes.ok()) return bytes.status();
    // Small ones travel inside messages; keeping a file for each would only cost descriptors.
    if (size <= kMaxInlineValueBytes) {
      return Add(std::make_shared<const std::string>((*bytes)->view()));
    }
    Value value = NewValue((*bytes)->view());
    absl::MutexLock lock(&mutex_);
    objects_[value.object] = Object{*std::move(bytes)};
    return value;
  }

  absl::StatusOr<Value> Add(std::shared_ptr<const std::string> bytes) {
    Value value = NewValue(*bytes);
    if (bytes->size() <= kMaxInlineValueBytes) value.inline_bytes = bytes;
    auto held = std::make_shared<InlineBytes>(std::move(bytes));
    absl::MutexLock lock(&mutex_);
    objects_[value.object] = Object{std::move(held)};
    return value;
  }

  Value NewValue(absl::string_view bytes) const {
    return {Digest::Of(bytes), bytes.size(), self_, random_->NewId<ObjectId>(), nullptr};
  }

  const Incarnation self_;
  const uint64_t quota_;
  Random* const random_;
  mutable absl::Mutex mutex_;
  uint64_t used_ ABSL_GUARDED_BY(mutex_) = 0;  // reserved ones included
  absl::flat_hash_map<ObjectId, Object> objects_ ABSL_GUARDED_BY(mutex_);
};

MemoryStore::MemoryStore(Incarnation self, uint64_t quota_bytes, Random* random)
    : impl_(std::make_unique<Impl>(std::move(self), quota_bytes, random)) {}
MemoryStore::~MemoryStore() = default;
absl::StatusOr<Value> MemoryStore::StageInline(std::string bytes) {
  return impl_->StageInline(std::move(bytes));
}
absl::StatusOr<Value> MemoryStore::StageFile(UniqueFd file, uint64_t size) {
  return impl_->StageFile(std::move(file), size);
}
absl::Status MemoryStore::Commit(const ObjectId& object) { return impl_->Commit(object); }
void MemoryStore::Release(const ObjectId& object) { impl_->Release(object); }
absl::StatusOr<BytesPtr> MemoryStore::Get(const ObjectId& object) const {
  return impl_->Get(object, /*committed=*/false);
}
absl::StatusOr<BytesPtr> MemoryStore::GetCommitted(const ObjectId& object) const {
  return impl_->Get(object, /*committed=*/true);
}
absl::Status MemoryStore::Cache(const Value& value, UniqueFd sealed_file) {
  return impl_->Cache(value, std::move(sealed_file));
}
absl::Status MemoryStore::CheckFits(uint64_t size) const { return impl_->CheckFits(size); }
absl::Status MemoryStore::CheckRoom(uint64_t size) const { return impl_->CheckRoom(size); }
uint64_t MemoryStore::used_bytes() const { return impl_->used_bytes(); }

}  // namespace fractos
