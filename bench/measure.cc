#include "bench/measure.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"

namespace fractos {
namespace {

// Enough for a reader, and no digits that are noise.
double Rounded(double value) {
  const double scale = value >= 100 ? 1 : 1000;
  return std::round(value * scale) / scale;
}

}  // namespace

bool Measure::Holds() const {
  const double judged = ratio != 0 ? ratio : value;
  return judged > 0 && bound > 0 && (at_most ? judged <= bound : judged >= bound);
}

std::string Measure::Bound() const {
  return bound == 0 ? "" : absl::StrCat(at_most ? "<= " : ">= ", bound);
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

std::string FormatTable(const std::vector<Measure>& measures) {
  std::string table = absl::StrFormat("%-34s %12s %-6s %12s %8s %12s  %s\n", "MEASURE", "VALUE",
                                      "UNIT", "BASELINE", "RATIO", "BOUND", "HOLDS");
  for (const Measure& measure : measures) {
    const auto number = [](double value) {
      return value == 0 ? std::string("-") : absl::StrCat(Rounded(value));
    };
    absl::StrAppendFormat(&table, "%-34s %12s %-6s %12s %8s %12s  %s\n", measure.name,
                          number(measure.value), measure.unit, number(measure.baseline),
                          number(measure.ratio), measure.Bound(),
                          measure.bound == 0 ? ""
                          : measure.Holds()  ? "yes"
                                             : "NO");
  }
  return table;
}

absl::Status WriteMeasures(const std::string& file, const std::vector<Measure>& measures) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Measure& measure : measures) {
    const auto number = [](double value) {
      return value == 0 ? nlohmann::ordered_json() : nlohmann::ordered_json(Rounded(value));
    };
    list.push_back({{"measure", measure.name},
                    {"value", number(measure.value)},
                    {"unit", measure.unit},
                    {"baseline", number(measure.baseline)},
                    {"ratio", number(measure.ratio)},
                    {"bound", nullptr},
                    {"holds", nullptr}});
    if (measure.bound == 0) continue;
    list.back()["bound"] = measure.Bound();
    list.back()["holds"] = measure.Holds();
  }
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  std::ofstream out(file, std::ios::trunc);
  out << list.dump(2) << "\n";
  out.close();
  if (error || !out) return absl::UnavailableError(absl::StrCat("cannot write ", file));
  return absl::OkStatus();
}

}  // namespace fractos
