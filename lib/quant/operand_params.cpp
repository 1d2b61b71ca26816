// See operand_params.h.
#include "quant/operand_params.h"

#include <algorithm>
#include <vector>

namespace qc::quant {
namespace {

// More different values than there are integers lie on no grid but by chance.
constexpr size_t kMostValues = 256;
// Of the squared error: less is worth no grid that leaves integers unused.
constexpr double kWorthIt = 0.5;

// Each value once, ascending; empty where there are too many.
std::vector<float> different(std::span<const float> values) {
  std::vector<float> found;
  for (const float value : values) {
    const auto at = std::lower_bound(found.begin(), found.end(), value);
    if (at != found.end() && *at == value) continue;
    if (found.size() == kMostValues) return {};
    found.insert(at, value);
  }
  return found;
}

double squared_error(std::span<const float> values, const QuantParams& params) {
  std::vector<float> rounded(values.size());
  fake_quantize(values, rounded, params);
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double error = static_cast<double>(values[i]) - static_cast<double>(rounded[i]);
    sum += error * error;
  }
  return sum;
}

}  // namespace

QuantParams operand_params(std::span<const float> values, int bits, bool is_signed, bool symmetric) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const double low = std::min(0.0, static_cast<double>(*least)),
               high = std::max(0.0, static_cast<double>(*most)), largest = std::max(-low, high);
  // The range stretched so that the values themselves take so many steps.
  const int all = (1 << (symmetric ? bits - 1 : bits)) - 1;
  const auto over = [&](int steps) {
    const double stretch = static_cast<double>(all) / steps;
    return symmetric ? symmetric_params(largest > 0 ? largest * stretch : 1, bits, true, true)
                     : asymmetric_params(low, low + (high - low) * stretch, bits, is_signed);
  };
  QuantParams best = over(all);
  const std::vector<float> each = bits > 8 ? std::vector<float>() : different(values);
  double error = squared_error(each, best) * kWorthIt;
  for (int steps = all - 1; steps > all / 2 && error > 0; --steps) {
    const QuantParams other = over(steps);
    const double found = squared_error(each, other);
    if (found >= error) continue;
    error = found;
    best = other;
  }
  return best;
}

}  // namespace qc::quant
