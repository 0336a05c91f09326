#include "adaptors/math/math_device.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "adaptors/math/integer.h"
#include "adaptors/math/operations.json.h"

namespace fractos {
namespace {

using adaptor::Answer;
using adaptor::Input;
using adaptor::RefinedStep;
using adaptor::Request;

absl::StatusOr<Integer> Operand(const Request& request, absl::string_view name) {
  absl::StatusOr<std::string> text = request.ArgumentOrInput(name);
  if (!text.ok()) return text.status();
  return ParseInteger(name, *text);
}

absl::StatusOr<int64_t> SmallOperand(const Request& request, absl::string_view name,
                                     int64_t maximum, absl::string_view reason_if_larger) {
  absl::StatusOr<Integer> value = Operand(request, name);
  if (!value.ok()) return value.status();
  if (*value < 0) {
    return absl::InvalidArgumentError(absl::StrCat("'", name, "' must not be negative"));
  }
  if (*value > maximum) return absl::OutOfRangeError(reason_if_larger);
  return static_cast<int64_t>(*value);
}

Answer TooLarge() {
  return Answer::Fail("TooLarge",
                      absl::StrCat("the result would have more than ", kMaxDigits, " digits"));
}

// `bits` bounds the result from above by one bit at most, so this refuses a few results of exactly
// the allowed length rather than compute any that are longer.
bool Fits(int64_t bits) { return bits <= kMaxBits; }

Answer Text(const Integer& value) { return Answer::Value(value.str()); }

Answer AddOrSubtract(const Integer& a, const Integer& b, bool add) {
  if (!Fits(std::max(BitLength(a), BitLength(b)) + 1)) return TooLarge();
  return Text(add ? Integer(a + b) : Integer(a - b));
}

Answer Binary(const Request& request) {
  absl::StatusOr<Integer> a = Operand(request, "a");
  if (!a.ok()) return Answer::Fail(a.status());
  absl::StatusOr<Integer> b = Operand(request, "b");
  if (!b.ok()) return Answer::Fail(b.status());
  if (request.operation == "add") return AddOrSubtract(*a, *b, true);
  if (request.operation == "subtract") return AddOrSubtract(*a, *b, false);
  if (request.operation == "multiply") {
    if (!Fits(BitLength(*a) + BitLength(*b))) return TooLarge();
    return Text(*a * *b);
  }
  if (request.operation == "divide") {
    if (*b == 0) return Answer::Fail("DivisionByZero", "'b' is zero");
    return Text(*a / *b);
  }
  // shiftLeft
  if (*b < 0) return Answer::Fail(absl::InvalidArgumentError("'b' must not be negative"));
  if (*a == 0) return Text(*a);
  if (*b > kMaxBits || !Fits(BitLength(*a) + static_cast<int64_t>(*b))) return TooLarge();
  return Text(*a << static_cast<unsigned>(*b));
}

Answer Factorial(const Request& request) {
  absl::StatusOr<int64_t> n = SmallOperand(request, "n", kMaxFactorial, "");
  if (absl::IsOutOfRange(n.status())) return TooLarge();
  if (!n.ok()) return Answer::Fail(n.status());
  Integer product = 1;
  for (int64_t i = 2; i <= *n; ++i) {
    if (request.stop.stop_requested()) return Answer::Fail(absl::CancelledError("not wanted"));
    product *= i;
  }
  return Text(product);
}

Answer Sum(const Request& request) {
  std::vector<std::string> terms;
  if (request.arguments.Has("terms")) {
    absl::StatusOr<std::vector<std::string>> given = request.arguments.Strings("terms");
    if (!given.ok()) return Answer::Fail(given.status());
    terms = *std::move(given);
  }
  Integer sum = 0;
  for (const std::string& term : terms) {
    absl::StatusOr<Integer> value = ParseInteger("terms", term);
    if (!value.ok()) return Answer::Fail(value.status());
    sum += *value;
  }
  for (const Input& input : request.inputs) {
    absl::StatusOr<absl::string_view> bytes = input.bytes();
    if (!bytes.ok()) return Answer::Fail(bytes.status());
    absl::StatusOr<Integer> value = ParseInteger(input.name(), *bytes);
    if (!value.ok()) return Answer::Fail(value.status());
    sum += *value;
  }
  return Fits(BitLength(sum)) ? Text(sum) : TooLarge();
}

// base^exponent as a chain: the first step squares, each later one multiplies what the one before
// gave by the base. By squaring alone it would be fewer steps; the chain is what grows a graph.
Answer Power(const Request& request) {
  absl::StatusOr<Integer> base = Operand(request, "base");
  if (!base.ok()) return Answer::Fail(base.status());
  std::string too_many =
      absl::StrCat("'exponent' is beyond ", kMaxExponent, ", more steps than a run may have");
  absl::StatusOr<int64_t> exponent = SmallOperand(request, "exponent", kMaxExponent, too_many);
  if (absl::IsOutOfRange(exponent.status())) {
    return Answer::Fail("TooManySteps", exponent.status().message());
  }
  if (!exponent.ok()) return Answer::Fail(exponent.status());
  if (*exponent == 0) return Answer::Value("1");
  if (*exponent == 1) return Text(*base);
  if (!Fits((BitLength(*base) - 1) * *exponent)) return TooLarge();

  std::vector<RefinedStep> steps(static_cast<size_t>(*exponent) - 1);
  bool is_input = request.FindInput("base") != nullptr;
  for (size_t i = 0; i < steps.size(); ++i) {
    RefinedStep& step = steps[i];
    step.operation = "multiply";
    nlohmann::json arguments = nlohmann::json::object();
    auto give_base = [&](const char* operand) {
      if (is_input) {
        step.inputs.emplace_back(operand, std::string("base"));
      } else {
        arguments[operand] = base->str();
      }
    };
    if (i == 0) {
      give_base("a");
    } else {
      step.inputs.emplace_back("a", static_cast<uint32_t>(i - 1));
    }
    give_base("b");
    step.arguments_json = arguments.dump();
  }
  return Answer::Refined(std::move(steps));
}

}  // namespace

absl::StatusOr<std::string> MathDevice::Configure(const adaptor::Arguments& options) {
  if (absl::Status status = options.CheckKnown({}); !status.ok()) return status;
  return std::string(kMathOperations);
}

bool MathDevice::IsQuick(const Request& request) const {
  constexpr uint64_t kQuickBytes = 4096;  // such operands multiply and print in microseconds
  constexpr int64_t kQuickFactorial = 500;
  if (request.operation == "factorial") {
    return request.arguments.Integer("n", 0, kQuickFactorial).ok();
  }
  if (request.operation == "shiftLeft") return request.arguments.Integer("b", 0, kQuickBytes).ok();
  uint64_t bytes = 0;
  for (const Input& input : request.inputs) bytes += input.size();
  return bytes <= kQuickBytes && request.arguments.size_bytes() <= kQuickBytes;
}

Answer MathDevice::Execute(const Request& request) {
  if (request.operation == "factorial") return Factorial(request);
  if (request.operation == "sum") return Sum(request);
  if (request.operation == "power") return Power(request);
  for (absl::string_view known : {"add", "subtract", "multiply", "divide", "shiftLeft"}) {
    if (request.operation == known) return Binary(request);
  }
  return Answer::Fail(
      absl::UnimplementedError(absl::StrCat("math has no operation '", request.operation, "'")));
}

}  // namespace fractos
