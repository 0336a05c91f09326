// Certificates and keys for OpenSSL, and how a server's certificate is verified.
#ifndef FRACTOS_LIB_KUBE_TLS_MATERIAL_H_
#define FRACTOS_LIB_KUBE_TLS_MATERIAL_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/kube/transport.h"

typedef struct ssl_ctx_st SSL_CTX;
typedef struct x509_st X509;
typedef struct evp_pkey_st EVP_PKEY;

namespace fractos::kube {

// Parsed once, so that bad PEM is noticed when the configuration is read and not in the middle of a
// handshake. Immutable, thread-safe.
class TlsMaterial {
 public:
  // InvalidArgument when a text is not PEM, holds no certificate (no key, one with a password), or
  // certificate and key do not belong together.
  static absl::StatusOr<std::shared_ptr<const TlsMaterial>> Parse(const TransportConfig& config);

  // Makes `context` trust what `config` said, and nothing besides; require the server's certificate
  // to be for its name; and show the client's certificate. From then on OpenSSL checks the name
  // itself: whatever verification callback the owner of `context` sets is not called.
  absl::Status Apply(SSL_CTX* context) const;

  // The server's name for TLS; empty when it is an IP address, which is no name (RFC 6066).
  const std::string& sni() const { return sni_; }

 private:
  struct Deleter {
    void operator()(X509* certificate) const;
    void operator()(EVP_PKEY* key) const;
  };
  using Certificate = std::unique_ptr<X509, Deleter>;

  TlsMaterial() = default;
  static absl::StatusOr<std::vector<Certificate>> ParseCertificates(const std::string& pem,
                                                                    const char* what);

  std::vector<Certificate> authorities_;
  std::vector<Certificate> chain_;  // the client's own first
  std::unique_ptr<EVP_PKEY, Deleter> key_;
  std::string server_name_;
  std::string sni_;
};

// Whether `host` is an IPv4 or IPv6 address, without brackets.
bool IsIpAddress(const std::string& host);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_TLS_MATERIAL_H_
