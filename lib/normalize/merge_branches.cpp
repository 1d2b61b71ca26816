// Two convolutions of one input whose results are added become one with the sum of their kernels, the smaller
// one at its place in the larger; the input itself and a BatchNormalization of it are convolutions of one tap
// (Ding et al. 2021, "RepVGG: Making VGG-style ConvNets Great Again", section 3.3). Networks that are trained
// with such branches are often exported with them. The same function with fewer layers, and without the
// roundings between them.
#include <algorithm>
#include <cmath>

#include "base/decibels.h"
#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

// A kernel of both has one step for each channel: where a lone large tap, as the input's own is, leaves all
// others too few of its 127 steps, rounding them costs more than the roundings between branches. Weights over
// their rounding error, in power: at 30 to 32 dB a trained network of such branches was at 31.1 dB with one
// kernel and at 27.9 with them, and in 0.53 instead of 0.87 of float's time.
constexpr double kLeastDb = 28;

// Of an operand of the Add: a convolution, or (`node` none) one tap for each channel.
struct Branch {
  NodeId node = kNone;  // the convolution
  ValueId input = kNone;
  ScaleShift map{};  // of its one tap
  NodeId batch_norm = kNone;
  Dims kernel{}, strides{}, dilations{}, pads{};
  int64_t groups = 1;
};

std::optional<Branch> convolution_at(const Graph& graph, ValueId value) {
  const NodeId id = ir::producer_if(graph, value, "Conv");
  if (id == kNone || ir::sole_consumer(graph, value) == kNone || !ir::linear_at(graph, id))
    return std::nullopt;
  const Node& node = node_at(graph, id);
  if (ir::string_attribute(node, "auto_pad", "NOTSET") != "NOTSET") return std::nullopt;
  const Dims& dims = ir::float_constant(graph, node, 1)->dims;
  Branch branch{id, node.inputs[0]};
  branch.kernel.assign(dims.begin() + 2, dims.end());
  const size_t rank = branch.kernel.size();
  branch.strides = ir::ints_attribute(node, "strides", Dims(rank, 1));
  branch.dilations = ir::ints_attribute(node, "dilations", Dims(rank, 1));
  branch.pads = ir::ints_attribute(node, "pads", Dims(2 * rank, 0));
  branch.groups = ir::int_attribute(node, "group", 1);
  const bool fits = rank > 0 && branch.strides.size() == rank && branch.dilations.size() == rank &&
                    branch.pads.size() == 2 * rank;
  return fits ? std::optional(branch) : std::nullopt;
}

// The input of `like`, or its BatchNormalization.
std::optional<Branch> tap_at(const Graph& graph, ValueId value, const Branch& like) {
  const int64_t channels = ir::linear_at(graph, like.node)->in_channels;
  Branch branch{kNone, value};
  if (value == like.input) {
    branch.map = {Channels(static_cast<size_t>(channels), 1), Channels(static_cast<size_t>(channels), 0)};
  } else {
    branch.batch_norm = ir::producer_if(graph, value, "BatchNormalization");
    if (branch.batch_norm == kNone || ir::sole_consumer(graph, value) == kNone) return std::nullopt;
    branch.input = node_at(graph, branch.batch_norm).inputs[0];
    const auto map = ir::batch_norm_at(graph, branch.batch_norm);
    if (!map || branch.input != like.input) return std::nullopt;
    branch.map = *map;
  }
  if (static_cast<int64_t>(branch.map.scale.size()) != channels) return std::nullopt;
  const size_t rank = like.kernel.size();
  branch.kernel = branch.strides = branch.dilations = Dims(rank, 1);
  branch.pads = Dims(2 * rank, 0);
  branch.groups = like.groups;
  return branch;
}

struct Match {
  NodeId add = kNone;
  Branch conv, other;
  Dims kernel{}, dilations{}, pads{};  // of both
};

// How many results there are beyond one for each stride.
int64_t reach(const Branch& branch, size_t axis) {
  const size_t rank = branch.kernel.size();
  return branch.pads[axis] + branch.pads[axis + rank] - (branch.kernel[axis] - 1) * branch.dilations[axis];
}

// Fills in what the kernel of both is like; false: one kernel has no such taps, or results of other sizes.
bool fit(Match& m) {
  const Branch &a = m.conv, &b = m.other;
  const size_t rank = a.kernel.size();
  if (b.kernel.size() != rank || a.groups != b.groups || a.strides != b.strides) return false;
  m.pads.resize(2 * rank);
  for (size_t axis = 0; axis < rank; ++axis) {
    const int64_t dilation = a.kernel[axis] > 1 ? a.dilations[axis] : b.dilations[axis];
    if (b.kernel[axis] > 1 && b.dilations[axis] != dilation) return false;
    const int64_t before = std::max(a.pads[axis], b.pads[axis]);
    int64_t taps = 0;
    for (const Branch* one : {&a, &b}) {
      const int64_t moved = before - one->pads[axis];
      if (moved % dilation != 0) return false;
      taps = std::max(taps, one->kernel[axis] + moved / dilation);
    }
    const int64_t after = reach(a, axis) + (taps - 1) * dilation - before;
    if (reach(a, axis) != reach(b, axis) || after < 0) return false;
    m.kernel.push_back(taps);
    m.dilations.push_back(dilation);
    m.pads[axis] = before;
    m.pads[axis + rank] = after;
  }
  return true;
}

// Adds a branch to the kernel of both, in double; and to the bias.
void add_branch(const Graph& graph, const Match& m, const Branch& branch, const Dims& dims,
                std::vector<double>& kernel, Channels& bias) {
  const auto channels = static_cast<size_t>(dims[0]), inner = static_cast<size_t>(dims[1]);
  const size_t rank = m.kernel.size();
  size_t own = 1, both = 1;
  for (size_t axis = 0; axis < rank; ++axis) {
    own *= static_cast<size_t>(branch.kernel[axis]);
    both *= static_cast<size_t>(m.kernel[axis]);
  }
  std::vector<size_t> place(own);  // of each tap
  for (size_t tap = 0; tap < own; ++tap) {
    size_t rest = tap, step = 1;
    for (size_t axis = rank; axis-- > 0;) {
      const auto length = static_cast<size_t>(branch.kernel[axis]);
      const auto moved = static_cast<size_t>((m.pads[axis] - branch.pads[axis]) / m.dilations[axis]);
      place[tap] += (rest % length + moved) * step;
      rest /= length;
      step *= static_cast<size_t>(m.kernel[axis]);
    }
  }
  if (branch.node == kNone) {
    for (size_t o = 0; o < channels; ++o) {
      kernel[(o * inner + o % inner) * both + place[0]] += branch.map.scale[o];
      bias[o] += branch.map.shift[o];
    }
    return;
  }
  const Node& node = node_at(graph, branch.node);
  const auto weights = ir::float_constant(graph, node, 1)->as<float>();
  for (size_t row = 0; row < channels * inner; ++row)
    for (size_t tap = 0; tap < own; ++tap) kernel[row * both + place[tap]] += weights[row * own + tap];
  if (const ir::Tensor* shift = node.inputs.size() > 2 ? ir::float_constant(graph, node, 2) : nullptr)
    for (size_t o = 0; o < channels; ++o) bias[o] += shift->as<float>()[o];
}

double db_in_8_bits(const std::vector<double>& kernel, size_t channels) {
  const size_t length = kernel.size() / std::max<size_t>(1, channels);
  double signal = 0, noise = 0;
  for (size_t at = 0; at < kernel.size(); at += length) {
    double largest = 0, taps = 0;
    for (size_t i = at; i < at + length; ++i) {
      signal += kernel[i] * kernel[i];
      largest = std::max(largest, std::abs(kernel[i]));
      taps += kernel[i] != 0;
    }
    noise += taps * largest * largest / (127.0 * 127.0 * 12.0);
  }
  return decibels(std::max(signal, 1e-300) / std::max(noise, 1e-300));
}

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (!ir::standard_op(node, "Add") || node.inputs.size() != 2 || node.inputs[0] == node.inputs[1])
    return std::nullopt;
  for (size_t slot = 0; slot < 2; ++slot) {
    const auto conv = convolution_at(graph, node.inputs[slot]);
    if (!conv) continue;
    auto other = convolution_at(graph, node.inputs[1 - slot]);
    if (!other || other->input != conv->input) other = tap_at(graph, node.inputs[1 - slot], *conv);
    if (!other || other->input != conv->input) continue;
    Match m{id, *conv, *other};
    const int64_t channels = ir::linear_at(graph, conv->node)->out_channels;
    const int64_t of_other = other->node == kNone ? static_cast<int64_t>(other->map.scale.size())
                                                  : ir::linear_at(graph, other->node)->out_channels;
    if (channels == of_other && fit(m)) return m;
  }
  return std::nullopt;
}

bool transform(Graph& graph, const Match& m) {
  Dims dims = ir::float_constant(graph, node_at(graph, m.conv.node), 1)->dims;
  dims.resize(2);
  dims.insert(dims.end(), m.kernel.begin(), m.kernel.end());
  int64_t size = 1;
  for (const int64_t d : dims) size *= d;
  std::vector<double> kernel(size);
  Channels bias(dims[0]);
  for (const Branch* branch : {&m.conv, &m.other}) add_branch(graph, m, *branch, dims, kernel, bias);
  if (db_in_8_bits(kernel, bias.size()) < kLeastDb) return false;
  const auto finite = [](const std::vector<double>& numbers) {
    return std::all_of(numbers.begin(), numbers.end(),
                       [](double v) { return std::isfinite(static_cast<float>(v)); });
  };
  if (!finite(kernel) || !finite(bias)) return false;
  const NodeId id = m.conv.node;
  const std::string name = node_at(graph, id).name;
  ir::set_constant(graph, id, 1, ir::float_tensor({kernel.begin(), kernel.end()}, dims), name + "_weight");
  ir::set_constant(graph, id, 2, ir::float_tensor({bias.begin(), bias.end()}, {dims[0]}), name + "_bias");
  Node& node = node_at(graph, id);
  ir::set_attribute(node, "kernel_shape", m.kernel);
  ir::set_attribute(node, "dilations", m.dilations);
  ir::set_attribute(node, "pads", m.pads);
  if (m.other.node != kNone) ir::absorb_origin(graph, id, m.other.node);
  if (m.other.batch_norm != kNone) ir::absorb_origin(graph, id, m.other.batch_norm);
  ir::take_over(graph, id, m.add);
  return true;
}

}  // namespace

int merge_branches(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
