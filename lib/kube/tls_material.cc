#include "lib/kube/tls_material.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace fractos::kube {
namespace {

struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using UniqueBio = std::unique_ptr<BIO, BioDeleter>;

UniqueBio Reader(const std::string& text) {
  return UniqueBio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// OpenSSL would ask on the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

std::string LastError() {
  const unsigned long error = ERR_peek_last_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  ERR_clear_error();
  return reason == nullptr ? "unknown error" : reason;
}

int AsOpenSslSays(int ok, X509_STORE_CTX*) { return ok; }

int VerifyByParameters(X509_STORE_CTX* context, void*) {
  X509_STORE_CTX_set_verify_cb(context, AsOpenSslSays);
  return X509_verify_cert(context);
}

}  // namespace

bool IsIpAddress(const std::string& host) {
  in6_addr address;
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

void TlsMaterial::Deleter::operator()(X509* certificate) const { X509_free(certificate); }
void TlsMaterial::Deleter::operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }

absl::StatusOr<std::vector<TlsMaterial::Certificate>> TlsMaterial::ParseCertificates(
    const std::string& pem, const char* what) {
  std::vector<Certificate> certificates;
  const UniqueBio reader = Reader(pem);
  ERR_clear_error();
  while (X509* certificate = PEM_read_bio_X509(reader.get(), nullptr, NoPassword, nullptr)) {
    certificates.emplace_back(certificate);
  }
  const unsigned long error = ERR_peek_last_error();
  const bool at_end =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!at_end) return absl::InvalidArgumentError(absl::StrCat(what, ": ", LastError()));
  ERR_clear_error();
  if (certificates.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": no certificate in it"));
  }
  return certificates;
}

absl::StatusOr<std::shared_ptr<const TlsMaterial>> TlsMaterial::Parse(
    const TransportConfig& config) {
  const std::shared_ptr<TlsMaterial> material(new TlsMaterial());
  material->server_name_ = config.server_name.empty() ? config.host : config.server_name;
  if (!IsIpAddress(material->server_name_)) material->sni_ = material->server_name_;
  if (!config.ca_pem.empty()) {
    absl::StatusOr<std::vector<Certificate>> parsed =
        ParseCertificates(config.ca_pem, "certificate authority");
    if (!parsed.ok()) return parsed.status();
    material->authorities_ = *std::move(parsed);
  }
  if (config.cert_pem.empty() != config.key_pem.empty()) {
    return absl::InvalidArgumentError("a client's certificate and key come together");
  }
  if (!config.cert_pem.empty()) {
    absl::StatusOr<std::vector<Certificate>> parsed =
        ParseCertificates(config.cert_pem, "client certificate");
    if (!parsed.ok()) return parsed.status();
    material->chain_ = *std::move(parsed);
    const UniqueBio reader = Reader(config.key_pem);
    material->key_.reset(PEM_read_bio_PrivateKey(reader.get(), nullptr, NoPassword, nullptr));
    if (material->key_ == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("client key: ", LastError()));
    }
    if (X509_check_private_key(material->chain_[0].get(), material->key_.get()) != 1) {
      ERR_clear_error();
      return absl::InvalidArgumentError("the client's key is not that of its certificate");
    }
  }
  return material;
}

absl::Status TlsMaterial::Apply(SSL_CTX* context) const {
  bool ok = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1;
  X509_VERIFY_PARAM* parameters = SSL_CTX_get0_param(context);
  if (!authorities_.empty()) {
    // A store of its own: whatever the owner of `context` loaded (cpprestsdk: the system's
    // authorities) would be trusted beside ours.
    X509_STORE* store = X509_STORE_new();
    if (store == nullptr) return absl::InternalError("no memory for a certificate store");
    for (const Certificate& authority : authorities_) {
      ok = ok && X509_STORE_add_cert(store, authority.get()) == 1;
    }
    SSL_CTX_set_cert_store(context, store);
    // What the cluster names as authority is one, be it signed by another.
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  }
  // By the alternative names alone, as Go does.
  X509_VERIFY_PARAM_set_hostflags(
      parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (IsIpAddress(server_name_)) {
    ok = ok && X509_VERIFY_PARAM_set1_ip_asc(parameters, server_name_.c_str()) == 1;
  } else {
    ok = ok && X509_VERIFY_PARAM_set1_host(parameters, server_name_.c_str(), 0) == 1;
  }
  SSL_CTX_set_cert_verify_callback(context, VerifyByParameters, nullptr);
  if (!chain_.empty()) {
    ok = ok && SSL_CTX_use_certificate(context, chain_[0].get()) == 1;
    for (size_t i = 1; i < chain_.size(); ++i) {
      ok = ok && SSL_CTX_add1_chain_cert(context, chain_[i].get()) == 1;
    }
    ok = ok && SSL_CTX_use_PrivateKey(context, key_.get()) == 1;
  }
  return ok ? absl::OkStatus() : absl::InternalError(absl::StrCat("TLS: ", LastError()));
}

}  // namespace fractos::kube
