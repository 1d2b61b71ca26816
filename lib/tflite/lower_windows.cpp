// Ops that slide a window over space: convolutions, pools, and what moves between depth and space. All want
// channels last. Padding is SAME only where TFLite puts every position exactly where ONNX has it.
#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>

#include "base/text.h"
#include "tflite/lowering.h"

namespace qc::tflite {
namespace {

constexpr std::array<int, 4> kKernelsLast{0, 2, 3, 1};  // OIHW -> OHWI
constexpr std::array<int, 4> kDepthLast{1, 2, 3, 0};    // [C m, 1, kh, kw] -> [1, kh, kw, C m]

std::vector<int64_t> spatial(const std::vector<int64_t>& dims) {
  return {dims.begin() + 2, dims.end()};
}

int64_t padding_option(bool same) {
  return static_cast<int64_t>(same ? Padding::kSame : Padding::kValid);
}

bool any_padding(const std::vector<Window>& windows) {
  return std::any_of(windows.begin(), windows.end(),
                     [](const Window& w) { return w.before > 0 || w.after() > 0; });
}
bool all_same(const std::vector<Window>& windows) {
  return std::all_of(windows.begin(), windows.end(), is_same);
}

// A kernel of one row has any dilation from row to row; some compilers want both alike.
void add_dilations(Options& options, const std::vector<Window>& windows) {
  const Window &height = windows[0], &width = windows[1];
  if (height.dilation == 1 && width.dilation == 1) return;
  options.emplace_back("dilation_w_factor", width.kernel == 1 ? height.dilation : width.dilation);
  options.emplace_back("dilation_h_factor", height.kernel == 1 ? width.dilation : height.dilation);
}

// A part of a constant along its first dimension, with the scales that belong to it.
TensorId part_of(Lowering& l, TensorId whole, int32_t first, int32_t count) {
  const Tensor from = tensor_at(l, whole);
  std::vector<int32_t> shape = from.shape;
  const size_t each = from.data->size() / static_cast<size_t>(shape[0]);
  shape[0] = count;
  Quantization q = from.quantization;
  if (q.scales.size() > 1) {
    const auto cut = [&](auto& list) { list = {list.begin() + first, list.begin() + first + count}; };
    cut(q.scales);
    cut(q.zero_points);
  }
  return add_constant(l, from.type, shape,
                      from.data->substr(each * static_cast<size_t>(first), each * static_cast<size_t>(count)),
                      from.kind, std::move(q));
}

// For runtimes without grouped convolutions: a SPLIT, one convolution for each group, a CONCATENATION.
void lower_split_groups(Lowering& l, ir::NodeId id, TensorId x, const std::vector<Window>& windows,
                        const std::vector<int64_t>& weight_dims, const std::vector<int32_t>& shape,
                        Options options) {
  const auto groups = static_cast<int32_t>(ir::int_attribute(node_at(l, id), "group", 1));
  const TensorId weight = read_weight(l, id, 1, kKernelsLast, weight_dims);
  const TensorId bias = read_bias(l, id, weight_dims[0], x, weight);
  if (!tensor_at(l, weight).data)
    return refuse(l, id,
                  "its float weights are stored in fewer bits, which a convolution in groups cannot split",
                  "set /output/tflite/form to \"int8\" or \"float32\"");
  options.emplace_back("fused_activation_function", static_cast<int64_t>(l.fused[id].activation));
  add_dilations(options, windows);
  const TensorId result = declare(l, id);
  std::vector<int32_t> in = tensor_at(l, x).shape, out = shape;
  in[3] /= groups;
  out[3] /= groups;
  std::vector<TensorId> parts, made;
  for (int32_t g = 0; g < groups; ++g) {
    parts.push_back(temporary(l, in, x));
    made.push_back(temporary(l, out, result));
  }
  emit(l, Op::kSplit, {constant_scalar(l, 3), x}, parts, {{"num_splits", int64_t{groups}}});
  for (int32_t g = 0; g < groups; ++g) {
    const size_t at = static_cast<size_t>(g);
    emit(l, Op::kConv2d,
         {parts[at], part_of(l, weight, g * out[3], out[3]), part_of(l, bias, g * out[3], out[3])},
         {made[at]}, options);
  }
  const bool flat = tensor_at(l, result).shape != shape;  // a signal
  const TensorId joined = flat ? temporary(l, shape, result) : result;
  emit(l, Op::kConcatenation, made, {joined}, {{"axis", int64_t{3}}});
  if (flat)
    emit(l, Op::kReshape, {joined, constant_ints(l, tensor_at(l, result).shape)}, {result},
         {{"new_shape", tensor_at(l, result).shape}});
}

// --- depthwise kernels that XNNPACK leaves to slower ones

// The most weights of a channel that XNNPACK's depthwise kernels know (its unipass kernels): beyond them it
// takes ten to twenty times as long for each.
constexpr int64_t kMostTaps = 25;

// Into how many rows and columns of pieces a kernel is cut, as few as can be.
std::pair<int64_t, int64_t> cuts_of(int64_t height, int64_t width) {
  std::pair<int64_t, int64_t> best{height, width};
  for (int64_t rows = 1; rows <= height; ++rows)
    for (int64_t columns = 1; columns <= width; ++columns) {
      const int64_t taps = ((height + rows - 1) / rows) * ((width + columns - 1) / columns);
      if (taps <= kMostTaps && rows * columns < best.first * best.second) best = {rows, columns};
    }
  return best;
}

// Piece `k` of `count` of a kernel's `length` rows or columns: first and how many. None is empty.
std::pair<int64_t, int64_t> piece_of(int64_t length, int64_t count, int64_t k) {
  const int64_t first = k * length / count;
  return {first, (k + 1) * length / count - first};
}

// Of the weights [channels, 1, height, width], those of a piece.
template <typename T>
std::vector<T> weights_of_piece(std::span<const T> all, const std::vector<int64_t>& dims,
                                std::pair<int64_t, int64_t> rows, std::pair<int64_t, int64_t> columns) {
  std::vector<T> piece;
  for (int64_t c = 0; c < dims[0]; ++c)
    for (int64_t y = rows.first; y < rows.first + rows.second; ++y) {
      const auto from = all.begin() + (c * dims[2] + y) * dims[3] + columns.first;
      piece.insert(piece.end(), from, from + columns.second);
    }
  return piece;
}

// The float weight of a piece, stored as the whole one is.
TensorId read_piece(Lowering& l, ir::NodeId id, const std::vector<int64_t>& dims,
                    std::pair<int64_t, int64_t> rows, std::pair<int64_t, int64_t> columns) {
  const ir::ValueId v = node_at(l, id).inputs[1];
  const std::vector<int64_t> shape{dims[0], 1, rows.second, columns.second};
  const auto stored = l.source.weights.find(v);
  if (stored == l.source.weights.end() || l.options.form != Form::kInt8 ||
      l.source.plan.nodes[id].compute == plan::Compute::kFloat)
    return made_weight(l, shape, kDepthLast,
                       weights_of_piece(value_at(l, v).constant->as<float>(), dims, rows, columns));
  const plan::IntegerTensor piece{
      stored->second.params,
      weights_of_piece(std::span<const int32_t>(stored->second.integers), dims, rows, columns)};
  const TensorId integers = made_weight(l, shape, kDepthLast, piece);
  const TensorId unfolded = temporary_float(l, tensor_at(l, integers).shape);
  emit(l, Op::kDequantize, {integers}, {unfolded});
  return unfolded;
}

bool may_be_cut(const Lowering& l, ir::NodeId id, TensorId x) {
  const auto stored = l.source.weights.find(node_at(l, id).inputs[1]);
  const bool narrow = stored != l.source.weights.end() && stored->second.params.bits != 8;
  const Type type = tensor_at(l, x).type;
  return l.options.xnnpack && l.options.form != Form::kDynamicRange && !narrow &&
         (type == Type::kInt8 || type == Type::kFloat32);
}

// The bias of an integer node in float, rounded as the plan has it.
TensorId unfolded_bias(Lowering& l, ir::NodeId id, int32_t channels) {
  std::vector<float> values(channels, 0.0f);
  if (const auto rounded = l.source.biases.find(id); rounded != l.source.biases.end())
    for (size_t c = 0; c < values.size(); ++c) {
      const std::vector<float>& scales = rounded->second.params.scales;
      values[c] = static_cast<float>(rounded->second.integers[c]) * scales[scales.size() == 1 ? 0 : c];
    }
  return add_constant(
      l, Type::kFloat32, {channels},
      std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)), "bias");
}

// What pieces of a depthwise kernel give over the parts of the float image `x` that they meet; all of them
// together are the convolution.
std::vector<TensorId> convolved_in_pieces(Lowering& l, ir::NodeId id, TensorId x, TensorId bias,
                                          const std::vector<Window>& windows,
                                          const std::vector<int64_t>& dims,
                                          const std::vector<int32_t>& shape) {
  const Window &height = windows[0], &width = windows[1];
  const std::vector<int32_t> whole = tensor_at(l, x).shape;
  Options options = strides_of(windows, false);
  options.emplace_back("depth_multiplier", dims[0] / whole[3]);
  add_dilations(options, windows);
  const TensorId none =
      add_constant(l, Type::kFloat32, {shape[3]},
                   std::string(sizeof(float) * static_cast<size_t>(shape[3]), '\0'), "bias");
  const auto reach = [](const Window& w, int64_t count) {
    return static_cast<int32_t>((w.out - 1) * w.stride + (count - 1) * w.dilation + 1);
  };
  const auto [down, across] = cuts_of(height.kernel, width.kernel);
  std::vector<TensorId> made;
  for (int64_t i = 0; i < down; ++i)
    for (int64_t j = 0; j < across; ++j) {
      const auto rows = piece_of(height.kernel, down, i), columns = piece_of(width.kernel, across, j);
      const std::vector<int32_t> begin{0, static_cast<int32_t>(rows.first * height.dilation),
                                       static_cast<int32_t>(columns.first * width.dilation), 0},
          size{whole[0], reach(height, rows.second), reach(width, columns.second), whole[3]};
      const TensorId part = temporary_float(l, size);
      emit(l, Op::kSlice, {x, constant_ints(l, begin), constant_ints(l, size)}, {part});
      made.push_back(temporary_float(l, shape));
      emit(l, Op::kDepthwiseConv2d,
           {part, read_piece(l, id, dims, rows, columns), made.size() == 1 ? bias : none}, {made.back()},
           options);
    }
  return made;
}

// The sum of convolutions with pieces of the kernel: five to seven times as fast as the whole kernel in
// XNNPACK. In float for integers too, whose sum is then rounded once, as the whole kernel's.
bool depthwise_in_pieces(Lowering& l, ir::NodeId id, TensorId image, const std::vector<Window>& windows,
                         const std::vector<int64_t>& dims, const std::vector<int32_t>& shape) {
  if (windows[0].kernel * windows[1].kernel <= kMostTaps || !may_be_cut(l, id, image)) return false;
  TensorId x = any_padding(windows) ? padded(l, image, windows) : image;
  const bool integers = tensor_at(l, x).type == Type::kInt8;
  if (integers) {
    const TensorId rounded = x;
    x = temporary_float(l, tensor_at(l, rounded).shape);
    emit(l, Op::kDequantize, {rounded}, {x});
  }
  const TensorId bias = integers ? unfolded_bias(l, id, shape[3]) : read_bias(l, id, dims[0], x, kAbsent);
  const std::vector<TensorId> parts = convolved_in_pieces(l, id, x, bias, windows, dims, shape);
  TensorId sum = parts[0];
  for (size_t k = 1; k + 1 < parts.size(); ++k) {
    const TensorId next = temporary_float(l, shape);
    emit(l, Op::kAdd, {sum, parts[k]}, {next});
    sum = next;
  }
  if (!integers) {
    emit_result(l, id, Op::kAdd, {sum, parts.back()}, {}, {}, shape);
    return true;
  }
  const TensorId all = temporary_float(l, shape);
  emit(l, Op::kAdd, {sum, parts.back()}, {all},
       {{"fused_activation_function", static_cast<int64_t>(l.fused[id].activation)}});
  emit_result(l, id, Op::kQuantize, {all}, {}, {}, shape);
  return true;
}

void lower_conv(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  if (!ir::constant_input(graph_of(l), node, 1))
    return refuse(l, id, "its weight is computed by the model, and TFLite's kernels want a constant");
  std::vector<int64_t> weight_dims = dims_of(l, node.inputs[1]);
  Image image = image_of(l, id, spatial(weight_dims));
  if (!image.fits) return;
  if (weight_dims.size() == 3) weight_dims.insert(weight_dims.begin() + 2, 1);
  const int64_t groups = ir::int_attribute(node, "group", 1), channels = weight_dims[1] * groups;
  const std::vector<Window> windows = windows_of(node, image.kernel, image.in, image.out);
  const bool same = all_same(windows), depthwise = groups > 1 && weight_dims[1] == 1;
  if (depthwise && depthwise_in_pieces(l, id, image.tensor, windows, weight_dims, image.shape)) return;
  const TensorId x = same || !any_padding(windows) ? image.tensor : padded(l, image.tensor, windows);
  if (groups > 1 && !depthwise && l.options.split_groups)
    return lower_split_groups(l, id, x, windows, weight_dims, image.shape, strides_of(windows, same));
  const TensorId weight =
      read_weight(l, id, 1, depthwise ? std::span<const int>(kDepthLast) : kKernelsLast, weight_dims);
  const TensorId bias = read_bias(l, id, weight_dims[0], x, weight);
  Options options = strides_of(windows, same);
  if (depthwise) options.emplace_back("depth_multiplier", weight_dims[0] / channels);
  add_dilations(options, windows);
  emit_result(l, id, depthwise ? Op::kDepthwiseConv2d : Op::kConv2d, {x, weight, bias}, std::move(options),
              {}, image.shape);
}

Options pool_options(const std::vector<Window>& windows, bool same) {
  Options options = strides_of(windows, same);
  options.emplace_back("filter_width", windows[1].kernel);
  options.emplace_back("filter_height", windows[0].kernel);
  return options;
}

void lower_max_pool(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  if (node.outputs.size() > 1 && node.outputs[1] != ir::kNone)
    return refuse(l, id, "TFLite's MAX_POOL_2D does not give the positions of the maxima");
  Image image = image_of(l, id, ir::ints_attribute(node, "kernel_shape"));
  if (!image.fits) return;
  const std::vector<Window> windows = windows_of(node, image.kernel, image.in, image.out);
  if (windows[0].dilation != 1 || windows[1].dilation != 1)
    return refuse(l, id, "TFLite's MAX_POOL_2D has no dilation");
  const bool same = all_same(windows);
  const TensorId x = same || !any_padding(windows) ? image.tensor : padded(l, image.tensor, windows, true);
  emit_result(l, id, Op::kMaxPool2d, {x}, pool_options(windows, same), same_as(x), image.shape);
}

// Per position, how much larger the mean over the cells inside the image is than the mean with zeros.
TensorId border_factors(Lowering& l, const std::vector<Window>& windows, const std::vector<int32_t>& shape) {
  std::vector<float> factors;
  const auto inside = [](const Window& w, int64_t o) {
    const int64_t first = std::max<int64_t>(0, o * w.stride - w.before);
    return std::min(w.in, o * w.stride - w.before + w.kernel) - first;
  };
  const double cells = static_cast<double>(windows[0].kernel * windows[1].kernel);
  for (int64_t y = 0; y < windows[0].out; ++y)
    for (int64_t x = 0; x < windows[1].out; ++x)
      factors.push_back(
          static_cast<float>(cells / static_cast<double>(inside(windows[0], y) * inside(windows[1], x))));
  return add_constant(
      l, Type::kFloat32, {1, shape[1], shape[2], 1},
      std::string(reinterpret_cast<const char*>(factors.data()), factors.size() * sizeof(float)),
      "constants");
}

// The mean of whole windows as a depthwise convolution with equal weights: XNNPACK takes it, where it leaves
// AVERAGE_POOL_2D on integers to slower kernels, and the sum is rounded once, to the result's own scale.
bool average_by_convolution(Lowering& l, ir::NodeId id, TensorId x, const std::vector<Window>& windows,
                            const std::vector<int32_t>& shape) {
  if (!l.options.xnnpack || tensor_at(l, x).type != Type::kInt8) return false;
  const int64_t cells = windows[0].kernel * windows[1].kernel;
  const int32_t channels = shape.back();
  constexpr int8_t kLargest = 127;
  const float unit = static_cast<float>(1.0 / (kLargest * static_cast<double>(cells)));
  const Quantization weights{{unit}, {0}, 0},
      sums{{tensor_at(l, x).quantization.scales.at(0) * unit}, {0}, 0};
  const TensorId weight = add_constant(
      l, Type::kInt8,
      {1, static_cast<int32_t>(windows[0].kernel), static_cast<int32_t>(windows[1].kernel), channels},
      std::string(static_cast<size_t>(cells * channels), static_cast<char>(kLargest)), "constants", weights);
  const TensorId bias = add_constant(l, Type::kInt32, {channels},
                                     std::string(4 * static_cast<size_t>(channels), '\0'), "constants", sums);
  Options options = strides_of(windows, false);
  options.emplace_back("depth_multiplier", int64_t{1});
  emit_result(l, id, Op::kDepthwiseConv2d, {x, weight, bias}, std::move(options), {}, shape);
  return true;
}

void lower_average_pool(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  Image image = image_of(l, id, ir::ints_attribute(node, "kernel_shape"));
  if (!image.fits) return;
  const std::vector<Window> windows = windows_of(node, image.kernel, image.in, image.out);
  if (windows[0].dilation != 1 || windows[1].dilation != 1)
    return refuse(l, id, "TFLite's AVERAGE_POOL_2D has no dilation");
  const bool counts_zeros = ir::int_attribute(node, "count_include_pad", 0) != 0;
  const bool ceil = ir::int_attribute(node, "ceil_mode", 0) != 0;
  const bool same = all_same(windows), pads = any_padding(windows);
  if (!pads && average_by_convolution(l, id, image.tensor, windows, image.shape)) return;
  if (!pads || (same && !counts_zeros))
    return emit_result(l, id, Op::kAveragePool2d, {image.tensor}, pool_options(windows, pads),
                       same_as(image.tensor), image.shape);
  const TensorId x = padded(l, image.tensor, windows);
  if (counts_zeros && !ceil && average_by_convolution(l, id, x, windows, image.shape)) return;
  if (counts_zeros && !ceil)
    return emit_result(l, id, Op::kAveragePool2d, {x}, pool_options(windows, false), same_as(x), image.shape);
  if (counts_zeros) return refuse(l, id, "ceil_mode with count_include_pad has no counterpart in TFLite");
  if (runs_on_integers(l, id))
    return refuse(l, id, "an average over part of a window has no integer form in TFLite",
                  "name the node in keep_float");
  const TensorId mean = temporary(l, image.shape, x);
  emit(l, Op::kAveragePool2d, {x}, {mean}, pool_options(windows, false));
  emit_result(l, id, Op::kMul, {mean, border_factors(l, windows, image.shape)}, {}, {}, image.shape);
}

void lower_global_pool(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const bool last = l.layouts.node_in[id];
  const size_t rank = dims_of(l, node.inputs[0]).size();
  std::vector<int32_t> axes;
  for (size_t d = 2; d < rank; ++d) axes.push_back(axis_in(static_cast<int64_t>(d), rank, last));
  const TensorId x = read(l, id, 0);
  const bool mean = node.op_type == "GlobalAveragePool";
  emit_result(l, id, mean ? Op::kMean : Op::kReduceMax, {x, constant_ints(l, axes)},
              {{"keep_dims", int64_t{1}}}, mean ? OutputRule{} : same_as(x));
}

void lower_depth_to_space(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const int64_t block = ir::int_attribute(node, "blocksize", 1);
  TensorId x = read(l, id, 0);
  if (ir::string_attribute(node, "mode", "DCR") == "CRD") {
    // Channel c b^2 + k becomes k C + c.
    const std::vector<int32_t> shape = tensor_at(l, x).shape;
    const auto cells = static_cast<int32_t>(block * block);
    const TensorId apart = reshaped(l, x, {shape[0] * shape[1] * shape[2], shape[3] / cells, cells});
    const TensorId turned = temporary(l, {shape[0] * shape[1] * shape[2], cells, shape[3] / cells}, x);
    emit(l, Op::kTranspose, {apart, constant_ints(l, {0, 2, 1})}, {turned});
    x = reshaped(l, turned, shape);
  }
  if (!lacks(l, Op::kDepthToSpace))
    return emit_result(l, id, Op::kDepthToSpace, {x}, {{"block_size", block}}, same_as(x));
  // [N H, W, b, b C] -> [N H, b, W, b C], whose cells lie in memory as those of the larger image.
  const std::vector<int32_t> in = tensor_at(l, x).shape;
  const auto b = static_cast<int32_t>(block);
  const TensorId apart = reshaped(l, x, {in[0] * in[1], in[2], b, in[3] / b});
  const TensorId turned = temporary(l, {in[0] * in[1], b, in[2], in[3] / b}, x);
  emit(l, Op::kTranspose, {apart, constant_ints(l, {0, 2, 1, 3})}, {turned});
  reshape_result(l, id, turned);
}

void lower_space_to_depth(Lowering& l, ir::NodeId id) {
  const TensorId x = read(l, id, 0);
  emit_result(l, id, Op::kSpaceToDepth, {x},
              {{"block_size", ir::int_attribute(node_at(l, id), "blocksize", 1)}}, same_as(x));
}

void lower_lrn(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  const int64_t size = ir::int_attribute(node, "size", 1);
  if (size % 2 == 0)
    return refuse(l, id, "TFLite's LOCAL_RESPONSE_NORMALIZATION has windows of odd size only");
  emit_result(l, id, Op::kLocalResponseNormalization, {read(l, id, 0)},
              {{"radius", (size - 1) / 2},
               {"bias", ir::float_attribute(node, "bias", 1.0f)},
               {"alpha", ir::float_attribute(node, "alpha", 1e-4f) / static_cast<float>(size)},
               {"beta", ir::float_attribute(node, "beta", 0.75f)}});
}

// Groups of channels change places with the channels in them (ShuffleNet); made by rewrite().
void lower_channel_shuffle(Lowering& l, ir::NodeId id) {
  const auto groups = static_cast<int32_t>(ir::int_attribute(node_at(l, id), "groups", 1));
  const TensorId x = read(l, id, 0);
  const std::vector<int32_t> shape = tensor_at(l, x).shape;
  int32_t outer = 1;
  for (size_t d = 0; d + 1 < shape.size(); ++d) outer *= shape[d];
  const int32_t each = shape.back() / groups;
  const TensorId apart = reshaped(l, x, {outer, groups, each});
  const TensorId turned = temporary(l, {outer, each, groups}, x);
  emit(l, Op::kTranspose, {apart, constant_ints(l, {0, 2, 1})}, {turned});
  reshape_result(l, id, turned);
}

constexpr OpRow kRows[] = {
    {"Conv", last_sides, lower_conv},
    {"MaxPool", last_sides, lower_max_pool},
    {"AveragePool", last_sides, lower_average_pool},
    {"GlobalAveragePool", free_sides, lower_global_pool},
    {"GlobalMaxPool", free_sides, lower_global_pool},
    {"DepthToSpace", last_sides, lower_depth_to_space},
    {"SpaceToDepth", last_sides, lower_space_to_depth},
    {"LRN", last_sides, lower_lrn},
    {"ChannelShuffle", last_sides, lower_channel_shuffle},
};

}  // namespace

Image image_of(Lowering& l, ir::NodeId id, std::vector<int64_t> kernel) {
  const ir::Node& node = node_at(l, id);
  Image image;
  const std::vector<int64_t>& in = dims_of(l, node.inputs[0]);
  const std::vector<int64_t>& out = dims_of(l, node.outputs[0]);
  image.kernel = std::move(kernel);
  image.tensor = read(l, id, 0);
  image.fits = (in.size() == 3 || in.size() == 4) && out.size() == in.size();
  if (!image.fits) {
    refuse(l, id,
           out.size() == in.size()
               ? "TFLite has this op for images (two spatial dimensions) and signals (one) only"
               : "the size of its result does not follow from what the model says");
    return image;
  }
  image.in = spatial(in);
  image.out = spatial(out);
  if (in.size() == 3) {
    for (auto* dims : {&image.in, &image.out, &image.kernel}) dims->insert(dims->begin(), 1);
    const std::vector<int32_t> s = tensor_at(l, image.tensor).shape;
    image.tensor = reshaped(l, image.tensor, {s[0], 1, s[1], s[2]});
  }
  image.shape = {static_cast<int32_t>(out[0]), static_cast<int32_t>(image.out[0]),
                 static_cast<int32_t>(image.out[1]), static_cast<int32_t>(out[1])};
  return image;
}

Options strides_of(const std::vector<Window>& windows, bool same) {
  return {
      {"padding", padding_option(same)}, {"stride_w", windows[1].stride}, {"stride_h", windows[0].stride}};
}

bool is_same(const Window& w) {
  const int64_t total = std::max<int64_t>(0, (w.out - 1) * w.stride + w.reach() - w.in);
  return w.out == (w.in + w.stride - 1) / w.stride && w.before == total / 2;
}

std::vector<Window> windows_of(const ir::Node& node, std::span<const int64_t> kernel,
                               std::span<const int64_t> in, std::span<const int64_t> out) {
  const std::vector<int64_t> strides = ir::ints_attribute(node, "strides"),
                             dilations = ir::ints_attribute(node, "dilations"),
                             pads = ir::ints_attribute(node, "pads");
  // Attributes of a signal say nothing about the height that was put in front.
  const auto at = [&](const std::vector<int64_t>& list, size_t count, size_t d, int64_t fallback) {
    const size_t missing = in.size() - std::min(in.size(), count);
    return list.empty() || d < missing ? fallback : list[d - missing];
  };
  const std::string mode = ir::string_attribute(node, "auto_pad", "NOTSET");
  std::vector<Window> windows;
  for (size_t d = 0; d < in.size(); ++d) {
    Window w;
    w.in = in[d];
    w.out = out[d];
    w.kernel = kernel[d];
    w.stride = at(strides, strides.size(), d, 1);
    w.dilation = at(dilations, dilations.size(), d, 1);
    w.before = at(pads, pads.size() / 2, d, 0);
    if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
      const int64_t total = std::max<int64_t>(0, (w.out - 1) * w.stride + w.reach() - w.in);
      w.before = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
    }
    windows.push_back(w);
  }
  return windows;
}

TensorId padded(Lowering& l, TensorId x, const std::vector<Window>& windows, bool lowest) {
  std::vector<int32_t> pads{0, 0}, shape = tensor_at(l, x).shape;
  for (size_t d = 0; d < windows.size(); ++d) {
    pads.push_back(static_cast<int32_t>(windows[d].before));
    pads.push_back(static_cast<int32_t>(windows[d].after()));
    shape[d + 1] += pads[2 * d + 2] + pads[2 * d + 3];
  }
  pads.insert(pads.end(), {0, 0});
  const TensorId amounts = add_constant(
      l, Type::kInt32, {4, 2},
      std::string(reinterpret_cast<const char*>(pads.data()), pads.size() * sizeof(int32_t)), "constants");
  const TensorId result = temporary(l, shape, x);
  const Quantization q = tensor_at(l, x).quantization;
  // Where nothing is below zero, zeros do as well and every runtime fuses them.
  const bool integers = !q.scales.empty();
  const bool wide = tensor_at(l, x).type == Type::kInt16;
  if (!lowest || (integers && !wide && q.zero_points[0] == INT8_MIN)) {
    emit(l, Op::kPad, {x, amounts}, {result});
    return result;
  }
  const float floor = -FLT_MAX;
  const int16_t least = INT16_MIN;
  const TensorId value =
      wide ? add_constant(l, Type::kInt16, {},
                          std::string(reinterpret_cast<const char*>(&least), sizeof least), "constants", q)
      : integers
          ? add_constant(l, Type::kInt8, {}, std::string(1, static_cast<char>(INT8_MIN)), "constants", q)
          : add_constant(l, Type::kFloat32, {},
                         std::string(reinterpret_cast<const char*>(&floor), sizeof floor), "constants");
  emit(l, Op::kPadV2, {x, amounts, value}, {result});
  return result;
}

std::span<const OpRow> window_ops() {
  return kRows;
}

}  // namespace qc::tflite
