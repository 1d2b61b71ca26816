// See unfold.h.
#include "adopt/unfold.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "ir/edit.h"
#include "ir/unfolded.h"

namespace qc::adopt {
namespace {

using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

// Numbers of `bits` in bytes, the lowest first; a row begins at a byte of its own.
class Packed {
 public:
  Packed(const ir::Tensor& tensor, int64_t bits, int64_t in_row)
      : bytes_(*tensor.bytes), bits_(bits), row_((in_row * bits + 7) / 8) {}

  int at(int64_t row, int64_t column) const {
    const int64_t bit = column * bits_;
    const auto byte = static_cast<unsigned char>(bytes_[row * row_ + bit / 8]);
    return byte >> (bit % 8) & ((1 << bits_) - 1);
  }
  bool holds(int64_t rows) const { return static_cast<int64_t>(bytes_.size()) == rows * row_; }

 private:
  const std::string& bytes_;
  int64_t bits_, row_;
};

struct Blocks {
  int64_t rows, columns, bits, block;  // of the stored weight: output channels x inputs
  int64_t in_row() const { return (columns + block - 1) / block; }
};

const ir::Tensor* operand(const Graph& graph, const Node& node, size_t slot) {
  const ir::Tensor* tensor = ir::constant_input(graph, node, slot);
  return tensor && tensor->bytes ? tensor : nullptr;
}

bool given(const Node& node, size_t slot) {
  return slot < node.inputs.size() && node.inputs[slot] != ir::kNone;
}

// inputs x output channels, as MatMul reads it.
std::optional<ir::Tensor> weight_of(const Graph& graph, const Node& node) {
  const Blocks b{ir::int_attribute(node, "N", 0), ir::int_attribute(node, "K", 0),
                 ir::int_attribute(node, "bits", 4), ir::int_attribute(node, "block_size", 0)};
  const ir::Tensor* stored = operand(graph, node, 1);
  const ir::Tensor* scales = operand(graph, node, 2);
  const ir::Tensor* zeros = operand(graph, node, 3);
  const bool known =
      b.rows > 0 && b.columns > 0 && b.block > 0 && (b.bits == 2 || b.bits == 4 || b.bits == 8);
  if (!known || !stored || !scales || scales->dtype != ir::DType::kFloat || given(node, 4))
    return std::nullopt;
  if (given(node, 3) && (!zeros || zeros->dtype != ir::DType::kUint8)) return std::nullopt;
  const Packed integers(*stored, b.bits, b.in_row() * b.block);
  const Packed points(zeros ? *zeros : *stored, b.bits, b.in_row());
  if (!integers.holds(b.rows) || scales->size() != b.rows * b.in_row() || (zeros && !points.holds(b.rows)))
    return std::nullopt;
  std::vector<float> weight(b.rows * b.columns);
  for (int64_t row = 0; row < b.rows; ++row)
    for (int64_t column = 0; column < b.columns; ++column) {
      const int64_t block = column / b.block;
      const int zero = zeros ? points.at(row, block) : 1 << (b.bits - 1);
      weight[column * b.rows + row] =
          static_cast<float>(integers.at(row, column) - zero) * scales->as<float>()[row * b.in_row() + block];
    }
  return ir::make_tensor(std::span<const float>(weight), {b.columns, b.rows});
}

}  // namespace

int64_t unreadable_weights(const Graph& graph) {
  return ir::unfolded_weights(graph) +
         std::count_if(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
           if (node.erased) return false;
           if (node.op_type == "MatMulNBits") return true;
           if (node.op_type != "DequantizeLinear") return false;
           if (ir::int_attribute(node, "block_size", 0) > 0) return true;
           std::vector<ValueId> todo{node.inputs[0]};  // computed from constants alone
           for (size_t i = 0; i < todo.size(); ++i) {
             const ir::Value& value = ir::value_at(graph, todo[i]);
             if (value.constant) continue;
             if (value.producer == ir::kNone) return false;
             const Node& maker = ir::node_at(graph, value.producer);
             if (maker.op_type == "QuantizeLinear") return false;
             for (const ValueId in : maker.inputs)
               if (in != ir::kNone && std::find(todo.begin(), todo.end(), in) == todo.end())
                 todo.push_back(in);
           }
           return todo.size() > 1;
         });
}

void unfold_matmuls(Graph& graph) {
  for (const NodeId id : ir::topological_order(graph)) {
    const Node& node = ir::node_at(graph, id);
    if (node.op_type != "MatMulNBits") continue;
    std::optional<ir::Tensor> weight = weight_of(graph, node);
    if (!weight) continue;
    const ValueId x = node.inputs[0], bias = given(node, 5) ? node.inputs[5] : ir::kNone;
    const std::string name = node.name;
    const ValueId w =
        ir::add_constant(graph, ir::value_at(graph, node.inputs[1]).name + "_float", std::move(*weight));
    if (bias != ir::kNone) {
      const ValueId product = ir::insert_node(graph, "MatMul", {x, w}, {}, name + "_product", id);
      ir::become(graph, id, "Add", {product, bias}, {});
    } else {
      ir::become(graph, id, "MatMul", {x, w}, {});
    }
    ir::node_at(graph, id).domain.clear();
  }
  ir::remove_dead(graph);
}

}  // namespace qc::adopt
