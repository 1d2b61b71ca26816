// See activation_memory.h.
#include "search/activation_memory.h"

#include <algorithm>

#include "budget/resources.h"
#include "ir/edit.h"
#include "ir/ops.h"
#include "target_of.h"

namespace qc {
namespace {

std::optional<int64_t> least_peak(const std::optional<budget::MemoryGraph>& memory) {
  if (!memory) return std::nullopt;
  return budget::schedule(*memory).peak;
}

// Of the weights in 8 bits; their scales and biases are few beside them.
int64_t weight_bytes(const ir::Graph& graph) {
  int64_t bytes = 0;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    const ir::WeightTraits* traits = ir::weight_traits(graph, node);
    if (!traits) continue;
    const auto dims = ir::static_dims(graph, node.inputs[traits->weight_slot]);
    if (dims) bytes += ir::element_count(*dims);
  }
  return bytes;
}

}  // namespace

bool is_inside(const ir::Graph& graph, const std::vector<select::Capability>& capabilities, ir::ValueId v) {
  const std::vector<ir::NodeId>& readers = ir::value_at(graph, v).consumers;
  return !readers.empty() && !ir::is_output(graph, v) &&
         std::all_of(readers.begin(), readers.end(), [&](ir::NodeId reader) {
           const std::vector<ir::ValueId>& joined = capabilities[reader].joined;
           return std::find(joined.begin(), joined.end(), v) != joined.end();
         });
}

std::optional<budget::MemoryGraph> memory_of(const ir::Graph& graph, const ir::Graph& sized,
                                             const std::vector<select::Capability>& capabilities,
                                             const std::function<int(ir::ValueId)>& bits_of) {
  const auto inside = [&](ir::ValueId v) { return is_inside(graph, capabilities, v); };
  const auto bytes_of = [&](ir::ValueId v) -> std::optional<int64_t> {
    const std::optional<ir::Dims> dims = ir::static_dims(sized, v);
    if (!dims) return std::nullopt;
    return (ir::element_count(*dims) * bits_of(v) + 7) / 8;
  };
  return budget::memory_graph(sized, bytes_of, inside);
}

bool budget_needs_integers(const ir::Graph& graph, const ir::Graph& sized, const Places& places,
                           const plan::QuantPlan& plan, const config::CoreConfig& config,
                           const target::TargetSpec& target) {
  const std::optional<config::Limit>&activations = config.budget.activation_memory,
        &total = config.budget.total_memory;
  if (config.placement != config::Placement::kUnset || (!activations && !total)) return false;
  if ((activations && activations->share) || (total && total->share)) return true;
  const auto peak_of = [&](const plan::QuantPlan& placed) {
    return least_peak(memory_of(graph, sized, places.capabilities, [&](ir::ValueId v) {
      return placed.values[v].quantized ? target.activations.bits : ir::bits_of(ir::value_at(sized, v).dtype);
    }));
  };
  const std::optional<int64_t> peak = peak_of(plan);
  const auto fits = [](const std::optional<config::Limit>& limit, int64_t bytes) {
    return !limit || static_cast<double>(bytes) <= limit->amount;
  };
  if (!peak || (fits(activations, *peak) && fits(total, *peak + weight_bytes(graph)))) return false;
  const std::optional<int64_t> least =
      peak_of(outline_of(graph, places, config, target, wherever_possible(places.capabilities),
                         std::vector<plan::NodeDecision>(graph.nodes.size())));
  return least && *least < *peak;
}

}  // namespace qc
