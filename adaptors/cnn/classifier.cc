#include "adaptors/cnn/classifier.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgproc.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

absl::StatusOr<std::vector<std::string>> ReadLabels(const std::string& path) {
  constexpr size_t kMaxLabels = 100'000;
  std::ifstream file(path);
  std::vector<std::string> labels;
  for (std::string line; std::getline(file, line) && labels.size() < kMaxLabels;) {
    labels.emplace_back(absl::StripAsciiWhitespace(line));
  }
  if (labels.empty()) return absl::InvalidArgumentError(absl::StrCat("no labels in ", path));
  return labels;
}

void ApplySoftmaxUnlessDone(std::vector<float>* values) {
  constexpr double kTolerance = 1e-2;
  double sum = std::accumulate(values->begin(), values->end(), 0.0);
  bool negative = std::any_of(values->begin(), values->end(), [](float v) { return v < 0; });
  if (!negative && std::abs(sum - 1) < kTolerance) return;
  float largest = *std::max_element(values->begin(), values->end());
  sum = 0;
  for (float& value : *values) sum += value = std::exp(value - largest);
  for (float& value : *values) value = static_cast<float>(value / sum);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Classifier>> Classifier::Load(const std::string& model_path,
                                                             const std::string& labels_path,
                                                             const NetworkInput& input) {
  absl::StatusOr<std::vector<std::string>> labels = ReadLabels(labels_path);
  if (!labels.ok()) return labels.status();
  try {
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    // One thread: the same order of additions on every machine, and replicas do not fight for
    // cores. A photograph takes some tens of milliseconds.
    cv::setNumThreads(1);
    cv::dnn::Net net = cv::dnn::readNetFromONNX(model_path);
    net.setPreferableBackend(cv::dnn::DNN_BACKEND_OPENCV);
    net.setPreferableTarget(cv::dnn::DNN_TARGET_CPU);
    return std::unique_ptr<Classifier>(new Classifier(std::move(net), *std::move(labels), input));
  } catch (const std::exception& e) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot use the ONNX file ", model_path, ": ", e.what()));
  }
}

absl::StatusOr<std::vector<float>> Classifier::Classify(const Image& image) {
  try {
    cv::Mat pixels(image.height, image.width, CV_8UC3, image.pixels.get());
    int side = std::min(image.width, image.height);
    cv::Mat square =
        pixels(cv::Rect((image.width - side) / 2, (image.height - side) / 2, side, side));
    // Bilinear interpolation looks at four pixels only and so would skip some of a large picture.
    int how = side > 2 * input_.size ? cv::INTER_AREA : cv::INTER_LINEAR;
    cv::Mat resized;
    cv::resize(square, resized, cv::Size(input_.size, input_.size), 0, 0, how);
    cv::Mat blob = cv::dnn::blobFromImage(
        resized, input_.scale, cv::Size(),
        cv::Scalar(input_.mean[0], input_.mean[1], input_.mean[2]), /*swapRB=*/false);
    net_.setInput(blob);
    cv::Mat out = net_.forward();
    if (out.type() != CV_32F || out.total() != labels_.size()) {
      return absl::FailedPreconditionError(absl::StrCat("the network gives ", out.total(),
                                                        " numbers, but there are ", labels_.size(),
                                                        " labels"));
    }
    std::vector<float> values(out.ptr<float>(), out.ptr<float>() + out.total());
    ApplySoftmaxUnlessDone(&values);
    return values;
  } catch (const std::exception& e) {
    return absl::FailedPreconditionError(absl::StrCat("the network failed: ", e.what()));
  }
}

}  // namespace fractos
