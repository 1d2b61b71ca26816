// Ops that move elements without computing: their axes follow the order of the node, their integers keep the
// input's scale.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/text.h"
#include "ir/edit.h"
#include "tflite/lowering.h"

namespace qc::tflite {
namespace {

const std::vector<int64_t>& in_dims(const Lowering& l, ir::NodeId id) {
  return dims_of(l, node_at(l, id).inputs[0]);
}
const std::vector<int64_t>& out_dims(const Lowering& l, ir::NodeId id) {
  return dims_of(l, node_at(l, id).outputs[0]);
}

std::vector<int32_t> in_order(const Lowering& l, ir::NodeId id, std::span<const int64_t> by_dimension) {
  const bool last = l.layouts.node_in[id];
  const std::vector<int64_t> moved = last ? permuted(by_dimension, channels_last(by_dimension.size()))
                                          : std::vector<int64_t>(by_dimension.begin(), by_dimension.end());
  return {moved.begin(), moved.end()};
}

NodeSides reshape_sides(const Lowering& l, ir::NodeId id) {
  if (l.absorbed[id]) return {Side::kFree, Side::kOriginal, false};
  const std::vector<int64_t>&in = in_dims(l, id), &out = out_dims(l, id);
  const bool keeps = in.size() >= 3 && out.size() >= 3 && in[0] == out[0] && in[1] == out[1];
  return keeps ? NodeSides{Side::kFree, Side::kFree, true} : original_sides(l, id);
}

void lower_reshape(Lowering& l, ir::NodeId id) {
  reshape_result(l, id, read(l, id, 0));
}

std::vector<int64_t> permutation_of(const Lowering& l, ir::NodeId id) {
  std::vector<int64_t> order = ir::ints_attribute(node_at(l, id), "perm");
  if (!order.empty()) return order;
  order.resize(in_dims(l, id).size());
  std::iota(order.rbegin(), order.rend(), 0);
  return order;
}

// Does a Reshape make an image of it, or a convolution take it for a signal?
bool becomes_image(const Lowering& l, ir::ValueId v) {
  const std::vector<ir::NodeId>& readers = value_at(l, v).consumers;
  return std::any_of(readers.begin(), readers.end(), [&](ir::NodeId id) {
    const ir::Node& reader = node_at(l, id);
    if (ir::is_one_of(reader, {"Conv", "ConvTranspose"})) return true;
    const bool reshapes = ir::is_one_of(reader, {"Reshape", "Unsqueeze"});
    if (!reshapes || reader.inputs[0] != v) return false;
    const std::vector<int64_t>&in = in_dims(l, id), &out = out_dims(l, id);
    return out.size() > in.size() && in[0] == out[0] && in[1] == out[1];
  });
}

// Rows that a Reshape has made of a signal with its channels last (normalize/sub_pixel.cpp).
bool spreads_signal(const Lowering& l, ir::ValueId v) {
  const auto maker = [&](ir::ValueId made, const char* op) {
    const ir::NodeId id = value_at(l, made).producer;
    return id != ir::kNone && ir::standard_op(node_at(l, id), op) ? id : ir::kNone;
  };
  const ir::NodeId reshape = maker(v, "Reshape");
  if (reshape == ir::kNone) return false;
  const ir::NodeId transpose = maker(node_at(l, reshape).inputs[0], "Transpose");
  return transpose != ir::kNone && in_dims(l, transpose).size() == 3 &&
         permutation_of(l, transpose) == std::vector<int64_t>{0, 2, 1};
}

NodeSides transpose_sides(const Lowering& l, ir::NodeId id) {
  const std::vector<int64_t> order = permutation_of(l, id);
  const size_t rank = order.size();
  if (rank < 3) return original_sides(l, id);
  const std::vector<int> last = channels_last(rank);
  const auto is = [&](auto&& wanted) {
    for (size_t d = 0; d < rank; ++d)
      if (order[d] != wanted(d)) return false;
    return true;
  };
  // It says itself what the two orders differ by. With three dimensions it may say so either way: tokens
  // become an image, or an image tokens.
  if (rank == 3 && is([&](size_t d) { return last[d]; }) &&
      (becomes_image(l, node_at(l, id).outputs[0]) || spreads_signal(l, node_at(l, id).inputs[0])))
    return {Side::kOriginal, Side::kLast, false};
  if (is([&](size_t d) { return last[d]; })) return {Side::kLast, Side::kOriginal, false};
  if (is([&](size_t d) { return std::find(last.begin(), last.end(), static_cast<int>(d)) - last.begin(); }))
    return {Side::kOriginal, Side::kLast, false};
  if (order[0] == 0 && order[1] == 1) return {Side::kFree, Side::kFree, true};
  return original_sides(l, id);
}

void lower_transpose(Lowering& l, ir::NodeId id) {
  const std::vector<int64_t> order = permutation_of(l, id);
  std::vector<int> in = channels_last(order.size()), out = in;
  if (!l.layouts.node_in[id]) std::sort(in.begin(), in.end());
  if (!l.layouts.node_out[id]) std::sort(out.begin(), out.end());
  std::vector<int> steps;
  for (const int d : out)
    steps.push_back(static_cast<int>(std::find(in.begin(), in.end(), order[d]) - in.begin()));
  const TensorId x = read(l, id, 0);
  const std::vector<int32_t> shape = tensor_at(l, x).shape;
  if (moves_nothing(std::vector<int64_t>(shape.begin(), shape.end()), steps)) return reshape_result(l, id, x);
  emit_result(l, id, Op::kTranspose, {x, constant_ints(l, {steps.begin(), steps.end()})}, {}, same_as(x));
}

void lower_concat(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const size_t rank = out_dims(l, id).size();
  std::vector<TensorId> inputs;
  for (size_t slot = 0; slot < node.inputs.size(); ++slot) inputs.push_back(read_in(l, id, slot, rank));
  const bool last = l.layouts.node_in[id];
  const int64_t axis = axis_in(ir::int_attribute(node, "axis", 0), rank, last);
  if (inputs.size() == 1) return reshape_result(l, id, inputs[0]);
  emit_result(l, id, Op::kConcatenation, std::move(inputs), {{"axis", axis}});
}

// Parts of unlike sizes, a SLICE each: XNNPACK takes them and no SPLIT_V.
void emit_parts(Lowering& l, ir::NodeId id, TensorId x, size_t axis, const std::vector<int32_t>& sizes) {
  const std::vector<int32_t> whole = tensor_at(l, x).shape;
  const auto at =
      static_cast<size_t>(axis_in(static_cast<int64_t>(axis), whole.size(), l.layouts.node_in[id]));
  int32_t from = 0;
  for (size_t slot = 0; slot < sizes.size(); ++slot) {
    std::vector<int32_t> begin(whole.size(), 0), size = whole;
    begin[at] = from;
    size[at] = sizes[slot];
    from += sizes[slot];
    emit_result_at(l, id, slot, Op::kSlice, {x, constant_ints(l, begin), constant_ints(l, size)}, x);
  }
}

void lower_split(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const size_t rank = in_dims(l, id).size();
  const int64_t axis = ir::int_attribute(node, "axis", 0);
  const size_t at = static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis);
  std::vector<int32_t> sizes;
  for (const ir::ValueId v : node.outputs) {
    if (v == ir::kNone) return refuse(l, id, "an output of it is left out");
    sizes.push_back(static_cast<int32_t>(dims_of(l, v)[at]));
  }
  const TensorId x = read(l, id, 0);
  const TensorId where = constant_scalar(l, axis_in(axis, rank, l.layouts.node_in[id]));
  const Options options{{"num_splits", static_cast<int64_t>(sizes.size())}};
  const bool equal = std::all_of(sizes.begin(), sizes.end(), [&](int32_t s) { return s == sizes[0]; });
  if (equal) return emit_results(l, id, Op::kSplit, {where, x}, options, x);
  emit_parts(l, id, x, at, sizes);
}

// Every step-th row and column of an image as a depthwise convolution whose kernel has a single one, which
// XNNPACK takes and computes exactly, integers too; STRIDED_SLICE with steps it leaves to slower kernels.
bool sample_by_convolution(Lowering& l, ir::NodeId id, const std::vector<int64_t>& begin,
                           const std::vector<int64_t>& step) {
  const std::vector<int64_t>&in = in_dims(l, id), &out = out_dims(l, id);
  if (in.size() != 4 || !l.layouts.node_in[id]) return false;
  for (size_t d = 0; d < 4; ++d) {
    const bool whole = begin[d] == 0 && step[d] == 1 && in[d] == out[d];
    const bool fits = begin[d] < step[d] && step[d] <= 4 && in[d] > begin[d] &&
                      out[d] == (in[d] - begin[d] - 1) / step[d] + 1;
    if (d < 2 ? !whole : !fits) return false;
  }
  const TensorId x = read(l, id, 0);
  const Type type = tensor_at(l, x).type;
  if (type != Type::kFloat32 && type != Type::kInt8) return false;
  const std::vector<int32_t> shape{1, static_cast<int32_t>(begin[2] + 1), static_cast<int32_t>(begin[3] + 1),
                                   static_cast<int32_t>(in[1])};
  const auto channels = static_cast<size_t>(in[1]), all = static_cast<size_t>(shape[1] * shape[2]) * channels;
  const bool integers = type == Type::kInt8;
  std::vector<float> floats(all, 0.0f);
  std::fill(floats.end() - in[1], floats.end(), 1.0f);
  const auto bytes = [&](const auto& v) {
    return std::string(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(v[0]));
  };
  const std::vector<int8_t> ones(floats.begin(), floats.end());
  const Quantization unit = integers ? Quantization{{1.0f}, {0}, 0} : Quantization{},
                     sums = integers ? Quantization{tensor_at(l, x).quantization.scales, {0}, 0}
                                     : Quantization{};
  const TensorId weight =
      add_constant(l, type, shape, integers ? bytes(ones) : bytes(floats), "constants", unit);
  const TensorId bias = add_constant(l, integers ? Type::kInt32 : Type::kFloat32, {shape[3]},
                                     std::string(4 * channels, '\0'), "constants", sums);
  emit_result(l, id, Op::kDepthwiseConv2d, {x, weight, bias},
              {{"padding", static_cast<int64_t>(Padding::kValid)},
               {"stride_w", step[3]},
               {"stride_h", step[2]},
               {"depth_multiplier", int64_t{1}}},
              same_as(x));
  return true;
}

void lower_slice(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const std::vector<int64_t>&in = in_dims(l, id), &out = out_dims(l, id);
  auto starts = integers_of(l, node, 1), axes = integers_of(l, node, 3), steps = integers_of(l, node, 4);
  if (!starts && ir::find_attribute(node, "starts")) {
    starts = ir::ints_attribute(node, "starts");
    axes = ir::ints_attribute(node, "axes");
  }
  if (!starts) return refuse(l, id, "its bounds are computed by the model");
  std::vector<int64_t> begin(in.size(), 0), step(in.size(), 1), end(in.size());
  for (size_t i = 0; i < starts->size(); ++i) {
    int64_t axis = axes && !axes->empty() ? (*axes)[i] : static_cast<int64_t>(i);
    if (axis < 0) axis += static_cast<int64_t>(in.size());
    const auto d = static_cast<size_t>(axis);
    step[d] = steps && !steps->empty() ? (*steps)[i] : 1;
    const int64_t start = (*starts)[i] < 0 ? (*starts)[i] + in[d] : (*starts)[i];
    begin[d] = std::clamp<int64_t>(start, 0, step[d] > 0 ? in[d] : in[d] - 1);
  }
  const TensorId x = read(l, id, 0);
  const auto ints = [&](const std::vector<int64_t>& v) { return constant_ints(l, in_order(l, id, v)); };
  if (std::all_of(step.begin(), step.end(), [](int64_t s) { return s == 1; }))
    return emit_result(l, id, Op::kSlice, {x, ints(begin), ints(out)}, {}, same_as(x));
  if (sample_by_convolution(l, id, begin, step)) return;
  int64_t end_mask = 0;
  for (size_t d = 0; d < in.size(); ++d) {
    end[d] = begin[d] + out[d] * step[d];
    // A count down past the first element has no end to name.
    if (end[d] < 0)
      end_mask |= int64_t{1} << axis_in(static_cast<int64_t>(d), in.size(), l.layouts.node_in[id]);
    end[d] = step[d] > 0 ? std::min(end[d], in[d]) : std::max<int64_t>(end[d], 0);
  }
  emit_result(l, id, Op::kStridedSlice, {x, ints(begin), ints(end), ints(step)},
              {{"begin_mask", int64_t{0}}, {"end_mask", end_mask}}, same_as(x));
}

void lower_pad(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const size_t rank = in_dims(l, id).size();
  const auto pads = ir::full_pads(graph_of(l), node, rank);
  if (!pads) return refuse(l, id, "its amounts are computed by the model");
  if (rank > 5) return refuse(l, id, "TFLite pads up to five dimensions");
  if (std::any_of(pads->begin(), pads->end(), [](int64_t p) { return p < 0; }))
    return refuse(l, id, "negative amounts cut instead of padding", "export the model with a Slice there");
  const std::vector<int32_t> before = in_order(l, id, std::span(*pads).first(rank)),
                             after = in_order(l, id, std::span(*pads).subspan(rank));
  std::vector<int32_t> amounts;
  for (size_t d = 0; d < rank; ++d) amounts.insert(amounts.end(), {before[d], after[d]});
  const TensorId x = read(l, id, 0);
  const TensorId table = add_constant(
      l, Type::kInt32, {static_cast<int32_t>(rank), 2},
      std::string(reinterpret_cast<const char*>(amounts.data()), amounts.size() * sizeof(int32_t)),
      "constants");
  const std::string mode = ir::string_attribute(node, "mode", "constant");
  if (mode == "reflect")
    return emit_result(l, id, Op::kMirrorPad, {x, table}, {{"mode", int64_t{0}}}, same_as(x));
  if (mode != "constant") return refuse(l, id, "TFLite has no padding of mode " + mode);
  double value = ir::float_attribute(node, "value", 0);
  if (node.inputs.size() > 2 && node.inputs[2] != ir::kNone) {
    const auto constant = ir::scalar_constant(graph_of(l), node.inputs[2]);
    if (!constant) return refuse(l, id, "its value is computed by the model");
    value = *constant;
  }
  if (value == 0) return emit_result(l, id, Op::kPad, {x, table}, {}, same_as(x));
  const bool rounded = !tensor_at(l, x).quantization.scales.empty();
  const TensorId filling =
      rounded ? constant_among(l, x, value) : constant_float(l, static_cast<float>(value));
  emit_result(l, id, Op::kPadV2, {x, table, filling}, {}, same_as(x));
}

NodeSides gather_sides(const Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  if (value_at(l, node.inputs[0]).constant || node.inputs.size() < 2) return original_sides(l, id);
  const size_t rank = in_dims(l, id).size(), index_rank = dims_of(l, node.inputs[1]).size();
  int64_t axis = ir::int_attribute(node, "axis", 0);
  if (axis < 0) axis += static_cast<int64_t>(rank);
  const bool constant = value_at(l, node.inputs[1]).constant.has_value();
  if (index_rank == 1 && constant) return free_sides(l, id);
  if (index_rank == 0 && constant && axis == 1) return {Side::kFree, Side::kOriginal, false};
  if (index_rank == 0 && constant && axis > 1) return {Side::kFree, Side::kFree, true};
  return original_sides(l, id);
}

// A table in float whose rows are worth 8 bits each: the form is that of integer weights.
bool stores_rows(const Lowering& l, const ir::Node& node) {
  constexpr int64_t kWorthwhile = 1024;  // as for weights
  const ir::Tensor* table = ir::constant_input(graph_of(l), node, 0);
  return l.options.form == Form::kDynamicRange && table && table->dtype == ir::DType::kFloat &&
         table->size() >= kWorthwhile && !dims_of(l, node.inputs[1]).empty();
}

// The indices of a Gather; constants are counted from the front.
TensorId places_of(Lowering& l, ir::NodeId id, int64_t length) {
  const ir::Node& node = node_at(l, id);
  const auto indices = integers_of(l, node, 1);
  if (!indices) return read(l, id, 1);
  std::vector<int32_t> counted;
  for (const int64_t i : *indices) counted.push_back(static_cast<int32_t>(i < 0 ? i + length : i));
  const std::vector<int64_t>& dims = dims_of(l, node.inputs[1]);
  return add_constant(
      l, Type::kInt32, {dims.begin(), dims.end()},
      std::string(reinterpret_cast<const char*>(counted.data()), counted.size() * sizeof(int32_t)),
      "constants");
}

// Rows of integers and their scales, both gathered, and multiplied.
void lower_rows(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const ir::Tensor& table = *ir::constant_input(graph_of(l), node, 0);
  const auto rows = static_cast<size_t>(table.dims[0]), width = static_cast<size_t>(table.dims[1]);
  const std::span<const float> values = table.as<float>();
  std::vector<float> scales;
  std::string integers;
  for (size_t r = 0; r < rows; ++r) {
    const auto row = values.subspan(r * width, width);
    float largest = 0;
    for (const float f : row) largest = std::max(largest, std::fabs(f));
    scales.push_back(largest > 0 ? largest / 127 : 1);
    for (const float f : row) integers += static_cast<char>(std::lround(f / scales.back()));
  }
  const auto count = static_cast<int32_t>(rows);
  const TensorId stored = add_constant(l, Type::kInt8, {count, static_cast<int32_t>(width)}, integers,
                                       "weights", {{1}, {0}, 0}),
                 factors = add_constant(
                     l, Type::kFloat32, {count, 1},
                     std::string(reinterpret_cast<const char*>(scales.data()), rows * sizeof(float)),
                     "constants");
  const TensorId places = places_of(l, id, table.dims[0]);
  const std::vector<int32_t> shape = tensor_at(l, places).shape;
  const auto gathered = [&](TensorId from, int64_t columns) {
    std::vector<int32_t> picked = shape;
    picked.push_back(static_cast<int32_t>(columns));
    const TensorId to = temporary(l, picked, from);
    emit(l, Op::kGather, {from, places}, {to}, {{"axis", int64_t{0}}});
    return to;
  };
  const TensorId chosen = gathered(stored, table.dims[1]),
                 floats = temporary_float(l, tensor_at(l, chosen).shape);
  emit(l, Op::kDequantize, {chosen}, {floats});
  emit_result(l, id, Op::kMul, {floats, gathered(factors, 1)});
}

void lower_gather(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const size_t rank = in_dims(l, id).size();
  int64_t axis = ir::int_attribute(node, "axis", 0);
  if (axis < 0) axis += static_cast<int64_t>(rank);
  const int64_t length = in_dims(l, id)[axis];
  if (rank == 2 && axis == 0 && stores_rows(l, node)) return lower_rows(l, id);
  const bool last = l.layouts.node_in[id];
  const int at = axis_in(axis, rank, last);
  const TensorId x = read(l, id, 0);
  const auto indices = integers_of(l, node, 1);
  if (indices && dims_of(l, node.inputs[1]).empty()) {  // one of them: a SLICE, which every runtime has
    std::vector<int32_t> begin(rank, 0), size = tensor_at(l, x).shape;
    const int64_t index = (*indices)[0];
    begin[at] = static_cast<int32_t>(index < 0 ? index + length : index);
    size[at] = 1;
    const std::vector<TensorId> inputs{x, constant_ints(l, begin), constant_ints(l, size)};
    return emit_result(l, id, Op::kSlice, inputs, {}, same_as(x), size);
  }
  emit_result(l, id, Op::kGather, {x, places_of(l, id, length)}, {{"axis", int64_t{at}}}, same_as(x));
}

void lower_expand(Lowering& l, ir::NodeId id) {
  const std::vector<int64_t>& out = out_dims(l, id);
  const TensorId x = read(l, id, 0, out.size());
  if (in_dims(l, id) == out) return reshape_result(l, id, x);
  emit_result(l, id, Op::kBroadcastTo, {x, constant_ints(l, in_order(l, id, out))}, {}, same_as(x));
}

void lower_tile(Lowering& l, ir::NodeId id) {
  const std::vector<int64_t>&in = in_dims(l, id), &out = out_dims(l, id);
  std::vector<int64_t> times;
  for (size_t d = 0; d < in.size(); ++d) times.push_back(out[d] / std::max<int64_t>(in[d], 1));
  const TensorId x = read(l, id, 0);
  emit_result(l, id, Op::kTile, {x, constant_ints(l, in_order(l, id, times))}, {}, same_as(x));
}

void lower_constant_of_shape(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const ir::Attribute* attribute = ir::find_attribute(node, "value");
  const ir::Tensor* value = attribute ? std::get_if<ir::Tensor>(&attribute->value) : nullptr;
  if (value && value->dtype != ir::DType::kFloat) return refuse(l, id, "its value is no float32 number");
  const float number = value ? value->as<float>()[0] : 0.0f;
  const std::vector<float> numbers(ir::element_count(out_dims(l, id)), number);
  const std::vector<int64_t>& out = out_dims(l, id);
  const TensorId made =
      add_constant(l, Type::kFloat32, {out.begin(), out.end()},
                   std::string(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float)),
                   "constants");
  l.made[{node.outputs[0], false, Stage::kRaw}] = made;
}

constexpr OpRow kRows[] = {
    {"Reshape", reshape_sides, lower_reshape},
    {"Flatten", reshape_sides, lower_reshape},
    {"Squeeze", reshape_sides, lower_reshape},
    {"Unsqueeze", reshape_sides, lower_reshape},
    {"Transpose", transpose_sides, lower_transpose},
    {"Concat", free_sides, lower_concat},
    {"Split", free_sides, lower_split},
    {"Slice", free_sides, lower_slice},
    {"Pad", free_sides, lower_pad},
    {"Gather", gather_sides, lower_gather},
    {"Expand", free_sides, lower_expand},
    {"Tile", free_sides, lower_tile},
    {"ConstantOfShape", original_sides, lower_constant_of_shape},
};

}  // namespace

std::span<const OpRow> shape_ops() {
  return kRows;
}

NodeSides original_sides(const Lowering&, ir::NodeId) {
  return {};
}

NodeSides last_sides(const Lowering& l, ir::NodeId id) {
  return in_dims(l, id).size() < 3 ? NodeSides{} : NodeSides{Side::kLast, Side::kLast, true};
}

NodeSides free_sides(const Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const size_t rank = out_dims(l, id).size();
  for (const ir::ValueId v : node.inputs) {
    if (v == ir::kNone || value_at(l, v).constant || dims_of(l, v).size() == rank) continue;
    return original_sides(l, id);  // an operand that broadcasts from fewer dimensions knows ONNX's order only
  }
  return {Side::kFree, Side::kFree, true};
}

}  // namespace qc::tflite
