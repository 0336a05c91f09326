// The pods of a DeviceCluster: a daemon, and its adaptor in a container of its own, which reach
// each other by a socket in a folder that both see.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/api/names.h"
#include "operator/reconcilers/device_cluster_objects.h"

namespace fractos {
namespace {

using kube::Json;

constexpr char kSocketFolder[] = "/run/fractos";
constexpr char kSocket[] = "/run/fractos/adaptor.sock";
constexpr char kTokenFolder[] = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr int64_t kUser = 65532;
// Handing off takes two round trips; finishing what is under way takes at most this.
constexpr int kDrainSeconds = 20;
constexpr int kGraceSeconds = 30;
constexpr int kTokenSeconds = 3607;  // what kubelets ask for, too
// How long a node may be away before its pods are given up.
constexpr int kTolerationSeconds = 30;

Json FieldEnv(const char* name, const char* path) {
  return {{"name", name}, {"valueFrom", {{"fieldRef", {{"fieldPath", path}}}}}};
}

Json Restricted() {
  return {{"allowPrivilegeEscalation", false},
          {"readOnlyRootFilesystem", true},
          {"runAsNonRoot", true},
          {"capabilities", {{"drop", {"ALL"}}}},
          {"seccompProfile", {{"type", "RuntimeDefault"}}}};
}

Json Probe(const char* path, int period, int failures) {
  return {{"httpGet", {{"path", path}, {"port", "health"}}},
          {"periodSeconds", period},
          {"timeoutSeconds", 2},
          {"failureThreshold", failures}};
}

// "$(" in an argument is Kubernetes' own reference; "$$(" is none.
std::string Literal(const std::string& argument) {
  std::string out;
  for (const char c : argument) {
    if (c == '$') out.push_back('$');
    out.push_back(c);
  }
  return out;
}

Json DaemonArguments(const DeviceClusterSpec& spec, const ReleaseDefaults& defaults) {
  // Where it serves Links and Memory, by which name others reach it and which replica it is, the
  // daemon finds out by its pod's name; Service and Lease are called like the DeviceCluster.
  Json arguments = Json::array(
      {"--coordination=kubernetes", absl::StrCat("--name=", spec.FullName()),
       absl::StrCat("--lease-duration=", spec.lease_duration_seconds),
       absl::StrCat("--renew-deadline=", spec.renew_deadline_seconds),
       absl::StrCat("--retry-period=", spec.retry_period_seconds),
       absl::StrCat("--http-address=:", kMetricsPort),
       absl::StrCat("--health-address=:", kHealthPort), "--log-format=json",
       absl::StrCat("--max-in-flight=", spec.max_in_flight),
       absl::StrCat("--drain-grace=", kDrainSeconds), absl::StrCat("--adaptor-socket=", kSocket),
       absl::StrCat("--adaptor-options=", spec.options)});
  if (defaults.verbose) arguments.push_back("--verbose");
  if (!defaults.otlp_endpoint.empty()) {
    arguments.push_back(absl::StrCat("--otlp-endpoint=", Literal(defaults.otlp_endpoint)));
  }
  return arguments;
}

Json DaemonContainer(const DeviceClusterSpec& spec, const ReleaseDefaults& defaults) {
  DeviceClusterSpec literal = spec;
  literal.options = Literal(spec.options);
  Json ports = Json::array();
  for (const auto& [name, port] :
       {std::pair("metrics", kMetricsPort), std::pair("health", kHealthPort),
        std::pair("link", kLinkPort), std::pair("memory", kMemoryPort)}) {
    ports.push_back({{"name", name}, {"containerPort", port}, {"protocol", "TCP"}});
  }
  return {{"name", kDaemonContainer},
          {"image", defaults.daemon_image},
          {"args", DaemonArguments(literal, defaults)},
          {"env", Json::array({FieldEnv("POD_NAME", "metadata.name"),
                               FieldEnv("POD_NAMESPACE", "metadata.namespace"),
                               FieldEnv("POD_UID", "metadata.uid")})},
          {"ports", std::move(ports)},
          {"readinessProbe", Probe("/readyz", 2, 2)},
          {"livenessProbe", Probe("/healthz", 5, 3)},
          {"resources", {{"requests", {{"cpu", "50m"}, {"memory", "64Mi"}}}}},
          {"securityContext", Restricted()},
          {"terminationMessagePolicy", "FallbackToLogsOnError"},
          {"volumeMounts",
           Json::array(
               {{{"name", "fractos"}, {"mountPath", kSocketFolder}},
                {{"name", "fractos-token"}, {"mountPath", kTokenFolder}, {"readOnly", true}}})}};
}

std::string AdaptorImage(const DeviceClusterSpec& spec, const ReleaseDefaults& defaults) {
  if (!spec.image.empty()) return spec.image;
  const bool cnn =
      spec.command.size() > 1 && spec.command[0] == "fractos-adaptor" && spec.command[1] == "cnn";
  return cnn || spec.command[0] == "fractos-adaptor-cnn" ? defaults.cnn_adaptor_image
                                                         : defaults.adaptor_image;
}

Json AdaptorMounts(const DeviceClusterSpec& spec) {
  Json mounts = Json::array({{{"name", "fractos"}, {"mountPath", kSocketFolder}}});
  const bool has_tmp =
      std::any_of(spec.volume_mounts.begin(), spec.volume_mounts.end(), [](const Json& mount) {
        return absl::StripSuffix(kube::StringMember(mount, "mountPath"), "/") == "/tmp";
      });
  if (!has_tmp) mounts.push_back({{"name", "tmp"}, {"mountPath", "/tmp"}});
  const bool names_data =
      std::any_of(spec.volume_mounts.begin(), spec.volume_mounts.end(),
                  [](const Json& mount) { return kube::StringMember(mount, "name") == "data"; });
  if (spec.HasVolume() && !names_data) mounts.push_back({{"name", "data"}, {"mountPath", "/data"}});
  for (const Json& mount : spec.volume_mounts) mounts.push_back(mount);
  return mounts;
}

Json AdaptorContainer(const DeviceClusterSpec& spec, const ReleaseDefaults& defaults) {
  Json command = Json::array();
  for (const std::string& word : spec.command) command.push_back(Literal(word));
  Json env = Json::array({{{"name", "FRACTOS_ADAPTOR_SOCKET"}, {"value", kSocket}}});
  for (const Json& variable : spec.env) {
    env.push_back({{"name", kube::StringMember(variable, "name")},
                   {"value", Literal(kube::StringMember(variable, "value"))}});
  }
  Json container = {
      {"name", kAdaptorContainer},          {"image", AdaptorImage(spec, defaults)},
      {"command", std::move(command)},      {"env", std::move(env)},
      {"securityContext", Restricted()},    {"terminationMessagePolicy", "FallbackToLogsOnError"},
      {"volumeMounts", AdaptorMounts(spec)}};
  const Json& resources = kube::Member(spec.pod_template, "resources");
  container["resources"] =
      resources.is_object() ? resources : Json{{"requests", {{"cpu", "50m"}, {"memory", "64Mi"}}}};
  return container;
}

// A token of the pod's own account, as kubelets mount it, in the daemon's container alone.
Json TokenVolume() {
  const Json sources = Json::array(
      {{{"serviceAccountToken", {{"path", "token"}, {"expirationSeconds", kTokenSeconds}}}},
       {{"configMap",
         {{"name", "kube-root-ca.crt"},
          {"items", Json::array({{{"key", "ca.crt"}, {"path", "ca.crt"}}})}}}},
       {{"downwardAPI",
         {{"items", Json::array({{{"path", "namespace"},
                                  {"fieldRef", {{"fieldPath", "metadata.namespace"}}}}})}}}}});
  return {{"name", "fractos-token"}, {"projected", {{"sources", sources}}}};
}

Json Volumes(const DeviceClusterSpec& spec) {
  Json volumes = Json::array({{{"name", "fractos"}, {"emptyDir", {{"medium", "Memory"}}}},
                              {{"name", "tmp"}, {"emptyDir", Json::object()}},
                              TokenVolume()});
  if (spec.HasVolume()) {
    volumes.push_back(
        {{"name", "data"}, {"persistentVolumeClaim", {{"claimName", spec.ClaimName()}}}});
  }
  const Json& more = kube::Member(spec.pod_template, "volumes");
  if (more.is_array()) volumes.insert(volumes.end(), more.begin(), more.end());
  return volumes;
}

// What the user bears, and dead nodes for a while unless he said for how long.
Json Tolerations(const DeviceClusterSpec& spec) {
  const Json& given = kube::Member(spec.pod_template, "tolerations");
  Json tolerations = given.is_array() ? given : Json::array();
  for (const char* taint : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    const bool said =
        std::any_of(tolerations.begin(), tolerations.end(), [taint](const Json& each) {
          const std::string& key = kube::StringMember(each, "key");
          const std::string& effect = kube::StringMember(each, "effect");
          return (key == taint || key.empty()) && (effect.empty() || effect == "NoExecute");
        });
    if (said) continue;
    tolerations.push_back({{"key", taint},
                           {"operator", "Exists"},
                           {"effect", "NoExecute"},
                           {"tolerationSeconds", kTolerationSeconds}});
  }
  return tolerations;
}

Json Spread(const DeviceClusterSpec& spec) {
  const Json selector = {{"matchLabels", SelectorOf(spec)}};
  const Json& given = kube::Member(spec.pod_template, "topologySpreadConstraints");
  if (!given.is_array() || given.empty()) {
    return Json::array({{{"maxSkew", 1},
                         {"topologyKey", "kubernetes.io/hostname"},
                         {"whenUnsatisfiable", "ScheduleAnyway"},
                         {"labelSelector", selector}}});
  }
  Json constraints = given;
  for (Json& each : constraints) {
    if (each.is_object() && !each.contains("labelSelector")) each["labelSelector"] = selector;
  }
  return constraints;
}

}  // namespace

Json BuildPodTemplate(const DeviceClusterSpec& spec, const ReleaseDefaults& defaults) {
  const Json& metadata = kube::Member(spec.pod_template, "metadata");
  Json labels = kube::Member(metadata, "labels");
  if (!labels.is_object()) labels = Json::object();
  for (const auto& [key, value] : LabelsOf(spec)) labels[key] = value;
  labels[kVersionLabel] = FRACTOS_VERSION;
  Json pod = {{"serviceAccountName", AccountName(spec)},
              {"automountServiceAccountToken", false},
              {"enableServiceLinks", false},
              {"terminationGracePeriodSeconds", kGraceSeconds},
              {"securityContext",
               {{"runAsNonRoot", true},
                {"runAsUser", kUser},
                {"runAsGroup", kUser},
                {"fsGroup", kUser},
                {"fsGroupChangePolicy", "OnRootMismatch"},
                {"seccompProfile", {{"type", "RuntimeDefault"}}}}},
              {"containers",
               Json::array({DaemonContainer(spec, defaults), AdaptorContainer(spec, defaults)})},
              {"volumes", Volumes(spec)},
              {"tolerations", Tolerations(spec)},
              {"topologySpreadConstraints", Spread(spec)}};
  for (const char* field : {"nodeSelector", "affinity", "imagePullSecrets", "priorityClassName",
                            "runtimeClassName", "resourceClaims"}) {
    const Json& value = kube::Member(spec.pod_template, field);
    if (!value.is_null()) pod[field] = value;
  }
  Json result = {{"metadata", {{"labels", std::move(labels)}}}, {"spec", std::move(pod)}};
  const Json& annotations = kube::Member(metadata, "annotations");
  if (annotations.is_object()) result["metadata"]["annotations"] = annotations;
  return result;
}

}  // namespace fractos
