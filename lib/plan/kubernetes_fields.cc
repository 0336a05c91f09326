#include "lib/plan/kubernetes_fields.h"

#include <re2/re2.h>

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/limits.h"
#include "lib/plan/names.h"

namespace fractos {
namespace {

using Field = std::optional<YamlField>;

// Kubernetes' own bounds.
constexpr size_t kMaxLabelBytes = 63;
constexpr size_t kMaxSubdomainBytes = 253;
// The CRD's.
constexpr size_t kMaxLabels = 64;
constexpr size_t kMaxAnnotationBytes = 16 * 1024;
constexpr size_t kMaxAmounts = 32;
constexpr size_t kMaxAmountBytes = 64;

// Text that is `what`: `pattern` matches all of it.
std::optional<std::string> ReadMatch(const Field& field, const RE2& pattern, absl::string_view what,
                                     size_t max_bytes, YamlFaults* faults) {
  std::optional<std::string> text = ReadText(field, max_bytes, faults);
  if (!text.has_value() || RE2::FullMatch(*text, pattern)) return text;
  faults->Add(*field->node, field->path, absl::StrCat("must be ", what, ", not ", Quoted(*text)));
  return std::nullopt;
}

std::optional<std::string> ReadLabel(const Field& field, absl::string_view what,
                                     YamlFaults* faults) {
  static const RE2& label = *new RE2("[a-z0-9]([-a-z0-9]*[a-z0-9])?");
  return ReadMatch(field, label, absl::StrCat(what, ", of lower-case letters, digits and '-'"),
                   kMaxLabelBytes, faults);
}

// Says so if `text`, which stands at `field`, is in `seen` already.
void CheckOnce(const std::optional<std::string>& text, const YamlField& field,
               std::set<std::string>* seen, YamlFaults* faults) {
  if (!text.has_value() || seen->insert(*text).second) return;
  faults->Add(*field.node, field.path, absl::StrCat(Quoted(*text), " is there twice"));
}

void CheckAmount(const Field& field, YamlFaults* faults) {
  static const RE2& whole = *new RE2("[-+]?(0|[1-9][0-9]*)");
  static const RE2& amount = *new RE2(
      R"([-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+))?)");
  // A whole number needs no quotes.
  if (field.has_value() && RE2::FullMatch(field->node->text, whole)) return;
  ReadMatch(field, amount, "an amount like 10Gi or 500m", kMaxAmountBytes, faults);
}

// A list of maps with anything in them.
void CheckMaps(const Field& field, size_t max_items, YamlFaults* faults) {
  for (const YamlField& item : ReadList(field, max_items, faults)) ReadEntries(item, faults);
}

void CheckLeaderElection(const Field& field, YamlFaults* faults) {
  if (!field.has_value()) return;
  YamlMap map(*field, faults);
  struct Seconds {
    const char* name;
    int64_t value;  // the default, until it is read
    Field field = std::nullopt;
  };
  Seconds lease{"leaseDurationSeconds", kDefaultLeaseDuration.count()};
  Seconds renew{"renewDeadlineSeconds", kDefaultRenewDeadline.count()};
  Seconds retry{"retryPeriodSeconds", kDefaultRetryPeriod.count()};
  bool comparable = map.is_map();
  const auto read = [&](int64_t min, int64_t max, Seconds* seconds) {
    seconds->field = map.Find(seconds->name);
    if (!seconds->field.has_value()) return;
    const std::optional<int64_t> value = ReadInteger(seconds->field, min, max, faults);
    comparable = comparable && value.has_value();
    seconds->value = value.value_or(0);
  };
  read(2, kMaxLeaseSeconds, &lease);
  read(1, kMaxLeaseSeconds, &renew);
  read(1, kMaxRetryPeriodSeconds, &retry);
  map.Finish();
  if (!comparable) return;
  const auto too_short = [&](const Seconds& which, absl::string_view than) {
    const YamlField& at = which.field.has_value() ? *which.field : *field;
    faults->Add(*at.node, map.Path(which.name),
                absl::StrCat("must be more than ", than, ", not ", which.value));
  };
  const auto named = [](const Seconds& which) {
    return absl::StrCat(which.name, " (", which.value, ")");
  };
  // Until it notices that it lost its lease, a leader takes the other two.
  if (lease.value <= renew.value + retry.value) {
    too_short(lease, absl::StrCat(named(renew), " and ", named(retry), " together"));
  }
  if (renew.value * 5 <= retry.value * 6) too_short(renew, "1.2 times " + named(retry));
}

// Whether many pods can mount what comes of it.
bool CheckClaimTemplate(const YamlField& field, YamlFaults* faults) {
  YamlMap map(field, faults);
  bool many = false;
  const Field modes = map.Find("accessModes");
  const std::vector<YamlField> items = ReadList(modes, 4, faults);
  for (const YamlField& item : items) {
    const std::optional<std::string> mode = ReadChoice(
        item, {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"}, faults);
    many = many || mode == "ReadOnlyMany" || mode == "ReadWriteMany";
  }
  if (modes.has_value() && modes->node->kind == YamlNode::Kind::kSequence &&
      modes->node->children.empty()) {
    faults->Add(*modes->node, modes->path, "must have at least one entry");
  }
  ReadText(map.Find("storageClassName"), kMaxSubdomainBytes, faults);
  const Field resources = map.Require("resources");
  map.Finish();
  if (!resources.has_value()) return many;
  YamlMap resources_map(*resources, faults);
  const Field requests = resources_map.Require("requests");
  resources_map.Finish();
  if (!requests.has_value()) return many;
  YamlMap requests_map(*requests, faults);
  CheckAmount(requests_map.Require("storage"), faults);
  requests_map.Finish();
  return many;
}

void CheckVolume(const Field& field, PodVolumes* volumes, YamlFaults* faults) {
  static const RE2& subdomain = *new RE2("[a-z0-9]([-a-z0-9.]*[a-z0-9])?");
  if (!field.has_value()) return;
  volumes->names.insert("data");
  YamlMap map(*field, faults);
  ReadMatch(map.Find("claimName"), subdomain, "the name of a PersistentVolumeClaim",
            kMaxSubdomainBytes, faults);
  const Field made = map.Find("claimTemplate");
  if (made.has_value()) volumes->many_can_mount = CheckClaimTemplate(*made, faults);
  map.Finish();
  const YamlNode& node = *field->node;
  if (map.is_map() &&
      (node.Find("claimName") == nullptr) == (node.Find("claimTemplate") == nullptr)) {
    faults->Add(*field->node, field->path, "must have exactly one of claimName and claimTemplate");
  }
}

void CheckAccess(const Field& field, YamlFaults* faults) {
  if (!field.has_value()) return;
  YamlMap map(*field, faults);
  std::set<std::string> seen;
  for (const YamlField& item : ReadList(map.Find("namespaces"), kMaxAccessNamespaces, faults)) {
    CheckOnce(ReadLabel(item, "a namespace", faults), item, &seen, faults);
  }
  map.Finish();
}

void CheckTemplateMetadata(const Field& field, YamlFaults* faults) {
  if (!field.has_value()) return;
  YamlMap map(*field, faults);
  const Field labels = map.Find("labels");
  CheckTexts(labels, kMaxLabels, kMaxLabelBytes, faults);
  CheckTexts(map.Find("annotations"), kMaxLabels, kMaxAnnotationBytes, faults);
  map.Finish();
  if (!labels.has_value()) return;
  for (const YamlNode& label : labels->node->children) {
    if (!absl::StartsWith(label.key, "fractos.dev/") &&
        !absl::StartsWith(label.key, "app.kubernetes.io/")) {
      continue;
    }
    faults->Add(faults->MarkOfKey(label), labels->path,
                "labels under fractos.dev/ and app.kubernetes.io/ belong to the operator");
  }
}

void CheckResources(const Field& field, YamlFaults* faults) {
  if (!field.has_value()) return;
  YamlMap map(*field, faults);
  for (const char* amounts : {"requests", "limits"}) {
    for (const auto& [name, amount] : ReadEntries(map.Find(amounts), faults, kMaxAmounts)) {
      CheckAmount(amount, faults);
    }
  }
  CheckMaps(map.Find("claims"), 32, faults);
  map.Finish();
}

void CheckPodVolumes(const Field& field, PodVolumes* volumes, YamlFaults* faults) {
  constexpr const char* kKinds[] = {"configMap", "csi",       "downwardAPI",           "emptyDir",
                                    "ephemeral", "projected", "persistentVolumeClaim", "secret"};
  const std::set<std::string> ours = {"data", "fractos", "fractos-token", "tmp"};
  std::set<std::string> seen;
  for (const YamlField& item : ReadList(field, 32, faults)) {
    YamlMap map(item, faults);
    const Field name_field = map.Require("name");
    const std::optional<std::string> name = ReadLabel(name_field, "a volume's name", faults);
    for (const char* kind : kKinds) ReadEntries(map.Find(kind), faults);
    map.Finish();
    if (!map.is_map()) continue;
    const size_t kinds = item.node->children.size() - (name_field.has_value() ? 1 : 0);
    if (kinds != 1) {
      faults->Add(*item.node, item.path,
                  absl::StrCat("must have exactly one of ", absl::StrJoin(kKinds, ", ")));
    }
    if (!name.has_value()) continue;
    if (ours.contains(*name)) {
      faults->Add(*name_field->node, name_field->path,
                  absl::StrCat(absl::StrJoin(ours, ", "), " are the operator's own volumes"));
    }
    CheckOnce(name, *name_field, &seen, faults);
    volumes->names.insert(*name);
  }
}

void CheckTemplate(const Field& field, PodVolumes* volumes, YamlFaults* faults) {
  if (!field.has_value()) return;
  YamlMap map(*field, faults);
  CheckTemplateMetadata(map.Find("metadata"), faults);
  CheckResources(map.Find("resources"), faults);
  CheckTexts(map.Find("nodeSelector"), kMaxLabels, kMaxLabelBytes, faults);
  CheckMaps(map.Find("tolerations"), 32, faults);
  ReadEntries(map.Find("affinity"), faults);
  CheckMaps(map.Find("topologySpreadConstraints"), 16, faults);
  CheckMaps(map.Find("imagePullSecrets"), 16, faults);
  ReadText(map.Find("priorityClassName"), kMaxSubdomainBytes, faults);
  ReadText(map.Find("runtimeClassName"), kMaxSubdomainBytes, faults);
  CheckMaps(map.Find("resourceClaims"), 32, faults);
  CheckPodVolumes(map.Find("volumes"), volumes, faults);
  map.Finish();
}

}  // namespace

PodVolumes CheckKubernetesFields(YamlMap* spec, YamlFaults* faults) {
  PodVolumes volumes;
  CheckLeaderElection(spec->Find("leaderElection"), faults);
  CheckVolume(spec->Find("volume"), &volumes, faults);
  CheckAccess(spec->Find("access"), faults);
  ReadChoice(spec->Find("updatePolicy"), {"Automatic", "Manual"}, faults);
  CheckTemplate(spec->Find("template"), &volumes, faults);
  return volumes;
}

void CheckVolumeMounts(const Field& field, const PodVolumes& volumes, YamlFaults* faults) {
  static const RE2& path = *new RE2("/[^:]*");
  static const RE2& taken = *new RE2("/+run/+fractos(/.*)?");
  const std::vector<std::string> known(volumes.names.begin(), volumes.names.end());
  std::set<std::string> paths;
  for (const YamlField& item : ReadList(field, kMaxVolumeMounts, faults)) {
    YamlMap map(item, faults);
    const Field name_field = map.Require("name");
    const std::optional<std::string> name = ReadText(name_field, kMaxLabelBytes, faults);
    const Field path_field = map.Require("mountPath");
    const std::optional<std::string> mount_path =
        ReadMatch(path_field, path, "an absolute path without ':'", kMaxMountPathBytes, faults);
    ReadText(map.Find("subPath"), kMaxMountPathBytes, faults);
    ReadBoolean(map.Find("readOnly"), faults);
    map.Finish();
    if (name.has_value() && !volumes.names.contains(*name)) {
      faults->Add(
          *name_field->node, name_field->path,
          absl::StrCat("there is no volume ", Quoted(*name),
                       *name == "data" ? ": spec.volume makes it" : "", DidYouMean(*name, known)));
    }
    if (!mount_path.has_value()) continue;
    if (RE2::FullMatch(*mount_path, taken)) {
      faults->Add(*path_field->node, path_field->path,
                  absl::StrCat("/run/fractos is taken, where daemon and adaptor meet: not ",
                               Quoted(*mount_path)));
    }
    CheckOnce(mount_path, *path_field, &paths, faults);
  }
}

}  // namespace fractos
