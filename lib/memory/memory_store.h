// Memory objects: immutable bytes in sealed memory files, owned by one daemon.
#ifndef FRACTOS_LIB_MEMORY_MEMORY_STORE_H_
#define FRACTOS_LIB_MEMORY_MEMORY_STORE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/ids.h"
#include "lib/base/random.h"
#include "lib/base/unique_fd.h"
#include "lib/memory/sealed_file.h"
#include "lib/plan/value.h"

namespace fractos {

// Read-only view of an object's bytes. Shares ownership: it stays valid after the object is
// released.
class Bytes {
 public:
  virtual ~Bytes() = default;
  virtual absl::string_view view() const = 0;
  // The sealed descriptor, or -1 for bytes that are held inline.
  virtual int fd() const = 0;
};
using BytesPtr = std::shared_ptr<const Bytes>;

// The objects of one daemon. Thread-safe. An object is staged first, invisible to others, and
// committed by one pointer swap; committed bytes cannot change, for the file is sealed before it is
// hashed. A quota bounds the sum of sizes: ResourceExhausted beyond it.
class MemoryStore {
 public:
  // `random` must be unpredictable and thread-safe: until capabilities exist, knowing an object's
  // id is the right to read it.
  MemoryStore(Incarnation self, uint64_t quota_bytes, Random* random);
  ~MemoryStore();

  // Stages small bytes, held inline. The value says inline_bytes if they are at most
  // kMaxInlineValueBytes.
  absl::StatusOr<Value> StageInline(std::string bytes);

  // Stages a memory file that an untrusted process made: seals it (FailedPrecondition if a writable
  // mapping is still open, InvalidArgument if it is no memory file or not `size` long), then hashes
  // it. Blocks while hashing: call from a pool.
  absl::StatusOr<Value> StageFile(UniqueFd file, uint64_t size);

  // Makes a staged object readable by others; NotFound if it was released.
  absl::Status Commit(const ObjectId& object);

  // Gone for others at once; views already handed out stay valid.
  void Release(const ObjectId& object);

  // The bytes of a staged or committed object; NotFound.
  absl::StatusOr<BytesPtr> Get(const ObjectId& object) const;
  // Committed objects only: what other processes may read.
  absl::StatusOr<BytesPtr> GetCommitted(const ObjectId& object) const;

  // Keeps bytes pulled from another daemon, under the owner's id, until Release. OutOfRange as
  // CheckFits says it.
  absl::Status Cache(const Value& value, UniqueFd sealed_file);

  // OutOfRange when a value of that size is more than the whole quota, so that no waiting for room
  // would help.
  absl::Status CheckFits(uint64_t size) const;

  // ResourceExhausted when there is no room for a value of that size now, also when it does not
  // fit: asked before it is pulled, for Cache decides when it is here.
  absl::Status CheckRoom(uint64_t size) const;

  uint64_t used_bytes() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_MEMORY_MEMORY_STORE_H_
