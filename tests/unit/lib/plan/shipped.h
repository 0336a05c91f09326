// The devices that ship, as their own descriptions say, and files of the source tree.
#ifndef FRACTOS_TESTS_UNIT_LIB_PLAN_SHIPPED_H_
#define FRACTOS_TESTS_UNIT_LIB_PLAN_SHIPPED_H_

#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "lib/plan/plan.h"
#include "lib/plan/yaml.h"

namespace fractos {

inline std::string ReadFileOrDie(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline Descriptions ShippedDevices() {
  Descriptions descriptions;
  for (const char* name : {"storage", "math", "cnn", "echo"}) {
    const absl::StatusOr<DeviceDescription> description = ParseDeviceDescription(
        ReadFileOrDie(absl::StrCat(FRACTOS_SOURCE_DIR, "/adaptors/", name, "/operations.json")));
    EXPECT_TRUE(description.ok()) << name << ": " << description.status();
    if (description.ok()) descriptions[absl::StrCat("default/", name)] = *description;
  }
  return descriptions;
}

// One line a fault, as people see them: what a graph gets that runs on `descriptions`.
inline std::string Faults(absl::string_view text, absl::string_view file,
                          const Descriptions& descriptions, const ParameterValues& parameters = {},
                          const std::vector<std::string>& undescribed = {}) {
  const Documents documents = ParseDocuments(text, file);
  std::vector<Diagnostic> faults = documents.diagnostics;
  if (faults.empty()) {
    for (const TaskGraph& graph : documents.graphs) {
      for (Diagnostic& each : Validate(graph, descriptions, parameters, undescribed)) {
        faults.push_back(std::move(each));
      }
    }
  }
  std::string lines;
  for (const Diagnostic& fault : faults) absl::StrAppend(&lines, fault.ToString(), "\n");
  return lines;
}

}  // namespace fractos

#endif  // FRACTOS_TESTS_UNIT_LIB_PLAN_SHIPPED_H_
