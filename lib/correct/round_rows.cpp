// See round_rows.h. Rows are worked on in blocks, side by side; a trial is a copy of the block, and each of
// its rows that came out better is kept (keep_better()).
#include "correct/round_rows.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>

#include "base/parallel.h"
#include "correct/dense.h"
#include "quant/quant_params.h"

namespace qc::correct {
namespace {

using Vector = Eigen::VectorXd;
using Symmetric = Eigen::Map<const Matrix>;

// Of the mean diagonal. kDamping is GPTQ's (`percdamp`); kRidge only makes the solve for the target safe: how
// far the target is followed, held-out images say (kStrengths).
constexpr double kRidge = 1e-3, kDamping = 1e-2;
constexpr std::array kStrengths{0.0, 0.25, 0.5, 0.75, 1.0};
constexpr double kUnknownStrength = 0.5;  // where no images are left to choose by
constexpr std::array kShrinks{1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5};
constexpr int64_t kColumnBlock = 64;  // columns between two products of matrices
constexpr int kRefits = 2;            // of the scales of blocks, each with a descent
constexpr double kLeastScale = 0.25;  // of what it was; below, the fit has nothing to hold on to
constexpr double kLess = 1 - 1e-9;    // a loss has to fall by more than rounding noise

Symmetric view(const std::vector<double>& matrix, int64_t size) {
  return {matrix.data(), size, size};
}

// A ridge that makes the form positive definite whatever the statistics are.
double ridge(const Symmetric& h, double part) {
  const double mean = h.size() ? h.trace() / static_cast<double>(h.rows()) : 0;
  return mean > 0 ? part * mean : 1.0;
}

Matrix damped(const Symmetric& h, double part, double shrink) {
  Matrix matrix = (1 - shrink) * h;
  matrix.diagonal() = h.diagonal();
  matrix.diagonal().array() += ridge(h, part);
  return matrix;
}

Gram difference(const Gram& all, const Gram& part) {
  Gram rest = all;
  rest.samples -= part.samples;
  for (size_t i = 0; i < rest.quantized.size(); ++i) {
    rest.quantized[i] -= part.quantized[i];
    rest.lost[i] -= part.lost[i];
  }
  for (size_t i = 0; i < rest.skip.size(); ++i) rest.skip[i] -= part.skip[i];
  return rest;
}

bool can_judge(const Gram& all, const Gram& held_out) {
  return held_out.samples > 0 && held_out.samples < all.samples;
}

// What few images say of how inputs go together is partly chance, which the solvers would take for room to
// hide errors in. The part to take off all but the diagonal is the one that brings `fit` closest to what
// other images say (the least-squares way to the shrinkage of Ledoit and Wolf); chance falls as samples grow.
double shrinkage(const Gram& fit, const Gram& held_out) {
  const double by_fit = 1 / fit.samples, by_held_out = 1 / held_out.samples;
  double apart = 0, power = 0;
  for (int64_t i = 0; i < fit.size; ++i)
    for (int64_t j = 0; j < fit.size; ++j) {
      if (i == j) continue;
      const auto at = static_cast<size_t>(i * fit.size + j);
      const double f = by_fit * fit.quantized[at];
      apart += f * (f - by_held_out * held_out.quantized[at]);
      power += f * f;
    }
  return power > 0 ? std::clamp(apart / power, 0.0, 1.0) : 0.0;
}

// Where the target lies from the weights: T = W + strength * own + skip * D_skip.
struct Pull {
  Matrix own;   // the weights that give the float result from the quantized inputs: W D (H + ridge I)^-1, D
                // what inputs lost
  Matrix skip;  // and that make up for what the result is added to: E (H + ridge I)^-1; empty: nothing
};

void zero_unless_finite(Matrix& direction) {
  if (!direction.allFinite()) direction.setZero();
}

// Row blocks of a layer in parallel.
void each_block(int64_t rows, int64_t size, int threads,
                const std::function<void(int64_t index, int64_t first, int64_t count)>& work) {
  const int64_t together = rows_together(size);
  parallel_for((rows + together - 1) / together, threads,
               [&](int64_t b, int) { work(b, b * together, std::min(together, rows - b * together)); });
}

// As far as a ridge allows.
Pull pull(const Matrix& weights, const Gram& gram, double shrink, int threads) {
  const Symmetric h = view(gram.quantized, gram.size), lost = view(gram.lost, gram.size);
  const int64_t rows = weights.rows(), skips = gram.skip.empty() ? 0 : rows;
  Pull found{Matrix::Zero(rows, gram.size), Matrix::Zero(skips, gram.size)};
  Matrix factor = damped(h, kRidge, shrink);
  if (!factorise(factor, threads)) return found;
  const Symmetric e(gram.skip.data(), skips, gram.size);
  each_block(rows, gram.size, threads, [&](int64_t, int64_t first, int64_t count) {
    Matrix own = product(weights.middleRows(first, count), lost);
    solve(factor, own);
    found.own.middleRows(first, count) = own;
    if (skips == 0) return;
    Matrix skip = e.middleRows(first, count);
    solve(factor, skip);
    found.skip.middleRows(first, count) = skip;
  });
  zero_unless_finite(found.own);
  zero_unless_finite(found.skip);
  return found;
}

// The error on images that the directions have not seen, as a form in both strengths: s^T bend s - 2 slope s.
struct Parabola {
  double bend_own = 0, bend_both = 0, bend_skip = 0, slope_own = 0, slope_skip = 0;

  void add(const Parabola& other) {
    bend_own += other.bend_own;
    bend_both += other.bend_both;
    bend_skip += other.bend_skip;
    slope_own += other.slope_own;
    slope_skip += other.slope_skip;
  }
  double at(double own, double skip) const {
    return own * own * bend_own + 2 * own * skip * bend_both + skip * skip * bend_skip - 2 * own * slope_own -
           2 * skip * slope_skip;
  }
};

Parabola error_on(const Matrix& weights, const Pull& directions, const Gram& held_out, int threads) {
  const Symmetric h = view(held_out.quantized, held_out.size), lost = view(held_out.lost, held_out.size);
  const Symmetric e(held_out.skip.data(), directions.skip.rows(), held_out.size);
  std::vector<Parabola> by_block(weights.rows());
  each_block(weights.rows(), held_out.size, threads, [&](int64_t b, int64_t first, int64_t count) {
    const auto sum_of = [](const auto& x, const auto& y) { return x.cwiseProduct(y).sum(); };
    const auto own = directions.own.middleRows(first, count);
    const Matrix bent = product(own, h);
    Matrix sloped = product(weights.middleRows(first, count), lost);
    Parabola& found = by_block[b];
    if (directions.skip.size() > 0) {
      const auto skip = directions.skip.middleRows(first, count);
      sloped += e.middleRows(first, count);
      found.bend_both = sum_of(bent, skip);
      found.bend_skip = sum_of(product(skip, h), skip);
      found.slope_skip = sum_of(sloped, skip);
    }
    found.bend_own = sum_of(bent, own);
    found.slope_own = sum_of(sloped, own);
  });
  Parabola sum;
  for (const Parabola& block : by_block) sum.add(block);
  return sum;
}

// The strengths with the least error; that of the re-target is given or, below 0, free.
Trust chosen_strengths(const Parabola& error, double given, bool skips) {
  Trust best;
  double least = INFINITY;
  for (const double own : kStrengths)
    for (const double skip : kStrengths) {
      if (skip > 0 && !skips) continue;
      const double strength = given < 0 ? own : given, here = error.at(strength, skip);
      if (!(here < least)) continue;
      least = here;
      best = {strength, skip, 0};
    }
  return best;
}

Trust trust_of(const Matrix& weights, const Gram& all, const Gram& held_out, const RoundOptions& options,
               int threads) {
  if (!can_judge(all, held_out))
    return {options.retarget_auto ? kUnknownStrength : options.retarget_strength, 0, 0};
  const Gram fit = difference(all, held_out);
  const double of_fit = shrinkage(fit, held_out);
  const bool skips = !all.skip.empty();
  Trust trust{options.retarget_strength, 0, 0};
  if (options.retarget_auto || skips) {
    const Parabola error = error_on(weights, pull(weights, fit, of_fit, threads), held_out, threads);
    trust = chosen_strengths(error, options.retarget_auto ? -1 : options.retarget_strength, skips);
  }
  trust.shrink = of_fit * fit.samples / all.samples;
  return trust;
}

double snapped(double value, double scale, double low, double high, std::span<const int32_t> codebook) {
  const double level = value / scale;
  if (codebook.empty()) return std::clamp(std::nearbyint(level), low, high);
  return quant::nearest_of(codebook, level);
}

// Rows first .. first + count of a layer while their integers are looked for.
struct Block {
  Matrix target;                                    // count x size
  Matrix levels;                                    // integers, as doubles
  Matrix scale, low, high;                          // of each element
  Matrix gradient;                                  // (levels * scale - target) h, of the form
  Vector loss;                                      // by row
  std::vector<std::span<const int32_t>> codebooks;  // by row

  double nearest(int64_t r, int64_t j, double value) const {
    return snapped(value, scale(r, j), low(r, j), high(r, j), codebooks[r]);
  }
};

struct Form {
  Matrix h;                    // damped, in the order of the work
  Matrix lower;                // its Cholesky factor; empty if there is none
  std::vector<int64_t> order;  // order[k]: the column that stands at place k
};

// The largest diagonal goes first, and the nearest plane works from the last place to the first.
Form form_of(const Gram& gram, double shrink, int threads) {
  Form form;
  const Symmetric h = view(gram.quantized, gram.size);
  form.order.resize(gram.size);
  std::iota(form.order.begin(), form.order.end(), 0);
  std::stable_sort(form.order.begin(), form.order.end(),
                   [&](int64_t a, int64_t b) { return h(a, a) < h(b, b); });
  const double ridge_of = ridge(h, kDamping);
  form.h.resize(gram.size, gram.size);
  each_block(gram.size, gram.size, threads, [&](int64_t, int64_t first, int64_t count) {
    for (int64_t i = first; i < first + count; ++i) {
      const int64_t from = form.order[i];
      for (int64_t j = 0; j < gram.size; ++j) form.h(i, j) = (1 - shrink) * h(from, form.order[j]);
      form.h(i, i) = h(from, from) + ridge_of;
    }
  });
  form.lower = form.h;
  if (!factorise(form.lower, threads)) form.lower.resize(0, 0);
  return form;
}

Matrix errors_of(const Block& block) {
  return block.levels.cwiseProduct(block.scale) - block.target;
}

void measure_loss(Block& block) {
  block.loss = block.gradient.cwiseProduct(errors_of(block)).rowwise().sum();
}

void measure(const Form& form, Block& block) {
  block.gradient = product(errors_of(block), form.h);
  measure_loss(block);
}

void to_nearest(Block& block) {
  for (int64_t r = 0; r < block.target.rows(); ++r)
    for (int64_t j = 0; j < block.target.cols(); ++j)
      block.levels(r, j) = block.nearest(r, j, block.target(r, j));
}

void to_nearest_planes(const Form& form, Block& block) {
  const int64_t size = block.target.cols(), rows = block.target.rows();
  if (form.lower.size() == 0) return;
  Matrix errors = Matrix::Zero(rows, size);  // target - value
  for (int64_t end = size; end > 0; end -= std::min(end, kColumnBlock)) {
    const int64_t begin = std::max<int64_t>(0, end - kColumnBlock);
    const Matrix pending =
        product(errors.rightCols(size - end), form.lower.block(end, begin, size - end, end - begin));
    const Matrix along = form.lower.block(begin, begin, end - begin, end - begin).transpose();
    for (int64_t j = end - 1; j >= begin; --j)
      for (int64_t r = 0; r < rows; ++r) {
        double sum = pending(r, j - begin);
        for (int64_t k = j + 1; k < end; ++k) sum += errors(r, k) * along(j - begin, k - begin);
        const double wanted = block.target(r, j) + sum / along(j - begin, j - begin);
        block.levels(r, j) = block.nearest(r, j, wanted);
        errors(r, j) = block.target(r, j) - block.scale(r, j) * block.levels(r, j);
      }
  }
}

void descend(const Form& form, int64_t sweeps, Block& block) {
  const int64_t size = block.target.cols();
  for (int64_t r = 0; r < block.target.rows(); ++r) {
    for (int64_t sweep = 0; sweep < sweeps; ++sweep) {
      bool moved = false;
      for (int64_t j = 0; j < size; ++j) {
        const double old = block.levels(r, j), scale = block.scale(r, j);
        const double level = block.nearest(r, j, scale * old - block.gradient(r, j) / form.h(j, j));
        if (level == old) continue;
        block.levels(r, j) = level;
        block.gradient.row(r) += (level - old) * scale * form.h.row(j);
        moved = true;
      }
      if (!moved) break;
    }
  }
  measure_loss(block);
}

// Takes over the rows of `tried` whose loss is lower.
void keep_better(const Block& tried, Block& best) {
  for (int64_t r = 0; r < best.loss.size(); ++r) {
    if (!(tried.loss(r) < kLess * best.loss(r))) continue;
    best.levels.row(r) = tried.levels.row(r);
    best.scale.row(r) = tried.scale.row(r);
    best.gradient.row(r) = tried.gradient.row(r);
    best.loss(r) = tried.loss(r);
  }
}

void try_descent(const Form& form, int64_t sweeps, Block& best) {
  Block tried = best;
  descend(form, sweeps, tried);
  keep_better(tried, best);
}

// The scale, out of a few smaller than covering, that rounds to nearest with the least error weighted by the
// diagonal of the form.
double shrunk_scale(const Form& form, const Block& block, int64_t r, double smallest) {
  const double low = block.low(r, 0), high = block.high(r, 0);
  const double most = std::max(block.target.row(r).maxCoeff() / std::max(high, 1.0),
                               block.target.row(r).minCoeff() / std::min(low, -1.0));
  const std::span<const int32_t> codebook = block.codebooks[r];
  double best = block.scale(r, 0), least = -1;
  for (const double shrink : kShrinks) {
    const double scale = static_cast<double>(static_cast<float>(std::max(shrink * most, smallest)));
    if (!(scale > 0)) continue;
    double error = 0;
    for (int64_t j = 0; j < block.target.cols(); ++j) {
      const double e = block.target(r, j) - scale * snapped(block.target(r, j), scale, low, high, codebook);
      error += e * e * form.h(j, j);
    }
    if (least >= 0 && error >= least) continue;
    least = error;
    best = scale;
  }
  return best;
}

// The scale that fits the integers found: (z^T H t) / (z^T H z).
void refit_scales(const Form& form, const Vector& smallest, Block& block) {
  const Matrix along = product(block.levels, form.h);
  for (int64_t r = 0; r < block.scale.rows(); ++r) {
    const double bend = along.row(r).dot(block.levels.row(r));
    const double fitted = bend > 0 ? along.row(r).dot(block.target.row(r)) / bend : 0;
    if (!(fitted > 0) || !std::isfinite(fitted)) continue;
    const auto scale = static_cast<double>(static_cast<float>(std::max(fitted, smallest(r))));
    block.gradient.row(r) += (scale - block.scale(r, 0)) * along.row(r);
    block.scale.row(r).setConstant(scale);
  }
}

// The same for rows of several scales: one after the other, the rest of the row as it is; `columns`: those of
// each scale, in the order of the work.
void refit_blocks(const Form& form, const std::vector<std::vector<int64_t>>& columns, Block& block) {
  for (int64_t r = 0; r < block.scale.rows(); ++r)
    for (const std::vector<int64_t>& members : columns) {
      double bend = 0, slope = 0;
      for (const int64_t i : members) {
        double along = 0;
        for (const int64_t j : members) along += form.h(i, j) * block.levels(r, j);
        bend += along * block.levels(r, i);
        slope += block.gradient(r, i) * block.levels(r, i);
      }
      const double old = block.scale(r, members[0]);
      const double scale = bend > 0 ? static_cast<double>(static_cast<float>(old - slope / bend)) : old;
      if (!(scale > kLeastScale * old) || scale == old || !std::isfinite(scale)) continue;
      for (const int64_t j : members) {
        block.gradient.row(r) += (scale - old) * block.levels(r, j) * form.h.row(j);
        block.scale(r, j) = scale;
      }
    }
}

void try_refits(const Form& form, const Rows& rows, int64_t sweeps, Block& best) {
  std::vector<std::vector<int64_t>> columns(rows.blocks());
  for (size_t k = 0; k < form.order.size(); ++k)
    columns[form.order[k] / rows.block_size].push_back(static_cast<int64_t>(k));
  for (int round = 0; round < kRefits; ++round) {
    Block tried = best;
    refit_blocks(form, columns, tried);
    descend(form, sweeps, tried);
    keep_better(tried, best);
  }
}

void search_scales(const Form& form, const Vector& smallest, int64_t sweeps, Block& best) {
  Block tried = best;
  for (int64_t r = 0; r < tried.scale.rows(); ++r)
    tried.scale.row(r).setConstant(shrunk_scale(form, tried, r, smallest(r)));
  to_nearest_planes(form, tried);
  measure(form, tried);
  descend(form, sweeps, tried);
  keep_better(tried, best);
  tried = best;
  refit_scales(form, smallest, tried);
  descend(form, sweeps, tried);
  keep_better(tried, best);
}

void round_block(const Form& form, const Matrix& target, const Rows& rows, int64_t first, int64_t count,
                 const RoundOptions& options, Rounded& rounded) {
  const int64_t size = rows.size;
  Block block{Matrix(count, size), Matrix(count, size),
              Matrix(count, size), Matrix(count, size),
              Matrix(count, size), {},
              Vector(count),       {}};
  for (int64_t r = 0; r < count; ++r) block.codebooks.push_back(rows.codebook_of(first + r));
  Vector smallest(count);
  const auto scale_at = [&](int64_t r, int64_t element) {
    return static_cast<size_t>((first + r) * rows.blocks() +
                               (rows.block_size == 0 ? 0 : element / rows.block_size));
  };
  for (int64_t r = 0; r < count; ++r) {
    smallest(r) = static_cast<double>(rows.smallest[first + r]);
    for (int64_t j = 0; j < size; ++j) {
      const int64_t element = form.order[j];
      const size_t at = scale_at(r, element);
      block.target(r, j) = target(first + r, element);
      block.scale(r, j) = static_cast<double>(rows.scales[at]);
      block.low(r, j) = rows.low[at];
      block.high(r, j) = rows.high[at];
    }
  }
  const auto note = [&](std::vector<double>& to) {
    for (int64_t r = 0; r < count; ++r) to[first + r] = block.loss(r);
  };
  to_nearest(block);
  measure(form, block);
  note(rounded.nearest);
  Block planes = block;
  to_nearest_planes(form, planes);
  measure(form, planes);
  keep_better(planes, block);
  note(rounded.planes);
  try_descent(form, options.sweeps, block);
  if (rows.block_size > 0) try_refits(form, rows, options.sweeps, block);
  if (options.scale_search) search_scales(form, smallest, options.sweeps, block);
  note(rounded.descended);
  for (int64_t r = 0; r < count; ++r)
    for (int64_t j = 0; j < size; ++j) {
      const int64_t element = form.order[j];
      rounded.scales[scale_at(r, element)] = static_cast<float>(block.scale(r, j));
      rounded.integers[(first + r) * size + element] = static_cast<int32_t>(block.levels(r, j));
    }
}

// Without statistics of what that costs, which take as long as all the rest.
void round_to_nearest(const Rows& rows, const Matrix& target, std::vector<int32_t>& integers) {
  for (int64_t r = 0; r < rows.rows; ++r)
    for (int64_t j = 0; j < rows.size; ++j)
      integers[r * rows.size + j] = static_cast<int32_t>(snapped(
          target(r, j), static_cast<double>(rows.scales[r]), rows.low[r], rows.high[r], rows.codebook_of(r)));
}

}  // namespace

std::span<const int32_t> Rows::codebook_of(int64_t row) const {
  const std::span<const int32_t> all(codebook);
  return std::ssize(all) > codebook_size ? all.subspan(row * codebook_size, codebook_size) : all;
}

Rounded round_rows(const Rows& rows, const Gram& all, const Gram& held_out, const RoundOptions& options,
                   int threads) {
  const auto count = static_cast<size_t>(rows.rows);
  Rounded rounded{std::vector<int32_t>(rows.weights.size()),
                  rows.scales,
                  {},
                  std::vector<double>(count),
                  std::vector<double>(count),
                  std::vector<double>(count)};
  Matrix target(rows.rows, rows.size);
  for (int64_t i = 0; i < target.size(); ++i) target.data()[i] = static_cast<double>(rows.weights[i]);
  rounded.trust = options.trust ? *options.trust : trust_of(target, all, held_out, options, threads);
  const double shrink = rounded.trust.shrink;
  if (rounded.trust.strength > 0 || rounded.trust.skip > 0) {
    const Pull directions = pull(target, all, shrink, threads);
    target += rounded.trust.strength * directions.own;
    if (directions.skip.size() > 0) target += rounded.trust.skip * directions.skip;
  }
  if (options.nearest_only) {
    round_to_nearest(rows, target, rounded.integers);
    return rounded;
  }
  const Form form = form_of(all, shrink, threads);
  each_block(rows.rows, rows.size, threads, [&](int64_t, int64_t first, int64_t together) {
    round_block(form, target, rows, first, together, options, rounded);
  });
  return rounded;
}

}  // namespace qc::correct
