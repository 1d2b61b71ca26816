// The contract of threshold.h: hand-computed rows, guards, and independence of threads, layout and machine.
#include "threshold/threshold.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cfloat>
#include <cmath>

#include "distributions.h"
#include "threshold/landscape.h"
#include "threshold/passes.h"
#include "threshold/sweep.h"

using namespace qc::threshold;
using qc::quant::QuantParams;

namespace {

constexpr Method kAllMethods[] = {Method::kNoClipping, Method::kMse, Method::kMae, Method::kLp, Method::kKl};
constexpr Quantizer kAllQuantizers[] = {Quantizer::kPowerOfTwo, Quantizer::kSymmetric, Quantizer::kUniform};

Options options_of(Method method, Quantizer quantizer, int bits) {
  Options options;
  options.method = method;
  options.quantizer = quantizer;
  options.bits = bits;
  options.p = 3;
  return options;
}

Chosen search_tensor(const std::vector<float>& values, const Options& options) {
  const std::vector<int64_t> dims = {static_cast<int64_t>(values.size())};
  return search(values, dims, -1, options, 1);
}

/// Whole numbers times a quarter: every grid of that step holds them.
std::vector<float> quarters(int low, int high) {
  std::vector<float> values;
  for (int i = low; i <= high; ++i) values.push_back(static_cast<float>(i) * 0.25f);
  return values;
}

void check_sane(const QuantParams& params) {
  REQUIRE(params.scales.size() == params.zero_points.size());
  for (size_t c = 0; c < params.scales.size(); ++c) {
    CHECK(std::isnormal(params.scales[c]));
    CHECK(params.scales[c] > 0);
    CHECK(params.zero_points[c] >= params.qmin());
    CHECK(params.zero_points[c] <= params.qmax());
  }
}

}  // namespace

TEST_CASE("without clipping the scale and zero point of weights are those worked out by hand") {
  struct Row {
    std::vector<float> values;
    Quantizer quantizer;
    bool narrow, signed_integers;
    double scale;
    int32_t zero_point;
  };
  const Row rows[] = {
      {{-1.0f, 0.5f, 0.25f}, Quantizer::kSymmetric, false, false, 1.0 / 128, 0},
      {{-0.5f, 1.0f, 0.25f}, Quantizer::kSymmetric, false, false, 1.0 / 127, 0},  // the top level is T -
                                                                                  // T/128
      {{-1.0f, 0.5f, 0.25f}, Quantizer::kSymmetric, true, false, 1.0 / 127, 0},
      {{-1.0f, 0.5f, 0.25f}, Quantizer::kPowerOfTwo, false, false, 1.0 / 128, 0},
      {{-0.3f, 1.0f, 0.25f}, Quantizer::kPowerOfTwo, false, false, 2.0 / 128, 0},
      {{-1.0f, 1.55f, 0.0f}, Quantizer::kUniform, false, false, 2.55 / 255, 100},
      {{-1.0f, 1.55f, 0.0f}, Quantizer::kUniform, false, true, 2.55 / 255, -28},
      {{0.5f, 2.55f, 1.0f}, Quantizer::kUniform, false, true, 2.55 / 255, -128},
      {{-2.55f, -0.5f, -1.0f}, Quantizer::kUniform, false, false, 2.55 / 255, 255},
      {{1e-7f, -2e-7f}, Quantizer::kSymmetric, false, false, 1.0 / 65536 / 128, 0},  // min_threshold
      {{1e-7f, -2e-7f}, Quantizer::kPowerOfTwo, false, false, 1.0 / 65536 / 128, 0},
  };
  for (const Row& row : rows) {
    Options options = options_of(Method::kNoClipping, row.quantizer, 8);
    options.narrow_range = row.narrow;
    options.signed_integers = row.signed_integers;
    CAPTURE(row.values[0], row.values[1], row.narrow);
    const QuantParams params = search_tensor(row.values, options).params;
    CHECK(static_cast<double>(params.scales[0]) == Approx(row.scale).epsilon(1e-6));
    CHECK(params.zero_points[0] == row.zero_point);
    CHECK(params.is_signed == (row.quantizer != Quantizer::kUniform || row.signed_integers));
    CHECK(params.narrow_range == row.narrow);
    CHECK(params.axis == -1);
  }
}

TEST_CASE("values that a grid can hold are found to have no error") {
  for (const Method method : {Method::kMse, Method::kMae, Method::kLp})
    for (const int bits : {3, 4, 8}) {
      const int top = (1 << (bits - 1)) - 1;
      CAPTURE(static_cast<int>(method), bits);
      const Chosen symmetric =
          search_tensor(quarters(-top, top), options_of(method, Quantizer::kSymmetric, bits));
      CHECK(symmetric.error < 1e-12);
      CHECK(symmetric.params.scales[0] == Approx(0.25));
      const Chosen uniform =
          search_tensor(quarters(-1, 2 * top), options_of(method, Quantizer::kUniform, bits));
      CHECK(uniform.error < 1e-12);
      CHECK(uniform.params.zero_points[0] == 1);
    }
}

TEST_CASE("the best scale of two levels is the one worked out by hand, for MSE and for MAE") {
  // 2 bits, narrow: -1, 0, 1 times the scale. {1, 1, 1, 2}: s = 5/4 with error (3 * 1/16 + 9/16) / 4.
  Options options = options_of(Method::kMse, Quantizer::kSymmetric, 2);
  options.narrow_range = true;
  const Chosen chosen = search_tensor({1, 1, 1, 2}, options);
  CHECK(chosen.params.scales[0] == 1.25f);
  CHECK(chosen.error == Approx(0.1875));
  // MAE takes the median: s = 1, and one value errs by 1.
  options.method = Method::kMae;
  const Chosen median = search_tensor({1, 1, 1, 2}, options);
  CHECK(median.params.scales[0] == 1.0f);
  CHECK(median.error == Approx(0.25));
}

TEST_CASE("activations without negative values have zero point qmin, those without positive ones qmax") {
  for (const auto& distribution : distributions::all())
    for (const Method method : kAllMethods)
      for (const int bits : {4, 8, 16})
        for (const bool signed_integers : {false, true}) {
          const qc::plan::TensorStats stats = distributions::stats_of(distribution.draw(3000, 1), 256);
          if (stats.min < 0 && stats.max > 0) continue;
          Options options = options_of(method, Quantizer::kUniform, bits);
          options.signed_integers = signed_integers;
          const QuantParams params = search(stats, options).params;
          CAPTURE(distribution.name, static_cast<int>(method), bits, signed_integers);
          CHECK(params.zero_points[0] == (stats.min >= 0 ? params.qmin() : params.qmax()));
        }
}

TEST_CASE("parameters are sane for every method, quantizer, width and distribution") {
  for (const auto& distribution : distributions::all())
    for (const Method method : kAllMethods)
      for (const Quantizer quantizer : kAllQuantizers)
        for (const int bits : {2, 4, 8, 16}) {
          CAPTURE(distribution.name, static_cast<int>(method), static_cast<int>(quantizer), bits);
          const Options options = options_of(method, quantizer, bits);
          std::vector<float> values = distribution.draw(60, 2);
          check_sane(search(distributions::stats_of(values, 256), options).params);
          values.resize(90);  // a channel of zeros at the end
          const std::vector<int64_t> dims = {3, 30};
          const Chosen chosen = search(values, dims, 0, options, 1);
          check_sane(chosen.params);
          CHECK(chosen.error >= 0);
          CHECK(std::isfinite(chosen.error));
        }
}

TEST_CASE("extreme magnitudes give sane parameters") {
  for (const float size : {1e-44f, 1e-38f, 1e-30f, 1e-20f, 1e20f, 1e30f, 3e38f})
    for (const Quantizer quantizer : kAllQuantizers)
      for (const Method method : kAllMethods)
        for (const int bits : {2, 8}) {
          CAPTURE(size, static_cast<int>(quantizer), static_cast<int>(method), bits);
          const std::vector<float> values = {size, -size / 2, size / 3, 0};
          check_sane(search_tensor(values, options_of(method, quantizer, bits)).params);
          qc::plan::TensorStats stats;
          stats.count = 4;
          stats.min = -size / 2;
          stats.max = size;
          check_sane(search(stats, options_of(method, quantizer, bits)).params);
        }
}

TEST_CASE("a channel of zeros takes the median scale of the others") {
  std::vector<float> values = {1, -1, 0, 0, 2, -2, 0, 0, 4, -4, 0, 0};
  std::vector<int64_t> dims = {6, 2};
  Options options = options_of(Method::kNoClipping, Quantizer::kSymmetric, 8);
  options.narrow_range = true;
  const QuantParams params = search(values, dims, 0, options, 1).params;
  CHECK(params.scales[1] == params.scales[2]);
  CHECK(params.scales[2] == Approx(2.0 / 127));
  CHECK(params.scales[5] == params.scales[2]);
  std::fill(values.begin(), values.end(), 0.0f);
  CHECK(search(values, dims, 0, options, 1).params.scales == std::vector<float>(6, 0x1p-16f));
  CHECK(search(values, dims, 0, options, 1).params.zero_points == std::vector<int32_t>(6, 0));
}

TEST_CASE("statistics of nothing, of zeros or without a histogram give scales that are sane") {
  struct Row {
    const char* name;
    uint64_t count;
    float min, max;
    Quantizer quantizer;
    double scale;
    int32_t zero_point;
  };
  const Row rows[] = {{"never seen", 0, 0, 0, Quantizer::kUniform, 1.0 / 256, 0},
                      {"never seen", 0, 0, 0, Quantizer::kSymmetric, 1.0 / 256, 0},
                      {"zeros", 9, 0, 0, Quantizer::kUniform, 1.0 / 256, 0},
                      {"no histogram", 9, -1, 1.55f, Quantizer::kUniform, 0.01, 100},
                      {"no histogram", 9, 0, 2.55f, Quantizer::kUniform, 0.01, 0},
                      {"no histogram", 9, -1, 0.5f, Quantizer::kSymmetric, 1.0 / 128, 0},
                      {"no histogram", 9, 0, 3, Quantizer::kPowerOfTwo, 4.0 / 256, 0}};
  for (const Row& row : rows) {
    CAPTURE(row.name, static_cast<int>(row.quantizer));
    qc::plan::TensorStats stats;
    stats.count = row.count;
    stats.min = row.min;
    stats.max = row.max;
    const Chosen chosen = search(stats, options_of(Method::kMse, row.quantizer, 8));
    CHECK(static_cast<double>(chosen.params.scales[0]) == Approx(row.scale).epsilon(1e-6));
    CHECK(chosen.params.zero_points[0] == row.zero_point);
    CHECK(chosen.error == 0);
  }
}

TEST_CASE("a single value is kept exactly enough") {
  for (const float value : {0.7f, -0.7f, 1e-3f, 300.0f})
    for (const Quantizer quantizer : {Quantizer::kSymmetric, Quantizer::kUniform}) {
      CAPTURE(value, static_cast<int>(quantizer));
      const QuantParams params =
          search(distributions::stats_of({value, value}), options_of(Method::kMse, quantizer, 8)).params;
      std::vector<float> values = {value, 0.0f};
      qc::quant::fake_quantize(values, values, params);
      CHECK(values[0] == Approx(value).epsilon(1e-6));
      CHECK(values[1] == 0.0f);
    }
}

TEST_CASE("signedness follows the data unless it is said") {
  const qc::plan::TensorStats positive = distributions::stats_of({0, 1, 2, 3}),
                              mixed = distributions::stats_of({-1, 1, 2, 3});
  Options options = options_of(Method::kMse, Quantizer::kSymmetric, 8);
  CHECK_FALSE(search(positive, options).params.is_signed);
  CHECK(search(mixed, options).params.is_signed);
  options.signedness = Signedness::kSigned;
  CHECK(search(positive, options).params.is_signed);
  options.signedness = Signedness::kUnsigned;
  CHECK_FALSE(search(mixed, options).params.is_signed);
  CHECK(search(mixed, options).params.qmin() == 0);
}

TEST_CASE("an outlier cut narrows the range, and a spread of zero cuts nothing") {
  std::vector<float> values = distributions::all()[0].draw(20000, 4);
  values.push_back(9);
  const qc::plan::TensorStats stats = distributions::stats_of(values);
  Options options = options_of(Method::kNoClipping, Quantizer::kUniform, 8);
  CHECK(qc::quant::range_max(search(stats, options).params) == Approx(9).epsilon(0.01));
  options.z_threshold = 8;
  CHECK(qc::quant::range_max(search(stats, options).params) < 0.5f);
  CHECK(qc::quant::range_max(search(distributions::stats_of({5, 5, 5}), options).params) == Approx(5));
}

TEST_CASE("16 bits take the whole range") {
  const qc::plan::TensorStats stats = distributions::stats_of(distributions::all()[1].draw(5000, 4));
  const QuantParams params = search(stats, options_of(Method::kMse, Quantizer::kUniform, 16)).params;
  const auto range = static_cast<double>(stats.max) - static_cast<double>(stats.min);
  CHECK(static_cast<double>(params.scales[0]) == Approx(range / 65535).epsilon(1e-5));
}

TEST_CASE("the result does not depend on the number of threads") {
  for (const Quantizer quantizer : kAllQuantizers)
    for (const int axis : {-1, 0, 1, 3}) {
      const std::vector<int64_t> dims = {20, 18, 3, 3};
      const std::vector<float> values = distributions::all()[1].draw(20 * 18 * 9, 6);
      const Options options = options_of(Method::kMse, quantizer, 8);
      const Chosen one = search(values, dims, axis, options, 1);
      for (const int threads : {2, 3, 8}) {
        CAPTURE(static_cast<int>(quantizer), axis, threads);
        const Chosen many = search(values, dims, axis, options, threads);
        CHECK(many.params == one.params);
        CHECK(many.error == one.error);
      }
    }
}

TEST_CASE("a channel's parameters do not depend on where its values lie") {
  const int64_t channels = 21, size = 50;
  const std::vector<float> rows = distributions::all()[0].draw(static_cast<size_t>(channels * size), 8);
  std::vector<float> columns(rows.size());
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < size; ++i) columns[i * channels + c] = rows[c * size + i];
  const std::vector<int64_t> row_dims = {channels, size}, column_dims = {size, channels};
  const Options options = options_of(Method::kMse, Quantizer::kSymmetric, 8);
  const Chosen by_row = search(rows, row_dims, 0, options, 1),
               by_column = search(columns, column_dims, 1, options, 2);
  CHECK(by_row.params.scales == by_column.params.scales);
  CHECK(by_column.params.axis == 1);
}

TEST_CASE("the reported error is the mean over the elements as quantize and dequantize make it") {
  const std::vector<float> values = distributions::all()[0].draw(600, 9);
  const std::vector<int64_t> dims = {6, 100};
  const Chosen chosen = search(values, dims, 0, options_of(Method::kMse, Quantizer::kSymmetric, 4), 1);
  const std::vector<float> back =
      qc::quant::dequantize(qc::quant::quantize(values, dims, chosen.params), dims, chosen.params);
  double error = 0;
  for (size_t i = 0; i < values.size(); ++i)
    error += std::pow(static_cast<double>(values[i]) - static_cast<double>(back[i]), 2);
  CHECK(chosen.error == Approx(error / 600).epsilon(1e-5));
}

TEST_CASE("passes over values equal plain loops") {
  for (const size_t count : {size_t{1}, size_t{15}, size_t{16}, size_t{1000}, size_t{5003}})
    for (int p = 1; p <= 4; ++p) {
      const std::vector<float> values = distributions::all()[1].draw(count, 10);
      const Grid grid{static_cast<double>(0.04f), -128, 127};
      double expected = 0, low = 1e9, high = -1e9;
      for (const float value : values) {
        const double z = std::clamp(std::nearbyint(static_cast<double>(value / 0.04f)), -128.0, 127.0);
        expected += std::pow(std::abs(static_cast<double>(value) - z * grid.scale), p);
        low = std::min(low, static_cast<double>(value));
        high = std::max(high, static_cast<double>(value));
      }
      CAPTURE(count, p);
      CHECK(exact_error(values, grid, p) == Approx(expected).epsilon(1e-12));
      CHECK(scan_error(values, grid, p) == Approx(expected).epsilon(1e-4));
      const Extent extent = extent_of(values);
      CHECK(static_cast<double>(extent.min) == low);
      CHECK(static_cast<double>(extent.max) == high);
      CHECK(extent.filled == static_cast<int64_t>(count));
    }
}

TEST_CASE("a sweep tells the error of a scale as a pass over the values does") {
  for (const auto& distribution : distributions::all())
    for (int p = 1; p <= 4; ++p) {
      const std::vector<float> values = distribution.draw(700, 12);
      const Extent extent = extent_of(values);
      const double top =
          std::max(std::abs(static_cast<double>(extent.min)), static_cast<double>(extent.max)) / 100;
      for (const Valley& valley :
           sweep(Series{values, {}}, -100, 90, Bracket{top * 0.7, top * 1.1}, 300, p, 5)) {
        CAPTURE(distribution.name, p, valley.scale);
        const double direct = exact_error(values, Grid{valley.scale, -100, 90}, p);
        const double rounding = 700 * std::pow(100 * top * 1e-6, p) + 1e-6 * valley.error;
        if (p == 2)
          CHECK(direct <= valley.error + rounding);  // told for the levels before the scale was refitted
        else
          CHECK(direct == Approx(valley.error).margin(rounding));
      }
    }
}

TEST_CASE("the error of a window from prefix sums equals the sum over samples") {
  for (const auto& distribution : distributions::all())
    for (const int p : {1, 2})
      for (const Quantizer quantizer : {Quantizer::kSymmetric, Quantizer::kUniform}) {
        const Samples samples = value_samples(distribution.draw(900, 13));
        const Family family =
            family_of(options_of(Method::kMse, quantizer, 4), true, samples.min, samples.max);
        Landscape landscape(samples, family, p);
        const double covering = covering_scale(family, samples.min, samples.max);
        for (const double factor : {1.3, 1.0, 0.83, 0.5, 0.2}) {
          const ScoredGrid found = landscape.best_window(covering * factor);
          CAPTURE(distribution.name, p, factor, found.grid.low);
          CHECK(found.error == Approx(landscape.direct_error(found.grid))
                                   .epsilon(1e-6)
                                   .margin(1e-9 * samples.total() * covering));
        }
      }
}

TEST_CASE("grouped samples of large tensors keep their moments and lead to the same choice") {
  const std::vector<float> values = distributions::all()[1].draw(200000, 14);
  const Samples samples = value_samples(values);
  CHECK(samples.size() < values.size());
  CHECK(samples.total() == 200000);
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value);
  CHECK(samples.before.back().sum == Approx(sum));
  const Chosen uniform = search_tensor(values, options_of(Method::kMse, Quantizer::kUniform, 4));
  Options options = options_of(Method::kMse, Quantizer::kUniform, 4);
  const Family family = family_of(options, true, samples.min, samples.max);
  double least = 1e9;  // a plain walk over scales and zero points
  for (double factor = 1.1; factor > 0.2; factor *= 0.97)
    for (int64_t low = -10; low <= -4; ++low) {
      const Grid grid{
          static_cast<double>(static_cast<float>(covering_scale(family, samples.min, samples.max) * factor)),
          low, low + 15};
      least = std::min(least, exact_error(values, grid, 2));
    }
  CHECK(uniform.error * 200000 <= least);
}
