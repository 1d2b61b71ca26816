// Ratios of powers as people read them, and back.
#pragma once

#include <cmath>

namespace qc {

/// What stands for a signal without noise, and the most that any figure says.
constexpr double kExactDb = 200;

/// 10 log10 of signal over noise, both powers; of noise over signal: its negative. Not bounded.
inline double decibels(double ratio) {
  return 10 * std::log10(ratio);
}

/// The ratio of noise to signal that is `db` decibels below the signal.
inline double noise_of_db(double db) {
  return std::pow(10, -db / 10);
}

}  // namespace qc
