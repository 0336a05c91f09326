// A convolutional network that says what a photograph shows, as a device.
#ifndef FRACTOS_ADAPTORS_CNN_CNN_DEVICE_H_
#define FRACTOS_ADAPTORS_CNN_CNN_DEVICE_H_

#include <future>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adaptors/cnn/classifier.h"
#include "adaptors/kit/device.h"

namespace fractos {

// Options: `model` (an ONNX file), `labels` (a text file, one a line), `input` {size, mean, scale};
// without them the model that ships, in `../share/fractos/models` as seen from the program.
// Configure checks that the files are there and reads them in the background, so that the daemon is
// ready at once; the first classification waits for that. One classification at a time.
class CnnDevice final : public adaptor::Device {
 public:
  absl::StatusOr<std::string> Configure(const adaptor::Arguments& options) override;
  adaptor::Answer Execute(const adaptor::Request& request) override;

 private:
  adaptor::Answer Classify(const adaptor::Request& request);

  std::shared_future<absl::Status> loaded_;
  std::unique_ptr<Classifier> classifier_;  // set before loaded_ is ready
};

}  // namespace fractos

#endif  // FRACTOS_ADAPTORS_CNN_CNN_DEVICE_H_
