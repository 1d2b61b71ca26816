// ConvTranspose as a convolution of the small image and DepthToSpace (Shi et al. 2016, "Is the deconvolution
// layer the same as a convolutional layer?"): result s*i + r is of phase r, and each phase is a convolution
// of its own, with every s-th tap of the kernel. A convolution makes all s*s phases as channels, DepthToSpace
// moves them to their places. Those of a signal lie one behind the other once its channels are last. The same
// sums, of the same products; where the kernel is no multiple of the stride, some taps are zeros. Runtimes
// have faster kernels for convolutions, and ONNX Runtime has none on integers for ConvTranspose.
#include <algorithm>
#include <array>
#include <limits>

#include "ir/ops.h"
#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

// One direction: result o is the phase r = (o + crop) % stride at position (o + crop) / stride, and
// tap r + lead - stride * d of the kernel meets the input at d from there, d from `first` on.
struct Axis {
  int64_t stride = 1, kernel = 1;
  int64_t crop = 0, crop_end = 0;  // what is cut off the phases' image
  int64_t lead = 0;                // the layer's pad in front, without the crop
  int64_t first = 0, taps = 1;     // of a phase
  int64_t before = 0, after = 0;   // zeros around the input
};

int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

// `more`: how many results there are beyond stride * input. nullopt: where zeros would have to be cut off.
std::optional<Axis> axis_of(int64_t kernel, int64_t stride, int64_t pad, int64_t more) {
  const int64_t fewest = (kernel + stride - 1) / stride;
  Axis axis{stride, kernel};
  for (axis.crop = 0; axis.crop < stride; ++axis.crop) {  // some crop needs no more taps than the kernel has
    axis.lead = pad - axis.crop;
    axis.first = -floor_div(kernel - 1 - axis.lead, stride);
    axis.taps = floor_div(axis.lead + stride - 1, stride) - axis.first + 1;
    if (axis.taps == fewest) break;
  }
  const int64_t positions = -floor_div(-(more + axis.crop), stride);  // beyond the input's
  axis.crop_end = stride * positions - more - axis.crop;
  axis.before = -axis.first;
  axis.after = axis.first + axis.taps - 1 + positions;
  const bool plain = axis.taps == fewest && axis.before >= 0 && axis.after >= 0;
  return plain ? std::optional(axis) : std::nullopt;
}

struct Match {
  NodeId node;
  std::array<Axis, 2> axes;   // down and across; of a signal the second alone is more than one place
  NodeId activation = kNone;  // behind it, for each number by itself

  bool signal() const { return axes[0].stride == 1; }
  int64_t phases() const { return axes[0].stride * axes[1].stride; }
};

constexpr size_t kSignal = 1, kImage = 2;       // spatial dimensions
constexpr int64_t kLargest = int64_t{1} << 30;  // of what is calculated with here

// A list attribute of an image or signal; nullopt for another length, or numbers of neither.
std::optional<Dims> list_of(const Node& node, const char* name, int64_t otherwise, size_t size) {
  Dims list = ir::ints_attribute(node, name);
  if (list.empty()) list.assign(size, otherwise);
  const bool fits = list.size() == size &&
                    std::all_of(list.begin(), list.end(), [](int64_t v) { return v >= 0 && v <= kLargest; });
  return fits ? std::optional(list) : std::nullopt;
}

// The runtime joins these with a convolution, or computes them in its integers.
NodeId activation_behind(const Graph& graph, const Node& node) {
  constexpr std::array kActivations{"Relu", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "HardSigmoid"};
  const NodeId reader = ir::sole_consumer(graph, node.outputs[0]);
  if (reader == kNone) return kNone;
  const Node& next = node_at(graph, reader);
  const bool known = std::any_of(kActivations.begin(), kActivations.end(),
                                 [&](const char* type) { return ir::standard_op(next, type); });
  return known && next.inputs[0] == node.outputs[0] ? reader : kNone;
}

// How far a direction reaches: pad in front, and how many results there are beyond stride * input.
struct Reach {
  int64_t pad = 0, more = 0;
};

// nullopt: attributes of another rank, or a size of results that is named where that of the input is not
// known.
std::optional<std::vector<Reach>> reaches_of(const Graph& graph, const Node& node, const Dims& kernel,
                                             const Dims& strides) {
  const size_t spatial = kernel.size();
  const auto pads = list_of(node, "pads", 0, 2 * spatial),
             surplus = list_of(node, "output_padding", 0, spatial),
             named = list_of(node, "output_shape", 0, spatial);  // 0: it is not
  const std::string mode = ir::string_attribute(node, "auto_pad", "NOTSET");
  const ir::Value& x = value_at(graph, node.inputs[0]);
  if (!pads || !surplus || !named) return std::nullopt;
  std::vector<Reach> reaches(spatial);
  for (size_t d = 0; d < spatial; ++d) {
    Reach& reach = reaches[d];
    const int64_t unpadded = kernel[d] - strides[d] + surplus->at(d);
    reach = {pads->at(d), unpadded - pads->at(d) - pads->at(spatial + d)};
    if (named->at(d) == 0 && mode == "NOTSET") continue;
    reach.more = 0;  // SAME
    if (named->at(d) > 0) {
      if (x.dims.size() != 2 + spatial || x.dims[2 + d] < 1 || x.dims[2 + d] > kLargest) return std::nullopt;
      reach.more = named->at(d) - strides[d] * x.dims[2 + d];
    }
    const int64_t cut = unpadded - reach.more;
    if (cut < 0) return std::nullopt;
    reach.pad = mode == "SAME_UPPER" ? cut / 2 : cut - cut / 2;
  }
  return reaches;
}

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  constexpr int64_t kOldestOpset = 11;  // that spells Slice and DepthToSpace as written here
  if (!ir::standard_op(node, "ConvTranspose") || ir::opset(graph) < kOldestOpset) return std::nullopt;
  const ir::Tensor* weight = float_constant(graph, node, 1);
  const size_t spatial = weight ? weight->dims.size() - 2 : 0;
  if ((spatial != kSignal && spatial != kImage) || !ir::linear_at(graph, id) ||
      ir::int_attribute(node, "group", 1) != 1)
    return std::nullopt;
  const auto strides = list_of(node, "strides", 1, spatial),
             dilations = list_of(node, "dilations", 1, spatial);
  if (!strides || !dilations || *dilations != Dims(spatial, 1) || strides->front() != strides->back() ||
      strides->front() < 2)
    return std::nullopt;
  const Dims kernel(weight->dims.begin() + 2, weight->dims.end());
  // Else there are phases of zeros alone.
  if (*std::min_element(kernel.begin(), kernel.end()) < strides->front()) return std::nullopt;
  const auto reaches = reaches_of(graph, node, kernel, *strides);
  if (!reaches) return std::nullopt;
  Match m{id, {}, activation_behind(graph, node)};
  for (size_t d = 0; d < spatial; ++d) {
    const auto axis = axis_of(kernel[d], strides->at(d), reaches->at(d).pad, reaches->at(d).more);
    if (!axis) return std::nullopt;
    m.axes[kImage - spatial + d] = *axis;
  }
  return m;
}

// Where ONNX Runtime is faster so on integers: where taps of neighbours overlap, and there are enough phases
// to fill its kernels, of which those of narrow windows need more. Measured on x86 with VNNI, one thread, a
// convolution in front and most with one behind, milliseconds before and after, placed by cost:
//   channels, image  kernel, stride              channels, image  kernel, stride
//   64 -> 32, 32     3, 2        0.42 0.36       16 -> 3, 160     4, 2        1.10 0.86
//   128 -> 64, 16    3, 2        0.29 0.20       32 -> 3, 64      6, 2        0.31 0.26
//   64 -> 32, 32     4, 2        0.60 0.39       56 -> 3, 64      9, 3        0.86 0.46
//   48 -> 24, 24     6, 3        0.66 0.33       32 -> 12, 40     8, 4        1.52 1.00
// but
//   16 -> 16, 80     2, 2        0.90 1.21       32 -> 16, 40     4, 4        1.02 1.06
//   8 -> 4, 80       3, 2        0.37 0.41       64 -> 3, 32      3, 2        0.06 0.08
//   16 -> 1, 128     5, 2        0.33 0.53       32 -> 2, 96      4, 2        0.35 0.45
//   3 -> 3, 80       4, 2        0.148 0.155
std::optional<Match> match_that_pays(const Graph& graph, NodeId id) {
  constexpr int64_t kLeastRead = 4, kLeastPhases = 12, kLeastOfNarrow = 24;
  const std::optional<Match> m = match(graph, id);
  if (!m || m->signal()) return std::nullopt;
  const Dims& weight = ir::constant_input(graph, node_at(graph, id), 1)->dims;
  const int64_t stride = m->axes[0].stride, kernel = std::min(m->axes[0].kernel, m->axes[1].kernel);
  const int64_t least = kernel >= 2 * stride ? kLeastPhases : kLeastOfNarrow;
  const bool wide = weight[0] >= kLeastRead && weight[1] * stride * stride >= least;
  return kernel > stride && wide ? m : std::nullopt;
}

// [in, out, height, width] to [(row of phases, column, out), in, taps down, taps across]; a signal's without
// height.
ir::Tensor phases_of(const ir::Tensor& weight, const Match& m) {
  const auto& [down, across] = m.axes;
  const int64_t in = weight.dims[0], out = weight.dims[1], cells = m.phases() * out;
  const auto numbers = weight.as<float>();
  std::vector<float> phases;
  phases.reserve(cells * in * down.taps * across.taps);
  const auto tap_at = [](const Axis& axis, int64_t phase, int64_t k) {
    return phase + axis.lead - axis.stride * (axis.first + k);
  };
  for (int64_t cell = 0; cell < cells; ++cell)
    for (int64_t i = 0; i < in; ++i)
      for (int64_t place = 0; place < down.taps * across.taps; ++place) {
        const int64_t row = cell / out / across.stride, column = cell / out % across.stride;
        const int64_t y = tap_at(down, row, place / across.taps),
                      x = tap_at(across, column, place % across.taps);
        const bool there = y >= 0 && y < down.kernel && x >= 0 && x < across.kernel;
        const int64_t from = ((i * out + cell % out) * down.kernel + y) * across.kernel + x;
        phases.push_back(there ? numbers[from] : 0.0f);
      }
  return m.signal() ? float_tensor(phases, {cells, in, across.taps})
                    : float_tensor(phases, {cells, in, down.taps, across.taps});
}

// One bias for all phases of a channel.
ir::Tensor repeated(const ir::Tensor& bias, int64_t times) {
  const auto numbers = bias.as<float>();
  std::vector<float> all;
  for (int64_t k = 0; k < times; ++k) all.insert(all.end(), numbers.begin(), numbers.end());
  const auto channels = static_cast<int64_t>(all.size());
  return float_tensor(all, {channels});
}

// Phases as channels to their places: DepthToSpace, or of a signal, whose phases follow each other once its
// channels are last, a Reshape there.
ValueId spread(Graph& graph, const Match& m, ValueId x, int64_t channels, const std::string& name) {
  const auto transposed = [&](ValueId v, const char* what) {
    return insert_node(graph, "Transpose", {v}, {{"perm", Dims{0, 2, 1}}}, name + "/" + what, m.node);
  };
  if (!m.signal())
    return insert_node(graph, "DepthToSpace", {x},
                       {{"blocksize", m.axes[0].stride}, {"mode", std::string("DCR")}},
                       name + "/depth_to_space", m.node);
  const ValueId shape = ir::add_constant(graph, name + "/shape", int_tensor({0, -1, channels}));
  const ValueId rows =
      insert_node(graph, "Reshape", {transposed(x, "channels_last"), shape}, {}, name + "/spread", m.node);
  return transposed(rows, "channels_first");
}

// The part of the phases' image that is the layer's result.
ValueId cropped(Graph& graph, const Match& m, ValueId x, const std::string& name) {
  const auto& [down, across] = m.axes;
  if (down.crop + down.crop_end + across.crop + across.crop_end == 0) return x;
  const auto constant = [&](const char* what, const Dims& numbers) {
    const Dims own = m.signal() ? Dims{numbers[1]} : numbers;
    return ir::add_constant(graph, name + "/" + what, int_tensor(own));
  };
  const auto end_of = [](const Axis& axis) {
    return axis.crop_end > 0 ? -axis.crop_end : std::numeric_limits<int64_t>::max();
  };
  return insert_node(
      graph, "Slice",
      {x, constant("starts", {down.crop, across.crop}), constant("ends", {end_of(down), end_of(across)}),
       constant("axes", m.signal() ? Dims{0, 2} : Dims{2, 3})},
      {}, name + "/crop", m.node);
}

bool transform(Graph& graph, const Match& m) {
  const auto& [down, across] = m.axes;
  const std::string name = node_at(graph, m.node).name;
  const ir::Tensor& whole = *float_constant(graph, node_at(graph, m.node), 1);
  const int64_t channels = whole.dims[1];
  ir::Tensor weight = phases_of(whole, m);
  const ir::Tensor* bias = float_constant(graph, node_at(graph, m.node), 2);
  std::optional<ir::Tensor> biases;
  if (bias) biases = repeated(*bias, m.phases());
  const std::vector<ValueId> read = node_at(graph, m.node).inputs;
  const Dims kernel(weight.dims.begin() + 2, weight.dims.end()),
      pads = m.signal() ? Dims{across.before, across.after}
                        : Dims{down.before, across.before, down.after, across.after};
  become(graph, m.node, "Conv", read, {{"kernel_shape", kernel}, {"pads", pads}});
  set_constant(graph, m.node, 1, std::move(weight), name + "/weight");
  if (biases) set_constant(graph, m.node, 2, std::move(*biases), name + "/bias");

  // The activation goes in front of what moves its numbers; the last node makes what the last one made.
  const NodeId before = m.activation == kNone ? m.node : m.activation;
  const ValueId result = node_at(graph, before).outputs[0];
  const auto between = [&](NodeId maker, const std::string& called) {
    const ValueId fresh = ir::add_value(graph, called, ir::DType::kFloat);
    ir::set_output(graph, maker, 0, fresh);
    return fresh;
  };
  ValueId x = between(m.node, name + "/phases");
  if (m.activation != kNone) {
    ir::set_input(graph, m.activation, 0, x);
    x = between(m.activation, node_at(graph, m.activation).name + "/phases");
  }
  x = cropped(graph, m, spread(graph, m, x, channels, name), name);
  ir::set_output(graph, value_at(graph, x).producer, 0, result);
  return true;
}

}  // namespace

int sub_pixel(Graph& graph, SubPixel which) {
  switch (which) {
    case SubPixel::kNever:
      return 0;
    case SubPixel::kOnnxRuntime:
      return rewrite_all<Match>(graph, match_that_pays, transform);
    case SubPixel::kAlways:
      return rewrite_all<Match>(graph, match, transform);
  }
  return 0;
}

}  // namespace qc::normalize
