// What could be integers at all: for every node, whether the target has an integer kernel for exactly this
// node, and if not, why. Rules come from the target's table; nothing here knows a model.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/core_config.h"
#include "ir/graph.h"
#include "plan/idioms.h"
#include "plan/quant_plan.h"
#include "target/target.h"

namespace qc::select {

enum class Ability {
  kFloatOnly,
  kInteger,  // may run on integers, may run in float
  kFollows,  // a Relu or Clip that disappears into its integer producer: same place as the producer
};

struct Capability {
  Ability ability = Ability::kFloatOnly;
  plan::Reason reason = plan::Reason::kNoIntegerKernel;  // why not, for kFloatOnly
  std::string detail;
  bool float_weights = false;            // a rule keeps even its weights in float
  bool correct_bias = true;              // false: a rule leaves its bias as it is
  bool pinned = false;                   // a rule has it on integers, whatever that costs
  std::vector<ir::ValueId> joined = {};  // inputs that it takes as they are: one op for the target (fuse.h)
};

/// By NodeId. `idioms`: the graph's functions spelled as several nodes; those that the runtime joins to one
/// float kernel stay whole. Throws Error(kUsage) listing keep_float globs and op types that match no node
/// (nearest names offered). `rules`: what the config says about single nodes (by NodeId; empty: nothing);
/// a width without an integer kernel keeps its node in float.
std::vector<Capability> capabilities(const ir::Graph& graph, const target::TargetSpec& target,
                                     const config::KeepFloat& keep_float,
                                     const std::vector<plan::Idiom>& idioms = {},
                                     std::span<const config::NodeSettings> rules = {});

/// Nodes that have no elements to compute for inputs of the sizes that `sized` (the same graph, its sizes
/// those of a picture) has are floats: nothing can be gained, and ONNX Runtime's QLinearAdd and QLinearMul
/// write beyond the end of an empty tensor where threads share their work (seen in 1.30 and 1.32). Not where
/// the target has no floats.
void leave_empty(const ir::Graph& sized, const target::TargetSpec& target, std::vector<Capability>& all);

/// Why an AveragePool's integer kernel would not compute what the float one does; "" where it does, and for
/// other ops.
std::string averages_unlike_float(const ir::Node& node);

}  // namespace qc::select
