// DeviceClusters out of YAML.
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "lib/plan/document_reader.h"
#include "lib/plan/kubernetes_fields.h"
#include "lib/plan/names.h"

namespace fractos {
namespace {

bool IsVariableName(absl::string_view name) {
  if (name.empty() || absl::ascii_isdigit(name.front())) return false;
  for (char c : name) {
    if (!absl::ascii_isalnum(c) && c != '_') return false;
  }
  return true;
}

void ReadCommand(const std::optional<YamlField>& field, YamlFaults* faults, AdaptorSpec* adaptor) {
  for (const YamlField& word : ReadList(field, kMaxCommandWords, faults)) {
    adaptor->command.push_back(ReadText(word, kMaxAdaptorTextBytes, faults).value_or(""));
    adaptor->command_marks.push_back(faults->MarkOf(*word.node));
  }
  if (!field.has_value() || field->node->kind != YamlNode::Kind::kSequence) return;
  if (field->node->children.empty() || field->node->children[0].text.empty()) {
    faults->Add(*field->node, field->path, "must name a program");
  }
}

void ReadEnvironment(const std::optional<YamlField>& field, YamlFaults* faults,
                     AdaptorSpec* adaptor) {
  std::set<std::string> names;
  for (const YamlField& item : ReadList(field, kMaxEnvironment, faults)) {
    YamlMap map(item, faults);
    const std::optional<YamlField> name_field = map.Require("name");
    const std::optional<std::string> name = ReadText(name_field, kMaxAdaptorTextBytes, faults);
    const std::optional<std::string> value =
        ReadText(map.Require("value"), kMaxAdaptorTextBytes, faults);
    map.Refuse("valueFrom", "is not supported yet: give a value");
    map.Finish();
    if (!name.has_value()) continue;
    if (!IsVariableName(*name)) {
      faults->Add(*name_field->node, name_field->path,
                  absl::StrCat("must be letters, digits and '_', and not start with a digit, not ",
                               Quoted(*name)));
    } else if (!names.insert(*name).second) {
      faults->Add(*name_field->node, name_field->path,
                  absl::StrCat(Quoted(*name), " is there twice"));
    }
    adaptor->env.emplace_back(*name, value.value_or(""));
  }
}

void ReadAdaptor(const std::optional<YamlField>& field, const PodVolumes& volumes,
                 YamlFaults* faults, AdaptorSpec* adaptor) {
  if (!field.has_value()) return;
  YamlMap map(*field, faults);
  ReadCommand(map.Require("command"), faults, adaptor);
  const std::optional<YamlField> image = map.Find("image");
  if (ReadText(image, kMaxImageBytes, faults) == "") {
    faults->Add(*image->node, image->path, "must name an image, or be left out");
  }
  adaptor->options = ReadJsonObject(map.Find("options"), faults);
  ReadEnvironment(map.Find("env"), faults, adaptor);
  CheckVolumeMounts(map.Find("volumeMounts"), volumes, faults);
  map.Finish();
}

}  // namespace

void ReadDeviceClusterSpec(YamlMap* document, YamlFaults* faults, DeviceCluster* cluster) {
  const std::optional<YamlField> field = document->Require("spec");
  if (!field.has_value()) return;
  YamlMap map(*field, faults);
  const std::optional<YamlField> replicas_field = map.Find("replicas");
  const std::optional<int64_t> replicas =
      ReadInteger(replicas_field, 1, kMaxClusterReplicas, faults);
  cluster->replicas = static_cast<int>(replicas.value_or(cluster->replicas));
  const PodVolumes volumes = CheckKubernetesFields(&map, faults);
  if (cluster->replicas > 1 && !volumes.many_can_mount) {
    faults->Add(*replicas_field->node, replicas_field->path,
                "more than one replica needs a volume that many can mount: ReadWriteMany in "
                "spec.volume.claimTemplate.accessModes");
  }
  ReadAdaptor(map.Require("adaptor"), volumes, faults, &cluster->adaptor);
  const std::optional<int64_t> in_flight =
      ReadInteger(map.Find("maxInFlight"), 1, kMaxMaxInFlight, faults);
  cluster->max_in_flight = static_cast<int>(in_flight.value_or(cluster->max_in_flight));
  map.Refuse("placement", "is not supported yet: leave it out");
  map.Finish();
}

}  // namespace fractos
