// Scales and shifts in front of a Conv or Gemm into its weights: a BatchNormalization that nothing before
// could take, learned scales (Paddle's LearnableAffineBlock), input normalization. The scale is always exact.
// The shift is not where the convolution pads: the zeros around the picture would have to be shifted too.
// Then a scale still gets past the shift, because s*x + b = s*(x + b/s).
#include <algorithm>
#include <cmath>

#include "normalize/edit.h"
#include "normalize/linear.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

using ir::Graph;
using ir::kNone;
using ir::NodeId;
using ir::ValueId;

/// A node that maps its operand `x` channel by channel and whose result has one reader.
struct Mapping {
  NodeId node = kNone;
  ValueId x = kNone;
  ScaleShift map;
};

bool is_zero(const Channels& c) {
  return std::all_of(c.begin(), c.end(), [](double v) { return v == 0; });
}

std::optional<Mapping> mapping_before(const Graph& graph, ValueId value, const Linear& linear) {
  const NodeId id = value_at(graph, value).producer;
  if (id == kNone || sole_consumer(graph, value) == kNone) return std::nullopt;
  const ir::Node& node = node_at(graph, id);
  if (const auto map = batch_norm_at(graph, id)) {
    if (static_cast<int64_t>(map->scale.size()) != linear.in_channels) return std::nullopt;
    return Mapping{id, node.inputs[0], *map};
  }
  for (size_t slot = 0; slot < node.inputs.size() && node.inputs.size() == 2; ++slot) {
    const ValueId x = node.inputs[slot];
    // Both operands constant is constant folding's business; broadcasting must not have made the channels or
    // the rank.
    if (x == kNone || value_at(graph, x).constant || rank_of(graph, x) != linear.rank) continue;
    const size_t axis = static_cast<size_t>(linear.channel_axis < 0 ? linear.rank - 1 : linear.channel_axis);
    if (value_at(graph, x).dims[axis] != linear.in_channels) continue;
    const auto map = channel_map_at(graph, id, slot, linear.in_channels, linear.rank, linear.channel_axis);
    if (map) return Mapping{id, x, *map};
  }
  return std::nullopt;
}

struct Match {
  Linear linear;
  Mapping nearest;
  std::optional<Mapping> scale;  // set: nearest is a shift that must stay, this scale goes past it
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  const auto linear = linear_at(graph, id);
  // A scale in front of a MatMul is mostly the end of a LayerNorm, which is worth more as a whole.
  if (!linear || !linear->takes_bias) return std::nullopt;
  const ir::Node& node = node_at(graph, id);
  const auto nearest = mapping_before(graph, node.inputs[0], *linear);
  if (!nearest) return std::nullopt;
  const bool shift_fits = !ir::standard_op(node, "ConvTranspose") && unpadded(node);
  if (shift_fits || is_zero(nearest->map.shift)) return Match{*linear, *nearest, std::nullopt};
  const auto scale = mapping_before(graph, nearest->x, *linear);
  const auto& s = nearest->map.scale;
  if (!scale || !std::all_of(s.begin(), s.end(), [](double v) { return v == 1; }) ||
      !is_zero(scale->map.shift))
    return std::nullopt;
  // b/s must stay a number of ordinary size.
  const auto by_size = [](double a, double b) { return std::abs(a) < std::abs(b); };
  const auto [least, most] = std::minmax_element(scale->map.scale.begin(), scale->map.scale.end(), by_size);
  if (std::abs(*least) < 1e-3 * std::abs(*most) || *least == 0) return std::nullopt;
  return Match{*linear, *nearest, *scale};
}

bool transform(Graph& graph, const Match& m) {
  const NodeId id = m.linear.node;
  const Mapping& folded = m.scale ? *m.scale : m.nearest;
  if (!fold_before(graph, m.linear, folded.map.scale, folded.map.shift)) return false;
  absorb_origin(graph, id, folded.node);
  if (!m.scale) {
    ir::set_input(graph, id, 0, folded.x);
    return true;
  }
  std::vector<float> shift;
  for (size_t c = 0; c < folded.map.scale.size(); ++c)
    shift.push_back(static_cast<float>(m.nearest.map.shift[c] / folded.map.scale[c]));
  const bool uniform = std::all_of(shift.begin(), shift.end(), [&](float v) { return v == shift[0]; });
  Dims dims(static_cast<size_t>(m.linear.rank), 1);
  dims[m.linear.channel_axis < 0 ? dims.size() - 1 : static_cast<size_t>(m.linear.channel_axis)] =
      m.linear.in_channels;
  const std::string name = node_at(graph, m.nearest.node).name;
  const ValueId b =
      ir::add_constant(graph, name + "/shift", uniform ? ir::scalar(shift[0]) : float_tensor(shift, dims));
  const ValueId sum = insert_node(graph, "Add", {folded.x, b}, {}, name + "/unscaled", m.nearest.node);
  copy_shape(graph, folded.x, sum);
  ir::set_input(graph, id, 0, sum);
  return true;
}

}  // namespace

int fold_forward(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
