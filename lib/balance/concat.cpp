// The check beside concat_threshold_update: a Concat puts all inputs on one grid, which leaves few steps to
// an input of a much smaller range.
#include <algorithm>
#include <cmath>

#include "balance/balance.h"
#include "base/text.h"
#include "ir/edit.h"

namespace qc::balance {

Done check_concats(ir::Graph& graph, const Seen& seen) {
  constexpr double kUnbalanced = 16;  // of ranges; MCT's threshold_ratio_unbalanced_concatenation
  Done done;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = node_at(graph, id);
    if (!ir::standard_op(node, "Concat") || !seen.plan.values[node.outputs[0]].quantized) continue;
    double least = INFINITY, most = 0;
    std::string name;
    for (const ir::ValueId input : node.inputs) {
      const auto found = seen.stats.find(input);
      if (found == seen.stats.end() || found->second.count == 0) continue;
      const double range = static_cast<double>(std::max(-found->second.min, found->second.max));
      if (range > 0 && range < least) {
        least = range;
        name = value_at(graph, input).name;
      }
      most = std::max(most, range);
    }
    if (most < kUnbalanced * least) continue;
    done.note += format(
        "{}{} joins unlike ranges: '{}' reaches to {:.3g}, another input to {:.3g}, and both get one grid; "
        "rescale "
        "the layers before it, or leave it in float",
        done.note.empty() ? "" : "; ", node.name, name, least, most);
  }
  return done;
}

}  // namespace qc::balance
