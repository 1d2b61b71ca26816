// Relu, Clip, Min and Max with constants (and a difference of two Relus) are all one thing, a range; nested
// ones are one range. [0, infinity) is spelled Relu, everything else Clip, nothing at all where both ends are
// open. PRelu with one slope is LeakyRelu, which has an integer kernel.
#include <algorithm>
#include <cmath>
#include <limits>

#include "normalize/edit.h"
#include "normalize/match.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Range {
  ValueId x;
  Bounds bounds;
};

/// Min or Max of a value and a scalar.
std::optional<Range> extremum_at(const Graph& graph, const Node& node) {
  const bool low = ir::standard_op(node, "Max");
  if ((!low && !ir::standard_op(node, "Min")) || node.inputs.size() != 2) return std::nullopt;
  for (const size_t slot : {size_t{0}, size_t{1}}) {
    const ValueId x = node.inputs[1 - slot];
    const auto c = ir::scalar_constant(graph, node.inputs[slot]);
    if (!c || value_at(graph, x).constant || !is_float(graph, x)) continue;
    if (rank_of(graph, node.inputs[slot]) != 0 && rank_of(graph, node.inputs[slot]) > rank_of(graph, x))
      continue;
    return Range{x, low ? Bounds{*c, kInfinity} : Bounds{-kInfinity, *c}};
  }
  return std::nullopt;
}

/// relu(x) - relu(x - c) with c > 0: how TensorFlow spells a Relu with a largest value, min(relu(x), c).
std::optional<Range> difference_at(const Graph& graph, const Node& node) {
  if (!ir::standard_op(node, "Sub")) return std::nullopt;
  const NodeId whole = producer_if(graph, node.inputs[0], "Relu"),
               excess = producer_if(graph, node.inputs[1], "Relu");
  if (whole == kNone || excess == kNone) return std::nullopt;
  const ValueId x = node_at(graph, whole).inputs[0];
  const Affine shifted = affine_of(graph, node_at(graph, excess).inputs[0], x);
  if (shifted.x != x || shifted.a != 1 || !(shifted.b < 0) || !is_float(graph, x)) return std::nullopt;
  return Range{x, {0, -shifted.b}};
}

std::optional<Range> range_at(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (ir::standard_op(node, "Relu"))
    return is_float(graph, node.inputs[0]) ? std::optional(Range{node.inputs[0], {0, kInfinity}})
                                           : std::nullopt;
  if (const auto bounds = clip_bounds(graph, id)) return Range{node.inputs[0], *bounds};
  if (const auto range = difference_at(graph, node)) return range;
  return extremum_at(graph, node);
}

bool spelled_right(const Graph& graph, NodeId id, const Bounds& bounds) {
  const bool relu = bounds.low == 0 && bounds.high == kInfinity;
  return ir::standard_op(node_at(graph, id), relu ? "Relu" : "Clip");
}

struct Match {
  NodeId node;
  Range range;            // what it becomes
  NodeId inner = kNone;   // a range before it that is now part of it
  bool vanishes = false;  // reads range.x directly
  float slope = NAN;      // PRelu as LeakyRelu
};

/// clip(clip(x, inner), outer) as one range; nullopt where they do not overlap (a constant then, which nobody
/// writes).
std::optional<Bounds> nested(const Bounds& inner, const Bounds& outer) {
  const Bounds both{std::max(inner.low, outer.low), std::min(inner.high, outer.high)};
  return both.low < both.high ? std::optional(both) : std::nullopt;
}

std::optional<Match> match_range(const Graph& graph, NodeId id) {
  const auto range = range_at(graph, id);
  if (!range) return std::nullopt;
  const auto& [low, high] = range->bounds;
  if (std::isinf(low) && std::isinf(high))
    return can_bypass(graph, id, range->x) ? std::optional(Match{id, *range, kNone, true, NAN})
                                           : std::nullopt;
  const NodeId before = value_at(graph, range->x).producer;
  const auto inner = before != kNone ? range_at(graph, before) : std::nullopt;
  const auto both = inner ? nested(inner->bounds, range->bounds) : std::nullopt;
  if (both) {
    const bool nothing_new = both->low == inner->bounds.low && both->high == inner->bounds.high;
    if (nothing_new && can_bypass(graph, id, range->x)) return Match{id, *range, kNone, true, NAN};
    if (sole_consumer(graph, range->x) != kNone) return Match{id, {inner->x, *both}, before, false, NAN};
  }
  return spelled_right(graph, id, range->bounds) ? std::nullopt
                                                 : std::optional(Match{id, *range, kNone, false, NAN});
}

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (!ir::standard_op(node, "PRelu")) return match_range(graph, id);
  const ir::Tensor* slope = float_constant(graph, node, 1);
  if (!slope || slope->size() == 0) return std::nullopt;
  const auto numbers = slope->as<float>();
  const bool uniform = std::all_of(numbers.begin(), numbers.end(), [&](float v) { return v == numbers[0]; });
  return uniform ? std::optional(Match{id, {node.inputs[0], {}}, kNone, false, numbers[0]}) : std::nullopt;
}

bool transform(Graph& graph, const Match& m) {
  if (m.vanishes) {
    bypass(graph, m.node, m.range.x);
    return true;
  }
  if (m.inner != kNone) absorb_origin(graph, m.node, m.inner);
  if (std::isnan(m.slope))
    become_clip(graph, m.node, m.range.x, m.range.bounds);
  else if (m.slope == 0)
    become(graph, m.node, "Relu", {m.range.x}, {});
  else
    become(graph, m.node, "LeakyRelu", {m.range.x}, {{"alpha", m.slope}});
  return true;
}

}  // namespace

int plain_activations(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
