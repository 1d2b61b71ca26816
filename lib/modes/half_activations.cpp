// See half_activations.h. Choosing and spelling are two passes: the choice is a table of ops and a comparison
// of ranges, the spelling knows nothing of either.
#include "modes/half_activations.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "base/parallel.h"
#include "base/text.h"
#include "ir/edit.h"
#include "ir/ops.h"
#include "quant/narrow_floats.h"

namespace qc {
namespace {

using ir::DType;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;
using plan::Compute;

constexpr float kInfinite = std::numeric_limits<float>::infinity();
constexpr float kImageMargin = 4;    // other images than those looked at
constexpr float kNoiseMargin = 256;  // inputs of bytes instead of numbers around 1

enum class Kind {
  kMoves,     // passes numbers on; there are kernels for either type
  kElements,  // one number from one or few, or a sum that runtimes keep in 32 bits; float16 alone
  kMeans,     // divides a sum that a runtime may keep in 16 bits
};
struct HalfOp {
  std::string_view op_type;
  Kind kind;
  float most = kInfinite;  // magnitude that results cannot exceed
};
// Ops that ONNX defines for float16 at opset 13; Div by constants. Left out: those that square, sum without
// bound or divide by what may be small (normalisations, ReduceSum, Pow, Exp, Log, Sqrt), those that compare
// (a tie would flip), recurrent layers and bodies.
constexpr HalfOp kOps[] = {
    {"Concat", Kind::kMoves},
    {"Expand", Kind::kMoves},
    {"Flatten", Kind::kMoves},
    {"Gather", Kind::kMoves},
    {"Identity", Kind::kMoves},
    {"Reshape", Kind::kMoves},
    {"Slice", Kind::kMoves},
    {"Split", Kind::kMoves},
    {"Squeeze", Kind::kMoves},
    {"Transpose", Kind::kMoves},
    {"Unsqueeze", Kind::kMoves},
    {"Abs", Kind::kElements},
    {"Add", Kind::kElements},
    {"AveragePool", Kind::kMeans},
    {"Clip", Kind::kElements},
    {"Conv", Kind::kElements},
    {"ConvTranspose", Kind::kElements},
    {"DepthToSpace", Kind::kElements},
    {"Div", Kind::kElements},
    {"Elu", Kind::kElements},
    {"Erf", Kind::kElements, 1},
    {"Gemm", Kind::kElements},
    {"GlobalAveragePool", Kind::kMeans},
    {"GlobalMaxPool", Kind::kElements},
    {"HardSigmoid", Kind::kElements, 1},
    {"HardSwish", Kind::kElements},
    {"LeakyRelu", Kind::kElements},
    {"MatMul", Kind::kElements},
    {"Max", Kind::kElements},
    {"MaxPool", Kind::kElements},
    {"Min", Kind::kElements},
    {"Mul", Kind::kElements},
    {"Neg", Kind::kElements},
    {"PRelu", Kind::kElements},
    {"Pad", Kind::kElements},
    {"ReduceMax", Kind::kElements},
    {"ReduceMean", Kind::kMeans},
    {"ReduceMin", Kind::kElements},
    {"Relu", Kind::kElements},
    {"Resize", Kind::kElements},
    {"Selu", Kind::kElements},
    {"Sigmoid", Kind::kElements, 1},
    {"Softmax", Kind::kElements, 1},
    {"Softsign", Kind::kElements, 1},
    {"SpaceToDepth", Kind::kElements},
    {"Sub", Kind::kElements},
    {"Tanh", Kind::kElements, 1},
    {"Tile", Kind::kElements},
    {"Where", Kind::kElements},
};

const HalfOp* op_of(const Node& node) {
  for (const HalfOp& op : kOps)
    if (ir::standard_op(node, op.op_type)) return &op;
  return nullptr;
}

bool is_float32(const ir::Graph& graph, ValueId v) {
  return v != kNone && ir::value_at(graph, v).dtype == DType::kFloat;
}

// The slots that take the node's own type. Resize's factors are float32 in every opset.
bool takes_type(const Node& node, size_t slot) {
  return !(ir::standard_op(node, "Resize") && slot > 0);
}

// --- ranges

using Load = std::function<std::vector<ir::Tensor>(int64_t)>;

Reach looked_at(const ir::Graph& graph, run::RunnerFactory& runners, int64_t runs, const Load& load,
                int threads, float margin) {
  const size_t count = graph.values.size();
  const auto workers = static_cast<size_t>(threads);
  std::vector<std::vector<float>> seen(workers, std::vector<float>(count, 0));
  std::vector<run::Tap> taps;
  Reach reach{std::vector<float>(count, kInfinite), margin};
  const auto look = [&](ValueId v) {
    if (!is_float32(graph, v) || ir::value_at(graph, v).constant) return;
    reach.largest[v] = 0;
    taps.push_back({v,
                    [&seen, v](int64_t slot, std::span<const float> tensor, std::span<const int64_t>) {
                      float& most = seen[slot][v];
                      for (const float x : tensor)
                        most = std::isnan(x) ? kInfinite : std::max(most, std::fabs(x));
                    },
                    {}});
  };
  for (const ValueId v : graph.inputs) look(v);
  for (const NodeId id : ir::topological_order(graph))
    for (const ValueId v : ir::node_at(graph, id).outputs) look(v);
  const auto runner = runners.make(graph, std::move(taps), {});
  parallel_for(runs, threads, [&](int64_t i, int worker) { runner->run(load(i), worker); });
  for (const std::vector<float>& one : seen)
    for (size_t v = 0; v < count; ++v) reach.largest[v] = std::max(reach.largest[v], one[v]);
  return reach;
}

// --- choosing

// The largest magnitude that a Clip's constant bounds leave; infinite without.
float clipped_to(const ir::Graph& graph, const Node& node) {
  const auto bound = [&](size_t slot) -> std::optional<double> {
    if (node.inputs.size() <= slot || node.inputs[slot] == kNone) return std::nullopt;
    return ir::scalar_constant(graph, node.inputs[slot]);
  };
  const std::optional<double> low = bound(1), high = bound(2);
  return low && high ? static_cast<float>(std::max(std::fabs(*low), std::fabs(*high))) : kInfinite;
}

class Chooser {
 public:
  Chooser(const plan::QuantizedModel& model, const Reach& reach)
      : model_(model), graph_(model.graph), far_(graph_.values.size(), kInfinite) {
    for (size_t v = 0; v < far_.size() && v < reach.largest.size(); ++v)
      far_[v] = reach.largest[v] * reach.margin;
  }

  /// Called in topological order, since what an op can yield bounds what is moved on from it.
  HalfChoice choose(NodeId id, DType type) {
    const Node& node = ir::node_at(graph_, id);
    const HalfOp* op = op_of(node);
    if (op) bound_results(node, *op);
    const bool floats = std::any_of(node.outputs.begin(), node.outputs.end(),
                                    [&](ValueId v) { return is_float32(graph_, v); });
    if (type == DType::kUndefined || !floats) return {};
    const bool divides = node.op_type == "Div" && !ir::constant_input(graph_, node, 1);
    if (!op || divides || !node.captures.empty())
      return {false, "its results turn on small differences or large sums"};
    if (model_.plan.nodes[id].compute != Compute::kFloat) return {false, "its weights are integers"};
    for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
      const std::string why = why_not(node, slot, type);
      if (!why.empty()) return {false, why};
    }
    if (type == DType::kBfloat16) return {true, ""};
    const float summed = op->kind == Kind::kMeans ? sum_before_mean(node) : 0;
    if (std::isinf(summed)) return {false, "how many numbers it sums is not fixed"};
    if (summed > quant::kLargestFloat16)
      return {false, format("its sum of inputs may reach {:.3g}, and float16 ends at 65504", summed)};
    for (const ValueId v : node.outputs)
      if (is_float32(graph_, v) && far(v) > quant::kLargestFloat16) return {false, too_far(v)};
    return {true, ""};
  }

 private:
  float& far(ValueId v) { return far_[v]; }

  std::string too_far(ValueId v) {
    return std::isinf(far(v)) ? format("'{}' has infinite values", ir::value_at(graph_, v).name)
                              : format("'{}' may reach {:.3g}, and float16 ends at 65504",
                                       ir::value_at(graph_, v).name, far(v));
  }

  void bound_results(const Node& node, const HalfOp& op) {
    float most = op.most;
    if (node.op_type == "Clip") most = clipped_to(graph_, node);
    if (op.kind == Kind::kMoves || node.op_type == "MaxPool" || node.op_type == "Relu") {
      most = 0;
      for (const ValueId v : node.inputs)
        if (is_float32(graph_, v))
          most = std::max(most, ir::value_at(graph_, v).constant ? kInfinite : far(v));
    }
    for (const ValueId v : node.outputs)
      if (is_float32(graph_, v)) far(v) = std::min(far(v), most);
  }

  // Why an input cannot be of the type; "": it can.
  std::string why_not(const Node& node, size_t slot, DType type) {
    const ValueId v = node.inputs[slot];
    if (!is_float32(graph_, v) || !takes_type(node, slot)) return "";
    const std::optional<ir::Tensor>& constant = ir::value_at(graph_, v).constant;
    if (constant && (model_.weights.contains(v) || !constant->bytes))
      return format("'{}' is stored as integers", ir::value_at(graph_, v).name);
    if (type == DType::kBfloat16) return "";
    if (!constant) return far(v) > quant::kLargestFloat16 ? too_far(v) : "";
    constexpr float kSmallest = 6.0e-8f;  // half the smallest float16 becomes 0 (IEEE 754-2019, binary16)
    float most = 0;
    for (const float x : constant->as<float>()) most = std::max(most, std::fabs(x));
    if (most > quant::kLargestFloat16 || (most > 0 && most < kSmallest))
      return format("its constant '{}' is outside of float16's range", ir::value_at(graph_, v).name);
    return "";
  }

  float sum_before_mean(const Node& node) {
    const auto elements = [&](ValueId v) {
      const std::optional<ir::Dims> dims = ir::static_dims(graph_, v);
      return dims ? static_cast<float>(ir::element_count(*dims)) : kInfinite;
    };
    const std::vector<int64_t> kernel = ir::ints_attribute(node, "kernel_shape");
    const float count = kernel.empty() ? elements(node.inputs[0]) / elements(node.outputs[0])
                                       : static_cast<float>(ir::element_count(kernel));
    return std::isnan(count) ? kInfinite : count * far(node.inputs[0]);
  }

  const plan::QuantizedModel& model_;
  const ir::Graph& graph_;
  std::vector<float> far_;  // by ValueId
};

bool has_constants(const ir::Graph& graph, const Node& node) {
  return std::any_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId v) { return is_float32(graph, v) && ir::value_at(graph, v).constant; });
}

// Is a node that makes or reads one of the node's values on 16 bits?
bool touches_half(const ir::Graph& graph, const Node& node, const std::vector<HalfChoice>& choices) {
  const auto half = [&](NodeId id) { return id != kNone && choices[id].half; };
  for (const ValueId v : node.inputs)
    if (is_float32(graph, v) && half(ir::value_at(graph, v).producer)) return true;
  for (const ValueId v : node.outputs) {
    if (!is_float32(graph, v)) continue;
    const std::vector<NodeId>& readers = ir::value_at(graph, v).consumers;
    if (std::any_of(readers.begin(), readers.end(), half)) return true;
  }
  return false;
}

// --- spelling

class Speller {
 public:
  Speller(std::span<const HalfChoice> choices, std::span<const DType> types, bool keep_io_types,
          plan::QuantizedModel& model)
      : choices_(choices),
        types_(types),
        keep_io_types_(keep_io_types),
        model_(model),
        graph_(model.graph),
        made_(graph_.values.size(), DType::kFloat) {}

  void spell() {
    const std::vector<NodeId> order = ir::topological_order(graph_);
    for (const NodeId id : order)
      if (chosen(id) && ends_ == DType::kFloat && !keep_io_types_) ends_ = type_of(id);
    for (const NodeId id : order)
      if (chosen(id) && !of_type(id)) round_results(id);
    for (const NodeId id : order)
      if (of_type(id))
        for (const ValueId v : ir::node_at(graph_, id).outputs)
          if (is_float32(graph_, v)) made_[v] = type_of(id);
    const size_t count = graph_.values.size();
    for (size_t v = 0; v < count; ++v) settle(static_cast<ValueId>(v));
  }

 private:
  bool chosen(NodeId id) const { return static_cast<size_t>(id) < choices_.size() && choices_[id].half; }
  DType type_of(NodeId id) const { return types_[id]; }
  // The node itself is of the type; otherwise it computes in float32.
  bool of_type(NodeId id) const {
    if (!chosen(id)) return false;
    const HalfOp* op = op_of(ir::node_at(graph_, id));
    return type_of(id) == DType::kFloat16 || op->kind == Kind::kMoves;
  }
  DType& made(ValueId v) { return made_[v]; }

  ValueId add_value(const std::string& name, DType type, ValueId like) {
    const ValueId v = ir::add_value(graph_, name, type);
    ir::copy_shape(graph_, like, v);
    model_.plan.values.resize(graph_.values.size());
    made_.resize(graph_.values.size(), type);
    return v;
  }

  void add_cast(ValueId from, ValueId to, DType type) {
    Node node;
    node.name = ir::value_at(graph_, to).name + "_cast";
    node.op_type = "Cast";
    node.inputs = {from};
    node.attributes.push_back({"to", static_cast<int64_t>(type)});
    const NodeId id = ir::add_node(graph_, std::move(node));
    ir::set_output(graph_, id, 0, to);
    model_.plan.nodes.resize(graph_.nodes.size());
    model_.plan.nodes[id].reason = plan::Reason::kOfMode;
  }

  // The producer of `v` makes a new value instead, of which `v` is the Cast.
  ValueId make_aside(ValueId v, DType type) {
    const NodeId producer = ir::value_at(graph_, v).producer;
    const std::vector<ValueId>& outputs = ir::node_at(graph_, producer).outputs;
    const auto slot = static_cast<size_t>(std::find(outputs.begin(), outputs.end(), v) - outputs.begin());
    const ValueId aside = add_value(ir::value_at(graph_, v).name + suffix(type), type, v);
    ir::set_output(graph_, producer, slot, aside);
    return aside;
  }

  static std::string suffix(DType type) {
    return type == DType::kFloat ? "_float32" : type == DType::kFloat16 ? "_float16" : "_bfloat16";
  }

  // What a node computes in float32 is seen rounded by all that read it.
  void round_results(NodeId id) {
    const std::vector<ValueId> outputs = ir::node_at(graph_, id).outputs;
    for (const ValueId v : outputs) {
      if (!is_float32(graph_, v)) continue;
      add_cast(make_aside(v, DType::kFloat), v, type_of(id));
      made(v) = type_of(id);
    }
  }

  // Readers of the type get the value in it, others in float32, by Casts where they are needed.
  void settle(ValueId v) {
    if (!is_float32(graph_, v)) return;
    std::vector<std::pair<NodeId, size_t>> narrow, wide;
    bool captured = false;
    DType type = made(v) == DType::kFloat ? DType::kUndefined : made(v);
    std::vector<NodeId> readers = ir::value_at(graph_, v).consumers;
    readers.erase(std::unique(readers.begin(), readers.end()), readers.end());
    for (const NodeId id : readers) {
      const Node& node = ir::node_at(graph_, id);
      captured = captured || std::find(node.captures.begin(), node.captures.end(), v) != node.captures.end();
      for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
        if (node.inputs[slot] != v) continue;
        const bool half = of_type(id) && takes_type(node, slot);
        (half ? narrow : wide).emplace_back(id, slot);
        if (half) type = type_of(id);
      }
    }
    const bool end = ir::is_input(graph_, v) || ir::is_output(graph_, v);
    if (end && ends_ != DType::kFloat) type = ends_;
    if (type == DType::kUndefined) return;
    if (ir::value_at(graph_, v).constant) return settle_constant(v, type, narrow, !wide.empty() || captured);
    const DType stated = type_stated(v, type, !wide.empty() || captured);
    const auto& others = stated == DType::kFloat ? narrow : wide;
    const DType other = stated == DType::kFloat ? type : DType::kFloat;
    ValueId twin = kNone;
    if (made(v) != stated) {
      twin = make_aside(v, made(v));
      add_cast(twin, v, stated);
    }
    ir::value_at(graph_, v).dtype = stated;
    if (others.empty()) return;
    if (twin == kNone) {
      twin = add_value(ir::value_at(graph_, v).name + suffix(other), other, v);
      add_cast(v, twin, other);
    }
    for (const auto& [id, slot] : others) ir::set_input(graph_, id, slot, twin);
  }

  // The type of the value that keeps the name.
  DType type_stated(ValueId v, DType type, bool read_as_float) {
    const bool rounded = model_.plan.values[v].quantized;
    const bool input = ir::is_input(graph_, v);
    if (input || ir::is_output(graph_, v)) {
      const DType stated = rounded ? DType::kFloat : ends_;
      if (input) made(v) = stated;
      return stated;
    }
    return made(v) == DType::kFloat || read_as_float || rounded ? DType::kFloat : type;
  }

  void settle_constant(ValueId v, DType type, const std::vector<std::pair<NodeId, size_t>>& narrow,
                       bool others) {
    if (narrow.empty()) return;
    const ir::Tensor constant = *ir::value_at(graph_, v).constant;
    const ir::Tensor half = ir::make_tensor(
        type, quant::narrow_bytes(constant.as<float>(), type == DType::kBfloat16), constant.dims);
    if (!others && !ir::is_output(graph_, v)) {
      ir::value_at(graph_, v).constant = half;
      ir::value_at(graph_, v).dtype = type;
      return;
    }
    const ValueId twin = ir::add_constant(graph_, ir::value_at(graph_, v).name + suffix(type), half);
    model_.plan.values.resize(graph_.values.size());
    made_.resize(graph_.values.size(), type);
    for (const auto& [id, slot] : narrow) ir::set_input(graph_, id, slot, twin);
  }

  std::span<const HalfChoice> choices_;
  std::span<const DType> types_;
  bool keep_io_types_;
  plan::QuantizedModel& model_;
  ir::Graph& graph_;
  std::vector<DType> made_;     // by ValueId: what its producer makes
  DType ends_ = DType::kFloat;  // of the model's inputs and outputs
};

}  // namespace

Reach reach_on_images(const ir::Graph& graph, run::RunnerFactory& runners, const images::ImageSource& source,
                      std::span<const int64_t> images, int threads) {
  const auto load = [&](int64_t i) { return source.load(images[i]); };
  return looked_at(graph, runners, static_cast<int64_t>(images.size()), load, threads, kImageMargin);
}

Reach reach_on_noise(const ir::Graph& graph, run::RunnerFactory& runners,
                     const std::vector<ir::Tensor>& inputs) {
  return looked_at(
      graph, runners, 1, [&](int64_t) { return inputs; }, 1, kNoiseMargin);
}

std::vector<HalfChoice> half_choices(const plan::QuantizedModel& model, std::span<const ir::DType> types,
                                     const Reach& reach) {
  const ir::Graph& graph = model.graph;
  std::vector<HalfChoice> choices(graph.nodes.size());
  Chooser chooser(model, reach);
  const std::vector<NodeId> order = ir::topological_order(graph);
  for (const NodeId id : order) choices[id] = chooser.choose(id, types[id]);
  for (bool changed = true; changed;) {
    changed = false;
    for (const NodeId id : order) {
      HalfChoice& choice = choices[id];
      const Node& node = ir::node_at(graph, id);
      if (!choice.half || has_constants(graph, node) || touches_half(graph, node, choices)) continue;
      choice = {false, "it stands between nodes in float32"};
      changed = true;
    }
  }
  return choices;
}

void spell_half(std::span<const HalfChoice> choices, std::span<const ir::DType> types, bool keep_io_types,
                plan::QuantizedModel& model) {
  Speller(choices, types, keep_io_types, model).spell();
}

}  // namespace qc
