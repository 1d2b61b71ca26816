// Scales and shifts in front of Conv or Gemm into their weights: a BatchNormalization that nothing before
// could take, learned scales (Paddle's LearnableAffineBlock), input normalization. The scale is always exact.
// The shift is not where the convolution pads: the zeros around the picture would have to be shifted too.
// Then a scale still gets past the shift, because s*x + b = s*(x + b/s). Only where every reader is such a
// node, so that something disappears.
#include <algorithm>
#include <cmath>

#include "normalize/edit.h"
#include "normalize/idioms.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

/// A node that maps its operand `x` channel by channel.
struct Mapping {
  NodeId node = kNone;
  ValueId x = kNone;
  ScaleShift map;
};

bool all_are(const Channels& c, double value) {
  return std::all_of(c.begin(), c.end(), [&](double v) { return v == value; });
}

std::optional<Mapping> mapping_at(const Graph& graph, NodeId id, const Linear& reader) {
  const Node& node = node_at(graph, id);
  if (const auto map = batch_norm_at(graph, id)) {
    if (static_cast<int64_t>(map->scale.size()) != reader.in_channels) return std::nullopt;
    return Mapping{id, node.inputs[0], *map};
  }
  for (size_t slot = 0; slot < node.inputs.size() && node.inputs.size() == 2; ++slot) {
    const ValueId x = node.inputs[slot];
    // Both operands constant is constant folding's business; broadcasting must not have made the channels or
    // the rank.
    if (x == kNone || value_at(graph, x).constant || rank_of(graph, x) != reader.rank) continue;
    const size_t axis = static_cast<size_t>(reader.channel_axis < 0 ? reader.rank - 1 : reader.channel_axis);
    if (value_at(graph, x).dims[axis] != reader.in_channels) continue;
    const auto map = channel_map_at(graph, id, slot, reader.in_channels, reader.rank, reader.channel_axis);
    if (map) return Mapping{id, x, *map};
  }
  return std::nullopt;
}

/// The readers of the value, if all of them are Conv, ConvTranspose or Gemm with the value as data and the
/// same layout. A scale in front of a MatMul is mostly the end of a LayerNorm, which is worth more as a
/// whole.
std::vector<Linear> linear_readers(const Graph& graph, ValueId value) {
  std::vector<Linear> readers;
  if (ir::is_output(graph, value)) return {};
  for (const NodeId id : value_at(graph, value).consumers) {
    const auto linear = linear_at(graph, id);
    if (!linear || !linear->takes_bias || node_at(graph, id).inputs[0] != value) return {};
    const bool alike =
        readers.empty() || (linear->in_channels == readers[0].in_channels && linear->rank == readers[0].rank);
    if (!alike) return {};
    readers.push_back(*linear);
  }
  return readers;
}

bool takes_shift(const Graph& graph, const Linear& reader) {
  const Node& node = node_at(graph, reader.node);
  return !ir::standard_op(node, "ConvTranspose") && unpadded(node);
}

/// b/s must stay a number of ordinary size.
bool divides_well(const Channels& scale) {
  const auto by_size = [](double a, double b) { return std::abs(a) < std::abs(b); };
  const auto [least, most] = std::minmax_element(scale.begin(), scale.end(), by_size);
  return *least != 0 && std::abs(*least) >= 1e-3 * std::abs(*most);
}

struct Match {
  Mapping nearest;
  std::vector<Linear> readers;
  std::optional<Mapping>
      scale;  // set: nearest is a shift that must stay for some reader; this scale goes past it
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (node.outputs.empty() || node.outputs[0] == kNone) return std::nullopt;
  Match m;
  m.readers = linear_readers(graph, node.outputs[0]);
  const auto nearest = m.readers.empty() ? std::nullopt : mapping_at(graph, id, m.readers[0]);
  if (!nearest || gelu_at(graph, id)) return std::nullopt;  // the runtime joins what is whole
  m.nearest = *nearest;
  const bool all_take_it = std::all_of(m.readers.begin(), m.readers.end(),
                                       [&](const Linear& reader) { return takes_shift(graph, reader); });
  if (all_take_it || all_are(nearest->map.shift, 0)) return m;
  const NodeId before = value_at(graph, nearest->x).producer;
  if (before == kNone || sole_consumer(graph, nearest->x) == kNone) return std::nullopt;
  m.scale = mapping_at(graph, before, m.readers[0]);
  const bool past = m.scale && all_are(nearest->map.scale, 1) && all_are(m.scale->map.shift, 0) &&
                    divides_well(m.scale->map.scale);
  return past ? std::optional(m) : std::nullopt;
}

/// x + b/s, for the readers that cannot take the shift.
ValueId add_unscaled(Graph& graph, const Match& m) {
  const Linear& reader = m.readers[0];
  std::vector<float> shift;
  for (size_t c = 0; c < m.scale->map.scale.size(); ++c)
    shift.push_back(static_cast<float>(m.nearest.map.shift[c] / m.scale->map.scale[c]));
  const bool uniform = std::all_of(shift.begin(), shift.end(), [&](float v) { return v == shift[0]; });
  Dims dims(reader.rank, 1);
  dims[reader.channel_axis < 0 ? dims.size() - 1 : static_cast<size_t>(reader.channel_axis)] =
      reader.in_channels;
  const std::string name = node_at(graph, m.nearest.node).name;
  ir::Tensor tensor = uniform ? ir::scalar(shift[0]) : float_tensor(shift, dims);
  const ValueId b = ir::add_constant(graph, name + "/shift", std::move(tensor));
  const ValueId sum = insert_node(graph, "Add", {m.scale->x, b}, {}, name + "/unscaled", m.nearest.node);
  copy_shape(graph, m.scale->x, sum);
  return sum;
}

bool transform(Graph& graph, const Match& m) {
  const Channels zeros(m.nearest.map.scale.size(), 0.0);
  ValueId sum = kNone;
  bool changed = false;
  for (const Linear& reader : m.readers) {
    const bool shifted = takes_shift(graph, reader);
    const Channels& scale = m.scale ? m.scale->map.scale : m.nearest.map.scale;
    if (!fold_before(graph, reader, scale, m.scale && !shifted ? zeros : m.nearest.map.shift)) continue;
    changed = true;
    if (m.scale && !shifted && sum == kNone) sum = add_unscaled(graph, m);
    ir::set_input(graph, reader.node, 0, !m.scale ? m.nearest.x : shifted ? m.scale->x : sum);
    if (m.scale) absorb_origin(graph, reader.node, m.scale->node);
    if (!m.scale || shifted) absorb_origin(graph, reader.node, m.nearest.node);
  }
  return changed;
}

}  // namespace

int fold_forward(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
