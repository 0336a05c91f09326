// A call by a gRPC client that is none of ours, for what servers make of it.
#ifndef FRACTOS_TESTS_UNIT_LIB_RUNTIME_RAW_CALL_H_
#define FRACTOS_TESTS_UNIT_LIB_RUNTIME_RAW_CALL_H_

#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace fractos {

enum class AfterwardsSay { kNothing, kNoMore };

// Sends `messages` to `method`, one by one for as long as they are taken, and waits for the end:
// its status, DEADLINE_EXCEEDED when none comes.
inline grpc::Status CallRaw(const std::shared_ptr<grpc::Channel>& channel,
                            const std::string& method, const std::vector<std::string>& messages,
                            AfterwardsSay afterwards,
                            grpc_compression_algorithm compression = GRPC_COMPRESS_NONE) {
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  context.set_compression_algorithm(compression);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  auto call = stub.PrepareCall(&context, method, &queue);
  auto wait = [&queue] {
    void* tag;
    bool ok;
    return queue.Next(&tag, &ok) && ok;
  };
  call->StartCall(nullptr);
  bool ok = wait();
  for (const std::string& message : messages) {
    if (!ok) break;
    const grpc::Slice slice(message);
    call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    ok = wait();
  }
  if (ok && afterwards == AfterwardsSay::kNoMore) {
    call->WritesDone(nullptr);
    wait();
  }
  grpc::ByteBuffer answer;
  do {
    call->Read(&answer, nullptr);
  } while (wait());
  grpc::Status status;
  call->Finish(&status, nullptr);
  wait();
  queue.Shutdown();
  while (wait()) {
  }
  return status;
}

}  // namespace fractos

#endif  // FRACTOS_TESTS_UNIT_LIB_RUNTIME_RAW_CALL_H_
