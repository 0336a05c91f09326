#include "lib/kube/kubeconfig.h"

#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "yaml-cpp/yaml.h"

namespace fractos::kube {
namespace {

constexpr char kExecExtension[] = "client.authentication.k8s.io/exec";
constexpr char kV1Beta1[] = "client.authentication.k8s.io/v1beta1";

// The functions from here to ReadFile throw YAML::Exception and std::invalid_argument; both are
// caught in ParseKubeconfig.

std::string Text(const YAML::Node& node, const char* key) {
  const YAML::Node value = node[key];
  if (!value || value.IsNull()) return "";
  if (!value.IsScalar()) throw std::invalid_argument(absl::StrCat(key, " is no text"));
  return value.Scalar();
}

bool Flag(const YAML::Node& node, const char* key) {
  const YAML::Node value = node[key];
  return value && !value.IsNull() && value.as<bool>();
}

std::string Data(const YAML::Node& node, const char* key) {
  std::string data;
  if (!absl::Base64Unescape(Text(node, key), &data)) {
    throw std::invalid_argument(absl::StrCat(key, " is not base64"));
  }
  return data;
}

std::vector<std::string> Texts(const YAML::Node& list) {
  std::vector<std::string> texts;
  for (const YAML::Node& text : list) texts.push_back(text.as<std::string>());
  return texts;
}

std::string Path(const YAML::Node& node, const char* key, const std::string& folder) {
  std::string path = Text(node, key);
  if (path.empty() || path[0] == '/') return path;
  return absl::StrCat(folder, "/", path);
}

// Scalars become what YAML 1.2's JSON schema makes of them, unless they are quoted.
Json ToJson(const YAML::Node& node, size_t depth = 0) {
  if (depth > kMaxJsonDepth) throw std::invalid_argument("an extension nests too deeply");
  if (node.IsMap()) {
    Json json = Json::object();
    for (const auto& entry : node) {
      json[entry.first.as<std::string>()] = ToJson(entry.second, depth + 1);
    }
    return json;
  }
  if (node.IsSequence()) {
    Json json = Json::array();
    for (const YAML::Node& entry : node) json.push_back(ToJson(entry, depth + 1));
    return json;
  }
  if (!node.IsScalar()) return nullptr;
  if (node.Tag() == "!") return node.Scalar();
  const absl::StatusOr<Json> plain = ParseJson(node.Scalar());
  return plain.ok() && plain->is_primitive() ? *plain : Json(node.Scalar());
}

KubeCluster ReadCluster(const YAML::Node& node, const std::string& folder) {
  KubeCluster cluster{.server = Text(node, "server"),
                      .tls = {.insecure = Flag(node, "insecure-skip-tls-verify"),
                              .server_name = Text(node, "tls-server-name"),
                              .ca_file = Path(node, "certificate-authority", folder),
                              .ca_data = Data(node, "certificate-authority-data")},
                      .proxy_url = Text(node, "proxy-url")};
  for (const YAML::Node& extension : node["extensions"]) {
    if (Text(extension, "name") == kExecExtension) {
      cluster.exec_extension = ToJson(extension["extension"]);
    }
  }
  return cluster;
}

InteractiveMode ReadInteractiveMode(const YAML::Node& node, const std::string& api_version) {
  const std::string mode = Text(node, "interactiveMode");
  if (mode == "Never") return InteractiveMode::kNever;
  if (mode == "Always") return InteractiveMode::kAlways;
  if (mode == "IfAvailable" || (mode.empty() && api_version == kV1Beta1)) {
    return InteractiveMode::kIfAvailable;
  }
  throw std::invalid_argument(
      absl::StrCat("exec: interactiveMode \"", mode, "\" is none of Never, IfAvailable, Always"));
}

ExecConfig ReadExec(const YAML::Node& node, const std::string& folder) {
  ExecConfig exec{.command = Text(node, "command"),
                  .args = Texts(node["args"]),
                  .api_version = Text(node, "apiVersion"),
                  .provide_cluster_info = Flag(node, "provideClusterInfo")};
  if (exec.command.empty()) throw std::invalid_argument("exec: no command");
  // One with a slash is relative to the file, one without is looked up in PATH.
  if (absl::StrContains(exec.command, '/')) exec.command = Path(node, "command", folder);
  exec.interactive_mode = ReadInteractiveMode(node, exec.api_version);
  for (const YAML::Node& entry : node["env"]) {
    exec.env.emplace_back(Text(entry, "name"), Text(entry, "value"));
  }
  // It is printed: no control codes for the terminal.
  for (const char c : Text(node, "installHint")) {
    if (static_cast<unsigned char>(c) >= ' ' || c == '\n' || c == '\t') exec.install_hint += c;
  }
  return exec;
}

KubeUser ReadUser(const YAML::Node& node, const std::string& folder) {
  KubeUser user{.tls = {.cert_file = Path(node, "client-certificate", folder),
                        .cert_data = Data(node, "client-certificate-data"),
                        .key_file = Path(node, "client-key", folder),
                        .key_data = Data(node, "client-key-data")},
                .token = Text(node, "token"),
                .token_file = Path(node, "tokenFile", folder),
                .impersonate = {.user = Text(node, "as"),
                                .uid = Text(node, "as-uid"),
                                .groups = Texts(node["as-groups"])},
                .username = Text(node, "username"),
                .password = Text(node, "password")};
  for (const auto& entry : node["as-user-extra"]) {
    user.impersonate.extra[entry.first.as<std::string>()] = Texts(entry.second);
  }
  if (node["exec"] && !node["exec"].IsNull()) user.exec = ReadExec(node["exec"], folder);
  if (node["auth-provider"]) user.auth_provider = Text(node["auth-provider"], "name");
  return user;
}

KubeContext ReadContext(const YAML::Node& node) {
  return {Text(node, "cluster"), Text(node, "user"), Text(node, "namespace")};
}

template <typename Read>
auto ReadNamed(const YAML::Node& list, const char* key, Read read) {
  std::map<std::string, decltype(read(YAML::Node()))> entries;
  for (const YAML::Node& entry : list) {
    const std::string name = Text(entry, "name");
    if (name.empty()) throw std::invalid_argument(absl::StrCat("a ", key, " without a name"));
    try {
      const YAML::Node value = entry[key];
      entries.emplace(name, read(value && value.IsMap() ? value : YAML::Node(YAML::NodeType::Map)));
    } catch (const std::exception& exception) {
      throw std::invalid_argument(absl::StrCat(key, " \"", name, "\": ", exception.what()));
    }
  }
  return entries;
}

Kubeconfig ReadFile(const YAML::Node& node, const std::string& folder) {
  return {.clusters = ReadNamed(node["clusters"], "cluster",
                                [&](const YAML::Node& n) { return ReadCluster(n, folder); }),
          .users = ReadNamed(node["users"], "user",
                             [&](const YAML::Node& n) { return ReadUser(n, folder); }),
          .contexts = ReadNamed(node["contexts"], "context", ReadContext),
          .current_context = Text(node, "current-context")};
}

// The cluster as an exec plugin is told of it.
Json ExecCluster(const RestConfig& config, const Json& extension) {
  Json cluster = {{"server", config.host}};
  if (!config.tls.server_name.empty()) cluster["tls-server-name"] = config.tls.server_name;
  if (config.tls.insecure) cluster["insecure-skip-tls-verify"] = true;
  std::string ca = config.tls.ca_data;
  if (ca.empty() && !config.tls.ca_file.empty()) {
    ca = ReadSmallFile(config.tls.ca_file).value_or("");
  }
  if (!ca.empty()) cluster["certificate-authority-data"] = absl::Base64Escape(ca);
  if (!config.proxy_url.empty()) cluster["proxy-url"] = config.proxy_url;
  if (!extension.is_null()) cluster["config"] = extension;
  return cluster;
}

template <typename Entry>
absl::StatusOr<Entry> Find(const std::map<std::string, Entry>& entries, const std::string& name,
                           const char* what) {
  const auto found = entries.find(name);
  if (found != entries.end()) return found->second;
  return absl::NotFoundError(absl::StrCat("kubeconfig: no ", what, " named \"", name, "\""));
}

absl::StatusOr<Kubeconfig> LoadFile(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadSmallFile(path, 16 << 20);
  if (!text.ok()) return text.status();
  const size_t slash = path.rfind('/');
  absl::StatusOr<Kubeconfig> config =
      ParseKubeconfig(*text, slash == std::string::npos ? "." : path.substr(0, slash));
  if (config.ok()) return config;
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", config.status().message()));
}

}  // namespace

void Kubeconfig::Merge(Kubeconfig other) {
  clusters.merge(other.clusters);
  users.merge(other.users);
  contexts.merge(other.contexts);
  if (current_context.empty()) current_context = std::move(other.current_context);
}

absl::StatusOr<Kubeconfig> ParseKubeconfig(absl::string_view text, const std::string& folder) {
  try {
    const YAML::Node node = YAML::Load(std::string(text));
    if (node.IsNull()) return Kubeconfig();
    if (!node.IsMap()) return absl::InvalidArgumentError("not a kubeconfig");
    return ReadFile(node, folder);
  } catch (const std::exception& exception) {
    return absl::InvalidArgumentError(exception.what());
  }
}

absl::StatusOr<Kubeconfig> LoadKubeconfig(const KubeconfigOptions& options, const Getenv& getenv) {
  if (!options.path.empty()) return LoadFile(options.path);
  std::vector<std::string> paths = absl::StrSplit(getenv("KUBECONFIG"), ':', absl::SkipEmpty());
  if (paths.empty()) paths.push_back(getenv("HOME") + "/.kube/config");
  Kubeconfig merged;
  std::set<std::string> seen;
  for (const std::string& path : paths) {
    if (!seen.insert(path).second) continue;
    absl::StatusOr<Kubeconfig> config = LoadFile(path);
    if (absl::IsNotFound(config.status())) continue;
    if (!config.ok()) return config.status();
    merged.Merge(*std::move(config));
  }
  return merged;
}

absl::StatusOr<RestConfig> ToRestConfig(const Kubeconfig& config,
                                        const KubeconfigOptions& options) {
  const std::string& name = options.context.empty() ? config.current_context : options.context;
  KubeContext context;
  if (!name.empty()) {
    absl::StatusOr<KubeContext> found = Find(config.contexts, name, "context");
    if (!found.ok()) return found.status();
    context = *std::move(found);
  }
  if (!options.cluster.empty()) context.cluster = options.cluster;
  if (!options.user.empty()) context.user = options.user;
  if (context.cluster.empty()) {
    return absl::NotFoundError("kubeconfig: no current context, and none was asked for");
  }
  absl::StatusOr<KubeCluster> cluster = Find(config.clusters, context.cluster, "cluster");
  if (!cluster.ok()) return cluster.status();
  KubeUser user;
  if (!context.user.empty()) {
    absl::StatusOr<KubeUser> found = Find(config.users, context.user, "user");
    if (!found.ok()) return found.status();
    user = *std::move(found);
  }
  if (!user.auth_provider.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("kubeconfig: user \"", context.user, "\" uses the auth-provider \"",
                     user.auth_provider, "\"; these have been replaced by exec plugins"));
  }
  RestConfig rest{.host = cluster->server,
                  .tls = cluster->tls,
                  .bearer_token = user.token,
                  .bearer_token_file = user.token_file,
                  .username = user.username,
                  .password = user.password,
                  .impersonate = user.impersonate,
                  .exec = user.exec,
                  .proxy_url = cluster->proxy_url};
  rest.tls.cert_file = user.tls.cert_file;
  rest.tls.cert_data = user.tls.cert_data;
  rest.tls.key_file = user.tls.key_file;
  rest.tls.key_data = user.tls.key_data;
  rest.ns = !options.ns.empty() ? options.ns : !context.ns.empty() ? context.ns : "default";
  if (rest.exec.has_value() && rest.exec->provide_cluster_info) {
    rest.exec->cluster = ExecCluster(rest, cluster->exec_extension);
  }
  if (absl::Status valid = Validate(rest); !valid.ok()) return valid;
  return rest;
}

absl::StatusOr<RestConfig> LoadRestConfig(const KubeconfigOptions& options, const Getenv& getenv,
                                          const std::string& service_account_folder) {
  if (options.path.empty() && getenv("KUBECONFIG").empty()) {
    absl::StatusOr<RestConfig> pod = InClusterConfig(getenv, service_account_folder);
    if (pod.ok() && !options.ns.empty()) pod->ns = options.ns;
    // Being in a pod without its files is an error; not being in one is none.
    if (pod.ok() || !getenv("KUBERNETES_SERVICE_HOST").empty()) return pod;
  }
  const absl::StatusOr<Kubeconfig> config = LoadKubeconfig(options, getenv);
  if (!config.ok()) return config.status();
  return ToRestConfig(*config, options);
}

}  // namespace fractos::kube
