// Between the protobuf messages of adaptor.proto and the kit's own types; nothing else of an
// adaptor sees protobuf.
#ifndef FRACTOS_ADAPTORS_KIT_CODEC_H_
#define FRACTOS_ADAPTORS_KIT_CODEC_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "adaptors/kit/answer.h"
#include "adaptors/kit/frames.h"
#include "adaptors/kit/request.h"
#include "fractos/v1/adaptor.pb.h"
#include "lib/base/unique_fd.h"

namespace fractos::adaptor {

// A frame ready for FrameWriter::Append.
struct EncodedFrame {
  std::string frame;
  std::vector<UniqueFd> descriptors;
};

EncodedFrame EncodeDescription(absl::string_view json);

// The Result that answers request `id`. A value beyond the inline bound goes into a memory file; a
// value that cannot be sent becomes a Failure.
EncodedFrame EncodeResult(uint64_t id, Answer answer);

// Takes the request out of `message`, leaving it empty, and its descriptors from `reader`.
// InvalidArgument when a descriptor is missing. Arguments that are no JSON object are the daemon's
// fault too.
absl::StatusOr<Request> DecodeRequest(v1::Execute& message, FrameReader& reader, Time now);

}  // namespace fractos::adaptor

#endif  // FRACTOS_ADAPTORS_KIT_CODEC_H_
