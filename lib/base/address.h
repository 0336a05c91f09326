// Who a message goes to and who holds a value: replicas of DeviceClusters, and drivers.
#ifndef FRACTOS_LIB_BASE_ADDRESS_H_
#define FRACTOS_LIB_BASE_ADDRESS_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/base/ids.h"

namespace fractos {

inline constexpr absl::string_view kDriverPrefix = "driver/";

// A place that a Link leads to, the same over restarts of the process there. A replica of a
// DeviceCluster is ("namespace/name", index); a driver is ("driver/<name>", 0), where the name
// stays the same when another process takes over its runs.
struct Address {
  std::string cluster;
  uint32_t replica = 0;

  static Address Driver(absl::string_view name) { return {absl::StrCat(kDriverPrefix, name), 0}; }
  bool IsDriver() const {
    return cluster.compare(0, kDriverPrefix.size(), kDriverPrefix.data()) == 0;
  }
  bool IsNone() const { return cluster.empty(); }
  std::string ToString() const {
    return IsDriver() ? cluster : absl::StrCat(cluster, "-", replica);
  }

  friend bool operator==(const Address&, const Address&) = default;
  friend auto operator<=>(const Address&, const Address&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Address& a) {
    return H::combine(std::move(h), a.cluster, a.replica);
  }
  friend std::ostream& operator<<(std::ostream& out, const Address& a) {
    return out << a.ToString();
  }
};

// One life of the process at an address. What it held in memory is gone when the boot id changes.
struct Incarnation {
  Address address;
  BootId boot;

  friend bool operator==(const Incarnation&, const Incarnation&) = default;
  friend auto operator<=>(const Incarnation&, const Incarnation&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Incarnation& i) {
    return H::combine(std::move(h), i.address, i.boot);
  }
};

}  // namespace fractos

#endif  // FRACTOS_LIB_BASE_ADDRESS_H_
