// Gemm and MatMul: FULLY_CONNECTED where one side is constant, BATCH_MATMUL where the model computes both.
#include <algorithm>
#include <array>
#include <numeric>

#include "base/text.h"
#include "ir/ops.h"
#include "tflite/lowering.h"

namespace qc::tflite {
namespace {

constexpr std::array<int, 2> kAsItIs{0, 1};
constexpr std::array<int, 2> kTurned{1, 0};

// The weight of a FULLY_CONNECTED behind a Flatten that handed on its channels last: [N, C, H, W] has become
// rows in the order H, W, C, and the weight's columns follow.
TensorId weight_after_flatten(Lowering& l, ir::NodeId id, bool transposed_already) {
  const ir::Node& node = node_at(l, id);
  const ir::NodeId flatten = value_at(l, node.inputs[0]).producer;
  const std::vector<int64_t>& image = dims_of(l, node_at(l, flatten).inputs[0]);
  const std::vector<int64_t>& weight = dims_of(l, node.inputs[1]);
  std::vector<int64_t> dims(image.begin() + 1, image.end());
  std::vector<int> order = channels_last(image.size());  // of N and the rest; N becomes the outputs
  if (transposed_already) {
    dims.insert(dims.begin(), weight[0]);
  } else {  // [C, H, W, outputs]
    dims.push_back(weight[1]);
    for (int& d : order) d = d == 0 ? static_cast<int>(dims.size()) - 1 : d - 1;
  }
  const TensorId folded = read_weight(l, id, 1, order, dims);
  Tensor flat = tensor_at(l, folded);
  const auto outputs = flat.shape[0];
  const std::vector<int32_t> shape{
      outputs, static_cast<int32_t>(ir::element_count(image) / std::max<int64_t>(image[0], 1))};
  if (flat.data) return add_constant(l, flat.type, shape, *flat.data, "weights", flat.quantization);
  return reshaped(l, folded, shape);
}

void fully_connected(Lowering& l, ir::NodeId id, bool transposed_already, bool bias_wanted) {
  const ir::Node& node = node_at(l, id);
  const ir::NodeId maker = value_at(l, node.inputs[0]).producer;
  const TensorId x = read(l, id, 0);
  const bool scrambled = maker != ir::kNone && l.absorbed[maker] && l.layouts.node_in[maker];
  const TensorId weight = scrambled ? weight_after_flatten(l, id, transposed_already)
                                    : read_weight(l, id, 1, transposed_already ? kAsItIs : kTurned);
  std::vector<TensorId> inputs{x, weight};
  const int64_t outputs = tensor_at(l, weight).shape[0];
  if (bias_wanted) inputs.push_back(read_bias(l, id, outputs, x, weight));
  Options options;
  if (tensor_at(l, x).shape.size() > 2) options.emplace_back("keep_num_dims", int64_t{1});
  emit_result(l, id, Op::kFullyConnected, std::move(inputs), std::move(options));
}

void lower_gemm(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  if (ir::int_attribute(node, "transA", 0) != 0 || ir::float_attribute(node, "alpha", 1) != 1 ||
      ir::float_attribute(node, "beta", 1) != 1)
    return refuse(
        l, id,
        "alpha, beta or transA are not the plain ones and its operands are no constants to fold them into");
  const bool turned = ir::int_attribute(node, "transB", 0) != 0;
  const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != ir::kNone;
  const ir::Tensor* bias = has_bias ? ir::constant_input(graph_of(l), node, 2) : nullptr;
  const bool vector = bias && (bias->size() == 1 || bias->size() == dims_of(l, node.outputs[0]).back());
  if (ir::weight_traits(graph_of(l), node) && (!has_bias || vector))
    return fully_connected(l, id, turned, has_bias || runs_on_integers(l, id));
  if (runs_on_integers(l, id))
    return refuse(l, id, "its weight or bias is computed by the model", "name the node in keep_float");
  const std::vector<TensorId> operands{read(l, id, 0), read(l, id, 1)};
  const Options options{{"adj_x", int64_t{0}}, {"adj_y", int64_t{turned}}};
  if (!has_bias) return emit_result(l, id, Op::kBatchMatmul, operands, options);
  const TensorId product = temporary_float(l, shape_in(l, node.outputs[0], false));
  emit(l, Op::kBatchMatmul, operands, {product}, options);
  emit_result(l, id, Op::kAdd, {product, read(l, id, 2)});
}

// XNNPACK joins a TRANSPOSE to a product, and gets one that both sides are wrong (LiteRT 2.3): two are right.
TensorId apart_from(Lowering& l, TensorId left, TensorId right) {
  if (left != right) return right;
  const auto maker = std::find_if(
      l.model.operators.begin(), l.model.operators.end(),
      [&](const Operator& made) { return made.op == Op::kTranspose && made.outputs[0] == left; });
  if (maker == l.model.operators.end()) return right;
  const std::vector<TensorId> inputs = maker->inputs;
  right = temporary(l, tensor_at(l, left).shape, left);
  emit(l, Op::kTranspose, inputs, {right});
  return right;
}

void lower_matmul(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const std::vector<int64_t>&a = dims_of(l, node.inputs[0]), &b = dims_of(l, node.inputs[1]);
  if (ir::weight_traits(graph_of(l), node) && b.size() == 2 && a.size() >= 2)
    return fully_connected(l, id, false, l.fused[id].bias_add != ir::kNone);
  if (a.size() < 2 || b.size() < 2)
    return refuse(l, id, "TFLite multiplies matrices, and one side is a vector");
  if (a.size() > 5 || b.size() > 5)
    return refuse(l, id, "TFLite multiplies matrices of up to five dimensions");
  const size_t rank = std::max(a.size(), b.size());
  const auto operand = [&](size_t slot) {
    if (ir::weight_traits(graph_of(l), node) && slot == 1) {
      std::vector<int> order(b.size());
      std::iota(order.begin(), order.end(), 0);
      return read_weight(l, id, 1, order);
    }
    return read(l, id, slot, rank);
  };
  const TensorId left = operand(0);
  emit_result(l, id, Op::kBatchMatmul, {left, apart_from(l, left, operand(1))},
              {{"adj_x", int64_t{0}}, {"adj_y", int64_t{0}}});
}

constexpr OpRow kRows[] = {
    {"Gemm", original_sides, lower_gemm},
    {"MatMul", original_sides, lower_matmul},
};

}  // namespace

std::span<const OpRow> matrix_ops() {
  return kRows;
}

}  // namespace qc::tflite
