// "Never a larger error than MCT's own search on the same data": both parameter sets, as a file would hold
// them, are judged by one plain error function. Differences below the resolution of float32 are no
// differences.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "distributions.h"
#include "mct_yardstick.h"
#include "threshold/choose.h"
#include "threshold/kl.h"
#include "threshold/landscape.h"
#include "threshold/samples.h"
#include "threshold/threshold.h"

using namespace qc::threshold;
using qc::quant::QuantParams;
using yardstick::Setup;

namespace {

struct Error {
  const char* name;
  Setup::Error yardstick;
  Method method;
  int p;
};
constexpr Error kErrors[] = {{"MSE", Setup::kMse, Method::kMse, 2},
                             {"MAE", Setup::kMae, Method::kMae, 1},
                             {"L3", Setup::kLp, Method::kLp, 3}};

Setup setup_of(const Error& error, int bits, bool is_signed = true, bool narrow = false) {
  Setup setup;
  setup.error = error.yardstick;
  setup.bits = bits;
  setup.is_signed = is_signed;
  setup.narrow = narrow;
  setup.p = error.p;
  return setup;
}

Options options_of(const Error& error, int bits, Quantizer quantizer, bool narrow = false) {
  Options options;
  options.method = error.method;
  options.p = error.p;
  options.bits = bits;
  options.quantizer = quantizer;
  options.narrow_range = narrow;
  return options;
}

/// Integers relative to zero, and their scale.
struct Steps {
  double scale;
  int64_t low, high;
};

Steps steps_of(const QuantParams& params, size_t channel = 0) {
  const int64_t zero = params.zero_points[channel];
  return {static_cast<double>(params.scales[channel]), params.qmin() - zero, params.qmax() - zero};
}

Steps steps_of(yardstick::Range range, int bits) {
  const yardstick::Range fixed = yardstick::include_zero(range, bits);
  const int64_t span = (int64_t{1} << bits) - 1;
  const double step = (fixed.max - fixed.min) / static_cast<double>(span);
  const int64_t low = step > 0 ? std::llround(fixed.min / step) : 0;
  return {static_cast<double>(static_cast<float>(step)), low, low + span};
}

Steps steps_of(double threshold, const Setup& setup) {
  return steps_of(qc::quant::symmetric_params(threshold, setup.bits, setup.is_signed, setup.narrow));
}

double judge(const std::vector<double>& x, const std::vector<double>& weight, const Steps& steps, int p) {
  double error = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double z = std::clamp(std::nearbyint(x[i] / steps.scale), static_cast<double>(steps.low),
                                static_cast<double>(steps.high));
    error += (weight.empty() ? 1.0 : weight[i]) * std::pow(std::abs(x[i] - z * steps.scale), p);
  }
  return error;
}

/// Ours is at most theirs.
/// (MCT divides by zero where all is 0: no yardstick.)
void check_not_worse(const std::vector<double>& x, const std::vector<double>& weight, const Steps& ours,
                     const Steps& theirs, int p) {
  double largest = 0, count = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    largest = std::max(largest, std::abs(x[i]));
    count += weight.empty() ? 1.0 : weight[i];
  }
  if (std::isnan(theirs.scale)) return;
  const double our_error = judge(x, weight, ours, p), their_error = judge(x, weight, theirs, p);
  CAPTURE(ours.scale, ours.low, theirs.scale, theirs.low);
  CHECK(our_error <= their_error * (1 + 1e-9) + count * std::pow(1e-7 * largest, p));
}

struct Weights {
  yardstick::Channels channels;
  std::vector<float> values;
  std::vector<int64_t> dims;
};

Weights weights_of(const distributions::Distribution& distribution, size_t channels, size_t size) {
  Weights weights;
  for (size_t c = 0; c < channels; ++c) {
    const std::vector<float> values = distribution.draw(size, static_cast<uint32_t>(100 * size + c));
    weights.channels.emplace_back(values.begin(), values.end());
    weights.values.insert(weights.values.end(), values.begin(), values.end());
  }
  weights.dims = {static_cast<int64_t>(channels), static_cast<int64_t>(size)};
  return weights;
}

struct Shape {
  size_t channels, size;
  bool per_channel;
};
constexpr Shape kShapes[] = {{1, 1, true}, {6, 9, true}, {4, 64, true}, {3, 300, true}, {1, 1500, false}};

/// Calls check(weights, per_channel) for every distribution and shape.
template <typename Check>
void for_weights(const Check& check) {
  for (const auto& distribution : distributions::all())
    for (const Shape& shape : kShapes) {
      CAPTURE(distribution.name, shape.channels, shape.size);
      check(weights_of(distribution, shape.channels, shape.size), shape.per_channel);
    }
}

yardstick::Histogram histogram_at(const Samples& samples) {
  yardstick::Histogram histogram{samples.x, samples.weight};
  histogram.edges.push_back(samples.x.back() + samples.pitch);
  return histogram;
}

/// Our choice for samples at any places: what search() does for bin centres.
Steps our_choice(const Samples& samples, const Options& options, bool is_signed) {
  const Family family = family_of(options, is_signed, samples.min, samples.max);
  std::vector<Grid> grids = {covering_grid(family, samples.min, samples.max)};
  for (const ScoredGrid& found : deepest(samples, family, error_power(options))) grids.push_back(found.grid);
  const Landscape landscape(samples, family, error_power(options));
  const ScoredGrid best =
      choose(grids, family, 0, [&](const Grid& grid) { return landscape.direct_error(grid); });
  return {best.grid.scale, best.grid.low, best.grid.high};
}

/// Samples at given places.
Samples weighted_samples(std::vector<double> x, std::vector<double> weight, double pitch) {
  Samples samples;
  samples.x = std::move(x);
  samples.weight = std::move(weight);
  samples.pitch = pitch;
  samples.before.push_back({});
  for (size_t i = 0; i < samples.size(); ++i) {
    const double at = samples.x[i], w = samples.weight[i];
    const Moments& b = samples.before.back();
    samples.before.push_back({b.count + w, b.sum + w * at, b.squares + w * at * at});
  }
  for (size_t i = samples.size(); i-- > 0;)
    if (samples.weight[i] > 0) samples.min = samples.x[i];
  for (size_t i = 0; i < samples.size(); ++i)
    if (samples.weight[i] > 0) samples.max = samples.x[i];
  return samples;
}

/// 500 bins or so: enough to be rough, few enough for MCT's walk in a test.
Samples coarse_samples(const distributions::Distribution& distribution, bool left_edges) {
  const qc::plan::TensorStats stats = distributions::stats_of(distribution.draw(20000, 11), 512);
  Samples samples = histogram_samples(stats, INFINITY);
  if (!left_edges) return samples;
  std::vector<double> edges;
  for (size_t i = 0; i < samples.size(); ++i) edges.push_back(stats.histogram.left_edge(i));
  return weighted_samples(edges, samples.weight, samples.pitch);
}

}  // namespace

TEST_CASE("weights, symmetric: no channel errs more than with MCT's iterative search") {
  for (const int bits : {2, 3, 4, 8})
    for (const Error& error : kErrors)
      for (const bool narrow : {false, true})
        for_weights([&](const Weights& weights, bool per_channel) {
          CAPTURE(bits, error.name, narrow);
          const Setup setup = setup_of(error, bits, true, narrow);
          const std::vector<double> theirs =
              yardstick::symmetric_weights(weights.channels, setup, per_channel);
          const Options options = options_of(error, bits, Quantizer::kSymmetric, narrow);
          const Chosen ours = search(weights.values, weights.dims, per_channel ? 0 : -1, options, 1);
          for (size_t c = 0; c < theirs.size(); ++c)
            check_not_worse(weights.channels[c], {}, steps_of(ours.params, c), steps_of(theirs[c], setup),
                            error.p);
        });
}

TEST_CASE("weights, uniform: no channel errs more than with MCT's iterative search") {
  for (const int bits : {2, 4, 8})
    for (const Error& error : kErrors)
      for_weights([&](const Weights& weights, bool per_channel) {
        CAPTURE(bits, error.name);
        const std::vector<yardstick::Range> theirs =
            yardstick::uniform_weights(weights.channels, setup_of(error, bits), true);
        const Options options = options_of(error, bits, Quantizer::kUniform);
        const Chosen ours = search(weights.values, weights.dims, per_channel ? 0 : -1, options, 1);
        for (size_t c = 0; c < theirs.size(); ++c)
          check_not_worse(weights.channels[c], {}, steps_of(ours.params, c), steps_of(theirs[c], bits),
                          error.p);
      });
}

TEST_CASE("weights, power of two: the very threshold that MCT finds") {
  for (const int bits : {2, 3, 4, 8})
    for (const Error& error : kErrors)
      for_weights([&](const Weights& weights, bool per_channel) {
        CAPTURE(bits, error.name);
        const Setup setup = setup_of(error, bits);
        const std::vector<double> theirs = yardstick::power_of_two_weights(weights.channels, setup);
        const Options options = options_of(error, bits, Quantizer::kPowerOfTwo);
        const Chosen ours = search(weights.values, weights.dims, per_channel ? 0 : -1, options, 1);
        for (size_t c = 0; c < theirs.size(); ++c) {
          const auto& values = weights.channels[c];
          if (std::all_of(values.begin(), values.end(), [](double x) { return x == 0; })) continue;
          CHECK(steps_of(ours.params, c).scale == steps_of(theirs[c], setup).scale);
        }
      });
}

TEST_CASE("histograms, symmetric: not worse than MCT's search over the same places, centres or left edges") {
  for (const auto& distribution : distributions::all())
    for (const int bits : {2, 3, 4, 8})
      for (const Error& error : kErrors)
        for (const bool left_edges : {false, true}) {
          CAPTURE(distribution.name, bits, error.name, left_edges);
          const Samples samples = coarse_samples(distribution, left_edges);
          const Setup setup = setup_of(error, bits, samples.min < 0);
          const double theirs = yardstick::symmetric_histogram(histogram_at(samples), setup);
          const Steps ours =
              our_choice(samples, options_of(error, bits, Quantizer::kSymmetric), setup.is_signed);
          check_not_worse(samples.x, samples.weight, ours, steps_of(theirs, setup), error.p);
        }
}

TEST_CASE("histograms, uniform: not worse than MCT's search over the same places, centres or left edges") {
  for (const auto& distribution : distributions::all())
    for (const int bits : {2, 4, 8})
      for (const Error& error : kErrors) {
        const bool left_edges = bits == 4;  // both ways, but not all of both: MCT's walk takes 4321 passes
        CAPTURE(distribution.name, bits, error.name, left_edges);
        const Samples samples = coarse_samples(distribution, left_edges);
        const yardstick::Range theirs =
            yardstick::uniform_histogram(histogram_at(samples), setup_of(error, bits));
        const Steps ours = our_choice(samples, options_of(error, bits, Quantizer::kUniform), true);
        check_not_worse(samples.x, samples.weight, ours, steps_of(theirs, bits), error.p);
      }
}

TEST_CASE(
    "a whole calibration histogram: search() is not worse than MCT on its left edges, judged at the "
    "centres") {
  for (const auto& distribution : distributions::all()) {
    const qc::plan::TensorStats stats = distributions::stats_of(distribution.draw(50000, 5));
    const Samples samples = histogram_samples(stats, INFINITY);
    yardstick::Histogram histogram;
    for (size_t i = 0; i <= samples.size(); ++i) histogram.edges.push_back(stats.histogram.left_edge(i));
    histogram.counts = samples.weight;
    for (const int bits : {4, 8}) {
      CAPTURE(distribution.name, bits);
      const Setup setup = setup_of(kErrors[0], bits, samples.min < 0);
      const Chosen symmetric = search(stats, options_of(kErrors[0], bits, Quantizer::kSymmetric));
      check_not_worse(samples.x, samples.weight, steps_of(symmetric.params),
                      steps_of(yardstick::symmetric_histogram(histogram, setup), setup), 2);
      if (bits != 8) continue;
      const Chosen uniform = search(stats, options_of(kErrors[0], bits, Quantizer::kUniform));
      check_not_worse(samples.x, samples.weight, steps_of(uniform.params),
                      steps_of(yardstick::uniform_histogram(histogram, setup), bits), 2);
    }
  }
}

TEST_CASE("histograms, power of two: the very threshold that MCT finds") {
  for (const auto& distribution : distributions::all())
    for (const int bits : {2, 4, 8})
      for (const Error& error : kErrors) {
        CAPTURE(distribution.name, bits, error.name);
        const qc::plan::TensorStats stats = distributions::stats_of(distribution.draw(20000, 11), 512);
        const Samples samples = histogram_samples(stats, INFINITY);
        const Setup setup = setup_of(error, bits, samples.min < 0);
        const double theirs = yardstick::power_of_two_histogram(histogram_at(samples), setup);
        const Chosen ours = search(stats, options_of(error, bits, Quantizer::kPowerOfTwo));
        CHECK(steps_of(ours.params).scale == steps_of(theirs, setup).scale);
      }
}

TEST_CASE("KL divergence equals MCT's formula for any range") {
  for (const auto& distribution : distributions::all()) {
    const Samples samples = coarse_samples(distribution, true);
    const yardstick::Histogram plain = histogram_at(samples);
    const KlHistogram ours(samples.x[0], samples.pitch, samples.weight);
    const double reach = std::max(std::abs(samples.min), std::abs(samples.max));
    for (const int bits : {3, 4, 6})
      for (int i = 3; i <= 30; ++i) {
        CAPTURE(distribution.name, bits, i);
        const Setup setup = setup_of(kErrors[0], bits, samples.min < 0);
        const Steps steps = steps_of(reach * i / 25 * 1.0137, setup);
        const double threshold = static_cast<double>(-steps.low) * steps.scale;
        const double top = setup.is_signed ? threshold : steps.scale * static_cast<double>(steps.high + 1);
        const double low = setup.is_signed ? -threshold : 0;
        const double expected = yardstick::kl_error(
            plain, yardstick::quantize_symmetric(plain.edges, top, setup), low, top, 1 << bits);
        const double error = kl_error(ours, Grid{steps.scale, steps.low, steps.high}, low, top);
        if (std::isinf(expected))
          CHECK(std::isinf(error));
        else
          CHECK(error == Approx(expected).epsilon(1e-9).margin(1e-12));
      }
  }
}

TEST_CASE("KL on histograms: not worse than MCT's walk by MCT's divergence") {
  Setup setup;
  setup.error = Setup::kKl;
  Options options;
  options.method = Method::kKl;
  for (const auto& distribution : distributions::all()) {
    const qc::plan::TensorStats stats = distributions::stats_of(distribution.draw(20000, 11), 512);
    const Samples samples = histogram_samples(stats, INFINITY);
    const yardstick::Histogram histogram = histogram_at(samples);
    setup.is_signed = samples.min < 0;
    for (const int bits : {4, 6}) {
      CAPTURE(distribution.name, bits);
      setup.bits = options.bits = bits;
      options.quantizer = Quantizer::kSymmetric;
      const auto judged = [&](const Steps& steps) {
        const double steps_of_threshold = std::ldexp(1.0, bits - (setup.is_signed ? 1 : 0));
        return yardstick::symmetric_histogram_error(histogram, steps.scale * steps_of_threshold, setup);
      };
      const double theirs = judged(steps_of(yardstick::symmetric_histogram(histogram, setup), setup));
      const double ours = judged(steps_of(search(stats, options).params));
      CHECK((ours <= theirs * (1 + 1e-9) + 1e-12 || std::isinf(theirs)));
    }
  }
}

TEST_CASE("KL on weights and on uniform ranges: not worse than MCT's walk by MCT's divergence") {
  Setup setup;
  setup.error = Setup::kKl;
  setup.bits = 4;
  Options options;
  options.method = Method::kKl;
  options.bits = 4;
  for (const size_t which : {size_t{0}, size_t{2}, size_t{3}}) {
    const auto& distribution = distributions::all()[which];
    CAPTURE(distribution.name);
    const Weights weights = weights_of(distribution, 1, 200);
    const yardstick::Histogram histogram = yardstick::histogram_of(weights.channels[0]);
    options.quantizer = Quantizer::kSymmetric;
    const auto judged = [&](double threshold) {
      return yardstick::symmetric_histogram_error(histogram, threshold, setup);
    };
    const double theirs = judged(yardstick::symmetric_weights(weights.channels, setup, true)[0]);
    CHECK(judged(8.0 * steps_of(search(weights.values, weights.dims, 0, options, 1).params).scale) <=
          theirs * (1 + 1e-9));

    const qc::plan::TensorStats stats = distributions::stats_of(distribution.draw(20000, 11), 128);
    const yardstick::Histogram coarse = histogram_at(histogram_samples(stats, INFINITY));
    options.quantizer = Quantizer::kUniform;
    const auto judged_range = [&](const Steps& steps) {
      const yardstick::Range range{static_cast<double>(steps.low) * steps.scale,
                                   static_cast<double>(steps.high) * steps.scale};
      return yardstick::uniform_histogram_error(coarse, range, setup);
    };
    const double their_range = judged_range(steps_of(yardstick::uniform_histogram(coarse, setup), 4));
    CHECK(judged_range(steps_of(search(stats, options).params)) <= their_range * (1 + 1e-9));
  }
}

TEST_CASE("outlier cut: the bins that MCT cuts") {
  for (const auto& distribution : distributions::all())
    for (const double z : {1.0, 2.5, 6.0}) {
      CAPTURE(distribution.name, z);
      const qc::plan::TensorStats stats = distributions::stats_of(distribution.draw(5000, 3), 512);
      if (stats.min == stats.max) continue;  // MCT divides by zero there
      yardstick::Histogram histogram;
      histogram.counts.assign(stats.histogram.counts.begin(), stats.histogram.counts.end());
      for (size_t i = 0; i <= histogram.counts.size(); ++i)
        histogram.edges.push_back(stats.histogram.left_edge(i));
      double kept = 0;
      for (const double count : yardstick::z_score_filter(histogram, z)) kept += count;
      CHECK(histogram_samples(stats, z).total() == kept);
    }
}
