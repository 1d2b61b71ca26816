// FULLY_CONNECTED and BATCH_MATMUL.
#include <algorithm>

#include "tflite/kernels.h"
#include "tflite/requantize.h"

namespace qc::tflite::kernels {
namespace {

// rows x depth times (columns x depth) transposed: sink(row * columns + column, column, sum)
template <typename Sum, typename T, typename Sink>
void multiply_rows(const T* a, const T* b, int64_t rows, int64_t depth, int64_t columns, Sink sink) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      const T *x = a + r * depth, *y = b + c * depth;
      Sum sum = 0;
      for (int64_t i = 0; i < depth; ++i) sum += static_cast<Sum>(x[i] * y[i]);
      sink(r * columns + c, c, sum);
    }
  }
}

void fully_connected(const Call& call) {
  require_inputs(call, 2);
  const Value &x = *call.in[0], &weights = *call.in[1];
  const Value* bias = call.in.size() > 2 ? call.in[2] : nullptr;
  require(call, weights.shape().size() == 2 && weights.shape()[1] > 0, "its weights are no matrix");
  const int64_t columns = weights.shape()[0], depth = weights.shape()[1], rows = x.size() / depth;
  require(call, x.size() == rows * depth && call.out[0]->size() == rows * columns, "its shapes do not fit");
  if (file::text_option(call.op, "weights_format", "DEFAULT") != "DEFAULT") refuse(call, "shuffled weights");
  if (is_8_bit(x)) {
    const Requantizer requantize = weighted_requantizer(call, x, weights, bias, columns);
    const std::vector<int16_t> in = centered(x), w = centered(weights);
    std::vector<int32_t> out(rows * columns);
    multiply_rows<int32_t>(
        in.data(), w.data(), rows, depth, columns,
        [&](int64_t at, int64_t channel, int32_t sum) { out[at] = requantize(sum, channel); });
    return store(*call.out[0], out);
  }
  if (!is_float(x) || !is_float(weights) || !is_float(*call.out[0]) || (bias && !is_float(*bias)))
    refuse(call, x.about->type + " with " + weights.about->type + " weights");
  const std::span<const float> offsets = bias ? bias->as<float>() : std::span<const float>();
  require(call, !bias || offsets.size() == static_cast<size_t>(columns), "its bias has another size");
  const FloatBounds bounds = float_bounds(call);
  const std::span<float> out = call.out[0]->out<float>();
  multiply_rows<double>(x.as<float>().data(), weights.as<float>().data(), rows, depth, columns,
                        [&](int64_t at, int64_t channel, double sum) {
                          const float offset = offsets.empty() ? 0.0f : offsets[channel];
                          out[at] = std::clamp(static_cast<float>(sum) + offset, bounds.low, bounds.high);
                        });
}

// The last two dimensions as (outer, depth), so that both sides of a product run along their rows.
struct Side {
  std::vector<int64_t> batch;
  int64_t outer = 1, depth = 1;
};

Side side_of(const Value& value, bool depth_first) {
  const auto& shape = value.shape();
  Side side{{shape.begin(), shape.end() - 2}, shape[shape.size() - 2], shape.back()};
  if (depth_first) std::swap(side.outer, side.depth);
  return side;
}

template <typename T>
std::vector<T> rows_along_depth(const T* from, const Side& side, int64_t matrices, bool depth_first) {
  std::vector<T> rows(from, from + matrices * side.outer * side.depth);
  if (!depth_first) return rows;
  for (int64_t m = 0; m < matrices; ++m) {
    const int64_t base = m * side.outer * side.depth;
    for (int64_t o = 0; o < side.outer; ++o) {
      for (int64_t d = 0; d < side.depth; ++d)
        rows[base + o * side.depth + d] = from[base + d * side.outer + o];
    }
  }
  return rows;
}

// Which matrix of a side belongs to result `index`: dimensions of size 1 repeat.
int64_t matrix_of(int64_t index, const std::vector<int64_t>& batch, const std::vector<int64_t>& results) {
  int64_t at = 0, stride = 1;
  for (size_t i = results.size(); i-- > 0; index /= results[i]) {
    const size_t behind = results.size() - i;
    if (behind > batch.size()) continue;
    const int64_t size = batch[batch.size() - behind];
    at += size == 1 ? 0 : index % results[i] * stride;
    stride *= size;
  }
  return at;
}

template <typename Sum, typename T, typename Sink>
void multiply_batches(const Call& call, const T* a, const T* b, Sink sink) {
  const bool a_flipped = file::int_option(call.op, "adj_x"), b_flipped = !file::int_option(call.op, "adj_y");
  const Side left = side_of(*call.in[0], a_flipped), right = side_of(*call.in[1], b_flipped);
  const auto& out = call.out[0]->shape();
  const std::vector<int64_t> results(out.begin(), out.end() - 2);
  const int64_t left_count = ir::element_count(left.batch), right_count = ir::element_count(right.batch);
  const auto fits = [&](const std::vector<int64_t>& batch) {
    if (batch.size() > results.size()) return false;
    for (size_t i = 1; i <= batch.size(); ++i) {
      const int64_t size = batch[batch.size() - i];
      if (size != 1 && size != results[results.size() - i]) return false;
    }
    return true;
  };
  require(call,
          left.depth == right.depth && fits(left.batch) && fits(right.batch) &&
              out[out.size() - 2] == left.outer && out.back() == right.outer,
          "its shapes do not fit");
  const std::vector<T> x = rows_along_depth(a, left, left_count, a_flipped),
                       y = rows_along_depth(b, right, right_count, b_flipped);
  for (int64_t m = 0; m < ir::element_count(results); ++m) {
    const int64_t base = m * left.outer * right.outer;
    multiply_rows<Sum>(x.data() + matrix_of(m, left.batch, results) * left.outer * left.depth,
                       y.data() + matrix_of(m, right.batch, results) * right.outer * right.depth, left.outer,
                       left.depth, right.outer,
                       [&](int64_t at, int64_t, Sum sum) { sink(static_cast<size_t>(base + at), sum); });
  }
}

void batch_matmul(const Call& call) {
  require_inputs(call, 2);
  const Value &a = *call.in[0], &b = *call.in[1];
  require(call, a.shape().size() >= 2 && b.shape().size() >= 2 && call.out[0]->shape().size() >= 2,
          "it needs matrices");
  if (all_8_bit(call, 2)) {
    const Multiplier by = multiplier_of(double{a.scale() * b.scale()} / double{call.out[0]->scale()});
    const Bounds bounds = integer_bounds(call);
    const std::vector<int16_t> x = centered(a), y = centered(b);
    std::vector<int32_t> out(call.out[0]->size());
    multiply_batches<int32_t>(call, x.data(), y.data(), [&](size_t at, int32_t sum) {
      out[at] = within(multiply(sum, by, Rounding::kDouble), call.out[0]->zero_point(), bounds);
    });
    return store(*call.out[0], out);
  }
  if (!is_float(a) || !is_float(b) || !is_float(*call.out[0]))
    refuse(call, a.about->type + " with " + b.about->type);
  const std::span<float> out = call.out[0]->out<float>();
  multiply_batches<double>(call, a.as<float>().data(), b.as<float>().data(),
                           [&](size_t at, double sum) { out[at] = static_cast<float>(sum); });
}

constexpr KernelRow kRows[] = {{"FULLY_CONNECTED", fully_connected}, {"BATCH_MATMUL", batch_matmul}};

}  // namespace

std::span<const KernelRow> matrix_kernels() {
  return kRows;
}

}  // namespace qc::tflite::kernels
