// What a benchmark found, and what it had to find.
#ifndef FRACTOS_BENCH_MEASURE_H_
#define FRACTOS_BENCH_MEASURE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace fractos {

// `value` is held against `bound`: alone, or, when there is a baseline, as `ratio` to it.
struct Measure {
  std::string name;
  double value = 0;
  std::string unit;
  double baseline = 0;  // in the same unit; 0: none
  double ratio = 0;     // value / baseline, as the median of what each repetition found; 0: none
  double bound = 0;     // of the ratio when there is one, else of the value; 0: none
  bool at_most = true;  // else at least
  std::string Bound() const;  // as in "<= 2.5"
  bool Holds() const;         // false without a bound
};

// The middle one; of an even number the mean of the two in the middle. 0 of none.
double Median(std::vector<double> values);

// One line for each, for people.
std::string FormatTable(const std::vector<Measure>& measures);

// Writes a JSON list of {measure, value, unit, baseline, ratio, bound, holds}; what there is none
// of is null. Makes the folder of `file` if it is missing.
absl::Status WriteMeasures(const std::string& file, const std::vector<Measure>& measures);

}  // namespace fractos

#endif  // FRACTOS_BENCH_MEASURE_H_
