// A neural network that gives every label a probability.
#ifndef FRACTOS_ADAPTORS_CNN_CLASSIFIER_H_
#define FRACTOS_ADAPTORS_CNN_CLASSIFIER_H_

#include <array>
#include <memory>
#include <opencv2/dnn/dnn.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "adaptors/cnn/image.h"

namespace fractos {

// How pixels become the network's input: a square of `size` pixels, each channel (x - mean) *
// scale.
struct NetworkInput {
  int size = 224;
  std::array<double, 3> mean = {127, 127, 127};  // red, green, blue
  double scale = 1.0 / 128;
};

// Not thread-safe, save that one thread may destroy what another has made.
class Classifier {
 public:
  // Reads an ONNX file and a file with one label a line. InvalidArgument, naming the file, when it
  // cannot be used.
  static absl::StatusOr<std::unique_ptr<Classifier>> Load(const std::string& model_path,
                                                          const std::string& labels_path,
                                                          const NetworkInput& input);

  // A probability for each of labels(). What counts is the largest central square of the picture,
  // resized by bilinear interpolation, or by averaging when it shrinks to less than half. Numbers
  // that do not sum to 1 are taken for logits, and softmax is applied.
  // FailedPrecondition when the network does not give one number for each label.
  absl::StatusOr<std::vector<float>> Classify(const Image& image);

  const std::vector<std::string>& labels() const { return labels_; }

 private:
  Classifier(cv::dnn::Net net, std::vector<std::string> labels, const NetworkInput& input)
      : net_(std::move(net)), labels_(std::move(labels)), input_(input) {}

  cv::dnn::Net net_;
  std::vector<std::string> labels_;
  NetworkInput input_;
};

}  // namespace fractos

#endif  // FRACTOS_ADAPTORS_CNN_CLASSIFIER_H_
