// The bounds that FractOS keeps everywhere, each with a test at the bound, and the defaults that
// more than one of its programs has.
#ifndef FRACTOS_LIB_BASE_LIMITS_H_
#define FRACTOS_LIB_BASE_LIMITS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace fractos {

inline constexpr size_t kMaxSteps = 256;  // of one run, refined ones included
inline constexpr size_t kMaxInputs = 32;  // of one step
inline constexpr size_t kMaxSpecBytes = 256 * 1024;
inline constexpr size_t kMaxMessageBytes = 4 * 1024 * 1024;
inline constexpr size_t kMaxInlineValueBytes = 64 * 1024;   // larger values travel by reference
inline constexpr size_t kMaxInlineOutputBytes = 16 * 1024;  // all of a run's outputs together
inline constexpr size_t kMaxOperations = 64;                // of one adaptor
inline constexpr size_t kMaxNameLength = 40;                // DNS-1035 labels
inline constexpr size_t kDefaultMaxInFlight = 64;
inline constexpr int kMaxMaxInFlight = 4096;
inline constexpr size_t kDefaultMaxRuns = 10'000;  // that a daemon admits at once
inline constexpr uint64_t kDefaultMemoryQuotaBytes = uint64_t{1} << 30;  // of a daemon's values
inline constexpr int kMaxClusterReplicas = 64;                           // of one DeviceCluster
// No cluster gets there by elections; an epoch beyond is a slip or a lie, and is not believed.
inline constexpr uint64_t kMaxEpoch = uint64_t{1} << 62;

// Of the Lease by which replicas in pods elect their leader.
inline constexpr std::chrono::seconds kDefaultLeaseDuration{5};
inline constexpr std::chrono::seconds kDefaultRenewDeadline{3};
inline constexpr std::chrono::seconds kDefaultRetryPeriod{1};

inline constexpr std::chrono::seconds kDefaultDeadline{60};
inline constexpr std::chrono::hours kMaxDeadline{1};
inline constexpr std::chrono::seconds kValueGrace{30};  // values live the deadline plus this
inline constexpr std::chrono::seconds kHoldResend{2};   // a hold is sent again this often
inline constexpr std::chrono::seconds kHoldWindow{4};   // holders get this long before a re-drive

}  // namespace fractos

#endif  // FRACTOS_LIB_BASE_LIMITS_H_
