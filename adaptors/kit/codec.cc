#include "adaptors/kit/codec.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "lib/base/utf8.h"

namespace fractos::adaptor {
namespace {

std::string Serialize(const v1::FromAdaptor& message) {
  std::string frame;
  frame.reserve(kFrameHeaderBytes + message.ByteSizeLong());
  frame.resize(kFrameHeaderBytes);
  message.AppendToString(&frame);
  return frame;
}

void SetFailure(const Failure& failure, v1::Result& result) {
  constexpr size_t kMaxMessage = 4096;  // room for a sentence, not for a log
  v1::Failure& to = *result.mutable_failure();
  // Bytes that are no UTF-8 would break the whole frame.
  to.set_reason(EscapeLines(failure.reason));
  to.set_message(std::string(CutText(EscapeLines(failure.message), kMaxMessage)));
  to.set_retryable(failure.retryable);
}

void SetRefinement(const std::vector<RefinedStep>& steps, v1::Result& result) {
  v1::Refinement& refinement = *result.mutable_refinement();
  for (const RefinedStep& step : steps) {
    v1::RefinedStep& to = *refinement.add_steps();
    to.set_cluster(step.cluster);
    to.set_operation(step.operation);
    to.set_arguments_json(step.arguments_json);
    for (const auto& [input, source] : step.inputs) {
      v1::RefinedInput& edge = *to.add_inputs();
      edge.set_input(input);
      if (const auto* index = std::get_if<uint32_t>(&source)) edge.set_step(*index);
      if (const auto* own = std::get_if<std::string>(&source)) edge.set_own_input(*own);
    }
    for (uint32_t index : step.after) to.add_after(index);
  }
}

void SetFile(MemoryFile file, v1::Result& result, std::vector<UniqueFd>& descriptors) {
  result.mutable_file()->set_size(file.size());
  descriptors.push_back(file.Release());
}

void SetValue(std::string bytes, v1::Result& result, std::vector<UniqueFd>& descriptors) {
  if (bytes.size() <= kMaxInlineValueBytes) {
    result.set_inline_(std::move(bytes));
    return;
  }
  absl::StatusOr<MemoryFile> file = MemoryFile::Create("fractos-value");
  absl::Status status = file.status();
  if (status.ok()) status = file->Append(bytes);
  if (status.ok()) return SetFile(*std::move(file), result, descriptors);
  SetFailure(std::get<Failure>(Answer::Fail(status).content()), result);
}

}  // namespace

EncodedFrame EncodeDescription(absl::string_view json) {
  v1::FromAdaptor message;
  message.mutable_description()->set_json(std::string(json));
  return {Serialize(message), {}};
}

EncodedFrame EncodeResult(uint64_t id, Answer answer) {
  v1::FromAdaptor message;
  std::vector<UniqueFd> descriptors;
  v1::Result& result = *message.mutable_result();
  result.set_id(id);
  Answer::Content& content = answer.content();
  if (auto* bytes = std::get_if<std::string>(&content)) {
    SetValue(std::move(*bytes), result, descriptors);
  } else if (auto* file = std::get_if<MemoryFile>(&content)) {
    SetFile(std::move(*file), result, descriptors);
  } else if (auto* passed = std::get_if<Answer::PassedInput>(&content)) {
    result.set_passed_input(std::move(passed->name));
  } else if (auto* steps = std::get_if<std::vector<RefinedStep>>(&content)) {
    SetRefinement(*steps, result);
  } else if (auto* failure = std::get_if<Failure>(&content)) {
    SetFailure(*failure, result);
  }
  return {Serialize(message), std::move(descriptors)};
}

absl::StatusOr<Request> DecodeRequest(v1::Execute& message, FrameReader& reader, Time now) {
  Request request;
  request.operation = std::move(*message.mutable_operation());
  request.idempotency_key = std::move(*message.mutable_idempotency_key());
  // More than any run lasts, so that a hostile sum cannot overflow.
  constexpr uint64_t kMaxTimeoutMs = std::chrono::milliseconds(kMaxDeadline).count();
  request.deadline = now + std::chrono::milliseconds(std::min(message.timeout_ms(), kMaxTimeoutMs));
  absl::StatusOr<Arguments> arguments = Arguments::Parse(message.arguments_json(), "argument");
  if (!arguments.ok()) return arguments.status();
  request.arguments = *std::move(arguments);
  request.inputs.reserve(static_cast<size_t>(message.inputs_size()));
  for (v1::Input& input : *message.mutable_inputs()) {
    std::string& name = *input.mutable_name();
    if (input.passed()) {
      request.inputs.push_back(Input::Passed(std::move(name), input.size()));
    } else if (input.file()) {
      absl::StatusOr<UniqueFd> fd = reader.TakeDescriptor();
      if (!fd.ok()) return fd.status();
      request.inputs.push_back(Input::File(std::move(name), input.size(), *std::move(fd)));
    } else {
      request.inputs.push_back(Input::Inline(std::move(name), std::move(*input.mutable_inline_())));
    }
  }
  return request;
}

}  // namespace fractos::adaptor
