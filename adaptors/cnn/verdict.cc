#include "adaptors/cnn/verdict.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

using nlohmann::ordered_json;

absl::StatusOr<std::vector<size_t>> IndicesOf(const nlohmann::json& names,
                                              const std::vector<std::string>& labels,
                                              const adaptor::Arguments& arguments) {
  if (!names.is_array()) return arguments.Error("groups", "must give each group a list of labels");
  std::vector<size_t> indices;
  for (const nlohmann::json& name : names) {
    if (!name.is_string())
      return arguments.Error("groups", "must give each group a list of labels");
    auto label = name.get<std::string>();
    size_t before = indices.size();
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] == label) indices.push_back(i);
    }
    if (indices.size() == before) {
      return arguments.Error(
          "groups", absl::StrCat("has label '", label, "', which the model does not know"));
    }
  }
  std::sort(indices.begin(), indices.end());
  indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
  return indices;
}

double Rounded(double probability) { return std::round(probability * 1e4) / 1e4; }

// Indices of the largest `count`, the largest first, the first of equal ones first.
std::vector<size_t> Largest(const std::vector<double>& values, size_t count) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return values[a] > values[b]; });
  order.resize(std::min(order.size(), count));
  return order;
}

}  // namespace

absl::StatusOr<Question> Question::Parse(const adaptor::Arguments& arguments,
                                         const std::vector<std::string>& labels) {
  Question question;
  absl::StatusOr<int64_t> top = arguments.Integer("top", 1, 1000, kDefaultTop);
  if (!top.ok()) return top.status();
  question.top = static_cast<int>(*top);
  absl::StatusOr<std::string> format = arguments.String("format", "json");
  if (!format.ok()) return format.status();
  if (*format != "json" && *format != "text") {
    return arguments.Error("format", "must be json or text");
  }
  question.text = *format == "text";
  absl::StatusOr<std::string> otherwise = arguments.String("otherwise", "");
  if (!otherwise.ok()) return otherwise.status();
  question.otherwise = *std::move(otherwise);

  const nlohmann::json* groups = arguments.Find("groups");
  if (groups == nullptr) return question;
  if (!groups->is_object() || groups->empty() || groups->size() > kMaxGroups) {
    return arguments.Error("groups",
                           absl::StrCat("must be an object of 1 to ", kMaxGroups, " groups"));
  }
  size_t total = 0;
  for (const auto& [name, members] : groups->items()) {
    total += members.size();
    if (total > kMaxLabelsInGroups) {
      return arguments.Error("groups",
                             absl::StrCat("has more than ", kMaxLabelsInGroups, " labels"));
    }
    absl::StatusOr<std::vector<size_t>> indices = IndicesOf(members, labels, arguments);
    if (!indices.ok()) return indices.status();
    question.groups.emplace_back(name, *std::move(indices));
  }
  return question;
}

std::string Verdict(const Question& question, const std::vector<std::string>& labels,
                    const std::vector<float>& probabilities) {
  constexpr double kHalf = 0.5;
  ordered_json answer;
  answer["best"] = "";
  if (!question.groups.empty()) {
    std::vector<double> sums;
    for (const auto& [name, indices] : question.groups) {
      double sum = 0;
      for (size_t index : indices) sum += probabilities[index];
      sums.push_back(Rounded(sum));
    }
    std::vector<size_t> order = Largest(sums, sums.size());
    bool none = !question.otherwise.empty() && sums[order[0]] < kHalf;
    answer["best"] = none ? question.otherwise : question.groups[order[0]].first;
    for (size_t i : order) {
      answer["groups"].push_back({{"name", question.groups[i].first}, {"probability", sums[i]}});
    }
  }
  std::vector<double> rounded;
  for (float probability : probabilities) rounded.push_back(Rounded(probability));
  std::vector<size_t> order = Largest(rounded, static_cast<size_t>(question.top));
  if (question.groups.empty()) answer["best"] = labels[order[0]];
  for (size_t i : order) {
    answer["labels"].push_back({{"label", labels[i]}, {"probability", rounded[i]}});
  }
  if (question.text) return answer["best"].get<std::string>();
  return answer.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace fractos
