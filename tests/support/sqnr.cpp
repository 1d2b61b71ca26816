// See sqnr.h. Written apart from lib/simulate/fidelity, which tests judge with it.
#include "support/sqnr.h"

#include <algorithm>
#include <cmath>

#include "base/decibels.h"

namespace qc::test {

double sqnr_db(std::span<const ir::Tensor> expected, std::span<const ir::Tensor> found) {
  constexpr double kWrong = -1000;
  if (expected.size() != found.size()) return kWrong;
  double signal = 0, noise = 0;
  for (size_t t = 0; t < expected.size(); ++t) {
    if (expected[t].dims != found[t].dims) return kWrong;
    for (size_t i = 0; i < expected[t].as<float>().size(); ++i) {
      const double e = expected[t].as<float>()[i], d = e - found[t].as<float>()[i];
      signal += e * e;
      noise += d * d;
    }
  }
  return std::isfinite(noise) ? decibels(signal / std::max(noise, 1e-30)) : kWrong;
}

double sqnr_db(const ir::Tensor& expected, const ir::Tensor& found) {
  return sqnr_db(std::span(&expected, 1), std::span(&found, 1));
}

}  // namespace qc::test
