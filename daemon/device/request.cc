#include "daemon/device/request.h"

#include <utility>

#include "fractos/v1/adaptor.pb.h"
#include "lib/base/limits.h"
#include "lib/memory/sealed_file.h"

namespace fractos {
namespace {

OutFrame Encode(const v1::ToAdaptor& message) {
  OutFrame frame;
  message.SerializeToString(&frame.payload);
  return frame;
}

absl::Status AddFile(BytesPtr bytes, OutFrame* frame) {
  int fd = bytes->fd();
  if (fd < 0) {
    absl::StatusOr<UniqueFd> file = SealedFileOf(bytes->view());
    if (!file.ok()) return file.status();
    fd = file->get();
    frame->files.push_back(*std::move(file));
  }
  frame->descriptors.push_back(fd);
  frame->views.push_back(std::move(bytes));
  return absl::OkStatus();
}

}  // namespace

OutFrame ConfigureFrame(absl::string_view options_json) {
  v1::ToAdaptor message;
  message.mutable_configure()->set_options_json(std::string(options_json));
  return Encode(message);
}

absl::StatusOr<OutFrame> ExecuteFrame(Ticket ticket, const Execute& execution,
                                      const MemoryStore& store) {
  OutFrame frame;
  v1::ToAdaptor message;
  v1::Execute& execute = *message.mutable_execute();
  execute.set_id(ticket);
  execute.set_operation(execution.step->operation);
  execute.set_arguments_json(execution.step->arguments);
  execute.set_idempotency_key(execution.attempt.IdempotencyKey());
  execute.set_timeout_ms(static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(execution.timeout).count()));
  for (const NamedValue& named : execution.inputs) {
    v1::Input& input = *execute.add_inputs();
    input.set_name(named.input);
    input.set_size(named.value.size);
    if (named.passed) {
      input.set_passed(true);
      continue;
    }
    if (named.value.IsInline()) {
      input.set_inline_(*named.value.inline_bytes);
      continue;
    }
    absl::StatusOr<BytesPtr> bytes = store.Get(named.value.object);
    if (!bytes.ok()) return bytes.status();
    input.set_file(true);
    if (absl::Status added = AddFile(*std::move(bytes), &frame); !added.ok()) return added;
  }
  message.SerializeToString(&frame.payload);
  if (frame.payload.size() > kMaxMessageBytes) {
    return absl::ResourceExhaustedError("arguments and inputs do not fit into one frame");
  }
  return frame;
}

OutFrame CancelFrame(Ticket ticket) {
  v1::ToAdaptor message;
  message.mutable_cancel()->set_id(ticket);
  return Encode(message);
}

}  // namespace fractos
