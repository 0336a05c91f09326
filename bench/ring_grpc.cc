// Eight bare processes forwarding a message of 64 B over gRPC bidirectional streams on Unix
// sockets, each driven by one completion queue: what FractOS's Links stand on, without FractOS. One
// message a frame, the next written as soon as the one before is: batching is FractOS's own doing.
//
// `ring_grpc adaptors`: before it passes a message on, each sends it to a process of its own, over
// a pair of sockets, and waits until it is back: what every step of FractOS does that is executed.
#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "bench/ring.h"

namespace fractos {
namespace {

enum class Tag : intptr_t { kAccepted = 1, kStarted, kRead, kWritten };
void* ToTag(Tag tag) { return reinterpret_cast<void*>(tag); }

class Node {
 public:
  Node(const std::string& own, const std::string& next) {
    grpc::ServerBuilder builder;
    builder.RegisterAsyncGenericService(&service_);
    builder.AddListeningPort(own, grpc::InsecureServerCredentials());
    queue_ = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    service_.RequestCall(&server_context_, &in_, queue_.get(), queue_.get(), ToTag(Tag::kAccepted));

    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 10);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 10);
    stub_ = std::make_unique<grpc::GenericStub>(
        grpc::CreateCustomChannel(next, grpc::InsecureChannelCredentials(), arguments));
    client_context_.set_wait_for_ready(true);
    out_ = stub_->PrepareCall(&client_context_, "/fractos.bench.Ring/Forward", queue_.get());
    out_->StartCall(ToTag(Tag::kStarted));
  }

  void Send(grpc::ByteBuffer message) {
    if (writing_) {
      waiting_.push_back(std::move(message));
      return;
    }
    writing_ = true;
    out_->Write(message, ToTag(Tag::kWritten));
  }

  // Until `arrived`, called for each message, returns false; `ready` when both streams are open.
  void Run(const std::function<void()>& ready,
           const std::function<bool(grpc::ByteBuffer*)>& arrived) {
    void* tag;
    bool ok;
    int open = 0;
    grpc::ByteBuffer message;
    while (queue_->Next(&tag, &ok) && ok) {
      switch (static_cast<Tag>(reinterpret_cast<intptr_t>(tag))) {
        case Tag::kAccepted:
          in_.Read(&message, ToTag(Tag::kRead));
          if (++open == 2) ready();
          break;
        case Tag::kStarted:
          WriteNext();
          if (++open == 2) ready();
          break;
        case Tag::kRead:
          if (!arrived(&message)) return;
          in_.Read(&message, ToTag(Tag::kRead));
          break;
        case Tag::kWritten:
          WriteNext();
          break;
      }
    }
  }

 private:
  void WriteNext() {
    writing_ = !waiting_.empty();
    if (!writing_) return;
    const grpc::ByteBuffer message = waiting_.front();
    waiting_.pop_front();
    out_->Write(message, ToTag(Tag::kWritten));
  }

  grpc::AsyncGenericService service_;
  grpc::GenericServerContext server_context_;
  grpc::GenericServerAsyncReaderWriter in_{&server_context_};
  grpc::ClientContext client_context_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::GenericStub> stub_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> out_;
  std::deque<grpc::ByteBuffer> waiting_;
  bool writing_ = true;  // not before the stream is open
};

// A process that sends back what it gets.
class Adaptor {
 public:
  Adaptor() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) std::abort();
    socket_ = ends[0];
    const pid_t parent = ::getpid();
    if (::fork() != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    char message[kRingMessageBytes];
    while (::recv(ends[1], message, sizeof(message), MSG_WAITALL) == sizeof(message)) {
      if (::send(ends[1], message, sizeof(message), 0) != sizeof(message)) break;
    }
    ::_exit(1);
  }

  grpc::ByteBuffer Exchange(const grpc::ByteBuffer& message) {
    grpc::Slice slice;
    if (!message.DumpToSingleSlice(&slice).ok()) std::abort();
    char answer[kRingMessageBytes];
    if (::send(socket_, slice.begin(), slice.size(), 0) != sizeof(answer)) std::abort();
    if (::recv(socket_, answer, sizeof(answer), MSG_WAITALL) != sizeof(answer)) std::abort();
    const grpc::Slice back(answer, sizeof(answer));
    return grpc::ByteBuffer(&back, 1);
  }

 private:
  int socket_;
};

int RunNode(const std::string& folder, int i, bool adaptors) {
  std::unique_ptr<Adaptor> adaptor;  // forked before gRPC has threads
  if (adaptors) adaptor = std::make_unique<Adaptor>();
  auto at = [&folder](int node) {
    return "unix:" + folder + "/" + std::to_string(node % kRingSize);
  };
  // Never destroyed: the process ends with the measurement, and closing streams takes their peers.
  Node& node = *new Node(at(i), at(i + 1));
  if (i != 0) {
    node.Run([] {},
             [&node, &adaptor](grpc::ByteBuffer* message) {
               node.Send(adaptor ? adaptor->Exchange(*message) : *message);
               return true;
             });
    return 1;
  }
  grpc::Slice slice(std::string(kRingMessageBytes, 'x'));
  const grpc::ByteBuffer message(&slice, 1);
  RingMeter meter([&node, &message] { node.Send(message); });
  bool done = false;
  node.Run([&meter] { meter.Start(); },
           [&meter, &done, &adaptor](grpc::ByteBuffer* back) {
             if (adaptor) adaptor->Exchange(*back);
             done = !meter.Arrived();
             return !done;
           });
  if (!done) return 1;
  meter.Print(adaptors ? "ring_grpc_adaptors" : "ring_grpc");
  return 0;
}

}  // namespace
}  // namespace fractos

int main(int argc, char** argv) {
  const bool adaptors = argc == 2 && std::string(argv[1]) == "adaptors";
  if (argc != 1 && !adaptors) return std::fprintf(stderr, "usage: ring_grpc [adaptors]\n"), 2;
  std::string folder = (std::filesystem::temp_directory_path() / "ring-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return std::perror("ring_grpc"), 1;
  const int code = fractos::RunRing(
      [&folder, adaptors](int i) { return fractos::RunNode(folder, i, adaptors); });
  std::filesystem::remove_all(folder);
  return code;
}
