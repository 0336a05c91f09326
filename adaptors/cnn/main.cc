// fractos-adaptor-cnn: what `fractos-adaptor cnn` becomes.
#include <string>
#include <vector>

#include "adaptors/cnn/cnn_device.h"
#include "adaptors/kit/serve.h"

int main(int argc, char** argv) {
  fractos::CnnDevice device;
  return fractos::adaptor::AdaptorMain(device, std::vector<std::string>(argv + 1, argv + argc));
}
