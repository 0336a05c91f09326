#include "lib/kube/config.h"

#include <sys/utsname.h>

#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/kube/exec_plugin.h"

namespace fractos::kube {
namespace {

bool HasTls(const TlsClientConfig& tls) {
  return tls.insecure || !tls.ca_file.empty() || !tls.ca_data.empty() || !tls.cert_file.empty() ||
         !tls.cert_data.empty();
}

std::string JoinHostPort(const std::string& host, absl::string_view port) {
  return absl::StrContains(host, ':') ? absl::StrCat("[", host, "]:", port)
                                      : absl::StrCat(host, ":", port);
}

absl::Status ReadInto(const std::string& data, const std::string& file, std::string& into) {
  if (!data.empty() || file.empty()) {
    into = data;
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> text = ReadSmallFile(file);
  if (!text.ok()) return text.status();
  into = *std::move(text);
  return absl::OkStatus();
}

}  // namespace

std::string ServerAddress::Authority() const { return JoinHostPort(host, absl::StrCat(port)); }

absl::StatusOr<ServerAddress> ParseServerAddress(const RestConfig& config) {
  const auto bad = [&config](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("server \"", config.host, "\": ", why));
  };
  ServerAddress address;
  absl::string_view rest = config.host;
  if (absl::ConsumePrefix(&rest, "https://")) {
    address.tls = true;
  } else if (absl::ConsumePrefix(&rest, "http://")) {
    address.tls = false;
  } else if (absl::StrContains(rest, "://")) {
    return bad("not http or https");
  } else {
    address.tls = HasTls(config.tls);
  }
  const size_t slash = rest.find('/');
  if (slash != absl::string_view::npos) {
    absl::string_view path = rest.substr(slash);
    while (absl::ConsumeSuffix(&path, "/")) {
    }
    address.path = std::string(path);
    rest = rest.substr(0, slash);
  }
  for (const char c : config.host) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c)) || c == ' ' || c == '?' || c == '#' ||
        c == '@') {
      return bad("only a host, a port and a path are allowed");
    }
  }
  absl::string_view port;
  if (absl::ConsumePrefix(&rest, "[")) {
    const size_t end = rest.find(']');
    if (end == absl::string_view::npos) return bad("no closing bracket");
    address.host = std::string(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    if (absl::ConsumePrefix(&rest, ":")) port = rest;
    if (port.empty() && !rest.empty()) return bad("no port after the bracket");
  } else {
    const size_t colon = rest.find(':');
    if (colon != rest.rfind(':')) return bad("an IPv6 address needs brackets");
    address.host = std::string(rest.substr(0, colon));
    if (colon != absl::string_view::npos) {
      port = rest.substr(colon + 1);
      if (port.empty()) return bad("no port after the colon");
    }
  }
  if (address.host.empty()) return bad("no host");
  address.port = address.tls ? 443 : 80;
  if (!port.empty() &&
      (!absl::SimpleAtoi(port, &address.port) || address.port < 1 || address.port > 65535)) {
    return bad("no such port");
  }
  return address;
}

absl::Status Validate(const RestConfig& config) {
  if (absl::StatusOr<ServerAddress> address = ParseServerAddress(config); !address.ok()) {
    return address.status();
  }
  const bool token = !config.bearer_token.empty() || !config.bearer_token_file.empty();
  const bool basic = !config.username.empty() || !config.password.empty();
  if (token && basic) {
    return absl::InvalidArgumentError("a bearer token and a user name with password, not both");
  }
  const Impersonation& as = config.impersonate;
  if (as.user.empty() && (!as.uid.empty() || !as.groups.empty() || !as.extra.empty())) {
    return absl::InvalidArgumentError(
        "impersonating a uid, groups or extra fields takes a user to impersonate");
  }
  if (config.tls.insecure && (!config.tls.ca_file.empty() || !config.tls.ca_data.empty())) {
    return absl::InvalidArgumentError(
        "insecure-skip-tls-verify and a certificate authority exclude each other");
  }
  return absl::OkStatus();
}

std::string DefaultUserAgent(absl::string_view program) {
  utsname machine;
  const bool known = ::uname(&machine) == 0;
  const absl::string_view arch = known ? machine.machine : "unknown";
  return absl::StrCat(program, "/", FRACTOS_VERSION, " (linux/",
                      arch == "x86_64"    ? absl::string_view("amd64")
                      : arch == "aarch64" ? absl::string_view("arm64")
                                          : arch,
                      ") fractos");
}

Getenv SystemGetenv() {
  return [](const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return std::string(value == nullptr ? "" : value);
  };
}

absl::StatusOr<RestConfig> InClusterConfig(const Getenv& getenv, const std::string& folder) {
  const std::string host = getenv("KUBERNETES_SERVICE_HOST");
  const std::string port = getenv("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty()) {
    return absl::NotFoundError(
        "not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
  }
  RestConfig config;
  config.host = absl::StrCat("https://", JoinHostPort(host, port));
  config.bearer_token_file = folder + "/token";
  absl::StatusOr<std::string> token = ReadSmallFile(config.bearer_token_file);
  if (!token.ok()) return token.status();
  config.bearer_token = std::string(absl::StripAsciiWhitespace(*token));
  // Unlike client-go, which goes on with the system's authorities: those of a container image are
  // not what a pod means to trust.
  config.tls.ca_file = folder + "/ca.crt";
  if (absl::StatusOr<std::string> ca = ReadSmallFile(config.tls.ca_file); !ca.ok()) {
    return ca.status();
  }
  if (absl::StatusOr<std::string> ns = ReadSmallFile(folder + "/namespace"); ns.ok()) {
    config.ns = std::string(absl::StripAsciiWhitespace(*ns));
  }
  return config;
}

absl::StatusOr<std::unique_ptr<CredentialSource>> NewCredentialSource(const RestConfig& config,
                                                                      const Clock* clock) {
  if (!config.bearer_token_file.empty()) {
    return std::make_unique<FileTokenSource>(config.bearer_token_file, config.bearer_token, clock);
  }
  // Whoever names a token, a password or a certificate beside a program means these.
  const bool own = !config.bearer_token.empty() || !config.username.empty() ||
                   !config.tls.cert_file.empty() || !config.tls.cert_data.empty();
  if (config.exec.has_value() && !own) return NewExecCredentialSource(*config.exec, clock);
  return std::make_unique<StaticCredential>(Credential{.token = config.bearer_token});
}

absl::StatusOr<TransportConfig> NewTransportConfig(const RestConfig& config,
                                                   const Credential& credential) {
  const absl::StatusOr<ServerAddress> address = ParseServerAddress(config);
  if (!address.ok()) return address.status();
  TransportConfig transport{.host = address->host,
                            .port = address->port,
                            .tls = address->tls,
                            .server_name = config.tls.server_name,
                            .insecure = config.tls.insecure,
                            .cert_pem = credential.cert_pem,
                            .key_pem = credential.key_pem,
                            .proxy_url = config.proxy_url};
  absl::Status read = ReadInto(config.tls.ca_data, config.tls.ca_file, transport.ca_pem);
  if (transport.cert_pem.empty()) {
    read.Update(ReadInto(config.tls.cert_data, config.tls.cert_file, transport.cert_pem));
    read.Update(ReadInto(config.tls.key_data, config.tls.key_file, transport.key_pem));
  }
  if (!read.ok()) return read;
  return transport;
}

}  // namespace fractos::kube
