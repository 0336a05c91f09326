// A YAML document as a tree that is bounded, has no aliases any more, and knows where each piece
// stands.
#ifndef FRACTOS_LIB_PLAN_YAML_NODE_H_
#define FRACTOS_LIB_PLAN_YAML_NODE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/plan/plan.h"

namespace fractos {

inline constexpr size_t kMaxYamlNodes = 64 * 1024;          // of one file, aliases expanded
inline constexpr size_t kMaxYamlCopiedBytes = 1024 * 1024;  // of text that its aliases stand for
inline constexpr size_t kMaxYamlDepth = 32;

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };

  Kind kind = Kind::kNull;
  // Where the value stands, from 1.
  int line = 0;
  int column = 0;
  std::string text;     // of a scalar
  bool quoted = false;  // a scalar in quotes or as a block: text, whatever it looks like
  // The items of a sequence, the values of a map; `key` is set in the latter and unique there.
  std::vector<YamlNode> children;
  std::string key;
  int key_line = 0;
  int key_column = 0;

  const YamlNode* Find(absl::string_view name) const;
};

// What YAML 1.1, and so kubectl, takes unquoted text for: `y`, `No`, `on`. None: no truth value.
std::optional<bool> OldBoolean(absl::string_view text);

// The documents of `text` that hold anything, in file order. What is wrong is appended to
// `diagnostics`; a fault in the syntax ends the reading, a key that is there twice does not.
// The tree is made of the parser's events and not of yaml-cpp's own nodes, because those keep the
// first of two equal keys without a word and share what aliases name, so that a small file can
// take for ever to walk.
std::vector<YamlNode> LoadYaml(absl::string_view text, absl::string_view file,
                               std::vector<Diagnostic>* diagnostics);

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_YAML_NODE_H_
