// See sweep.h.
//
// Let u = 1 / scale and h = floor(2 |x| u), at most twice the outermost level. While h of every value stands
// still, so do all levels z = (h + 1) / 2 and all signs of |x| - z * scale (even h: the value is above its
// level), and the error is a polynomial in the scale s: sum sign^p (|x| - z s)^p = sum over j of (p over j)
// (-s)^j M_j with the moments M_j = sum sign^p |x|^(p-j) z^j. h of a value steps at equally spaced u. So the
// changes of the moments at all steps of all values are dropped into narrow cells of u, and running sums over
// the cells give the error at every cell's edge; for p = 2 even the best scale for the levels at that edge,
// M_1 / M_2. A step dropped into a neighbouring cell, by rounding, does no harm: the error is continuous
// there.
#include "threshold/sweep.h"

#include <algorithm>
#include <cmath>

#include "base/vector_clones.h"
#include "quant/rounding.h"

namespace qc::threshold {
namespace {

constexpr int kLanes = 16;
constexpr int64_t kFewestCells = 64, kMostCells = 4096;  // of a sharpening sweep
// Relative radius at which sharpening ends. A float32 scale is not finer than 1e-7; for squared errors much
// less will do, because few values step within the bracket and the best scale of each assignment comes in
// closed form.
constexpr double kSharpSquared = 1e-5, kSharpOther = 1e-7;

constexpr int kMoments = kSweptPower + 1;

/// Moments at the left edge of the bracket, then changes by cell.
struct Moment {
  double m[kMoments] = {};
};

/// A bracket cut into cells, and the values whose steps are dropped into them.
struct BracketCells {
  const float* x;
  const double* weight;
  int64_t count;
  float negative, positive;  // outermost levels of either side
  double begin, end;         // of u
  double* cells;             // see kStride
  double cells_per_u;
  int64_t last_cell;
};

inline __attribute__((always_inline)) float floor_of(float v) {
  return quant::round_half_even(v - 0.5f);
}

/// A cell holds the changes of M_0..M_p; with p = 2, where M_0 does not change, of M_1 and M_2.
template <int p>
constexpr int kStride = p == 2 ? 2 : p + 1;

/// Adds the steps from `h` to `end` of one value. With even p only steps to odd h count, where the level
/// changes.
template <int p>
inline __attribute__((always_inline)) void drop_steps(const BracketCells& cut, double x, double weight, int h,
                                                      int end) {
  constexpr int kStep = p % 2 == 0 ? 2 : 1;
  double* const cells = cut.cells;
  const int64_t last_cell = cut.last_cell;
  int next = h + 1;
  if (kStep == 2 && next % 2 == 0) ++next;
  const double distance = cut.cells_per_u / (2 * x);
  double cell = std::max(0.0, next * distance - cut.begin * cut.cells_per_u);
  const auto here = [&] { return cells + std::min(static_cast<int64_t>(cell), last_cell) * kStride<p>; };
  if constexpr (p == 2) {
    const double cross = weight * x;
    double levels = weight * next;  // z^2 - (z-1)^2 = 2 z - 1
    for (; next <= end; next += 2, cell += 2 * distance, levels += 2 * weight) {
      double* moments = here();
      moments[0] += cross;
      moments[1] += levels;
    }
  } else {
    double scaled[p + 1];  // weight * x^(p-j)
    scaled[p] = weight;
    for (int j = p; j > 0; --j) scaled[j - 1] = scaled[j] * x;
    for (; next <= end; next += kStep, cell += kStep * distance) {
      double* moments = here();
      const int level = (next + 1) / 2;
      double now = 1, then = 1;  // powers of the level after and before the step
      for (int j = 0; j <= p; ++j, now *= level, then *= level - 1)
        moments[j] += scaled[j] * (p % 2 == 0 ? now - then : next % 2 == 0 ? 2 * now : -now - then);
    }
  }
}

/// kLanes values: their moments at the left edge, and their steps.
template <int p, bool weighted>
inline __attribute__((always_inline)) void drop_block(const BracketCells& cut, const float* value,
                                                      const double* weight, double (&lanes)[p + 1][kLanes]) {
  const auto begin = static_cast<float>(2 * cut.begin), end = static_cast<float>(2 * cut.end);
  float x[kLanes], h[kLanes], last[kLanes], above[kLanes];
  for (int l = 0; l < kLanes; ++l) {
    x[l] = value[l] < 0 ? -value[l] : value[l];
    const float top = 2 * (value[l] < 0 ? cut.negative : cut.positive);
    const float a = x[l] * begin, b = x[l] * end;
    h[l] = floor_of(a < top ? a : top);
    last[l] = floor_of(b < top ? b : top);
    h[l] = h[l] > 0 ? h[l] : 0;
    above[l] = p % 2 == 0 ? 1 : 1 - 2 * (h[l] - 2 * floor_of(h[l] * 0.5f + 0.25f));  // -1 for odd h
  }
  for (int l = 0; l < kLanes; ++l) {
    const auto wide = static_cast<double>(x[l]), z = static_cast<double>(floor_of((h[l] + 1.5f) * 0.5f));
    const double w = weighted ? weight[l] : 1.0;
    if constexpr (p == 2) {
      lanes[0][l] += w * wide * wide;
      lanes[1][l] += w * wide * z;
      lanes[2][l] += w * z * z;
    } else {
      double term = static_cast<double>(above[l]) * w;
      for (int j = 0; j <= p; ++j, term *= z) {
        double moment = term;
        for (int k = j; k < p; ++k) moment *= wide;
        lanes[j][l] += moment;
      }
    }
  }
  int moved = 0;
  for (int l = 0; l < kLanes; ++l) moved |= last[l] > h[l] ? 1 : 0;
  if (moved == 0) return;
  for (int l = 0; l < kLanes; ++l)
    if (last[l] > h[l])
      drop_steps<p>(cut, static_cast<double>(x[l]), weighted ? weight[l] : 1.0, static_cast<int>(h[l]),
                    static_cast<int>(last[l]));
}

/// Drops the steps of all values into the cells; gives the moments at the left edge.
template <int p, bool weighted>
inline __attribute__((always_inline)) void drop_all(const BracketCells& cut, Moment* sums) {
  double lanes[p + 1][kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= cut.count; i += kLanes) drop_block<p, weighted>(cut, cut.x + i, cut.weight + i, lanes);
  float value[kLanes] = {};
  double weight[kLanes] = {};
  for (int64_t l = 0; i + l < cut.count; ++l) {
    value[l] = cut.x[i + l];
    if (weighted) weight[l] = cut.weight[i + l];
  }
  drop_block<p, weighted>(cut, value, weight, lanes);
  for (int j = 0; j <= p; ++j)
    for (int l = 0; l < kLanes; ++l) sums->m[j] += lanes[j][l];
}

using Drop = void (*)(const BracketCells&, Moment*);
QC_VECTOR_CLONES void drop_1(const BracketCells& cut, Moment* sums) {
  drop_all<1, false>(cut, sums);
}
QC_VECTOR_CLONES void drop_2(const BracketCells& cut, Moment* sums) {
  drop_all<2, false>(cut, sums);
}
QC_VECTOR_CLONES void drop_3(const BracketCells& cut, Moment* sums) {
  drop_all<3, false>(cut, sums);
}
QC_VECTOR_CLONES void drop_4(const BracketCells& cut, Moment* sums) {
  drop_all<4, false>(cut, sums);
}
QC_VECTOR_CLONES void drop_weighted_1(const BracketCells& cut, Moment* sums) {
  drop_all<1, true>(cut, sums);
}
QC_VECTOR_CLONES void drop_weighted_2(const BracketCells& cut, Moment* sums) {
  drop_all<2, true>(cut, sums);
}
QC_VECTOR_CLONES void drop_weighted_3(const BracketCells& cut, Moment* sums) {
  drop_all<3, true>(cut, sums);
}
QC_VECTOR_CLONES void drop_weighted_4(const BracketCells& cut, Moment* sums) {
  drop_all<4, true>(cut, sums);
}
constexpr Drop kDrop[2][kSweptPower] = {{drop_1, drop_2, drop_3, drop_4},
                                        {drop_weighted_1, drop_weighted_2, drop_weighted_3, drop_weighted_4}};

/// The error at every cell's edge and the scale where it is: for p = 2 the best scale for the levels at that
/// edge, for other p the edge itself.
struct Edges {
  std::vector<double> error, scale;

  void resize(int cells) {
    error.resize(static_cast<size_t>(cells) + 1);
    scale.resize(error.size());
  }
};

QC_VECTOR_CLONES void best_squared(double squares, double edge, int64_t count,
                                   double* __restrict cross_to_error, double* __restrict levels_to_scale) {
  for (int64_t i = 0; i < count; ++i) {
    const double cross = cross_to_error[i], levels = levels_to_scale[i];
    const double scale = levels > 0 ? cross / levels : edge;
    cross_to_error[i] = squares - cross * (levels > 0 ? scale : 0.0);
    levels_to_scale[i] = scale;
  }
}

void find_squared_edges(const BracketCells& cut, const Moment& sums, Edges& edges) {
  double cross = sums.m[1], levels = sums.m[2];
  const double* change = cut.cells;
  for (size_t i = 0; i < edges.error.size(); ++i, change += kStride<2>) {
    edges.error[i] = cross;
    edges.scale[i] = levels;
    cross += change[0];
    levels += change[1];
  }
  best_squared(sums.m[0], 1 / cut.begin, static_cast<int64_t>(edges.error.size()), edges.error.data(),
               edges.scale.data());
}

void find_edges(const BracketCells& cut, Moment sums, int p, Edges& edges) {
  constexpr double kBinomial[kMoments][kMoments] = {{1}, {1, 1}, {1, 2, 1}, {1, 3, 3, 1}, {1, 4, 6, 4, 1}};
  const double* change = cut.cells;
  double* m = sums.m;
  for (size_t i = 0; i < edges.error.size(); ++i) {
    const double scale = 1 / (cut.begin + static_cast<double>(i) / cut.cells_per_u);
    double error = 0;
    for (int j = p; j >= 0; --j) error = kBinomial[p][j] * m[j] - error * scale;
    edges.error[i] = error;
    edges.scale[i] = scale;
    for (int j = 0; j <= p; ++j) m[j] += *change++;
  }
}

}  // namespace

std::vector<Valley> sweep(const Series& series, int64_t low, int64_t high, const Bracket& bracket, int cells,
                          int p, size_t count) {
  thread_local std::vector<double> storage;
  const auto stride = static_cast<size_t>(p == 2 ? kStride<2> : p + 1);
  storage.assign((static_cast<size_t>(cells) + 1) * stride, 0.0);
  BracketCells cut{series.x.data(),
                   series.weight.data(),
                   static_cast<int64_t>(series.x.size()),
                   static_cast<float>(-low),
                   static_cast<float>(high),
                   1 / bracket.largest,
                   1 / bracket.smallest,
                   storage.data(),
                   0,
                   cells};
  cut.cells_per_u = cells / (cut.end - cut.begin);
  Moment sums;
  kDrop[series.weight.empty() ? 0 : 1][p - 1](cut, &sums);

  thread_local Edges edges;
  edges.resize(cells);
  if (p == 2)
    find_squared_edges(cut, sums, edges);
  else
    find_edges(cut, sums, p, edges);
  std::vector<Valley> valleys;
  const std::vector<double>& error = edges.error;
  const double radius = 1.5 * bracket.largest / cut.cells_per_u;
  for (size_t i = 0; i < error.size(); ++i)
    if ((i == 0 || error[i] < error[i - 1]) && (i + 1 == error.size() || error[i] <= error[i + 1]))
      valleys.push_back({edges.scale[i], error[i], radius});
  const size_t kept = std::min(count, valleys.size());
  std::partial_sort(valleys.begin(), valleys.begin() + static_cast<std::ptrdiff_t>(kept), valleys.end(),
                    [](const Valley& a, const Valley& b) {
                      return a.error != b.error ? a.error < b.error : a.scale > b.scale;
                    });
  valleys.resize(kept);
  return valleys;
}

Valley sharpen(const Series& series, int64_t low, int64_t high, const Valley& valley, int p) {
  Valley best = valley;
  const int64_t cells = std::clamp(static_cast<int64_t>(series.x.size()) / 4, kFewestCells, kMostCells);
  while (best.radius > (p == 2 ? kSharpSquared : kSharpOther)) {
    const Bracket bracket{best.scale * (1 - best.radius), best.scale * (1 + best.radius)};
    const Valley next = sweep(series, low, high, bracket, static_cast<int>(cells), p, 1)[0];
    if (next.error < best.error) best = next;
    best.radius = next.radius;
  }
  return best;
}

}  // namespace qc::threshold
