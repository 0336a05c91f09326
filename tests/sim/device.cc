#include "tests/sim/device.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace fractos::sim {
namespace {

OperationSpec Operation(std::string name, bool deterministic) {
  OperationSpec spec;
  spec.name = std::move(name);
  spec.deterministic = deterministic;
  ArgumentSpec text;
  text.name = "text";
  spec.arguments.push_back(text);
  InputSpec in;
  in.name = "in";
  in.variadic = true;
  spec.inputs.push_back(in);
  return spec;
}

std::vector<std::pair<std::string, Digest>> DigestsOf(const std::vector<NamedValue>& inputs) {
  std::vector<std::pair<std::string, Digest>> digests;
  for (const NamedValue& input : inputs) digests.push_back({input.input, input.value.digest});
  return digests;
}

// Arguments are {"text":"..."}; what `grow` does is in the text: "nest" and how deep.
int NestOf(const Step& step) {
  const size_t at = step.arguments.find("nest");
  return at == std::string::npos ? 0 : step.arguments[at + 4] - '0';
}

RefinedStep Refined(std::string operation, std::string text) {
  RefinedStep step;
  step.cluster = ".";
  step.operation = std::move(operation);
  step.arguments = absl::StrCat("{\"text\":\"", text, "\"}");
  return step;
}

Refinement Grow(const Step& step, const std::vector<NamedValue>& inputs) {
  const int nest = NestOf(step);
  Refinement refinement;
  refinement.push_back(Refined("mix", "first"));
  for (const NamedValue& input : inputs)
    refinement[0].inputs.push_back({input.input, -1, input.input});
  // Two branches that meet again: joins inside refinements too.
  refinement.push_back(
      Refined(nest > 0 ? "grow" : "chance", nest > 0 ? absl::StrCat("nest", nest - 1) : "left"));
  refinement[1].inputs.push_back({"a", 0, ""});
  refinement.push_back(Refined("big", "right"));
  refinement[2].inputs.push_back({"a", 0, ""});
  refinement.push_back(Refined("mix", "last"));
  refinement[3].inputs = {{"left", 1, ""}, {"right", 2, ""}};
  return refinement;
}

}  // namespace

std::string ClusterName(int index) { return absl::StrCat("default/c", index); }

Descriptions DescribeClusters(int clusters) {
  Descriptions descriptions;
  for (int i = 0; i < clusters; ++i) {
    DeviceDescription description;
    description.device = "sim";
    OperationSpec grow = Operation("grow", true);
    grow.refines_to = {"./mix", "./big", "./chance", "./grow"};
    OperationSpec pass = Operation("pass", true);
    pass.inputs[0].passed = true;
    OperationSpec write = Operation("write", true);
    write.effect = Effect::kIdempotent;
    description.operations = {
        Operation("mix", true),  Operation("big", true),  Operation("chance", false),
        std::move(pass),         std::move(grow),         std::move(write),
        Operation("fail", true), Operation("flaky", true)};
    descriptions[ClusterName(i)] = std::move(description);
  }
  return descriptions;
}

std::string MixOf(const Step& step, const std::vector<std::pair<std::string, Digest>>& inputs) {
  return absl::StrCat(step.operation, step.arguments, "(",
                      absl::StrJoin(inputs, ",",
                                    [](std::string* out, const auto& input) {
                                      absl::StrAppend(out, input.first, "=",
                                                      input.second.ToHex().substr(0, 16));
                                    }),
                      ")");
}

Made Execute(const Step& step, const std::vector<NamedValue>& inputs, uint32_t attempt,
             Random& random) {
  Made made;
  if (step.operation == "pass" && !inputs.empty()) {
    made.kind = Made::kPass;
    made.bytes = inputs.front().input;
    return made;
  }
  if (step.operation == "fail" || (step.operation == "flaky" && attempt < 2)) {
    made.kind = Made::kFailure;
    made.retryable = step.operation == "flaky";
    return made;
  }
  if (step.operation == "grow") {
    made.kind = Made::kRefinement;
    made.refinement = Grow(step, inputs);
    return made;
  }
  made.bytes = MixOf(step, DigestsOf(inputs));
  made.big = step.operation == "big";
  if (step.operation == "chance") absl::StrAppend(&made.bytes, "#", random.Next());
  return made;
}

Plan RandomPlan(Random& random, int clusters) {
  TaskGraph graph;
  graph.name = "random";
  graph.deadline = std::chrono::seconds(240);
  const int count = 5 + static_cast<int>(random.Below(5));
  int growing = 0;
  for (int i = 0; i < count; ++i) {
    TaskGraphStep step;
    step.name = absl::StrCat("s", i);
    step.device = absl::StrCat("c", random.Below(clusters));
    const int fan_in = i == 0 ? 0
                              : std::min<int>(i, 1 + static_cast<int>(random.Below(3)) / 2 +
                                                     static_cast<int>(random.Below(2)));
    std::vector<int> from;
    while (static_cast<int>(from.size()) < fan_in) {
      // Mostly recent ones, so that graphs are deep as well as wide.
      const int reach = std::min(i, 3);
      const int one = random.Below(4) == 0 ? static_cast<int>(random.Below(i))
                                           : i - 1 - static_cast<int>(random.Below(reach));
      if (std::find(from.begin(), from.end(), one) == from.end()) from.push_back(one);
    }
    for (int one : from) {
      if (random.Below(8) == 0 && from.size() > 1) {
        step.after.push_back(absl::StrCat("s", one));
      } else {
        step.inputs.push_back({absl::StrCat("i", one), absl::StrCat("s", one)});
      }
    }
    const uint64_t dice = random.Below(100);
    std::string text = absl::StrCat("t", i);
    if (dice < 30) {
      step.operation = "mix";
    } else if (dice < 45) {
      step.operation = "big";
    } else if (dice < 60) {
      step.operation = "chance";
    } else if (dice < 68 && !step.inputs.empty()) {
      step.operation = "pass";
    } else if (dice < 85 && growing < 3) {
      ++growing;
      step.operation = "grow";
      text = absl::StrCat("nest", random.Below(3) == 0 ? 1 : 0);
    } else if (dice < 92) {
      step.operation = "write";
    } else if (dice < 96) {
      step.operation = "flaky";
      step.retry = RetrySpec{3, std::chrono::milliseconds(20)};
    } else if (dice < 97) {
      step.operation = "fail";
    } else {
      step.operation = "mix";
    }
    step.arguments = absl::StrCat("{\"text\":\"", text, "\"}");
    graph.steps.push_back(std::move(step));
  }
  if (random.Below(3) == 0) {
    TaskGraphStep note;
    note.name = "note";
    note.device = absl::StrCat("c", random.Below(clusters));
    note.operation = "write";
    note.arguments = "{\"text\":\"$(failure.step)\"}";
    // By the time it starts these have succeeded, failed, been skipped, refined, or never come.
    for (uint64_t edges = random.Below(3); edges > 0; --edges) {
      std::string step = absl::StrCat("s", random.Below(static_cast<uint64_t>(count)));
      if (note.after.empty() || note.after[0] != step) note.after.push_back(std::move(step));
    }
    graph.on_failure.push_back(std::move(note));
  }
  return Compile(graph, DescribeClusters(clusters), {}).value();
}

}  // namespace fractos::sim
