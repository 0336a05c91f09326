// Why a run or a step failed or was skipped, in one word each: those that FractOS itself gives.
// docs/fractosctl.md explains each to users; devices have reasons of their own besides.
#ifndef FRACTOS_LIB_PLAN_REASONS_H_
#define FRACTOS_LIB_PLAN_REASONS_H_

namespace fractos::reason {

// Of runs.
inline constexpr char kDeadlineExceeded[] = "DeadlineExceeded";
inline constexpr char kNoReplica[] = "NoReplica";
inline constexpr char kCancelled[] = "Cancelled";
inline constexpr char kTooManySteps[] = "TooManySteps";
// Of runs that are TaskGraph objects, besides.
inline constexpr char kInvalidGraph[] = "InvalidGraph";
inline constexpr char kUnknownDevice[] = "UnknownDevice";
inline constexpr char kDeviceChanged[] = "DeviceChanged";
inline constexpr char kRecordDamaged[] = "RecordDamaged";

// Of steps that failed.
inline constexpr char kTimeout[] = "Timeout";
inline constexpr char kAdaptorCrashed[] = "AdaptorCrashed";
inline constexpr char kAdaptorGarbage[] = "AdaptorGarbage";
inline constexpr char kAdaptorFailed[] = "AdaptorFailed";
inline constexpr char kReplyTooLarge[] = "ReplyTooLarge";
inline constexpr char kRefinementTooLong[] = "RefinementTooLong";
inline constexpr char kUnsealable[] = "Unsealable";
inline constexpr char kMemoryExhausted[] = "MemoryExhausted";
inline constexpr char kInvalidRefinement[] = "InvalidRefinement";
inline constexpr char kUnknownInput[] = "UnknownInput";
inline constexpr char kInputLost[] = "InputLost";
inline constexpr char kFetchFailed[] = "FetchFailed";
inline constexpr char kWhenInputMissing[] = "WhenInputMissing";
inline constexpr char kWhenInputTooLarge[] = "WhenInputTooLarge";
inline constexpr char kWhenInvalid[] = "WhenInvalid";

// Of steps that were skipped.
inline constexpr char kWhenNotMet[] = "WhenNotMet";
inline constexpr char kInputFailed[] = "InputFailed";
inline constexpr char kInputSkipped[] = "InputSkipped";
// It had not ended when the run failed, and a step of onFailure takes its result. Displays say it
// too, where the steps that one grew into did not all end.
inline constexpr char kNotFinished[] = "NotFinished";

inline constexpr const char* kAll[] = {
    kDeadlineExceeded, kNoReplica,         kCancelled,     kTooManySteps,      kInvalidGraph,
    kUnknownDevice,    kDeviceChanged,     kRecordDamaged, kTimeout,           kAdaptorCrashed,
    kAdaptorGarbage,   kAdaptorFailed,     kReplyTooLarge, kRefinementTooLong, kUnsealable,
    kMemoryExhausted,  kInvalidRefinement, kUnknownInput,  kInputLost,         kFetchFailed,
    kWhenInputMissing, kWhenInputTooLarge, kWhenInvalid,   kWhenNotMet,        kInputFailed,
    kInputSkipped,     kNotFinished};

}  // namespace fractos::reason

#endif  // FRACTOS_LIB_PLAN_REASONS_H_
