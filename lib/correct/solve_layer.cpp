// See solve_layer.h.
#include "correct/solve_layer.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace qc::correct {
namespace {

constexpr double kBiasRoom = 2;  // what a correction may make of a bias

// Index of the row's first scale.
size_t first_scale(const Strip& strip, int64_t g, int64_t r) {
  const quant::QuantParams& params = strip.rounding.asked;
  if (!params.per_channel()) return 0;
  const Windows& whole = strip.layer.windows;
  const bool shared = whole.form == Windows::Form::kTranspose;  // by all groups
  const int64_t blocks =
      params.block_size == 0 ? 1 : (whole.size + params.block_size - 1) / params.block_size;
  return (shared ? r : g * whole.rows + r) * blocks;
}

Rows rows_of(const Strip& strip, int64_t g) {
  const Windows& w = strip.windows;
  const quant::QuantParams& params = strip.rounding.asked;
  const std::span<const float> weights =
      ir::value_at(strip.model.graph, strip.layer.weight).constant->as<float>();
  Rows rows{w.rows, w.size, {}, {}, {}, {}, {}, params.block_size};
  rows.codebook_size = params.codebook.empty() ? 0 : int64_t{1} << params.index_bits;
  if (!params.codebook_per_channel()) rows.codebook = params.codebook;
  const ir::Tensor* bias = bias_constant(strip.model, strip.layer);
  const plan::ValueDecision& input = strip.model.plan.values[strip.layer.input];
  for (int64_t r = 0; r < w.rows; ++r) {
    const size_t first = first_scale(strip, g, r);
    for (int64_t e = 0; e < w.size; ++e) rows.weights.push_back(weights[weight_offset(w, g, r, e)]);
    if (params.codebook_per_channel()) {
      const auto book = quant::codebook_of(params, first);
      rows.codebook.insert(rows.codebook.end(), book.begin(), book.end());
    }
    for (size_t at = first; at < first + rows.blocks(); ++at) {
      rows.scales.push_back(params.scales[at]);
      rows.low.push_back(static_cast<int32_t>(params.qmin() - params.zero_points[at]));
      rows.high.push_back(static_cast<int32_t>(params.qmax() - params.zero_points[at]));
    }
    if (const auto book = rows.codebook_of(r); !book.empty()) {
      rows.low.back() = book.front();
      rows.high.back() = book.back();
    }
    const float own_bias = bias ? bias->as<float>()[g * w.rows + r] : 0;
    const double b = std::fabs(static_cast<double>(own_bias));
    const double step = input.quantized ? static_cast<double>(input.params.scales.at(0)) : 1.0;
    rows.smallest.push_back(static_cast<float>(kBiasRoom * b / (step * quant::largest_bias(params))));
  }
  return rows;
}

std::vector<double> mean_of(const std::vector<double>& sum, double samples) {
  std::vector<double> mean = sum;
  for (double& x : mean) x /= std::max(samples, 1.0);
  return mean;
}

// Stores a group's integers, and adds up what its bias must make up for: W m - Wq mq, and what the result is
// added to.
void store(const Strip& strip, const Rows& rows, const Rounded& rounded, const GroupStatistics& statistics,
           int64_t g) {
  const Windows& w = strip.windows;
  LayerRounding& rounding = strip.rounding;
  for (int64_t r = 0; r < w.rows; ++r) {
    const size_t to = first_scale(strip, g, r), from = r * rows.blocks();
    std::copy_n(rounded.scales.data() + from, rows.blocks(), rounding.solved.params.scales.data() + to);
    double shift = statistics.mean_skip.empty() ? 0 : statistics.mean_skip[r];
    for (int64_t e = 0; e < w.size; ++e) {
      const size_t at = r * w.size + e, block = rows.block_size == 0 ? 0 : e / rows.block_size;
      rounding.solved.integers[weight_offset(w, g, r, e)] =
          rounded.integers[at] + rounding.asked.zero_points[to + block];
      const double value =
          static_cast<double>(static_cast<float>(rounded.integers[at]) * rounded.scales[from + block]);
      shift += static_cast<double>(rows.weights[at]) * statistics.mean_float[e] -
               value * statistics.mean_quantized[e];
    }
    rounding.shift[g * w.rows + r] += shift;
  }
}

}  // namespace

GroupStatistics::GroupStatistics(Gram sums, Gram held, bool bias)
    : all(std::move(sums)),
      held_out(std::move(held)),
      mean_float(mean_of(all.sum_float, all.samples)),
      mean_quantized(mean_of(all.sum_quantized, all.samples)),
      mean_skip(mean_of(all.sum_skip, all.samples)) {
  if (!bias) return;
  centre(all);
  centre(held_out);
}

SolvedGroup solve_group(const Strip& strip, const GroupStatistics& statistics, int64_t g,
                        const RoundOptions& options, int threads) {
  const Rows rows = rows_of(strip, g);
  const Rounded rounded = round_rows(rows, statistics.all, statistics.held_out, options, threads);
  store(strip, rows, rounded, statistics, g);
  SolvedGroup group{0, rounded.trust};
  for (const double loss : rounded.descended) group.noise += loss;
  return group;
}

double signal_of(const Strip& strip, const GroupStatistics& statistics, int64_t g) {
  const Rows rows = rows_of(strip, g);
  const std::vector<double>& gram = statistics.all.quantized;
  double sum = 0;
  std::vector<double> bent(rows.size);
  for (int64_t r = 0; r < rows.rows; ++r) {
    const float* w = rows.weights.data() + r * rows.size;
    std::fill(bent.begin(), bent.end(), 0.0);
    for (int64_t i = 0; i < rows.size; ++i) {
      const double* line = gram.data() + i * rows.size;
      for (int64_t j = 0; j < rows.size; ++j) bent[j] += static_cast<double>(w[i]) * line[j];
    }
    for (int64_t j = 0; j < rows.size; ++j) sum += bent[j] * static_cast<double>(w[j]);
  }
  return sum;
}

const ir::Tensor* bias_constant(const plan::QuantizedModel& model, const Solvable& layer) {
  if (!layer.bias || layer.bias->slot == ir::kNone) return nullptr;
  return ir::constant_input(model.graph, ir::node_at(model.graph, layer.bias->node), layer.bias->slot);
}

ir::Graph layer_graph(const plan::QuantizedModel& model, const Solvable& layer,
                      const plan::IntegerTensor& weight, const std::vector<float>& bias) {
  ir::Graph graph;
  graph.opset_imports = model.graph.opset_imports;
  graph.ir_version = model.graph.ir_version;
  const ir::ValueId input = ir::add_value(graph, "x", ir::DType::kFloat);
  graph.inputs = {input};
  const std::vector<int64_t>& dims = ir::value_at(model.graph, layer.weight).dims;
  const std::vector<float> values = quant::dequantize(weight.integers, dims, weight.params);
  const ir::ValueId matrix =
      ir::add_constant(graph, "w", ir::make_tensor(std::span<const float>(values), dims));
  const ir::Node& original = ir::node_at(model.graph, layer.node);
  ir::Node node;
  node.name = "layer";
  node.op_type = original.op_type;
  node.attributes = original.attributes;
  node.inputs = {input, matrix};
  ir::ValueId result = ir::add_value(graph, "y", ir::DType::kFloat);
  node.outputs = {result};
  const auto constant = [&] {
    return ir::add_constant(
        graph, "b", ir::make_tensor(std::span<const float>(bias), {static_cast<int64_t>(bias.size())}));
  };
  const bool apart = original.op_type == "MatMul";
  if (!bias.empty() && !apart) node.inputs.push_back(constant());
  ir::add_node(graph, std::move(node));
  if (!bias.empty() && apart) {
    ir::Node add;
    add.name = "bias";
    add.op_type = "Add";
    add.inputs = {result, constant()};
    result = ir::add_value(graph, "z", ir::DType::kFloat);
    add.outputs = {result};
    ir::add_node(graph, std::move(add));
  }
  graph.outputs = {result};
  return graph;
}

}  // namespace qc::correct
