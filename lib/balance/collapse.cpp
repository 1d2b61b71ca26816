// Layers that follow each other without a non-linearity between them, merged (MCT's linear and residual
// collapsing). Arithmetic in double; conditions that MCT leaves out (groups, even kernels, uneven padding)
// are checked.
#include <algorithm>
#include <cmath>

#include "balance/balance.h"
#include "base/text.h"
#include "ir/edit.h"
#include "ir/linear.h"

namespace qc::balance {
namespace {

using ir::Dims;
using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;

bool all_are(const Dims& numbers, int64_t wanted) {
  return std::all_of(numbers.begin(), numbers.end(), [&](int64_t n) { return n == wanted; });
}

bool is_conv(const Graph& graph, NodeId id) {
  return id != kNone && ir::standard_op(node_at(graph, id), "Conv") && linear_at(graph, id).has_value();
}

const ir::Tensor& weight_of(const Graph& graph, NodeId id) {
  return *ir::constant_input(graph, node_at(graph, id), 1);
}

std::vector<double> bias_of(const Graph& graph, NodeId id, int64_t channels) {
  const ir::Tensor* bias = ir::constant_input(graph, node_at(graph, id), 2);
  if (!bias) return std::vector<double>(static_cast<size_t>(channels), 0.0);
  const auto numbers = bias->as<float>();
  return {numbers.begin(), numbers.end()};
}

/// A convolution over single positions that only mixes channels.
bool is_plain_pointwise(const Graph& graph, NodeId id) {
  if (!is_conv(graph, id)) return false;
  const Node& node = node_at(graph, id);
  const Dims& dims = weight_of(graph, id).dims;
  return std::all_of(dims.begin() + 2, dims.end(), [](int64_t d) { return d == 1; }) &&
         ir::int_attribute(node, "group", 1) == 1 && all_are(ir::ints_attribute(node, "strides"), 1) &&
         unpadded(node);
}

bool finite(const std::vector<float>& numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](float v) { return std::isfinite(v); });
}

void store(Graph& graph, NodeId id, const std::vector<float>& weights, Dims dims,
           const std::vector<double>& bias) {
  set_constant(graph, id, 1, ir::float_tensor(weights, std::move(dims)), node_at(graph, id).name + "/weight");
  const std::vector<float> rounded(bias.begin(), bias.end());
  set_constant(graph, id, 2, ir::float_tensor(rounded, {static_cast<int64_t>(bias.size())}),
               node_at(graph, id).name + "/bias");
}

bool collapse(Graph& graph, NodeId first, NodeId second) {
  const ir::Tensor w1 = weight_of(graph, first), w2 = weight_of(graph, second);
  const int64_t middle = w1.dims[0], out = w2.dims[0], inner = w1.size() / middle;
  if (w2.dims[1] != middle || out * inner > w1.size() + w2.size()) return false;
  const auto a = w1.as<float>(), b = w2.as<float>();
  const std::vector<double> bias1 = bias_of(graph, first, middle);
  std::vector<double> bias = bias_of(graph, second, out), row(static_cast<size_t>(inner));
  std::vector<float> weights;
  for (int64_t o = 0; o < out; ++o) {
    std::fill(row.begin(), row.end(), 0.0);
    for (int64_t m = 0; m < middle; ++m) {
      const double factor = b[o * middle + m];
      bias[o] += factor * bias1[m];
      for (int64_t k = 0; k < inner; ++k) row[k] += factor * static_cast<double>(a[m * inner + k]);
    }
    weights.insert(weights.end(), row.begin(), row.end());
  }
  if (!finite(weights)) return false;
  Dims dims = w1.dims;
  dims[0] = out;
  store(graph, first, weights, dims, bias);
  take_over(graph, first, second);
  return true;
}

/// Odd, padded so that the middle of the window lies on the position it computes, one step at a time.
bool is_centred(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  const Dims& dims = weight_of(graph, id).dims;
  const size_t spatial = dims.size() - 2;
  const Dims pads = ir::ints_attribute(node, "pads", Dims(2 * spatial, 0)),
             dilations = ir::ints_attribute(node, "dilations", Dims(spatial, 1));
  if (ir::string_attribute(node, "auto_pad", "NOTSET") != "NOTSET" || pads.size() != 2 * spatial ||
      !all_are(ir::ints_attribute(node, "strides"), 1))
    return false;
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t kernel = dims[i + 2], reach = dilations[i] * (kernel - 1) / 2;
    if (kernel % 2 == 0 || pads[i] != reach || pads[spatial + i] != reach) return false;
  }
  return true;
}

bool collapse_skip(Graph& graph, NodeId conv, NodeId add) {
  const auto linear = linear_at(graph, conv);
  if (linear->in_channels != linear->out_channels || !is_centred(graph, conv)) return false;
  const ir::Tensor weight = weight_of(graph, conv);
  const auto old = weight.as<float>();
  std::vector<float> weights(old.begin(), old.end());
  const int64_t groups = ir::int_attribute(node_at(graph, conv), "group", 1), per_group = weight.dims[1];
  const int64_t window = weight.size() / (weight.dims[0] * per_group);
  for (int64_t o = 0; o < weight.dims[0]; ++o) {
    const int64_t in = o - o / (weight.dims[0] / groups) * per_group;
    weights[(o * per_group + in) * window + window / 2] += 1;
  }
  store(graph, conv, weights, weight.dims, bias_of(graph, conv, linear->out_channels));
  take_over(graph, conv, add);
  return true;
}

}  // namespace

Done collapse_linear(Graph& graph, const Seen&) {
  Done done;
  bool again = true;
  while (again) {
    again = false;
    for (const NodeId id : ir::topological_order(graph)) {
      if (node_at(graph, id).erased || !is_plain_pointwise(graph, id)) continue;
      const NodeId first = value_at(graph, node_at(graph, id).inputs[0]).producer;
      if (!is_conv(graph, first) || sole_consumer(graph, node_at(graph, first).outputs[0]) != id) continue;
      if (ir::int_attribute(node_at(graph, first), "group", 1) != 1) continue;
      const std::string name = node_at(graph, id).name;
      if (!collapse(graph, first, id)) continue;
      done.sites.push_back({node_at(graph, first).name, format("took in {}", name), {}});
      again = true;
    }
  }
  return done;
}

Done collapse_residual(Graph& graph, const Seen&) {
  Done done;
  for (const NodeId id : ir::topological_order(graph)) {
    const Node& add = node_at(graph, id);
    if (add.erased || !ir::standard_op(add, "Add") || add.inputs.size() != 2) continue;
    for (const size_t slot : {size_t{0}, size_t{1}}) {
      const NodeId conv = value_at(graph, add.inputs[slot]).producer;
      if (!is_conv(graph, conv) || sole_consumer(graph, add.inputs[slot]) != id) continue;
      if (node_at(graph, conv).inputs[0] != add.inputs[1 - slot]) continue;
      const std::string name = add.name;
      if (!collapse_skip(graph, conv, id)) break;
      done.sites.push_back({node_at(graph, conv).name, format("took in {}", name), {}});
      break;
    }
  }
  return done;
}

}  // namespace qc::balance
