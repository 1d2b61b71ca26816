// Transposed convolutions. TFLite's has neither groups nor dilation: groups become a SPLIT and one operator
// each, dilated kernels get zeros between their cells. Its size is fixed up to a stride: what ONNX pads away
// is cut off behind it.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "tflite/lowering.h"

namespace qc::tflite {
namespace {

constexpr std::array<int, 4> kOutputsFirst{1, 2, 3, 0};  // IOHW -> OHWI

// One spatial dimension: TFLite's own size for SAME, or the full size to cut from.
struct Upward {
  bool same = false;
  int64_t full = 0, before = 0;
};
Upward upward(const Window& w) {
  Upward u;
  const int64_t least = (w.in - 1) * w.stride + w.reach(), surplus = least - w.out;
  u.same = surplus >= 0 && (w.out + w.stride - 1) / w.stride == w.in && w.before == surplus / 2;
  u.before = w.before;
  u.full = std::max(least, w.before + w.out);
  return u;
}

// What is cut in front where the model names the result's size and not the pads (ONNX, ConvTranspose).
void place_transposed(const ir::Node& node, std::vector<Window>& windows) {
  const std::string mode = ir::string_attribute(node, "auto_pad", "NOTSET");
  const std::vector<int64_t> extra = ir::ints_attribute(node, "output_padding");
  const bool named = !ir::ints_attribute(node, "output_shape").empty();
  if (!named && mode != "SAME_UPPER" && mode != "SAME_LOWER") return;
  for (size_t d = 0; d < windows.size(); ++d) {
    Window& w = windows[d];
    const size_t missing = windows.size() - std::min(windows.size(), extra.size());
    const int64_t more = extra.empty() || d < missing ? 0 : extra[d - missing];
    const int64_t total = std::max<int64_t>(0, (w.in - 1) * w.stride + more + w.reach() - w.out);
    w.before = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
  }
}

// Zeros between the cells of a kernel [I, O, kh, kw].
template <class T>
std::vector<T> spread(const std::vector<T>& values, const std::vector<int64_t>& dims,
                      const std::vector<Window>& windows) {
  const int64_t height = windows[0].reach(), width = windows[1].reach();
  std::vector<T> result(dims[0] * dims[1] * height * width, T{});
  for (int64_t k = 0; k < dims[0] * dims[1]; ++k)
    for (int64_t y = 0; y < dims[2]; ++y)
      for (int64_t x = 0; x < dims[3]; ++x)
        result[(k * height + y * windows[0].dilation) * width + x * windows[1].dilation] =
            values[(k * dims[2] + y) * dims[3] + x];
  return result;
}

TensorId weight_of(Lowering& l, ir::NodeId id, const std::vector<int64_t>& dims,
                   const std::vector<Window>& windows) {
  if (windows[0].dilation == 1 && windows[1].dilation == 1) return read_weight(l, id, 1, kOutputsFirst, dims);
  const ir::ValueId v = node_at(l, id).inputs[1];
  const std::vector<int64_t> wide{dims[0], dims[1], windows[0].reach(), windows[1].reach()};
  if (runs_on_integers(l, id)) {
    plan::IntegerTensor integers = l.source.weights.at(v);
    integers.integers = spread(integers.integers, dims, windows);
    return made_weight(l, wide, kOutputsFirst, integers);
  }
  const std::span<const float> floats = value_at(l, v).constant->as<float>();
  return made_weight(l, wide, kOutputsFirst,
                     spread(std::vector<float>(floats.begin(), floats.end()), dims, windows));
}

// The weight of one group, in float: rows [first, first + count) of [I, O / groups, kh, kw].
TensorId weight_of_group(Lowering& l, ir::NodeId id, std::vector<int64_t> dims, int64_t first, int64_t count,
                         const std::vector<Window>& windows) {
  const std::span<const float> all = value_at(l, node_at(l, id).inputs[1]).constant->as<float>();
  const int64_t each = dims[1] * dims[2] * dims[3];
  const auto part = all.subspan(first * each, count * each);
  dims[0] = count;
  std::vector<float> values = spread(std::vector<float>(part.begin(), part.end()), dims, windows);
  dims[2] = windows[0].reach();
  dims[3] = windows[1].reach();
  return made_weight(l, dims, kOutputsFirst, values);
}

struct Plan {
  Upward h, w;
  bool same = false;
  std::vector<int32_t> full;  // what TRANSPOSE_CONV makes: the result, or more to cut from
};

// One TRANSPOSE_CONV for each group; the tensor of all of them side by side.
TensorId in_groups(Lowering& l, ir::NodeId id, const Image& image, const Plan& plan,
                   const std::vector<int64_t>& dims, const std::vector<Window>& windows) {
  const int64_t groups = ir::int_attribute(node_at(l, id), "group", 1);
  const ir::Tensor* bias = ir::constant_input(graph_of(l), node_at(l, id), 2);
  std::vector<int32_t> in = tensor_at(l, image.tensor).shape, out = plan.full;
  in[3] /= static_cast<int32_t>(groups);
  out[3] /= static_cast<int32_t>(groups);
  std::vector<TensorId> parts, made;
  for (int64_t g = 0; g < groups; ++g) {
    parts.push_back(temporary_float(l, in));
    made.push_back(temporary_float(l, out));
  }
  emit(l, Op::kSplit, {constant_scalar(l, 3), image.tensor}, parts, {{"num_splits", groups}});
  for (int64_t g = 0; g < groups; ++g) {
    std::vector<float> values(out[3], 0.0f);
    for (size_t c = 0; bias && c < values.size(); ++c)
      values[c] = bias->as<float>()[static_cast<size_t>(g) * values.size() + c];
    const TensorId shift = add_constant(
        l, Type::kFloat32, {out[3]},
        std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)), "bias");
    const TensorId weight = weight_of_group(l, id, dims, g * in[3], in[3], windows);
    emit(l, Op::kTransposeConv, {constant_ints(l, out), weight, parts[g], shift}, {made[g]},
         strides_of(windows, plan.same));
  }
  const TensorId joined = temporary_float(l, plan.full);
  emit(l, Op::kConcatenation, made, {joined}, {{"axis", int64_t{3}}});
  return joined;
}

void lower_conv_transpose(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  if (!ir::constant_input(graph_of(l), node, 1))
    return refuse(l, id, "its weight is computed by the model, and TFLite's kernels want a constant");
  std::vector<int64_t> dims = dims_of(l, node.inputs[1]);
  Image image = image_of(l, id, {dims.begin() + 2, dims.end()});
  if (!image.fits) return;
  if (dims.size() == 3) dims.insert(dims.begin() + 2, 1);
  std::vector<Window> windows = windows_of(node, image.kernel, image.in, image.out);
  place_transposed(node, windows);
  Plan plan{upward(windows[0]), upward(windows[1]), false, image.shape};
  plan.same = plan.h.same && plan.w.same;
  if (!plan.same) {
    plan.full[1] = static_cast<int32_t>(plan.h.full);
    plan.full[2] = static_cast<int32_t>(plan.w.full);
  }
  const bool groups = ir::int_attribute(node, "group", 1) != 1, cut = plan.full != image.shape;
  std::vector<TensorId> inputs;
  TensorId whole = kAbsent;
  if (groups) {
    whole = in_groups(l, id, image, plan, dims, windows);
  } else {
    const TensorId weight = weight_of(l, id, dims, windows);
    const TensorId bias = read_bias(l, id, dims[1], image.tensor, weight);
    inputs = {constant_ints(l, plan.full), weight, image.tensor, bias};
    if (!cut)
      return emit_result(l, id, Op::kTransposeConv, inputs, strides_of(windows, plan.same), {}, image.shape);
  }
  if (groups && !cut) return reshape_result(l, id, whole);
  if (!groups) {  // in the numbers of the result
    whole = temporary_float(l, plan.full);
    if (const Quantization q = planned_for(l, id); !q.scales.empty()) {
      l.model.tensors[whole].type = tensor_at(l, image.tensor).type;
      l.model.tensors[whole].quantization = q;
    }
    emit(l, Op::kTransposeConv, inputs, {whole}, strides_of(windows, plan.same));
  }
  emit_result(
      l, id, Op::kSlice,
      {whole,
       constant_ints(l, {0, static_cast<int32_t>(plan.h.before), static_cast<int32_t>(plan.w.before), 0}),
       constant_ints(l, image.shape)},
      {}, same_as(whole), image.shape);
}

constexpr OpRow kRows[] = {
    {"ConvTranspose", last_sides, lower_conv_transpose},
};

}  // namespace

std::span<const OpRow> upward_ops() {
  return kRows;
}

}  // namespace qc::tflite
