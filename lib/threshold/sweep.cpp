// See sweep.h.
//
// Let u = 1 / scale and h = floor(2 |x| u), at most twice the outermost level. While h of every value stands still, so
// do all levels z = (h + 1) / 2 and all signs of |x| - z * scale (even h: the value is above its level), and the error
// is a polynomial in the scale s: sum sign^p (|x| - z s)^p = sum over j of (p over j) (-s)^j M_j with the moments
// M_j = sum sign^p |x|^(p-j) z^j. h of a value steps at equally spaced u. So the changes of the moments at all steps of
// all values are dropped into narrow cells of u, and running sums over the cells give the error at every cell's edge;
// for p = 2 even the best scale for the levels at that edge, M_1 / M_2. A step dropped into a neighbouring cell, by
// rounding, does no harm: the error is continuous there.
#include "threshold/sweep.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "quant/vector_clones.h"

namespace qc::threshold {
namespace {

constexpr int kLanes = 16;
constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23, see quant_params.cpp
constexpr int kSharpCells = 512;
// Relative radius at which sharpening ends. A float32 scale is not finer than 1e-7; for squared errors much less will
// do, because few values step within the bracket and the best scale of each assignment comes in closed form.
constexpr double kSharpSquared = 1e-5, kSharpOther = 1e-7;

constexpr int kMoments = kSweptPower + 1;

/// Moments at the left edge of the bracket, then changes by cell.
struct Moment {
  double m[kMoments] = {};
};

struct Work {
  const float* x;
  const double* weight;
  int64_t count;
  float negative, positive;  // outermost levels of either side
  double begin, end;         // of u
  double* cells;             // p + 1 moments each
  double cells_per_u;
  int64_t last_cell;
};

inline __attribute__((always_inline)) float floor_of(float v) { return ((v - 0.5f) + kRounder) - kRounder; }

/// Adds the steps from `h` to `end` of one value. With even p only steps to odd h count, where the level changes.
template <int p>
inline __attribute__((always_inline)) void drop_steps(const Work& work, double x, double weight, int h, int end) {
  constexpr int stride = p % 2 == 0 ? 2 : 1;
  double scaled[p + 1];  // weight * x^(p-j)
  scaled[p] = weight;
  for (int j = p; j > 0; --j) scaled[j - 1] = scaled[j] * x;
  int next = h + 1;
  if (stride == 2 && next % 2 == 0) ++next;
  const double distance = work.cells_per_u / (2 * x);
  double cell = std::max(0.0, next * distance - work.begin * work.cells_per_u);
  for (; next <= end; next += stride, cell += stride * distance) {
    double* moments = work.cells + std::min(static_cast<int64_t>(cell), work.last_cell) * (p + 1);
    const int level = (next + 1) / 2;
    double now = 1, then = 1;  // powers of the level after and before the step
    for (int j = 0; j <= p; ++j, now *= level, then *= level - 1) {
      const double step = p % 2 == 0 ? now - then : next % 2 == 0 ? 2 * now : -now - then;
      if (p % 2 != 0 || j > 0) moments[j] += scaled[j] * step;
    }
  }
}

/// Drops the steps of all values into the cells; returns the moments at the left edge.
template <int p, bool weighted>
inline __attribute__((always_inline)) void drop_all(const Work& work, Moment* sums) {
  const auto begin = static_cast<float>(2 * work.begin), end = static_cast<float>(2 * work.end);
  double lanes[p + 1][kLanes] = {};
  for (int64_t start = 0; start < work.count; start += kLanes) {
    const int64_t here = std::min<int64_t>(kLanes, work.count - start);
    float value[kLanes] = {};
    double weight[kLanes] = {};
    std::memcpy(value, work.x + start, static_cast<size_t>(here) * sizeof(float));
    if (weighted) std::memcpy(weight, work.weight + start, static_cast<size_t>(here) * sizeof(double));
    float x[kLanes], h[kLanes], last[kLanes];
    float moved = 0;
    for (int l = 0; l < kLanes; ++l) {
      x[l] = value[l] < 0 ? -value[l] : value[l];
      const float top = 2 * (value[l] < 0 ? work.negative : work.positive);
      const float a = x[l] * begin, b = x[l] * end;
      h[l] = floor_of(a < top ? a : top);
      last[l] = floor_of(b < top ? b : top);
      h[l] = h[l] > 0 ? h[l] : 0;
    }
    for (int l = 0; l < kLanes; ++l) moved += last[l] > h[l] ? 1.0f : 0.0f;
    double term[kLanes], level[kLanes];
    for (int l = 0; l < kLanes; ++l) {
      level[l] = static_cast<double>(floor_of((h[l] + 1.5f) * 0.5f));
      const bool below = p % 2 != 0 && h[l] - 2 * floor_of(h[l] * 0.5f + 0.25f) > 0.5f;
      term[l] = (below ? -1.0 : 1.0) * (weighted ? weight[l] : 1.0);
    }
    for (int j = 0; j <= p; ++j)  // from z^0 x^p on; `term` holds sign * weight * z^j
      for (int l = 0; l < kLanes; ++l) {
        double moment = term[l];
        for (int k = j; k < p; ++k) moment *= static_cast<double>(x[l]);
        lanes[j][l] += moment;
        term[l] *= level[l];
      }
    if (moved == 0) continue;
    for (int l = 0; l < kLanes; ++l)
      if (last[l] > h[l])
        drop_steps<p>(work, static_cast<double>(x[l]), weighted ? weight[l] : 1.0, static_cast<int>(h[l]),
                      static_cast<int>(last[l]));
  }
  for (int j = 0; j <= p; ++j)
    for (int l = 0; l < kLanes; ++l) sums->m[j] += lanes[j][l];
}

using Drop = void (*)(const Work&, Moment*);
QC_VECTOR_CLONES void drop_1(const Work& work, Moment* sums) { drop_all<1, false>(work, sums); }
QC_VECTOR_CLONES void drop_2(const Work& work, Moment* sums) { drop_all<2, false>(work, sums); }
QC_VECTOR_CLONES void drop_3(const Work& work, Moment* sums) { drop_all<3, false>(work, sums); }
QC_VECTOR_CLONES void drop_4(const Work& work, Moment* sums) { drop_all<4, false>(work, sums); }
QC_VECTOR_CLONES void drop_weighted_1(const Work& work, Moment* sums) { drop_all<1, true>(work, sums); }
QC_VECTOR_CLONES void drop_weighted_2(const Work& work, Moment* sums) { drop_all<2, true>(work, sums); }
QC_VECTOR_CLONES void drop_weighted_3(const Work& work, Moment* sums) { drop_all<3, true>(work, sums); }
QC_VECTOR_CLONES void drop_weighted_4(const Work& work, Moment* sums) { drop_all<4, true>(work, sums); }
constexpr Drop kDrop[2][kSweptPower] = {{drop_1, drop_2, drop_3, drop_4},
                                        {drop_weighted_1, drop_weighted_2, drop_weighted_3, drop_weighted_4}};

/// p = 2: the best that the levels at this edge can do. Other p: the error at the edge.
Valley bottom_of(const Moment& sums, double u, int p) {
  const double* m = sums.m;
  if (p == 2) return m[2] > 0 ? Valley{m[1] / m[2], m[0] - m[1] * m[1] / m[2], 0} : Valley{1 / u, m[0], 0};
  constexpr double kBinomial[kMoments][kMoments] = {{1}, {1, 1}, {1, 2, 1}, {1, 3, 3, 1}, {1, 4, 6, 4, 1}};
  double error = 0;
  for (int j = p; j >= 0; --j) error = kBinomial[p][j] * m[j] - error / u;
  return {1 / u, error, 0};
}

}  // namespace

std::vector<Valley> sweep(const Series& series, int64_t low, int64_t high, const Bracket& bracket, int cells, int p,
                          size_t count) {
  thread_local std::vector<double> storage;
  const auto stride = static_cast<size_t>(p) + 1;
  storage.assign((static_cast<size_t>(cells) + 1) * stride, 0.0);
  Work work{series.x.data(),
            series.weight.data(),
            static_cast<int64_t>(series.x.size()),
            static_cast<float>(-low),
            static_cast<float>(high),
            1 / bracket.largest,
            1 / bracket.smallest,
            storage.data(),
            0,
            cells};
  work.cells_per_u = cells / (work.end - work.begin);
  Moment sums;
  kDrop[series.weight.empty() ? 0 : 1][p - 1](work, &sums);

  thread_local std::vector<Valley> edges;
  edges.clear();
  for (int i = 0; i <= cells; ++i) {
    edges.push_back(bottom_of(sums, work.begin + i / work.cells_per_u, p));
    for (size_t j = 0; j < stride; ++j) sums.m[j] += storage[static_cast<size_t>(i) * stride + j];
  }
  std::vector<Valley> valleys;
  const size_t n = edges.size();
  for (size_t i = 0; i < n; ++i) {
    if ((i > 0 && edges[i].error >= edges[i - 1].error) || (i + 1 < n && edges[i].error > edges[i + 1].error)) continue;
    edges[i].radius = 1.5 * bracket.largest / work.cells_per_u;
    valleys.push_back(edges[i]);
  }
  const size_t kept = std::min(count, valleys.size());
  std::partial_sort(valleys.begin(), valleys.begin() + static_cast<std::ptrdiff_t>(kept), valleys.end(),
                    [](const Valley& a, const Valley& b) { return a.error != b.error ? a.error < b.error : a.scale > b.scale; });
  valleys.resize(kept);
  return valleys;
}

Valley sharpen(const Series& series, int64_t low, int64_t high, const Valley& valley, int p) {
  Valley best = valley;
  while (best.radius > (p == 2 ? kSharpSquared : kSharpOther)) {
    const Bracket bracket{best.scale * (1 - best.radius), best.scale * (1 + best.radius)};
    const Valley next = sweep(series, low, high, bracket, kSharpCells, p, 1)[0];
    if (next.error < best.error) best = next;
    best.radius = next.radius;
  }
  return best;
}

}  // namespace qc::threshold
