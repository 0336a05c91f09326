// A TLS server on the loopback that does to its clients whatever a test wants, and the certificates
// for it.
#ifndef FRACTOS_TESTS_UNIT_LIB_KUBE_TLS_TEST_SERVER_H_
#define FRACTOS_TESTS_UNIT_LIB_KUBE_TLS_TEST_SERVER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/unique_fd.h"

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef struct x509_st X509;
typedef struct evp_pkey_st EVP_PKEY;

namespace fractos::kube {

struct TestIdentity {
  std::string cert_pem;
  std::string key_pem;
};

// Issues certificates; each authority has a key of its own.
class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);

  std::string ca_pem() const;
  // `alternative_names` as OpenSSL writes them: "DNS:localhost,IP:127.0.0.1"; empty: none.
  TestIdentity Issue(const std::string& common_name, const std::string& alternative_names) const;

 private:
  std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<X509> certificate_;
};

// One connection, on a thread of its own. Everything blocks; nothing throws.
class TestConnection {
 public:
  TestConnection(SSL* ssl, int fd) : ssl_(ssl), fd_(fd) {}

  // The next request with its body; nothing when the client has gone.
  std::optional<std::string> ReadRequest();
  // False when the client has gone.
  bool Write(const std::string& bytes);
  // Like Write, but gives up when the client takes nothing for `patience_ms`.
  bool WriteWithin(const std::string& bytes, int patience_ms);
  // A whole answer that leaves the connection open.
  bool Answer(int status, const std::string& body, const std::string& headers = "");
  bool Chunk(const std::string& bytes);
  // Blocks until the client closes.
  void AwaitClose();
  // How the connection ends when the handler returns: in good order (the default), or not.
  void set_abrupt() { abrupt_ = true; }
  bool abrupt() const { return abrupt_; }

  std::string sni() const;             // empty: none
  std::string client_subject() const;  // the common name; empty: no certificate

 private:
  SSL* const ssl_;
  const int fd_;
  std::string buffer_;
  bool abrupt_ = false;
};

class TlsTestServer {
 public:
  struct Options {
    std::string address = "127.0.0.1";
    std::string client_ca_pem = {};  // not empty: clients must show a certificate of it
  };
  using Handler = std::function<void(TestConnection&)>;

  // `handler` is called on each connection's thread. Check ok() for addresses that a machine may
  // not have.
  TlsTestServer(const TestIdentity& identity, Handler handler)
      : TlsTestServer(identity, std::move(handler), Options{}) {}
  TlsTestServer(const TestIdentity& identity, Handler handler, const Options& options);
  // Ends all connections, and waits.
  ~TlsTestServer();

  bool ok() const { return listener_.valid(); }
  int port() const { return port_; }
  // Of those whose handshake came through.
  int connections() const { return connections_; }
  int failed_handshakes() const { return failed_handshakes_; }

 private:
  void Accept();
  void Serve(int fd);

  const Handler handler_;
  std::shared_ptr<SSL_CTX> context_;
  int port_ = 0;
  UniqueFd listener_;
  std::atomic<int> connections_{0};
  std::atomic<int> failed_handshakes_{0};
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<int> fds_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  std::thread acceptor_;
};

// An HTTP proxy that connects its clients to one port of the loopback.
class TestProxy {
 public:
  explicit TestProxy(int target);
  // Ends the connections, and waits.
  ~TestProxy();

  int port() const { return port_; }
  // What the last client asked of it.
  std::string request() const;

 private:
  void Accept();
  void Serve(int client);

  const int target_;
  int port_ = 0;
  UniqueFd listener_;
  UniqueFd stopped_;
  mutable absl::Mutex mutex_;
  std::string request_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> servers_;  // of the acceptor, until it has ended
  std::thread acceptor_;
};

}  // namespace fractos::kube

#endif  // FRACTOS_TESTS_UNIT_LIB_KUBE_TLS_TEST_SERVER_H_
