// How fast the threshold search is, on this machine: the symmetric per-channel search over weights shaped
// like ResNet-50 (25.5 M parameters; Sony's MCT needs 92.5 s for it with numpy), fake quantization, and the
// search over one histogram. Figures, no pass or fail: they depend on the machine. scripts/bench_threshold.sh
// builds and runs it.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "base/parallel.h"
#include "quant/quant_params.h"
#include "threshold/threshold.h"

namespace {

using namespace qc;

double seconds(const auto& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// The best of several runs: the one that the rest of the machine disturbed least.
double best_of(int runs, const auto& work) {
  double best = seconds(work);
  for (int i = 1; i < runs; ++i) best = std::min(best, seconds(work));
  return best;
}

std::vector<std::vector<int64_t>> resnet50_shapes() {
  std::vector<std::vector<int64_t>> shapes = {{64, 3, 7, 7}};
  int64_t in = 64;
  const int blocks[] = {3, 4, 6, 3};
  for (int stage = 0; stage < 4; ++stage) {
    const int64_t width = int64_t{64} << stage;
    for (int block = 0; block < blocks[stage]; ++block) {
      shapes.push_back({width, in, 1, 1});
      shapes.push_back({width, width, 3, 3});
      shapes.push_back({4 * width, width, 1, 1});
      if (block == 0) shapes.push_back({4 * width, in, 1, 1});
      in = 4 * width;
    }
  }
  shapes.push_back({1000, 2048});
  return shapes;
}

struct Layer {
  std::vector<int64_t> dims;
  std::vector<float> weights;
};

/// Gaussian weights, each output channel with a spread of its own.
std::vector<Layer> resnet50_layers() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<Layer> layers;
  for (auto& dims : resnet50_shapes()) {
    int64_t fan_in = 1;
    for (size_t d = 1; d < dims.size(); ++d) fan_in *= dims[d];
    Layer layer{dims, {}};
    for (int64_t channel = 0; channel < dims[0]; ++channel) {
      const float spread = std::exp(0.3f * normal(random)) / std::sqrt(static_cast<float>(fan_in));
      for (int64_t i = 0; i < fan_in; ++i) layer.weights.push_back(spread * normal(random));
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

plan::TensorStats relu_stats(double mean) {
  std::mt19937 random(2);
  std::normal_distribution<double> normal(mean, 1.0);
  plan::TensorStats stats;
  stats.histogram.exponent = -8;
  stats.histogram.first_bin = mean == 0 ? -1024 : 0;
  stats.histogram.counts.assign(plan::Histogram::kBins, 0);
  stats.count = 1000000;
  for (uint64_t i = 0; i < stats.count; ++i) {
    const double x = mean == 0 ? normal(random) * 0.7 : std::max(0.0, normal(random));
    stats.min = std::min(stats.min, static_cast<float>(x));
    stats.max = std::max(stats.max, static_cast<float>(x));
    ++stats.histogram.counts[static_cast<size_t>(
        std::clamp(x * 256 - static_cast<double>(stats.histogram.first_bin), 0.0, 2047.0))];
  }
  return stats;
}

void bench_fake_quantize() {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> values(size_t{1} << 14), out(values.size());
  for (float& value : values) value = normal(random);
  const quant::QuantParams params = quant::asymmetric_params(-3, 3, 8, false);
  constexpr int kRepeats = 1000;
  const double best = best_of(9, [&] {
    for (int i = 0; i < kRepeats; ++i) quant::fake_quantize(values, out, params);
  });
  std::printf("fake_quantize                          %8.3f ns/element\n",
              best * 1e9 / kRepeats / static_cast<double>(values.size()));
}

void bench_histograms() {
  for (const auto& [name, quantizer] : {std::pair{"UNIFORM", threshold::Quantizer::kUniform},
                                        {"SYMMETRIC", threshold::Quantizer::kSymmetric}})
    for (const auto& [method_name, method] : {std::pair{"MSE", threshold::Method::kMse},
                                              {"MAE", threshold::Method::kMae},
                                              {"KL", threshold::Method::kKl}})
      for (const double mean : {0.0, 0.5}) {
        const plan::TensorStats stats = relu_stats(mean);
        threshold::Options options;
        options.method = method;
        options.quantizer = quantizer;
        const double best =
            best_of(method == threshold::Method::kKl ? 1 : 5, [&] { threshold::search(stats, options); });
        std::printf("one histogram, %-9s %-3s, %-11s %8.3f ms\n", name, method_name,
                    mean == 0 ? "gaussian" : "after Relu", best * 1e3);
      }
}

void bench_weights() {
  const std::vector<Layer> layers = resnet50_layers();
  size_t parameters = 0;
  for (const Layer& layer : layers) parameters += layer.weights.size();
  std::printf("weights shaped like ResNet-50: %.2f M parameters\n", static_cast<double>(parameters) / 1e6);
  for (const int bits : {8, 4})
    for (int threads = 1; threads <= available_threads(); threads *= 2) {
      threshold::Options options;
      options.quantizer = threshold::Quantizer::kSymmetric;
      options.bits = bits;
      const double best = best_of(3, [&] {
        for (const Layer& layer : layers) threshold::search(layer.weights, layer.dims, 0, options, threads);
      });
      std::printf("  symmetric per-channel MSE, %d bits, %d thread%s  %8.3f s\n", bits, threads,
                  threads > 1 ? "s" : " ", best);
    }
}

}  // namespace

int main() {
  bench_fake_quantize();
  bench_histograms();
  bench_weights();
  return EXIT_SUCCESS;
}
