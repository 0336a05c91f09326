// What is answered about a photograph: the most probable labels, or groups of labels.
#ifndef FRACTOS_ADAPTORS_CNN_VERDICT_H_
#define FRACTOS_ADAPTORS_CNN_VERDICT_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "adaptors/kit/arguments.h"

namespace fractos {

inline constexpr int kDefaultTop = 5;
inline constexpr size_t kMaxGroups = 64;
inline constexpr size_t kMaxLabelsInGroups = 1000;  // of all groups together

// What `classify` is asked for.
struct Question {
  int top = kDefaultTop;
  std::vector<std::pair<std::string, std::vector<size_t>>> groups;  // name, indices of labels
  std::string otherwise;
  bool text = false;

  // InvalidArgument naming the argument that is wrong, or the label that the model does not know.
  static absl::StatusOr<Question> Parse(const adaptor::Arguments& arguments,
                                        const std::vector<std::string>& labels);
};

// The answer as text or JSON. Probabilities are rounded to four digits: that is more than they
// mean, and hides how processors differ in the last bits of a sum.
std::string Verdict(const Question& question, const std::vector<std::string>& labels,
                    const std::vector<float>& probabilities);

}  // namespace fractos

#endif  // FRACTOS_ADAPTORS_CNN_VERDICT_H_
