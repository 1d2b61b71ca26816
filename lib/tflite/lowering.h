// What the lowering of one op works with: the graph and its plan, the layouts, the TFLite graph so far, and
// the tensors that each ONNX value has become. Inside this room only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "tflite/layout.h"
#include "tflite/tflite.h"

namespace qc::tflite {

/// A value may exist in two orders and three stages.
enum class Stage {
  kRaw,          // as a float node made it; also whatever is no float at all
  kQuantized,    // in the plan's integers
  kDequantized,  // float again, for readers that compute in float
};

/// What a node takes over from the nodes behind it.
struct Fused {
  ir::NodeId bias_add = ir::kNone;  // an Add of a constant vector behind a MatMul
  ir::NodeId follower = ir::kNone;  // a Relu or Clip
  Activation activation = Activation::kNone;
  ir::ValueId result = ir::kNone;  // the value at the end
  // Bounds of the follower that the integers of the result reach beyond; the result before and after it is
  // cut off at them.
  std::optional<double> low, high;
  TensorId uncut = kAbsent, cut = kAbsent;
};

struct Lowering {
  const plan::QuantizedModel& source;
  const LowerOptions& options;
  Layouts layouts;
  std::vector<Fused> fused;    // by NodeId
  std::vector<bool> taken;     // by NodeId: lives on inside the node before it
  std::vector<bool> absorbed;  // by NodeId: a Flatten whose readers permute their weights
  Model model;
  Diagnostics problems;
  ir::NodeId current = ir::kNone;
  int64_t least_halved = 0;  // elements; smaller float constants stay float32 in any case
  std::map<std::tuple<ir::ValueId, bool, Stage>, TensorId> made;
  std::map<std::string, TensorId> constants;  // type, shape, quantization and bytes -> tensor

  explicit Lowering(const plan::QuantizedModel& m, const LowerOptions& o) : source(m), options(o) {}
};

/// Output quantization that an op insists on.
struct OutputRule {
  enum Kind { kFree, kSameAs, kFixed } kind = kFree;
  TensorId tensor = kAbsent;  // kSameAs
  Quantization quantization;  // kFixed
};
OutputRule same_as(TensorId tensor);
/// TFLite's words for a grid of ours.
Quantization quantization_of(const quant::QuantParams& params);
Type integer_type(const quant::QuantParams& params);
OutputRule fixed(float scale, int64_t zero_point);
/// The same for an op whose output on int16 has 2^-15 and no zero point.
OutputRule fixed_for(const Lowering& l, TensorId x, float scale, int64_t zero_point);

// --- looking
const ir::Graph& graph_of(const Lowering& l);
const ir::Node& node_at(const Lowering& l, ir::NodeId id);
const ir::Value& value_at(const Lowering& l, ir::ValueId v);
/// Dimensions in ONNX order.
const std::vector<int64_t>& dims_of(const Lowering& l, ir::ValueId v);
bool runs_on_integers(const Lowering& l, ir::NodeId id);
/// The target's runtime has no such operator.
bool lacks(const Lowering& l, Op op);
/// Or none that may work on the numbers of `x`.
bool lacks(const Lowering& l, Op op, TensorId x);
/// On int16 activations.
bool computes_wide(const Lowering& l, ir::NodeId id);
bool is_quantized(const Lowering& l, ir::ValueId v);
Type type_of(ir::DType dtype);
/// Dimensions in the order a side of the node has them.
std::vector<int32_t> shape_in(const Lowering& l, ir::ValueId v, bool last);
/// Where ONNX's dimension `axis` (may be negative) of a rank stands in that order.
int axis_in(int64_t axis, size_t rank, bool last);
/// The constant's numbers as int64 (int32 or int64 constants); nothing when it is no such constant.
std::optional<std::vector<int64_t>> integers_of(const Lowering& l, const ir::Node& node, size_t slot);

// --- reading
/// Input `slot` of the node, in the order and the numbers that the node works in; constants are permuted and,
/// for integer nodes, quantized. `rank`: constants of lower rank are filled up with ones in front.
TensorId read(Lowering& l, ir::NodeId id, size_t slot, size_t rank = 0);
TensorId read_as(Lowering& l, ir::ValueId v, bool last, bool integers);
/// The weight of a node with its dimensions in another order: integers, or floats behind DEQUANTIZE.
TensorId read_weight(Lowering& l, ir::NodeId id, size_t slot, std::span<const int> order,
                     std::span<const int64_t> reshaped = {});
/// The same of a weight that the lowering has made itself: `dims` and `values` in ONNX's order. `integers`
/// where the plan stores it so.
TensorId made_weight(Lowering& l, std::span<const int64_t> dims, std::span<const int> order,
                     const std::vector<float>& values);
TensorId made_weight(Lowering& l, std::span<const int64_t> dims, std::span<const int> order,
                     const plan::IntegerTensor& integers);
/// int32 bias of an integer node (zeros if it has none) or its float bias; `length` output channels.
TensorId read_bias(Lowering& l, ir::NodeId id, int64_t length, TensorId input, TensorId weight);

// --- making
TensorId add_tensor(Lowering& l, Tensor tensor);
/// Numbers as a file has them, little-endian.
template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}
/// A constant of these bytes, the one that is there already where all else is alike. `kind`: how the report
/// labels its bytes ("weights", "bias", "constants", ...).
TensorId add_constant(Lowering& l, Type type, std::vector<int32_t> shape, std::string bytes, const char* kind,
                      Quantization quantization = {});
/// Operands that operators read as tensors: int32 of one dimension, int32 and float32 of none.
TensorId constant_ints(Lowering& l, const std::vector<int32_t>& values);
TensorId constant_scalar(Lowering& l, int32_t value);
TensorId constant_float(Lowering& l, float value);
/// The integer that stands for the number among those of `like`, which has a scale: int8 or int16, the
/// nearest.
TensorId constant_among(Lowering& l, TensorId like, double value);
/// A tensor between two operators of one node: the type and quantization of `like`.
TensorId temporary(Lowering& l, std::vector<int32_t> shape, TensorId like);
TensorId temporary_float(Lowering& l, std::vector<int32_t> shape);
TensorId typed(Lowering& l, Type type, std::vector<int32_t> shape);
/// The same numbers in another type; `x` itself where it has it.
TensorId cast(Lowering& l, TensorId x, Type to);
void cast_into(Lowering& l, TensorId x, TensorId result);
void emit(Lowering& l, Op op, std::vector<TensorId> inputs, std::vector<TensorId> outputs,
          Options options = {});
/// The tensor in which the node leaves its result (behind what it fused); `slot` for nodes with several.
TensorId declare(Lowering& l, ir::NodeId id, size_t slot = 0);
/// The node's last operator: makes the result, through a QUANTIZE where the op insists on other numbers than
/// the plan's, and a RESHAPE where its `shape` (if given) is not the result's. Adds the fused activation
/// where the op has the field.
void emit_result(Lowering& l, ir::NodeId id, Op op, std::vector<TensorId> inputs, Options options = {},
                 const OutputRule& rule = {}, const std::vector<int32_t>& shape = {});
/// The same for an op that moves integers and has several results: all have the numbers of `x`.
void emit_results(Lowering& l, ir::NodeId id, Op op, std::vector<TensorId> inputs, Options options,
                  TensorId x);
/// One of them, by an op of its own.
void emit_result_at(Lowering& l, ir::NodeId id, size_t slot, Op op, std::vector<TensorId> inputs, TensorId x);
/// What the plan gives the node's result; no scales for floats.
Quantization planned_for(const Lowering& l, ir::NodeId id);
/// Input `slot` in exactly these numbers: a QUANTIZE where the plan has others, constants rounded again.
TensorId read_in(Lowering& l, ir::NodeId id, size_t slot, size_t rank);
/// A RESHAPE of `from` to the shape of the result.
void reshape_result(Lowering& l, ir::NodeId id, TensorId from);
TensorId reshaped(Lowering& l, TensorId from, std::vector<int32_t> shape);

const Tensor& tensor_at(const Lowering& l, TensorId id);
/// TFLite cannot say this; the lowering goes on to collect the others.
void refuse(Lowering& l, ir::NodeId id, const std::string& why,
            const std::string& remedy =
                "keep the part of the model that needs it outside the file: cut the model in front of it");

// --- windows: one dimension of a convolution or pool
struct Window {
  int64_t in = 0, out = 0, kernel = 1, stride = 1, dilation = 1, before = 0;
  int64_t reach() const { return (kernel - 1) * dilation + 1; }
  /// Padding behind the input that the last position needs; ONNX's own may be larger and unused.
  int64_t after() const { return std::max<int64_t>(0, (out - 1) * stride + reach() - in - before); }
};
/// TFLite's SAME puts every position exactly where ONNX has it.
bool is_same(const Window& w);
/// The windows of a node with kernel_shape, strides, dilations and pads, for spatial dimensions `in` ->
/// `out`.
std::vector<Window> windows_of(const ir::Node& node, std::span<const int64_t> kernel,
                               std::span<const int64_t> in, std::span<const int64_t> out);
/// PAD (zeros) or PADV2 (the lowest number) around the spatial dimensions of a channels-last tensor.
TensorId padded(Lowering& l, TensorId x, const std::vector<Window>& windows, bool lowest = false);

/// A signal of rank 3 is an image of height 1.
struct Image {
  TensorId tensor = kAbsent;
  std::vector<int64_t> in, out, kernel;  // spatial, two each
  std::vector<int32_t> shape;            // of the result, channels last
  bool fits = true;
};
/// Input 0 of the node as an image; refuses other ranks.
Image image_of(Lowering& l, ir::NodeId id, std::vector<int64_t> kernel);
Options strides_of(const std::vector<Window>& windows, bool same);

// --- the table of ops
using Lower = void (*)(Lowering&, ir::NodeId);
struct OpRow {
  std::string_view op_type;
  NodeSides (*sides)(const Lowering&, ir::NodeId);
  Lower lower;
};
std::span<const OpRow> window_ops();  // lower_windows.cpp
std::span<const OpRow> pointwise_ops();
std::span<const OpRow> activation_ops();
std::span<const OpRow> upward_ops();  // lower_upward.cpp: transposed convolutions
std::span<const OpRow> norm_ops();    // lower_norms.cpp
std::span<const OpRow> index_ops();   // lower_indices.cpp
std::span<const OpRow> shape_ops();
std::span<const OpRow> matrix_ops();
std::span<const OpRow> reduce_ops();
std::span<const OpRow> resize_ops();

// Sides that several tables use.
NodeSides original_sides(const Lowering& l, ir::NodeId id);
NodeSides last_sides(const Lowering& l, ir::NodeId id);  // spatial ops: channels last (rank 4 inputs)
NodeSides free_sides(const Lowering& l,
                     ir::NodeId id);  // either order, if all activations have the result's rank

/// Named rewrites on the ONNX graph that bring it nearer to what TFLite has. In place; plan entries are kept.
void rewrite(plan::QuantizedModel& model, const std::vector<plan::Idiom>& idioms,
             const LowerOptions& options);
/// Tables whose rows are rounded as they are gathered hold the integers themselves.
void round_tables(Model& model);
/// Cancels inverse TRANSPOSEs and RESHAPEs, drops what nobody reads.
void tidy(Model& model);
/// Float reductions take in the dimensions of 1 behind their last axis: XNNPACK goes through [1, N, 1] one by
/// one, and 20 times as fast where N is the end.
void reduce_to_the_end(Model& model);
/// Inputs of which `inputs` says so may have any number of rows in dimension 0 from now on. Where an operator
/// cannot follow nothing changes, and it is named; "" else. Constants that nobody reads may stay behind.
std::string free_batch(Model& model, const std::vector<bool>& inputs);
/// No two tensors have one name, by which tools know them; those of inputs and outputs stay.
void name_apart(Model& model);

}  // namespace qc::tflite
