// Sums, means and extremes over axes; softmax and arg max along the last one.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "tflite/kernels.h"

namespace qc::tflite::kernels {
namespace {

// For every element of the input the element of the output that it goes to, and how many share one.
struct Reduction {
  std::vector<int64_t> to;
  int64_t count = 1;
};

Reduction reduction_of(const Call& call) {
  require_inputs(call, 2);
  const auto& shape = call.in[0]->shape();
  std::vector<bool> reduced(shape.size(), false);
  for (const int64_t axis : integers(*call.in[1])) reduced[axis_of(call, axis, shape.size())] = true;
  Reduction result;
  std::vector<int64_t> strides(shape.size(), 0), counter(shape.size(), 0);
  int64_t outputs = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (reduced[i]) {
      result.count *= shape[i];
    } else {
      strides[i] = outputs;
      outputs *= shape[i];
    }
  }
  require(call, outputs == call.out[0]->size(), "its output has another size");
  result.to.resize(call.in[0]->size());
  int64_t at = 0;
  for (int64_t& entry : result.to) {
    entry = at;
    for (size_t d = shape.size(); d-- > 0;) {
      at += strides[d];
      if (++counter[d] < shape[d]) break;
      at -= strides[d] * shape[d];
      counter[d] = 0;
    }
  }
  return result;
}

template <typename T, typename From, typename Fold>
std::vector<T> folded(const Reduction& reduction, const From& values, size_t outputs, T start, Fold fold) {
  std::vector<T> results(outputs, start);
  for (size_t i = 0; i < reduction.to.size(); ++i) {
    T& result = results[reduction.to[i]];
    result = fold(result, static_cast<T>(values[i]));
  }
  return results;
}

void store_floats(const Call& call, const std::vector<double>& results) {
  std::transform(results.begin(), results.end(), call.out[0]->out<float>().begin(),
                 [](double x) { return static_cast<float>(x); });
}

void require_floats(const Call& call) {
  if (!is_float(*call.in[0]) || !is_float(*call.out[0])) refuse(call, "type " + call.in[0]->about->type);
}

// The number of elements is divided out of the mantissa, with as many bits as there is room for.
Multiplier divided(Multiplier by, int64_t count) {
  int shift = std::countl_zero(static_cast<uint64_t>(count)) ^ 63;
  shift = std::min(std::min(shift, 32), 31 + by.shift);
  return {static_cast<int32_t>((int64_t{by.mantissa} << shift) / count), by.shift - shift};
}

void mean(const Call& call) {
  const Reduction reduction = reduction_of(call);
  const auto outputs = static_cast<size_t>(call.out[0]->size());
  const auto plus = [](auto a, auto b) { return a + b; };
  if (!all_8_bit(call, 1)) {
    require_floats(call);
    std::vector<double> sums = folded(reduction, call.in[0]->as<float>(), outputs, 0.0, plus);
    for (double& sum : sums) sum /= static_cast<double>(std::max<int64_t>(1, reduction.count));
    return store_floats(call, sums);
  }
  const Value &in = *call.in[0], &out = *call.out[0];
  const Multiplier by =
      divided(multiplier_of(double{in.scale()} / double{out.scale()}), std::max<int64_t>(1, reduction.count));
  const std::vector<int64_t> sums = folded(reduction, integers(in), outputs, int64_t{0}, plus);
  std::vector<int32_t> results;
  for (const int64_t sum : sums) {
    const auto centred = static_cast<int32_t>(sum - reduction.count * in.zero_point());
    const int64_t result = int64_t{multiply(centred, by, call.rounding)} + out.zero_point();
    results.push_back(static_cast<int32_t>(std::clamp(result, lowest(out), highest(out))));
  }
  store(*call.out[0], results);
}

void sum(const Call& call) {
  const Reduction reduction = reduction_of(call);
  const auto outputs = static_cast<size_t>(call.out[0]->size());
  const auto plus = [](auto a, auto b) { return a + b; };
  if (!all_8_bit(call, 1)) {
    require_floats(call);
    return store_floats(call, folded(reduction, call.in[0]->as<float>(), outputs, 0.0, plus));
  }
  const Value &in = *call.in[0], &out = *call.out[0];
  const float scale = in.scale() / out.scale(),
              shift = -static_cast<float>(in.zero_point()) * scale * static_cast<float>(reduction.count);
  std::vector<int32_t> results;
  for (const int64_t total : folded(reduction, integers(in), outputs, int64_t{0}, plus)) {
    const int64_t result = whole(static_cast<float>(total) * scale + shift) + out.zero_point();
    results.push_back(static_cast<int32_t>(std::clamp(result, lowest(out), highest(out))));
  }
  store(*call.out[0], results);
}

template <typename Choose>
void extreme(const Call& call, double start, Choose choose) {
  const Reduction reduction = reduction_of(call);
  const auto outputs = static_cast<size_t>(call.out[0]->size());
  if (!all_8_bit(call, 1)) {
    require_floats(call);
    return store_floats(call, folded(reduction, call.in[0]->as<float>(), outputs, start, choose));
  }
  const auto first = start < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
  std::vector<int32_t> results;
  for (const int64_t q : folded(reduction, integers(*call.in[0]), outputs, first, choose))
    results.push_back(static_cast<int32_t>(q));
  store(*call.out[0], results);
}

void reduce_max(const Call& call) {
  extreme(call, -std::numeric_limits<double>::infinity(), [](auto a, auto b) { return std::max(a, b); });
}
void reduce_min(const Call& call) {
  extreme(call, std::numeric_limits<double>::infinity(), [](auto a, auto b) { return std::min(a, b); });
}

// --- along the last axis

int64_t last_dim(const Call& call) {
  require_inputs(call, 1);
  require(call, !call.in[0]->shape().empty() && call.in[0]->shape().back() > 0, "it has no last dimension");
  return call.in[0]->shape().back();
}

// exp over the distance to the largest has only 256 values: a table in float32, as the runtimes' fast kernel
// does it.
void softmax_integers(const Call& call, int64_t depth, float beta) {
  const Value &in = *call.in[0], &out = *call.out[0];
  const std::vector<int64_t> q = integers(in);
  std::vector<float> table(256);
  for (size_t i = 0; i < table.size(); ++i) table[i] = std::exp(-in.scale() * beta * static_cast<float>(i));
  std::vector<int32_t> results(q.size());
  for (size_t row = 0; row < q.size(); row += static_cast<size_t>(depth)) {
    const auto end = row + static_cast<size_t>(depth);
    int64_t largest = q[row];
    for (size_t i = row; i < end; ++i) largest = std::max(largest, q[i]);
    float total = 0;
    for (size_t i = row; i < end; ++i) total += table[largest - q[i]];
    const float inverse = 1.0f / (total * out.scale());
    for (size_t i = row; i < end; ++i) {
      const int64_t share = whole(table[largest - q[i]] * inverse);
      results[i] = static_cast<int32_t>(std::clamp(share + out.zero_point(), lowest(out), highest(out)));
    }
  }
  store(*call.out[0], results);
}

template <bool kLog>
void softmax(const Call& call) {
  const int64_t depth = last_dim(call);
  require(call, call.in[0]->size() == call.out[0]->size(), "its output has another size");
  const auto beta = kLog ? 1.0f : static_cast<float>(file::float_option(call.op, "beta"));
  if (!kLog && all_8_bit(call, 1)) return softmax_integers(call, depth, beta);
  require_floats(call);
  const std::span<const float> in = call.in[0]->as<float>();
  const std::span<float> out = call.out[0]->out<float>();
  for (size_t row = 0; row < in.size(); row += static_cast<size_t>(depth)) {
    const auto part = in.subspan(row, depth);
    const float largest = *std::max_element(part.begin(), part.end());
    double total = 0;
    for (const float x : part) total += std::exp(static_cast<double>((x - largest) * beta));
    for (size_t i = 0; i < part.size(); ++i) {
      const double shifted = static_cast<double>((part[i] - largest) * beta);
      out[row + i] = static_cast<float>(kLog ? shifted - std::log(total) : std::exp(shifted) / total);
    }
  }
}

template <bool kLargest>
void arg_extreme(const Call& call) {
  require_inputs(call, 2);
  const auto& shape = call.in[0]->shape();
  const std::vector<int64_t> axes = integers(*call.in[1]);
  require(call, axes.size() == 1, "it needs one axis");
  const size_t axis = axis_of(call, axes[0], shape.size());
  const std::vector<int64_t> strides = strides_of(shape);
  const int64_t size = shape[axis], inner = strides[axis];
  require(call, size > 0 && call.out[0]->size() == call.in[0]->size() / size, "its output has another size");
  const std::vector<double> values = numbers(call, *call.in[0]);
  std::vector<int32_t> results;
  for (int64_t outer = 0; outer < call.in[0]->size(); outer += size * inner) {
    for (int64_t i = 0; i < inner; ++i) {
      int64_t best = 0;
      const auto at = [&](int64_t k) { return values[outer + k * inner + i]; };
      for (int64_t k = 1; k < size; ++k) {
        if (kLargest ? at(k) > at(best) : at(k) < at(best)) best = k;
      }
      results.push_back(static_cast<int32_t>(best));
    }
  }
  store(*call.out[0], results);
}

constexpr KernelRow kRows[] = {
    {"MEAN", mean},
    {"SUM", sum},
    {"REDUCE_MAX", reduce_max},
    {"REDUCE_MIN", reduce_min},
    {"SOFTMAX", softmax<false>},
    {"LOG_SOFTMAX", softmax<true>},
    {"ARG_MAX", arg_extreme<true>},
    {"ARG_MIN", arg_extreme<false>},
};

}  // namespace

std::span<const KernelRow> reduction_kernels() {
  return kRows;
}

}  // namespace qc::tflite::kernels
