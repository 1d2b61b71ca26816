// Writes a float model shaped like ResNet-50 (25.5 M parameters, 4 GMAC, 3x3 layers of up to 512 channels)
// with random weights: what time and memory low bits take on a network of that size can be measured without a
// trained one. scripts/bench.py runs it. Weights are those of a fresh network (He et al. 2015: normal,
// variance 2 / fan in), each channel with a spread of its own; branches end small, so that sums do not grow.
//
//   resnet50_shaped FILE.onnx       its input: image [1, 3, 224, 224]
#include <cmath>
#include <cstdio>
#include <fstream>
#include <random>

#include "base/error.h"
#include "onnx_io/onnx_io.h"
#include "support/tiny_models.h"

namespace {

using namespace qc;
using ir::ValueId;

class Network {
 public:
  Network() : graph_(tiny::graph(13, "resnet50_shaped")) {}

  void build() {
    ValueId x = tiny::input(graph_, "image", {1, 3, 224, 224});
    x = tiny::relu(graph_, conv(x, 64, {7, 2, 3}, 1));
    x = tiny::max_pool(graph_, x, 3, 2, 1);
    const int blocks[] = {3, 4, 6, 3};
    for (int stage = 0; stage < 4; ++stage)
      for (int block = 0; block < blocks[stage]; ++block)
        x = bottleneck(x, int64_t{64} << stage, block == 0, stage > 0 && block == 0 ? 2 : 1);
    x = tiny::flatten(graph_, tiny::global_average_pool(graph_, x));
    const int64_t features = tiny::value(graph_, x).dims[1];
    x = tiny::node(graph_, "Gemm", {x, weights({1000, features}, features, 1), zeros(1000)},
                   {{"transB", int64_t{1}}});
    tiny::output(graph_, x, "logits");
  }

  plan::Written written() const {
    plan::QuantizedModel model;
    model.graph = graph_;
    model.plan.nodes.resize(graph_.nodes.size());
    model.plan.values.resize(graph_.values.size());
    return onnx_io::write_qdq(model, {});
  }

 private:
  static constexpr double kBranchEnd = 0.3;

  ValueId bottleneck(ValueId x, int64_t width, bool widens, int64_t stride) {
    const ValueId skip = widens ? conv(x, 4 * width, {1, stride, 0}, 1) : x;
    ValueId y = tiny::relu(graph_, conv(x, width, {1, 1, 0}, 1));
    y = tiny::relu(graph_, conv(y, width, {3, stride, 1}, 1));
    y = conv(y, 4 * width, {1, 1, 0}, kBranchEnd);
    return tiny::relu(graph_, tiny::add(graph_, y, skip));
  }

  ValueId conv(ValueId x, int64_t out_channels, tiny::ConvShape shape, double factor) {
    const int64_t in_channels = tiny::value(graph_, x).dims[1], k = shape.kernel;
    const std::vector<int64_t> kernel{k, k}, strides{shape.stride, shape.stride}, pads(4, shape.pad);
    return tiny::node(
        graph_, "Conv",
        {x, weights({out_channels, in_channels, k, k}, in_channels * k * k, factor), zeros(out_channels)},
        {{"kernel_shape", kernel}, {"strides", strides}, {"pads", pads}});
  }

  ValueId weights(const tiny::Dims& dims, int64_t fan_in, double factor) {
    ir::Tensor tensor = tiny::filled(dims, 0);
    const size_t in_channel = static_cast<size_t>(tensor.size() / dims[0]);
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<float> spread(0.5f, 1.5f);
    const auto scale = static_cast<float>(factor * std::sqrt(2.0 / static_cast<double>(fan_in)));
    const auto numbers = tensor.as<float>();
    std::vector<float> drawn(numbers.begin(), numbers.end());
    for (size_t at = 0; at < drawn.size(); at += in_channel) {
      const float own = scale * spread(random_);
      for (size_t i = at; i < at + in_channel; ++i) drawn[i] = own * normal(random_);
    }
    return tiny::constant(graph_, ir::make_tensor(std::span<const float>(drawn), dims), "weight");
  }

  ValueId zeros(int64_t channels) { return tiny::constant(graph_, tiny::filled({channels}, 0), "bias"); }

  ir::Graph graph_;
  std::mt19937 random_{1};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: resnet50_shaped FILE.onnx\n");
    return 1;
  }
  try {
    Network network;
    network.build();
    std::ofstream file(argv[1], std::ios::binary);
    file << network.written().bytes;
    return file.good() ? 0 : 1;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
