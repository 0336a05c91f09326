// An object's metadata out of YAML: names, labels and annotations.
#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "lib/plan/document_reader.h"
#include "lib/plan/names.h"

namespace fractos {
namespace {

// Kubernetes' own bounds are looser; what is in these is not ours to judge.
constexpr size_t kMaxLabelBytes = 64 * 1024;

std::string ReadDnsName(const std::optional<YamlField>& field, YamlFaults* faults) {
  const std::optional<std::string> name = ReadText(field, kMaxSpecBytes, faults);
  if (!name.has_value()) return "";
  if (IsDnsName(*name)) return *name;
  faults->Add(*field->node, field->path, DnsNameRule(*name));
  return "";
}

std::string ReadNamespace(const std::optional<YamlField>& field, YamlFaults* faults) {
  const std::optional<std::string> name = ReadText(field, kMaxSpecBytes, faults);
  if (!name.has_value()) return "";
  if (IsNamespace(*name)) return *name;
  faults->Add(*field->node, field->path, NamespaceRule(*name));
  return "";
}

std::string ReadGenerateName(const std::optional<YamlField>& field, YamlFaults* faults) {
  const std::optional<std::string> prefix = ReadText(field, kMaxSpecBytes, faults);
  if (!prefix.has_value()) return "";
  // With a digit behind it, the prefix must be a name.
  if (prefix->size() <= kMaxGenerateNameLength && IsDnsName(*prefix + "0") && !prefix->empty()) {
    return *prefix;
  }
  faults->Add(*field->node, field->path,
              absl::StrCat("must be lower-case letters, digits and '-', start with a letter, and "
                           "have at most ",
                           kMaxGenerateNameLength, " characters, not ", Quoted(*prefix)));
  return "";
}

}  // namespace

Metadata ReadMetadata(YamlMap* document, YamlFaults* faults) {
  Metadata metadata;
  const std::optional<YamlField> field = document->Require("metadata");
  if (!field.has_value()) return metadata;
  YamlMap map(*field, faults);
  const std::optional<YamlField> generate_name = map.Find("generateName");
  metadata.generate_name = ReadGenerateName(generate_name, faults);
  const std::optional<YamlField> name =
      generate_name.has_value() ? map.Find("name") : map.Require("name");
  metadata.name = ReadDnsName(name, faults);
  metadata.name_mark = faults->MarkOf(name.has_value() ? *name->node : *field->node);
  const std::optional<YamlField> ns = map.Find("namespace");
  if (ns.has_value()) metadata.ns = ReadNamespace(ns, faults);
  CheckTexts(map.Find("labels"), kMaxYamlNodes, kMaxLabelBytes, faults);
  CheckTexts(map.Find("annotations"), kMaxYamlNodes, kMaxLabelBytes, faults);
  map.Finish();
  return metadata;
}

}  // namespace fractos
