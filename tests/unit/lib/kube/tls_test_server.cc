#include "tests/unit/lib/kube/tls_test_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace fractos::kube {
namespace {

std::string ToPem(const std::function<void(BIO*)>& write) {
  BIO* bio = BIO_new(BIO_s_mem());
  write(bio);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string pem(data, static_cast<size_t>(size));
  BIO_free(bio);
  return pem;
}

std::string ToPem(X509* certificate) {
  return ToPem([certificate](BIO* bio) { PEM_write_bio_X509(bio, certificate); });
}

std::string ToPem(EVP_PKEY* key) {
  return ToPem([key](BIO* bio) {
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
}

void AddExtension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

std::shared_ptr<X509> NewCertificate(const std::string& common_name, EVP_PKEY* key) {
  static std::atomic<long> serial{1};
  const std::shared_ptr<X509> certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  return certificate;
}

UniqueFd Listen(const std::string& address, int* port) {
  sockaddr_storage storage{};
  socklen_t size = 0;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (::inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    size = sizeof(*v4);
  } else if (::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    size = sizeof(*v6);
  }
  UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid() || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0 ||
      ::listen(fd.get(), 64) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return UniqueFd();
  }
  *port = ntohs(storage.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
  return fd;
}

}  // namespace

TestAuthority::TestAuthority(const std::string& name)
    : key_(EVP_EC_gen("P-256"), EVP_PKEY_free), certificate_(NewCertificate(name, key_.get())) {
  X509* certificate = certificate_.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  AddExtension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate, certificate, NID_key_usage, "critical,keyCertSign");
  AddExtension(certificate, certificate, NID_subject_key_identifier, "hash");
  X509_sign(certificate, key_.get(), EVP_sha256());
}

std::string TestAuthority::ca_pem() const { return ToPem(certificate_.get()); }

TestIdentity TestAuthority::Issue(const std::string& common_name,
                                  const std::string& alternative_names) const {
  const std::shared_ptr<EVP_PKEY> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::shared_ptr<X509> certificate = NewCertificate(common_name, key.get());
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate_.get()));
  if (!alternative_names.empty()) {
    AddExtension(certificate.get(), certificate_.get(), NID_subject_alt_name,
                 alternative_names.c_str());
  }
  X509_sign(certificate.get(), key_.get(), EVP_sha256());
  return {ToPem(certificate.get()), ToPem(key.get())};
}

std::optional<std::string> TestConnection::ReadRequest() {
  for (;;) {
    const size_t head = buffer_.find("\r\n\r\n");
    if (head != std::string::npos) {
      size_t length = 0;
      const size_t at = absl::AsciiStrToLower(buffer_.substr(0, head)).find("content-length:");
      if (at != std::string::npos) length = std::strtoul(buffer_.c_str() + at + 15, nullptr, 10);
      if (buffer_.size() >= head + 4 + length) {
        std::string request = buffer_.substr(0, head + 4 + length);
        buffer_.erase(0, request.size());
        return request;
      }
    }
    char bytes[16384];
    const int got = SSL_read(ssl_, bytes, sizeof(bytes));
    if (got <= 0) return std::nullopt;
    buffer_.append(bytes, static_cast<size_t>(got));
  }
}

bool TestConnection::Write(const std::string& bytes) {
  return bytes.empty() || SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0;
}

bool TestConnection::WriteWithin(const std::string& bytes, int patience_ms) {
  pollfd writable{fd_, POLLOUT, 0};
  return ::poll(&writable, 1, patience_ms) == 1 && Write(bytes);
}

bool TestConnection::Answer(int status, const std::string& body, const std::string& headers) {
  return Write(absl::StrCat("HTTP/1.1 ", status, " x\r\nContent-Length: ", body.size(), "\r\n",
                            headers, "\r\n", body));
}

bool TestConnection::Chunk(const std::string& bytes) {
  return Write(absl::StrCat(absl::Hex(bytes.size()), "\r\n", bytes, "\r\n"));
}

void TestConnection::AwaitClose() {
  while (ReadRequest().has_value()) {
  }
}

std::string TestConnection::sni() const {
  const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}

std::string TestConnection::client_subject() const {
  X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return "";
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof(name));
  return name;
}

TlsTestServer::TlsTestServer(const TestIdentity& identity, Handler handler, const Options& options)
    : handler_(std::move(handler)),
      context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free),
      listener_(Listen(options.address, &port_)) {
  ::signal(SIGPIPE, SIG_IGN);
  BIO* certificate_bio = BIO_new_mem_buf(identity.cert_pem.data(), -1);
  BIO* key_bio = BIO_new_mem_buf(identity.key_pem.data(), -1);
  X509* certificate = PEM_read_bio_X509(certificate_bio, nullptr, nullptr, nullptr);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(key_bio, nullptr, nullptr, nullptr);
  SSL_CTX_use_certificate(context_.get(), certificate);
  SSL_CTX_use_PrivateKey(context_.get(), key);
  X509_free(certificate);
  EVP_PKEY_free(key);
  BIO_free(certificate_bio);
  BIO_free(key_bio);
  if (!options.client_ca_pem.empty()) {
    BIO* bio = BIO_new_mem_buf(options.client_ca_pem.data(), -1);
    X509* authority = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), authority);
    X509_free(authority);
    BIO_free(bio);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  if (ok()) acceptor_ = std::thread([this] { Accept(); });
}

TlsTestServer::~TlsTestServer() {
  if (!ok()) return;
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    for (const int fd : fds_) ::shutdown(fd, SHUT_RDWR);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

void TlsTestServer::Accept() {
  for (;;) {
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    absl::MutexLock lock(&mutex_);
    fds_.push_back(fd);
    threads_.emplace_back([this, fd] { Serve(fd); });
  }
}

void TlsTestServer::Serve(int fd) {
  SSL* ssl = SSL_new(context_.get());
  SSL_set_fd(ssl, fd);
  if (SSL_accept(ssl) == 1) {
    ++connections_;
    TestConnection connection(ssl, fd);
    handler_(connection);
    if (!connection.abrupt()) SSL_shutdown(ssl);
  } else {
    ++failed_handshakes_;
  }
  ERR_clear_error();
  SSL_free(ssl);
  absl::MutexLock lock(&mutex_);
  fds_.erase(std::find(fds_.begin(), fds_.end(), fd));
  ::close(fd);
}

TestProxy::TestProxy(int target)
    : target_(target),
      listener_(Listen("127.0.0.1", &port_)),
      stopped_(::eventfd(0, EFD_CLOEXEC)),
      acceptor_([this] { Accept(); }) {}

TestProxy::~TestProxy() {
  const uint64_t one = 1;
  (void)!::write(stopped_.get(), &one, sizeof(one));
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  for (std::thread& server : servers_) server.join();
}

std::string TestProxy::request() const {
  absl::MutexLock lock(&mutex_);
  return request_;
}

void TestProxy::Accept() {
  for (;;) {
    const int client = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    servers_.emplace_back([this, client] { Serve(client); });
  }
}

void TestProxy::Serve(int client_fd) {
  const UniqueFd client(client_fd);
  std::string request;
  char bytes[16384];
  while (request.find("\r\n\r\n") == std::string::npos) {
    const ssize_t got = ::read(client.get(), bytes, sizeof(bytes));
    if (got <= 0) return;
    request.append(bytes, static_cast<size_t>(got));
  }
  {
    absl::MutexLock lock(&mutex_);
    request_ = request;
  }
  const UniqueFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(target_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return;
  const std::string answer = "HTTP/1.1 200 Connection established\r\n\r\n";
  if (::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
  for (;;) {
    pollfd polled[] = {
        {client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}, {stopped_.get(), POLLIN, 0}};
    if (::poll(polled, 3, -1) < 0 || polled[2].revents != 0) return;
    for (int from = 0; from < 2; ++from) {
      if (polled[from].revents == 0) continue;
      const ssize_t got = ::read(polled[from].fd, bytes, sizeof(bytes));
      if (got <= 0) return;
      if (::send(polled[1 - from].fd, bytes, static_cast<size_t>(got), MSG_NOSIGNAL) != got) return;
    }
  }
}

}  // namespace fractos::kube
