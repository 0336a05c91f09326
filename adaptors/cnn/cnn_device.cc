#include "adaptors/cnn/cnn_device.h"

#include <unistd.h>

#include <climits>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "adaptors/cnn/image.h"
#include "adaptors/cnn/operations.json.h"
#include "adaptors/cnn/verdict.h"

namespace fractos {
namespace {

using adaptor::Answer;
using adaptor::Arguments;
using adaptor::Request;

// Built and installed programs lie in <prefix>/bin, so one rule serves both.
std::string ShippedFile(const std::string& name) {
  std::error_code ignored;
  std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  return (self.parent_path().parent_path() / "share/fractos/models" / name).string();
}

absl::Status CheckReadable(const std::string& option, const std::string& path) {
  std::error_code error;
  bool regular = std::filesystem::is_regular_file(path, error);
  if (regular && ::access(path.c_str(), R_OK) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("option '", option, "': there is no readable file ", path));
}

absl::StatusOr<double> Number(const nlohmann::json& value, const Arguments& options) {
  if (value.is_number()) return value.get<double>();
  return options.Error("input", "must have a number, or for mean three, as mean and scale");
}

absl::StatusOr<NetworkInput> ParseInput(const Arguments& options) {
  NetworkInput input;
  const nlohmann::json* given = options.Find("input");
  if (given == nullptr) return input;
  if (!given->is_object()) return options.Error("input", "must be an object {size, mean, scale}");
  for (const auto& [name, value] : given->items()) {
    if (name == "size") {
      constexpr int kMaxSize = 2048;
      if (!value.is_number_integer() || value < 1 || value > kMaxSize) {
        return options.Error("input", absl::StrCat("must have a size from 1 to ", kMaxSize));
      }
      input.size = value.get<int>();
    } else if (name == "mean") {
      if (value.is_array() && value.size() != input.mean.size()) {
        return options.Error("input", "must have three numbers in mean: red, green, blue");
      }
      for (size_t i = 0; i < input.mean.size(); ++i) {
        absl::StatusOr<double> number = Number(value.is_array() ? value[i] : value, options);
        if (!number.ok()) return number.status();
        input.mean[i] = *number;
      }
    } else if (name == "scale") {
      absl::StatusOr<double> number = Number(value, options);
      if (!number.ok()) return number.status();
      input.scale = *number;
    } else {
      return options.Error("input", absl::StrCat("has '", name, "'; there are: size, mean, scale"));
    }
  }
  return input;
}

}  // namespace

absl::StatusOr<std::string> CnnDevice::Configure(const Arguments& options) {
  absl::Status status = options.CheckKnown({"model", "labels", "input"});
  if (!status.ok()) return status;
  absl::StatusOr<std::string> model =
      options.String("model", ShippedFile("efficientnet-lite0.onnx"));
  if (!model.ok()) return model.status();
  absl::StatusOr<std::string> labels = options.String("labels", ShippedFile("labels.txt"));
  if (!labels.ok()) return labels.status();
  absl::StatusOr<NetworkInput> input = ParseInput(options);
  if (!input.ok()) return input.status();
  for (const auto& [option, path] : {std::pair("model", *model), std::pair("labels", *labels)}) {
    if (status = CheckReadable(option, path); !status.ok()) return status;
  }
  loaded_ = std::async(std::launch::async,
                       [this, model = *model, labels = *labels, input = *input]() -> absl::Status {
                         absl::StatusOr<std::unique_ptr<Classifier>> classifier =
                             Classifier::Load(model, labels, input);
                         if (!classifier.ok()) return classifier.status();
                         classifier_ = *std::move(classifier);
                         return absl::OkStatus();
                       })
                .share();
  return std::string(kCnnOperations);
}

Answer CnnDevice::Execute(const Request& request) {
  if (request.operation == "classify") return Classify(request);
  return Answer::Fail(
      absl::UnimplementedError(absl::StrCat("cnn has no operation '", request.operation, "'")));
}

Answer CnnDevice::Classify(const Request& request) {
  if (const absl::Status& loaded = loaded_.get(); !loaded.ok()) {
    return Answer::Fail("ModelUnusable", loaded.message());
  }
  absl::StatusOr<Question> question = Question::Parse(request.arguments, classifier_->labels());
  if (!question.ok()) return Answer::Fail(question.status());
  absl::StatusOr<absl::string_view> bytes = request.InputBytes("image");
  if (!bytes.ok()) return Answer::Fail(bytes.status());
  absl::StatusOr<Image> image = Image::Decode(*bytes);
  if (!image.ok()) {
    return Answer::Fail("NotAnImage", absl::StrCat("input 'image' is ", image.status().message()));
  }
  absl::StatusOr<std::vector<float>> probabilities = classifier_->Classify(*image);
  if (!probabilities.ok()) return Answer::Fail("ModelUnusable", probabilities.status().message());
  return Answer::Value(Verdict(*question, classifier_->labels(), *probabilities));
}

}  // namespace fractos
