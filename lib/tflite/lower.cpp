// The lowering from above: what fuses with what, in which order everything stands, then one table row a node.
#include <algorithm>
#include <limits>

#include "base/text.h"
#include "ir/edit.h"
#include "ir/names.h"
#include "ir/ops.h"
#include "plan/halving.h"
#include "tflite/lowering.h"

namespace qc::tflite {
namespace {

constexpr double kMultiplierLimit = 256;  // LiteRT's kernels know those below

const OpRow* row_for(const ir::Node& node) {
  if (!ir::standard_domain(node.domain)) return nullptr;
  for (const auto table : {window_ops(), upward_ops(), pointwise_ops(), activation_ops(), shape_ops(),
                           index_ops(), norm_ops(), matrix_ops(), reduce_ops(), resize_ops()})
    for (const OpRow& row : table)
      if (row.op_type == node.op_type) return &row;
  return nullptr;
}

// Ops whose TFLite form takes an activation along.
bool takes_activation(const Lowering& l, const ir::Node& node) {
  constexpr std::string_view kOps[] = {"Conv", "Gemm", "MatMul",  "Add",         "Sub",
                                       "Mul",  "Div",  "MaxPool", "AveragePool", "GroupNormalization"};
  if (std::none_of(std::begin(kOps), std::end(kOps), [&](auto op) { return ir::standard_op(node, op); }))
    return false;
  if (node.op_type != "Gemm" && node.op_type != "MatMul") return true;
  return ir::weight_traits(graph_of(l), node) && dims_of(l, node.inputs[1]).size() == 2;
}

struct Bounds {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
};

// Of a Relu, or of a Clip with constant bounds.
std::optional<Bounds> bounds_of(const Lowering& l, const ir::Node& node) {
  if (ir::standard_op(node, "Relu")) return Bounds{0};
  if (!ir::standard_op(node, "Clip")) return std::nullopt;
  Bounds bounds;
  for (const size_t slot : {size_t{1}, size_t{2}}) {
    if (slot >= node.inputs.size() || node.inputs[slot] == ir::kNone) continue;
    const auto bound = ir::scalar_constant(graph_of(l), node.inputs[slot]);
    if (!bound) return std::nullopt;
    (slot == 1 ? bounds.low : bounds.high) = *bound;
  }
  return bounds;
}

// None: a range that TFLite has no name for.
Activation name_of(const Bounds& bounds) {
  if (bounds.low == 0 && bounds.high == 6) return Activation::kRelu6;
  if (bounds.low == -1 && bounds.high == 1) return Activation::kReluN1To1;
  if (bounds.low == 0 && bounds.high >= std::numeric_limits<float>::max()) return Activation::kRelu;
  return Activation::kNone;
}

ir::NodeId only_reader(const Lowering& l, ir::ValueId v) {
  const ir::Value& value = value_at(l, v);
  return value.consumers.size() == 1 && !ir::is_output(graph_of(l), v) ? value.consumers[0] : ir::kNone;
}

bool computes_wide_value(const Lowering& l, ir::ValueId v) {
  return l.source.plan.values[v].params.bits > 8;
}

// A Relu or Clip lives on inside the node before it; in float it must have a name. On integers its work is
// done by the range of the result where that ends at the bounds; a grid that cannot (its range a power of
// two) is cut off behind.
Fused fuse(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  Fused fused;
  fused.result = node.outputs.empty() ? ir::kNone : node.outputs[0];
  if (fused.result == ir::kNone || node.outputs.size() > 1) return fused;
  const bool integers = runs_on_integers(l, id);
  const ir::NodeId add = ir::bias_add(graph_of(l), id);
  const bool planned = add != ir::kNone && l.source.plan.nodes[add].bias;
  if (add != ir::kNone && !is_quantized(l, fused.result) &&
      (integers ? planned : !runs_on_integers(l, add))) {
    fused.bias_add = add;
    fused.result = node_at(l, add).outputs[0];
    l.taken[add] = true;
  }
  const ir::NodeId reader = only_reader(l, fused.result);
  if (reader == ir::kNone || is_quantized(l, fused.result)) return fused;
  const auto bounds = bounds_of(l, node_at(l, reader));
  if (!bounds || integers != runs_on_integers(l, reader)) return fused;
  const Activation activation = takes_activation(l, node) ? name_of(*bounds) : Activation::kNone;
  const ir::ValueId limited = node_at(l, reader).outputs[0];
  if (activation == Activation::kNone) {
    if (!integers || !is_quantized(l, limited) || computes_wide_value(l, limited)) return fused;
    const quant::QuantParams& params = l.source.plan.values[limited].params;
    if (quant::range_min(params) < bounds->low) fused.low = bounds->low;
    if (quant::range_max(params) > bounds->high) fused.high = bounds->high;
  }
  fused.follower = reader;
  fused.activation = activation;
  fused.result = limited;
  l.taken[reader] = true;
  return fused;
}

// A Flatten in front of Gemms with constant weights may hand on its channels last: the weights follow.
bool flattens_for_gemm(const Lowering& l, const ir::Node& node) {
  const bool reshape = ir::is_one_of(node, {"Reshape", "Flatten"});
  if (!reshape || ir::is_output(graph_of(l), node.outputs[0])) return false;
  const std::vector<int64_t>&in = dims_of(l, node.inputs[0]), &out = dims_of(l, node.outputs[0]);
  if (in.size() < 3 || out.size() != 2 || out[0] != in[0] || value_at(l, node.inputs[0]).constant)
    return false;
  const std::vector<ir::NodeId>& readers = value_at(l, node.outputs[0]).consumers;
  return !readers.empty() && std::all_of(readers.begin(), readers.end(), [&](ir::NodeId id) {
    const ir::Node& gemm = node_at(l, id);
    return ir::is_one_of(gemm, {"Gemm", "MatMul"}) && gemm.inputs[0] == node.outputs[0] &&
           ir::weight_traits(graph_of(l), gemm) && dims_of(l, gemm.inputs[1]).size() == 2 &&
           ir::int_attribute(gemm, "transA", 0) == 0;
  });
}

bool shapes_known(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  for (const std::vector<ir::ValueId>* list : {&node.inputs, &node.outputs})
    for (const ir::ValueId v : *list) {
      if (v == ir::kNone) continue;
      const ir::Value& value = value_at(l, v);
      const bool by_the_way = list == &node.outputs && v != node.outputs[0] && value.consumers.empty() &&
                              !ir::is_output(graph_of(l), v);
      if (by_the_way) continue;
      const bool fixed =
          value.constant || (value.has_shape && std::none_of(value.dims.begin(), value.dims.end(),
                                                             [](int64_t d) { return d < 0; }));
      if (fixed) continue;
      refuse(l, id,
             format("the size of '{}' depends on the input's values or on a free dimension", value.name),
             "fix the model's inputs with input_shapes in the config");
      return false;
    }
  return true;
}

// Types that have a name among TFLite's, or stand for one that is not known.
bool has_type(ir::DType type) {
  using enum ir::DType;
  constexpr ir::DType kTypes[] = {kUndefined, kFloat, kInt64, kInt32, kInt16,
                                  kInt8,      kUint8, kBool,  kInt4,  kUint4};
  return std::ranges::find(kTypes, type) != std::end(kTypes);
}

// TFLite's kernels know no floats of 16 and 64 bits, and their operators for text are others than ONNX's.
bool types_known(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  for (const std::vector<ir::ValueId>* list : {&node.inputs, &node.outputs})
    for (const ir::ValueId v : *list) {
      if (v == ir::kNone) continue;
      const ir::DType type = value_at(l, v).constant ? value_at(l, v).constant->dtype : value_at(l, v).dtype;
      if (has_type(type)) continue;
      if (type == ir::DType::kDouble || ir::is_half(type))
        refuse(l, id,
               format("'{}' is {}, and TFLite computes in float32", value_at(l, v).name, ir::name_of(type)),
               "export the model with float32 there");
      else
        refuse(
            l, id,
            format("'{}' is {}, which TFLite's operators do not take", value_at(l, v).name,
                   ir::name_of(type)),
            "keep it outside the file: remove it from the model's outputs, or cut the model in front of it");
      return false;
    }
  return true;
}

void choose_layouts(Lowering& l) {
  const ir::Graph& graph = graph_of(l);
  std::vector<NodeSides> sides(graph.nodes.size());
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    if (const OpRow* row = graph.nodes[n].erased ? nullptr : row_for(graph.nodes[n]))
      sides[n] = row->sides(l, static_cast<ir::NodeId>(n));
  LayoutOptions options;
  options.keep_io = l.options.keep_nchw_io;
  for (size_t v = 0; v < graph.values.size(); ++v)
    options.width.push_back(is_quantized(l, static_cast<ir::ValueId>(v)) ? 1 : 4);
  l.layouts = assign_layouts(graph, sides, options);
}

// Unsigned storage of signed integers: the same steps, zero moved by half the range.
TensorId unsigned_twin(Lowering& l, TensorId of, const std::string& name) {
  Tensor twin = tensor_at(l, of);
  twin.name = name;
  twin.type = Type::kUint8;
  for (int64_t& zero : twin.quantization.zero_points) zero += 128;
  return add_tensor(l, std::move(twin));
}

void add_inputs(Lowering& l) {
  for (const ir::ValueId v : graph_of(l).inputs) {
    const bool last = l.layouts.value[v];
    const std::string& name = value_at(l, v).name;
    Tensor tensor;
    tensor.name = name;
    tensor.type = type_of(value_at(l, v).dtype);
    tensor.shape = shape_in(l, v, last);
    const TensorId real = add_tensor(l, tensor);
    l.made[{v, last, Stage::kRaw}] = real;
    l.model.input_names.push_back(name);
    l.model.inputs.push_back(real);
    if (!is_quantized(l, v) || l.options.io_type == IoType::kFloat32) continue;
    // The integers themselves: what would have been made by a QUANTIZE comes from outside.
    const TensorId integers = read_as(l, v, last, true);
    l.model.operators.pop_back();
    if (tensor_at(l, integers).type != Type::kInt8 || l.options.io_type == IoType::kInt8) {
      l.model.tensors[integers].name = name;
      l.model.inputs.back() = integers;
      continue;
    }
    const TensorId outside = unsigned_twin(l, integers, name);
    emit(l, Op::kQuantize, {outside}, {integers});
    l.model.inputs.back() = outside;
  }
}

void add_outputs(Lowering& l) {
  for (const ir::ValueId v : graph_of(l).outputs) {
    const ir::Value& value = value_at(l, v);
    if (value.constant) {
      l.problems.error({"tflite-cannot", format("output '{}'", value.name),
                        "it is a constant, which TFLite cannot hand out",
                        "remove it from the model's outputs"});
      continue;
    }
    const bool written = std::any_of(l.made.begin(), l.made.end(),
                                     [&](const auto& entry) { return std::get<0>(entry.first) == v; });
    if (!written && l.problems.errors.empty()) {
      l.problems.error({"tflite-cannot", format("output '{}'", value.name),
                        "TFLite's operators do not give this result of its node",
                        "remove it from the model's outputs"});
      continue;
    }
    const bool either = value.dims.size() == 4 && !l.options.keep_nchw_io;
    const bool made_last = std::any_of(l.made.begin(), l.made.end(), [&](const auto& entry) {
      return std::get<0>(entry.first) == v && std::get<1>(entry.first);
    });
    const bool made_first = std::any_of(l.made.begin(), l.made.end(), [&](const auto& entry) {
      return std::get<0>(entry.first) == v && !std::get<1>(entry.first);
    });
    const bool integers = is_quantized(l, v) && l.options.io_type != IoType::kFloat32;
    TensorId result = read_as(l, v, either && made_last && (!made_first || l.layouts.value[v]), integers);
    const bool twin =
        integers && l.options.io_type == IoType::kUint8 && tensor_at(l, result).type == Type::kInt8;
    if (twin) {
      const TensorId outside = unsigned_twin(l, result, "");
      emit(l, Op::kQuantize, {result}, {outside});
      result = outside;
    }
    for (Tensor& tensor : l.model.tensors)
      if (tensor.name == value.name) tensor.name += "_inside";
    l.model.tensors[result].name = value.name;
    l.model.outputs.push_back(result);
    l.model.output_names.push_back(value.name);
  }
}

// The integers of the result that lie beyond the bounds of what was fused.
void cut_off(Lowering& l, ir::NodeId id) {
  const Fused fused = l.fused[id];
  if (fused.uncut == kAbsent) return;
  const bool both = fused.low && fused.high;
  const TensorId next = both ? temporary(l, tensor_at(l, fused.cut).shape, fused.cut) : fused.cut;
  if (fused.low) emit(l, Op::kMaximum, {fused.uncut, constant_among(l, fused.cut, *fused.low)}, {next});
  if (fused.high)
    emit(l, Op::kMinimum, {both ? next : fused.uncut, constant_among(l, fused.cut, *fused.high)},
         {fused.cut});
}

// The scale of an operand of an integer op: an activation's, or the largest of a constant's.
double scale_of(const Lowering& l, ir::ValueId v) {
  const auto stored = l.source.weights.find(v);
  const std::vector<float>& scales =
      stored != l.source.weights.end() ? stored->second.params.scales : l.source.plan.values[v].params.scales;
  return scales.empty() ? 0 : static_cast<double>(*std::max_element(scales.begin(), scales.end()));
}

// The unit of a sum or product is 256 steps of the result or more: a layer whose Clip lets next to nothing
// through.
bool multiplies_beyond_kernels(const Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const ir::ValueId result = l.fused[id].result;
  const bool product = ir::weight_traits(graph_of(l), node) || ir::is_one_of(node, {"Mul", "MatMul"});
  if (!product || node.inputs.size() < 2 || !is_quantized(l, result)) return false;
  return scale_of(l, node.inputs[0]) * scale_of(l, node.inputs[1]) >= kMultiplierLimit * scale_of(l, result);
}

bool of_two(const Lowering&, const ir::Node& node) {
  return node.inputs.size() == 2;
}
bool named_range(const Lowering& l, const ir::Node& node) {
  const auto bounds = bounds_of(l, node);
  return bounds && name_of(*bounds) != Activation::kNone;
}
bool rising(const Lowering&, const ir::Node& node) {
  return ir::float_attribute(node, "alpha", 0.2f) > 0 && ir::float_attribute(node, "beta", 0.5f) != 0;
}
bool of_alpha_one(const Lowering&, const ir::Node& node) {
  return ir::float_attribute(node, "alpha", 1) == 1;
}

// What LiteRT has integer kernels for, with any scales or with those that the lowering gives them. A target
// may have others on integers: those compute in float here, between the same roundings.
constexpr std::string_view kOnIntegers[] = {"Conv",
                                            "ConvTranspose",
                                            "Gemm",
                                            "MatMul",
                                            "Add",
                                            "Sub",
                                            "Mul",
                                            "Max",
                                            "Min",
                                            "Where",
                                            "Abs",
                                            "Relu",
                                            "PRelu",
                                            "LeakyRelu",
                                            "Sigmoid",
                                            "Tanh",
                                            "HardSwish",
                                            "Elu",
                                            "Selu",
                                            "Gelu",
                                            "Exp",
                                            "Log",
                                            "Sqrt",
                                            "Softmax",
                                            "LogSoftmax",
                                            "ReduceMean",
                                            "ReduceSum",
                                            "ReduceMax",
                                            "ReduceMin",
                                            "ArgMax",
                                            "ArgMin",
                                            "MaxPool",
                                            "AveragePool",
                                            "GlobalAveragePool",
                                            "GlobalMaxPool",
                                            "Resize",
                                            "Upsample",
                                            "DepthToSpace",
                                            "SpaceToDepth",
                                            "ChannelShuffle",
                                            "Reshape",
                                            "Flatten",
                                            "Squeeze",
                                            "Unsqueeze",
                                            "Transpose",
                                            "Concat",
                                            "Split",
                                            "Slice",
                                            "Pad",
                                            "Gather",
                                            "GatherElements",
                                            "GatherND",
                                            "Expand",
                                            "Tile",
                                            "Identity",
                                            "Dropout",
                                            "ReverseSequence"};
struct Condition {
  std::string_view op_type;
  bool (*holds)(const Lowering&, const ir::Node&);
};
constexpr Condition kSometimesOnIntegers[] = {
    {"Sum", of_two}, {"Clip", named_range}, {"HardSigmoid", rising}, {"Celu", of_alpha_one}};

bool has_integer_form(const Lowering& l, const ir::Node& node) {
  const auto* some = std::ranges::find(kSometimesOnIntegers, node.op_type, &Condition::op_type);
  return some != std::end(kSometimesOnIntegers)
             ? some->holds(l, node)
             : std::ranges::find(kOnIntegers, node.op_type) != std::end(kOnIntegers);
}

// What a target computes as one need not be one operator here, and operators on integers round all that they
// make and read. Parts that hand on what is not rounded compute in float.
void leave_unrounded(Lowering& l, const std::vector<ir::NodeId>& order, plan::QuantPlan& plan) {
  for (const ir::NodeId id : order) {
    plan::NodeDecision& decision = plan.nodes[id];
    if (l.taken[id] || !runs_on_integers(l, id)) continue;
    const auto in_float = [&](ir::ValueId v) {
      return v != ir::kNone && value_at(l, v).dtype == ir::DType::kFloat && !value_at(l, v).constant &&
             !is_quantized(l, v);
    };
    const std::vector<ir::ValueId>& inputs = node_at(l, id).inputs;
    Fused& fused = l.fused[id];
    if (has_integer_form(l, node_at(l, id)) && !in_float(fused.result) && !multiplies_beyond_kernels(l, id) &&
        std::none_of(inputs.begin(), inputs.end(), in_float))
      continue;
    decision.float_output = true;
    if (fused.follower == ir::kNone || fused.activation != Activation::kNone) continue;
    const ir::NodeId follower = fused.follower;  // no range does its work
    l.taken[follower] = false;
    const ir::NodeId bias_add = fused.bias_add;
    fused = {};
    fused.bias_add = bias_add;
    fused.result = node_at(l, bias_add == ir::kNone ? id : bias_add).outputs[0];
    l.fused[follower] = fuse(l, follower);
  }
}

// A QUANTIZE from int8 to int8 that rounds: as a product with one.
void requantize_by_products(Model& model) {
  constexpr double kLeast = 1.0 / 256;  // what XNNPACK takes, and more than anybody asks for
  TensorId one = kAbsent;
  for (Operator& op : model.operators) {
    if (op.op != Op::kQuantize) continue;
    const Tensor &from = model.tensors[op.inputs[0]], &to = model.tensors[op.outputs[0]];
    if (from.type != Type::kInt8 || to.type != Type::kInt8) continue;
    const double ratio = static_cast<double>(from.quantization.scales[0]) / to.quantization.scales[0];
    if (ratio == 1 || ratio < kLeast || ratio >= kMultiplierLimit) continue;
    if (one == kAbsent) {
      Tensor constant;
      constant.name = "one";
      constant.type = Type::kInt8;
      constant.quantization = {{1}, {0}, 0};
      constant.data = std::make_shared<const std::string>(1, '\1');
      constant.kind = "constants";
      one = static_cast<TensorId>(model.tensors.size());
      model.tensors.push_back(std::move(constant));
    }
    op.op = Op::kMul;
    op.inputs.push_back(one);
  }
}

// A QUANTIZE from integers to others whose steps are so much finer that kernels cannot multiply by it.
void requantize_in_float(Model& model) {
  std::vector<Operator> operators;
  for (Operator& op : model.operators) {
    const Tensor &from = model.tensors[op.inputs.empty() ? op.outputs[0] : op.inputs[0]],
                 &to = model.tensors[op.outputs[0]];
    if (op.op == Op::kQuantize && from.type != Type::kFloat32 &&
        from.quantization.scales[0] >= kMultiplierLimit * to.quantization.scales[0]) {
      Tensor between;
      between.name = from.name + "_float";
      between.type = Type::kFloat32;
      between.shape = from.shape;
      Operator first = op;
      first.op = Op::kDequantize;
      first.outputs = {static_cast<TensorId>(model.tensors.size())};
      op.inputs = first.outputs;
      model.tensors.push_back(std::move(between));
      operators.push_back(std::move(first));
    }
    operators.push_back(std::move(op));
  }
  model.operators = std::move(operators);
}

// A Transpose that gives the batch another place: with a batch of 1 it is a RESHAPE, which would not.
std::string batch_turned_by(const ir::Graph& graph) {
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    if (!ir::standard_op(node, "Transpose")) continue;
    const std::vector<int64_t> order = ir::ints_attribute(node, "perm");
    if (order.empty() || order[0] != 0) return format("Transpose of node '{}'", node.name);
  }
  return "";
}

void finish(Model& model, const LowerOptions& options) {
  tidy(model);
  round_tables(model);
  requantize_in_float(model);
  if (options.xnnpack) requantize_by_products(model), reduce_to_the_end(model);
  if (model.holds_batch.empty() && std::ranges::find(options.free_batch, true) != options.free_batch.end()) {
    model.holds_batch = free_batch(model, options.free_batch);
    tidy(model);
  }
  for (Operator& op : model.operators) op.version = version_of(model, op).version;
  name_apart(model);
}

// The same constants as in an ONNX file of this mode, but for ties in size.
int64_t size_worth_halving(const ir::Graph& graph) {
  const std::vector<bool> small = plan::smallest_constants(graph);
  int64_t largest = 0;
  for (size_t v = 0; v < small.size(); ++v)
    if (small[v]) largest = std::max(largest, graph.values[v].constant->size());
  return largest + 1;
}

}  // namespace

Model lower(const plan::QuantizedModel& source, const std::vector<plan::Idiom>& idioms,
            const LowerOptions& options) {
  plan::QuantizedModel model = source;  // constants are shared: this copies integers, not floats
  rewrite(model, idioms, options);
  Lowering l(model, options);
  const std::vector<ir::NodeId> order = ir::topological_order(model.graph);
  l.fused.resize(model.graph.nodes.size());
  l.taken.resize(model.graph.nodes.size());
  l.absorbed.resize(model.graph.nodes.size());
  bool sized = true;
  for (const ir::NodeId id : order) {
    sized = shapes_known(l, id) && types_known(l, id) && sized;
    if (!row_for(node_at(l, id))) refuse(l, id, format("TFLite has no op for {}", node_at(l, id).op_type));
  }
  if (!sized) l.problems.throw_if_errors(Exit::kUnsupported);
  for (const ir::NodeId id : order) {
    l.absorbed[id] = flattens_for_gemm(l, node_at(l, id));
    if (!l.taken[id]) l.fused[id] = fuse(l, id);
  }
  leave_unrounded(l, order, model.plan);
  if (options.form == Form::kFloat16) l.least_halved = size_worth_halving(model.graph);
  choose_layouts(l);
  l.model.name = model.graph.name;
  l.model.metadata = options.metadata;
  add_inputs(l);
  for (const ir::NodeId id : order) {
    const OpRow* row = row_for(node_at(l, id));
    if (!row || l.taken[id]) continue;
    l.current = id;
    row->lower(l, id);
    cut_off(l, id);
  }
  l.current = ir::kNone;
  add_outputs(l);
  l.problems.throw_if_errors(Exit::kUnsupported);
  if (!options.free_batch.empty()) l.model.holds_batch = batch_turned_by(model.graph);
  finish(l.model, options);
  return std::move(l.model);
}

}  // namespace qc::tflite
