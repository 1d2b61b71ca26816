// What a grid does beside rounding: quantizers take Relu and Clip out where the ends of the integers' range
// are theirs, and the float graph needs them back. Private to adopt.
#pragma once

#include <map>
#include <optional>

#include "ir/graph.h"
#include "quant/quant_params.h"

namespace qc::adopt {

struct Interval {
  double low, high;
};

/// The numbers that a value can have, by the op that makes it; infinite ends where nothing is known.
class Reach {
 public:
  explicit Reach(const ir::Graph& graph) : graph_(graph) {}
  Interval of(ir::ValueId value);
  /// False for an input of the model, moved or scaled by constants or not: its range is that of the pictures,
  /// and no activation function stands there.
  bool is_computed(ir::ValueId value) const;
  /// Made by an op that only moves or pools what it reads.
  bool is_moved(ir::ValueId value) const;

 private:
  Interval of_node(const ir::Node& node);
  std::optional<Interval> of_two(const ir::Node& node);

  const ir::Graph& graph_;
  std::map<ir::ValueId, Interval> known_;
};

/// The ends that an activation function before this grid would have had, so far as they are beyond doubt:
/// zero where the zero point is the lowest integer (at the highest it is what a mask of attention leaves),
/// both ends where the range is that of Clip(0, 6) and its like within half a step (`bounded`: only then,
/// since a pool's range may be that by chance). Nothing: the range is only what was calibrated.
std::optional<Interval> clamp_of(const quant::QuantParams& params, bool bounded);

/// A Relu or Clip behind `value`, whose result is returned; nobody reads it yet. `value` has a producer.
ir::ValueId insert_clamp(ir::Graph& graph, ir::ValueId value, const Interval& ends);

/// Takes the node that insert_clamp() made out again if whatever reads `clamped` is a Relu or Clip that
/// leaves no more. False: it stays.
bool remove_if_repeated(ir::Graph& graph, ir::ValueId clamped);

}  // namespace qc::adopt
