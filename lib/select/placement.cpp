// See placement.h. The cut: nodes on the source side run on integers. A hyperedge "producer integer, some
// reader float" costs once through one auxiliary vertex between producer and readers; "producer float, some
// reader integer" likewise with the arrows turned.
#include "select/placement.h"

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/boykov_kolmogorov_max_flow.hpp>
#include <limits>

namespace qc::select {
namespace {

using Traits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
using FlowGraph = boost::adjacency_list<
    boost::vecS, boost::vecS, boost::directedS,
    boost::property<boost::vertex_color_t, boost::default_color_type,
                    boost::property<boost::vertex_distance_t, long,
                                    boost::property<boost::vertex_predecessor_t, Traits::edge_descriptor>>>,
    boost::property<boost::edge_capacity_t, double,
                    boost::property<boost::edge_residual_capacity_t, double,
                                    boost::property<boost::edge_reverse_t, Traits::edge_descriptor>>>>;

constexpr double kForbidden = 1e30;

class Cut {
 public:
  explicit Cut(size_t nodes) : graph_(nodes + 2), source_(nodes), sink_(nodes + 1) {}
  size_t add_vertex() { return boost::add_vertex(graph_); }
  size_t source() const { return source_; }
  size_t sink() const { return sink_; }

  /// Costs `capacity` when `from` is on the source side and `to` on the sink side.
  void add_arrow(size_t from, size_t to, double capacity) {
    if (capacity <= 0) return;
    const auto forward = boost::add_edge(from, to, graph_).first,
               back = boost::add_edge(to, from, graph_).first;
    boost::put(boost::edge_capacity, graph_, forward, capacity);
    boost::put(boost::edge_capacity, graph_, back, 0.0);
    boost::put(boost::edge_reverse, graph_, forward, back);
    boost::put(boost::edge_reverse, graph_, back, forward);
  }

  std::vector<bool> source_side(size_t nodes) {
    boost::boykov_kolmogorov_max_flow(graph_, source_, sink_);
    const auto color = boost::get(boost::vertex_color, graph_);
    std::vector<bool> side(nodes);
    for (size_t v = 0; v < nodes; ++v) side[v] = color[v] == boost::black_color;  // the source's search tree
    return side;
  }

 private:
  FlowGraph graph_;
  size_t source_, sink_;
};

}  // namespace

std::vector<bool> place(const ir::Graph& graph, const std::vector<Capability>& capabilities,
                        const PlacementCosts& costs) {
  const size_t count = graph.nodes.size();
  Cut cut(count);
  for (size_t n = 0; n < count; ++n) {
    if (graph.nodes[n].erased) continue;
    cut.add_arrow(cut.source(), n, costs.nodes[n].floating);
    cut.add_arrow(n, cut.sink(),
                  capabilities[n].ability == Ability::kFloatOnly ? kForbidden : costs.nodes[n].integer);
    if (capabilities[n].ability == Ability::kFollows) {
      const size_t producer =
          static_cast<size_t>(graph.values[static_cast<size_t>(graph.nodes[n].inputs[0])].producer);
      cut.add_arrow(n, producer, kForbidden);
      cut.add_arrow(producer, n, kForbidden);
    }
  }
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const ir::Value& value = graph.values[v];
    if (value.constant || value.dtype != ir::DType::kFloat) continue;
    const bool output = ir::is_output(graph, static_cast<ir::ValueId>(v));
    if (value.consumers.empty() && !output) continue;
    const ValueCost& cost = costs.values[v];
    const size_t producer =
        value.producer == ir::kNone ? cut.sink() : static_cast<size_t>(value.producer);  // inputs are float
    if (cost.dequantize > 0 && producer != cut.sink()) {
      const size_t mixed = cut.add_vertex();
      cut.add_arrow(producer, mixed, cost.dequantize);
      for (const ir::NodeId reader : value.consumers)
        cut.add_arrow(mixed, static_cast<size_t>(reader), kForbidden);
      if (output) cut.add_arrow(mixed, cut.sink(), kForbidden);
    }
    if (cost.rounding > 0) {
      const size_t rounded = cut.add_vertex();
      cut.add_arrow(rounded, cut.sink(), cost.rounding);
      if (producer != cut.sink()) cut.add_arrow(producer, rounded, kForbidden);
      for (const ir::NodeId reader : value.consumers)
        cut.add_arrow(static_cast<size_t>(reader), rounded, kForbidden);
    }
    if (cost.quantize > 0) {
      const size_t mixed = cut.add_vertex();
      cut.add_arrow(mixed, producer, cost.quantize);
      for (const ir::NodeId reader : value.consumers)
        cut.add_arrow(static_cast<size_t>(reader), mixed, kForbidden);
    }
  }
  return cut.source_side(count);
}

double cost_of(const ir::Graph& graph, const std::vector<bool>& integer, const PlacementCosts& costs) {
  double total = 0;
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    if (!graph.nodes[n].erased) total += integer[n] ? costs.nodes[n].integer : costs.nodes[n].floating;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const ir::Value& value = graph.values[v];
    if (value.constant || value.dtype != ir::DType::kFloat) continue;
    const bool from_integer = value.producer != ir::kNone && integer[static_cast<size_t>(value.producer)];
    bool to_integer = false, to_float = ir::is_output(graph, static_cast<ir::ValueId>(v));
    for (const ir::NodeId reader : value.consumers)
      (integer[static_cast<size_t>(reader)] ? to_integer : to_float) = true;
    if (from_integer && to_float) total += costs.values[v].dequantize;
    if (!from_integer && to_integer) total += costs.values[v].quantize;
    if (from_integer || to_integer) total += costs.values[v].rounding;
  }
  return total;
}

}  // namespace qc::select
