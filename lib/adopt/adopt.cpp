// See adopt.h. One walk, producers first: every value of integers gets a twin in float and the grid that it
// lies on; whatever reads integers reads the twin.
#include "adopt/adopt.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>

#include "adopt/clamp.h"
#include "adopt/read_params.h"
#include "base/text.h"

namespace qc::adopt {
namespace {

using ir::DType;
using ir::kNone;
using ir::NodeId;
using ir::ValueId;
using quant::QuantParams;

bool is_quantize(const ir::Node& node) {
  return node.op_type == "QuantizeLinear";
}
bool is_dequantize(const ir::Node& node) {
  return node.op_type == "DequantizeLinear";
}

// Where a QLinear op keeps its operands: x, scale, zero point in a row; then scale and zero point of the
// result.
struct Layout {
  std::string_view op_type, float_op;
  std::vector<size_t> operands;  // slots of the integers
  size_t result_scale;
  size_t bias = 0;       // slot; 0: none
  size_t handed_on = 0;  // inputs in front that are no integers
};

const std::vector<Layout>& layouts() {
  static const std::vector<Layout> table{
      {"QLinearConv", "Conv", {0, 3}, 6, 8},
      {"QLinearMatMul", "MatMul", {0, 3}, 6},
      {"QLinearAdd", "Add", {0, 3}, 6},
      {"QLinearMul", "Mul", {0, 3}, 6},
      {"QGemm", "Gemm", {0, 3}, 7, 6},
      {"QLinearAveragePool", "AveragePool", {0}, 3},
      {"QLinearGlobalAveragePool", "GlobalAveragePool", {0}, 3},
      {"QLinearSigmoid", "Sigmoid", {0}, 3},
      {"QLinearSoftmax", "Softmax", {0}, 3},
      {"QLinearLeakyRelu", "LeakyRelu", {0}, 3},
      {"QLinearWhere", "Where", {1, 4}, 7, 0, 1},
  };
  return table;
}

const Layout* layout_of(const ir::Node& node) {
  const auto found = std::find_if(layouts().begin(), layouts().end(),
                                  [&](const Layout& one) { return one.op_type == node.op_type; });
  return found == layouts().end() ? nullptr : &*found;
}

// Ops that may stand between integers and mean the same between floats.
constexpr std::string_view kMoves[] = {
    "Reshape",      "Transpose", "Squeeze",        "Unsqueeze", "Flatten",      "Slice",
    "MaxPool",      "Gather",    "Identity",       "Expand",    "Tile",         "Split",
    "DepthToSpace", "Resize",    "GatherElements", "Concat",    "SpaceToDepth", "Pad"};

struct Twin {
  ValueId value = kNone;
  QuantParams params;
};

class Stripper {
 public:
  explicit Stripper(ir::Graph& graph) : graph_(graph), reach_(graph) {}

  FileGrids run() {
    for (const NodeId id : ir::topological_order(graph_)) visit(id);
    diagnostics_.throw_if_errors(Exit::kInput);
    ir::remove_dead(graph_);
    remove_repeated_clamps();
    return std::move(found_);
  }

 private:
  ir::Node& node(NodeId id) { return ir::node_at(graph_, id); }
  ir::Value& value(ValueId v) { return ir::value_at(graph_, v); }

  // Some files round in front of an activation function as well.
  void remove_repeated_clamps() {
    for (const auto& [x, clamped] : clamps_)
      if (value(clamped).producer != kNone && remove_if_repeated(graph_, clamped)) {
        found_.activations.erase(value(clamped).name);
        --found_.clamped;
      }
    ir::remove_dead(graph_);  // their bounds
  }

  void complain(const ir::Node& at, const char* code, const std::string& cause, const std::string& remedy) {
    diagnostics_.error({code, place_of(at), cause, remedy});
  }

  void visit(NodeId id) {
    if (node(id).erased) return;
    if (is_quantize(node(id))) return quantize(id);
    if (is_dequantize(node(id))) return dequantize(id);
    if (const Layout* layout = layout_of(node(id))) return expand(id, *layout);
    if (node(id).op_type == "QLinearConcat") return expand_concat(id);
    move(id);
  }

  int64_t axis_of(const ir::Node& at, ValueId v) {
    const int64_t axis = ir::int_attribute(at, "axis", 1);
    const auto rank =
        static_cast<int64_t>(value(v).constant ? value(v).constant->dims.size() : value(v).dims.size());
    return axis < 0 ? axis + rank : axis;
  }

  // Remembers the grid of a float value; two different ones for the same value contradict each other.
  void know(const ir::Node& at, ValueId v, const QuantParams& params) {
    const auto [place, added] = found_.activations.emplace(value(v).name, params);
    if (added || place->second == params) return;
    complain(
        at, "contradicting-scales",
        format("it rounds '{}' with scale {} and zero point {}, another node with scale {} and zero point {}",
               value(v).name, params.scales[0], params.zero_points[0], place->second.scales[0],
               place->second.zero_points[0]),
        "leave one of the two pairs, or give the float model");
  }

  void quantize(NodeId id) {
    const ValueId x = node(id).inputs.at(0), q = node(id).outputs.at(0);
    if (ir::is_output(graph_, q)) return;  // integers leave the model here
    auto params = read_params(graph_, node(id), 1, 2, integer_type(graph_, node(id)), axis_of(node(id), x),
                              diagnostics_);
    if (!params) return;
    if (!value(x).constant) join_equal(*params);
    if (value(x).constant) return quantize_constant(id, x, q, *params);
    if (const auto again = rounded_.find(x); again != rounded_.end() && !(again->second == *params))
      return complain(node(id), "quantized-twice",
                      format("'{}' is rounded with scale {} already, and here again with scale {}",
                             value(x).name, again->second.scales[0], params->scales[0]),
                      "leave the pair whose scale the next layer was trained or calibrated with");
    know(node(id), x, params->per_channel() ? covering(*params) : *params);
    found_.covered += params->per_channel();
    twins_[q] = {clamped(id, x, *params), *params};
  }

  // `x` within the ends that the grid has instead of an activation function.
  ValueId clamped(NodeId at, ValueId x, const QuantParams& params) {
    const auto ends = clamp_of(params, !reach_.is_moved(x));
    if (!ends || !reach_.is_computed(x)) return x;
    const Interval reach = reach_.of(x);
    if (reach.low >= ends->low && reach.high <= ends->high) return x;
    const auto [place, added] = clamps_.emplace(x, kNone);
    if (added) {
      place->second = insert_clamp(graph_, x, *ends);
      know(node(at), place->second, params.per_channel() ? covering(params) : params);
      ++found_.clamped;
    }
    return place->second;
  }

  // One grid over all that the channels' grids reach: no kernel takes activations with a scale a channel.
  static QuantParams covering(const QuantParams& params) {
    double low = 0, high = 0;
    for (size_t c = 0; c < params.scales.size(); ++c) {
      const double scale = params.scales[c];
      low = std::min(low, scale * static_cast<double>(params.qmin() - params.zero_points[c]));
      high = std::max(high, scale * static_cast<double>(params.qmax() - params.zero_points[c]));
    }
    return quant::asymmetric_params(low, high, params.bits, params.is_signed);
  }

  // A float weight behind Q (training frameworks): the floats on its grid.
  void quantize_constant(NodeId id, ValueId x, ValueId q, const QuantParams& params) {
    const ir::Tensor& tensor = *value(x).constant;
    if (tensor.dtype != DType::kFloat)
      return complain(node(id), "bad-type", "it rounds a constant that is not float32",
                      "store it as float32");
    QuantParams own = params;
    std::vector<int32_t> integers = quant::quantize(tensor.as<float>(), tensor.dims, own);
    twins_[q] = {on_grid(value(x).name, std::move(integers), own, tensor.dims), own};
  }

  // A new constant of the floats that the integers stand for.
  ValueId on_grid(const std::string& name, std::vector<int32_t> integers, QuantParams& params,
                  const std::vector<int64_t>& dims) {
    make_signed(integers, params);
    const std::vector<float> floats = quant::dequantize(integers, dims, params);
    const ValueId v = ir::add_constant(graph_, name, ir::make_tensor(std::span<const float>(floats), dims));
    if (params.bits <= 16) found_.weights[value(v).name] = params;
    return v;
  }

  bool sizes_fit(const ir::Node& at, const ir::Tensor& tensor, const QuantParams& params) {
    if (!params.per_channel()) return true;
    const auto rank = static_cast<int>(tensor.dims.size());
    bool fits = params.axis < rank;
    if (fits) {
      const int64_t length = tensor.dims[params.axis];
      fits = length == static_cast<int64_t>(params.scales.size());
    }
    if (!fits)
      complain(at, "bad-scale",
               format("it has {} scales along axis {} of [{}]", params.scales.size(), params.axis,
                      fmt::join(tensor.dims, ",")),
               "export the model again: scales and weight do not belong together");
    return fits;
  }

  void dequantize(NodeId id) {
    const ValueId q = node(id).inputs.at(0), x = node(id).outputs.at(0);
    const bool constant = value(q).constant.has_value();
    if (!constant && !twins_.contains(q)) {
      if (value(q).producer != kNone)
        complain(node(id), "unknown-integers",
                 format("nothing is known of how '{}' was rounded", value(q).name),
                 "give the float model this one was made from");
      return;  // integers enter the model here
    }
    auto params = read_params(graph_, node(id), 1, 2, integer_type(graph_, node(id)), axis_of(node(id), q),
                              diagnostics_);
    if (!params) return;
    Twin twin;
    if (constant) {
      const ir::Tensor tensor = *value(q).constant;
      if (!sizes_fit(node(id), tensor, *params)) return;
      twin.params = *params;
      twin.value = on_grid(value(q).name + "_float", integers_of(tensor, *params), twin.params, tensor.dims);
    } else {
      twin = twins_.at(q);
      const bool weight = value(twin.value).constant.has_value();
      if (!weight) join_equal(*params);
      if (!weight && !(twin.params == *params))
        return complain(
            node(id), "contradicting-scales",
            format("it reads '{}' with scale {} and zero point {}, which was rounded with scale {} and "
                   "zero point {}",
                   value(q).name, params->scales[0], params->zero_points[0], twin.params.scales[0],
                   twin.params.zero_points[0]),
            "give Q and DQ of a pair the same scale and zero point");
    }
    rounded_[twin.value] = twin.params;
    hand_over(id, x, twin.value);
  }

  // Readers of `x`, what `id` made, read `twin`; an output keeps its name.
  void hand_over(NodeId id, ValueId x, ValueId twin) {
    const bool output = ir::is_output(graph_, x);
    const NodeId maker = value(twin).producer;
    if (output && maker != kNone && !ir::is_output(graph_, twin)) {
      const std::vector<ValueId>& made = node(maker).outputs;
      const auto slot = static_cast<size_t>(std::find(made.begin(), made.end(), twin) - made.begin());
      ir::erase_node(graph_, id);
      ir::set_output(graph_, maker, slot, x);
      ir::replace_uses(graph_, twin, x);
      if (const auto known = found_.activations.find(value(twin).name); known != found_.activations.end()) {
        const QuantParams params = known->second;
        found_.activations.erase(known);
        found_.activations[value(x).name] = params;
      }
      for (auto& [q, one] : twins_)
        if (one.value == twin) one.value = x;
      rounded_[x] = rounded_[twin];
    } else if (output) {  // an input of the model straight to an output
      ir::Node copy;
      copy.op_type = "Identity";
      copy.inputs = {twin};
      copy.outputs = {x};
      ir::erase_node(graph_, id);
      ir::add_node(graph_, std::move(copy));
    } else {
      ir::replace_uses(graph_, x, twin);
      ir::erase_node(graph_, id);
    }
  }

  // What an operand of integers is in float; kNone and a problem where nothing is known of it.
  ValueId operand(NodeId id, size_t slot, int64_t channel_axis) {
    const ValueId q = node(id).inputs.at(slot);
    const DType type = value(q).constant ? value(q).constant->dtype : DType::kUndefined;
    if (!value(q).constant) {
      const auto twin = twins_.find(q);
      if (twin != twins_.end()) return twin->second.value;
      complain(node(id), "unknown-integers",
               format("nothing is known of how '{}' was rounded", value(q).name),
               "give the float model this one was made from");
      return kNone;
    }
    const ir::Tensor tensor = *value(q).constant;
    auto params = read_params(graph_, node(id), slot + 1, slot + 2, type, channel_axis, diagnostics_);
    if (!params || !sizes_fit(node(id), tensor, *params)) return kNone;
    return on_grid(value(q).name + "_float", integers_of(tensor, *params), *params, tensor.dims);
  }

  // An int32 bias has the scale of the input times that of the weight.
  ValueId bias(NodeId id, size_t slot) {
    const ir::Tensor tensor = *value(node(id).inputs[slot]).constant;
    const auto x = read_params(graph_, node(id), 1, 2, type_of(id, 2), -1, diagnostics_);
    const auto w = read_params(graph_, node(id), 4, 5, type_of(id, 5), 0, diagnostics_);
    if (!x || !w) return kNone;
    QuantParams params;
    params.bits = 32;
    const std::vector<int32_t> integers = integers_of(tensor, params);
    std::vector<float> floats;
    for (size_t c = 0; c < integers.size(); ++c)
      floats.push_back(static_cast<float>(integers[c] * static_cast<double>(x->scales[0]) *
                                          static_cast<double>(w->scales[w->scales.size() > 1 ? c : 0])));
    return ir::add_constant(graph_, value(node(id).inputs[slot]).name + "_float",
                            ir::make_tensor(std::span<const float>(floats), tensor.dims));
  }

  DType type_of(NodeId id, size_t slot) {
    const ir::Tensor* zero = ir::constant_input(graph_, node(id), slot);
    return zero ? zero->dtype : DType::kUint8;
  }

  void replace(NodeId id, std::string_view op_type, const std::vector<ValueId>& inputs, size_t scale_slot) {
    const ValueId out = node(id).outputs.at(0);
    const bool rounded = scale_slot < node(id).inputs.size() && node(id).inputs[scale_slot] != kNone;
    std::optional<QuantParams> params;
    if (rounded)
      params = read_params(graph_, node(id), scale_slot, scale_slot + 1, type_of(id, scale_slot + 1), -1,
                           diagnostics_);
    if ((rounded && !params) || std::find(inputs.begin(), inputs.end(), kNone) != inputs.end()) return;
    ir::Node plain = node(id);
    const std::vector<ValueId> given = plain.inputs;
    plain.op_type = std::string(op_type);
    plain.domain.clear();
    plain.inputs = inputs;
    std::erase_if(plain.attributes,
                  [](const ir::Attribute& a) { return a.name == "channels_last" || a.name == "opset"; });
    ValueId made = rounded ? float_twin(out) : out;
    plain.outputs = {made};
    ir::erase_node(graph_, id);
    const NodeId now = ir::add_node(graph_, std::move(plain));
    if (!rounded) return;
    know(node(now), made, *params);
    made = clamped(now, made, *params);
    twins_[out] = {made, *params};
    rounded_[made] = *params;
    if (!ir::is_output(graph_, out)) return;
    ir::Node leave;  // integers are what the model hands out
    leave.op_type = "QuantizeLinear";
    leave.inputs = {made, given[scale_slot], given[scale_slot + 1]};
    leave.outputs = {out};
    ir::add_node(graph_, std::move(leave));
  }

  // A float value for what holds integers now.
  ValueId float_twin(ValueId integers) {
    const ValueId v = ir::add_value(graph_, value(integers).name + "_float", DType::kFloat);
    value(v).has_shape = value(integers).has_shape;
    value(v).dims = value(integers).dims;
    value(v).dim_params = value(integers).dim_params;
    return v;
  }

  void expand(NodeId id, const Layout& layout) {
    const bool matrix = layout.float_op == "MatMul" || layout.float_op == "Gemm";
    const bool turned = ir::int_attribute(node(id), "transB", 0) != 0;
    std::vector<ValueId> inputs(node(id).inputs.begin(),
                                node(id).inputs.begin() + static_cast<std::ptrdiff_t>(layout.handed_on));
    for (const size_t slot : layout.operands) inputs.push_back(operand(id, slot, matrix && !turned ? 1 : 0));
    const std::vector<ValueId>& given = node(id).inputs;
    if (layout.bias > 0 && layout.bias < given.size() && given[layout.bias] != kNone)
      inputs.push_back(value(given[layout.bias]).constant ? bias(id, layout.bias) : kNone);
    replace(id, layout.float_op, inputs, layout.result_scale);
  }

  void expand_concat(NodeId id) {  // result first, then the operands
    std::vector<ValueId> inputs;
    for (size_t slot = 2; slot + 2 < node(id).inputs.size(); slot += 3)
      inputs.push_back(operand(id, slot, 0));
    replace(id, "Concat", inputs, 0);
  }

  // The grid of integers of which those who read them alone say it, all of them the same.
  std::optional<QuantParams> named_by_readers(ValueId v) {
    std::optional<QuantParams> named;
    if (ir::is_output(graph_, v)) return std::nullopt;
    for (const NodeId reader : value(v).consumers) {
      const std::vector<ValueId>& inputs = node(reader).inputs;
      const auto slot = static_cast<size_t>(std::find(inputs.begin(), inputs.end(), v) - inputs.begin());
      const bool names =
          is_dequantize(node(reader)) || layout_of(node(reader)) || node(reader).op_type == "QLinearConcat";
      std::optional<QuantParams> one;
      if (names)
        one = read_params(graph_, node(reader), slot + 1, slot + 2, type_of(reader, slot + 2), -1,
                          diagnostics_);
      else if (slot == 0 && moves(node(reader)) && node(reader).outputs.size() == 1)
        one = named_by_readers(node(reader).outputs[0]);
      if (!one || one->per_channel() || (named && !(*named == *one))) return std::nullopt;
      named = one;
    }
    return named;
  }

  // A table of integers that is looked up as it is: its grid is that of what comes out.
  void read_table(NodeId id) {
    if (!ir::standard_op(node(id), "Gather") || node(id).outputs.at(0) == kNone) return;  // or folded away
    const ValueId q = node(id).inputs.at(0);
    if (!value(q).constant || twins_.contains(q)) return;
    const ir::Tensor table = *value(q).constant;
    if (table.dtype != DType::kUint8 && table.dtype != DType::kInt8) return;
    const auto params = named_by_readers(node(id).outputs.at(0));
    if (!params || params->is_signed != (table.dtype == DType::kInt8)) return;
    QuantParams own = *params;
    std::vector<int32_t> integers = integers_of(table, own);
    twins_[q] = {on_grid(value(q).name + "_float", std::move(integers), own, table.dims), *params};
  }

  // What a Pad fills in is an integer of the same grid: zero where it says nothing.
  void fill_with_float(NodeId id, const QuantParams& params) {
    if (!ir::standard_op(node(id), "Pad") || ir::string_attribute(node(id), "mode", "constant") != "constant")
      return;
    const bool said = node(id).inputs.size() > 2 && node(id).inputs[2] != kNone;
    const auto integer = said ? ir::scalar_constant(graph_, node(id).inputs[2]) : std::optional(0.0);
    if (!integer)
      return complain(node(id), "unknown-integers", "what it fills in is no constant",
                      "give the float model this one was made from");
    const auto value = static_cast<float>((*integer - params.zero_points[0]) * params.scales[0]);
    ir::set_input(
        graph_, id, 2,
        ir::add_constant(graph_, node(id).name + "/fill", ir::make_tensor(std::span(&value, 1), {})));
  }

  static bool moves(const ir::Node& at) {
    return std::any_of(std::begin(kMoves), std::end(kMoves),
                       [&](std::string_view op) { return ir::standard_op(at, op); });
  }

  // Anything else: what read integers reads floats, if it only moves them.
  void move(NodeId id) {
    read_table(id);
    std::vector<size_t> slots;
    for (size_t slot = 0; slot < node(id).inputs.size(); ++slot)
      if (twins_.contains(node(id).inputs[slot])) slots.push_back(slot);
    if (slots.empty()) return;
    const QuantParams params = twins_.at(node(id).inputs[slots[0]]).params;
    const bool clip = node(id).op_type == "Clip" && slots == std::vector<size_t>{0};
    if (clip) return narrow(id, params);
    if (!moves(node(id)))
      return complain(node(id), "unknown-integers", "it computes on integers in a way that is not known here",
                      "give the float model this one was made from");
    fill_with_float(id, params);
    for (const size_t slot : slots) ir::set_input(graph_, id, slot, twins_.at(node(id).inputs[slot]).value);
    for (size_t slot = 0; slot < node(id).outputs.size(); ++slot) {
      const ValueId out = node(id).outputs[slot];
      if (out == kNone) continue;
      if (ir::is_output(graph_, out))
        return complain(node(id), "unknown-integers",
                        "integers that it only moves are an output of the model",
                        "export the model with float outputs");
      const ValueId made = float_twin(out);
      ir::set_output(graph_, id, slot, made);
      know(node(id), made, params);
      twins_[out] = {made, params};
      rounded_[made] = params;
    }
  }

  // Q -> Clip -> DQ of exporters with fewer than 8 bits: the bounds say how many.
  void narrow(NodeId id, const QuantParams& params) {
    const ValueId q = node(id).inputs[0], out = node(id).outputs.at(0);
    const auto low = ir::scalar_constant(graph_, node(id).inputs.size() > 1 ? node(id).inputs[1] : kNone);
    const auto high = ir::scalar_constant(graph_, node(id).inputs.size() > 2 ? node(id).inputs[2] : kNone);
    Twin twin = twins_.at(q);
    if (!low || !high)
      return complain(node(id), "unknown-integers", "it cuts integers off at bounds that are no constants",
                      "give the float model this one was made from");
    QuantParams narrow = params;
    while (narrow.bits > 2) {
      QuantParams fewer = narrow;
      --fewer.bits;
      if (static_cast<double>(fewer.qmin()) > *low || static_cast<double>(fewer.qmax()) < *high) break;
      narrow = fewer;
    }
    narrow.narrow_range = narrow.is_signed && static_cast<double>(narrow.qmin()) + 1 == *low;
    if (value(twin.value).constant) {
      const ir::Tensor tensor = *value(twin.value).constant;
      QuantParams own = narrow;
      std::vector<int32_t> integers = quant::quantize(tensor.as<float>(), tensor.dims, own);
      twin = {on_grid(value(twin.value).name, std::move(integers), own, tensor.dims), own};
    } else {
      found_.activations[value(twin.value).name] = narrow;
      twin.value = clamped(id, twin.value, narrow);
      twin.params = params;  // what the DQ behind it says
    }
    twins_[out] = twin;
  }

  ir::Graph& graph_;
  Reach reach_;
  FileGrids found_;
  Diagnostics diagnostics_;
  std::map<ValueId, Twin> twins_;           // integers -> floats
  std::map<ValueId, QuantParams> rounded_;  // floats that come from integers
  std::map<ValueId, ValueId> clamps_;       // floats -> the same behind a Relu or Clip made here
};

}  // namespace

bool carries_quantization(const ir::Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const ir::Node& node) {
    return !node.erased &&
           (is_quantize(node) || is_dequantize(node) || layout_of(node) || node.op_type == "QLinearConcat");
  });
}

FileGrids strip(ir::Graph& graph) {
  return Stripper(graph).run();
}

}  // namespace qc::adopt
