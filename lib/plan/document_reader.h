// From one YAML document to one object. ParseDocuments puts these together.
#ifndef FRACTOS_LIB_PLAN_DOCUMENT_READER_H_
#define FRACTOS_LIB_PLAN_DOCUMENT_READER_H_

#include <string>

#include "lib/plan/device_cluster.h"
#include "lib/plan/task_graph.h"
#include "lib/plan/yaml_reader.h"

namespace fractos {

inline constexpr char kApiVersion[] = "fractos.dev/v1alpha1";

// What `metadata` says that matters here; labels and annotations are checked and left.
struct Metadata {
  std::string name;
  std::string generate_name;
  std::string ns = "default";
  SourceMark name_mark;
};

// Each reads what is there, says what is wrong, and gives what could be read.
Metadata ReadMetadata(YamlMap* document, YamlFaults* faults);
// Fills everything but the metadata.
void ReadTaskGraphSpec(YamlMap* document, YamlFaults* faults, TaskGraph* graph);
void ReadDeviceClusterSpec(YamlMap* document, YamlFaults* faults, DeviceCluster* cluster);

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_DOCUMENT_READER_H_
