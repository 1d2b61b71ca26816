// See tensor_stats.h.
#include "plan/tensor_stats.h"

#include <cmath>

namespace qc::plan {

double Histogram::width() const { return std::ldexp(1.0, exponent); }
double Histogram::left_edge(size_t bin) const { return static_cast<double>(first_bin + static_cast<int64_t>(bin)) * width(); }
double Histogram::center(size_t bin) const { return left_edge(bin) + 0.5 * width(); }

}  // namespace qc::plan
