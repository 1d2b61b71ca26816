// See placement.h. The cut: nodes on the source side run on integers. A hyperedge "producer integer, some
// reader float" costs once through one auxiliary vertex between producer and readers; "producer float, some
// reader integer" likewise with the arrows turned.
#include "select/placement.h"

#include <algorithm>

#include "select/max_flow.h"

namespace qc::select {
namespace {

constexpr double kForbidden = MaxFlow::kUnbounded;

// The network of a placement. What stands at both ends of a node cancels out: only the difference is a
// capacity.
class Cut {
 public:
  explicit Cut(size_t nodes) : flow_(nodes + 2), source_(nodes), sink_(nodes + 1) {}
  size_t add_vertex() { return flow_.add_vertex(); }
  size_t source() const { return source_; }
  size_t sink() const { return sink_; }

  /// Costs `capacity` when `from` is on the source side and `to` on the sink side.
  void add_arrow(size_t from, size_t to, double capacity) {
    if (capacity > 0) flow_.add_arc(from, to, capacity);
  }
  /// A vertex that costs `on_source` on the source side and `on_sink` on the other.
  void add_ends(size_t vertex, double on_source, double on_sink) {
    const double both = std::min(on_source, on_sink);
    if (both == kForbidden) return add_arrow(vertex, sink_, kForbidden);
    add_arrow(source_, vertex, on_sink - both);
    add_arrow(vertex, sink_, on_source - both);
  }
  std::vector<bool> source_side() { return flow_.source_side(source_, sink_); }

 private:
  MaxFlow flow_;
  size_t source_, sink_;
};

}  // namespace

bool is_rounded(const ir::Graph& graph, ir::ValueId v, const std::vector<bool>& integer) {
  const ir::Value& value = ir::value_at(graph, v);
  const auto is_integer = [&](ir::NodeId n) { return n != ir::kNone && integer[n]; };
  return is_integer(value.producer) ||
         std::any_of(value.consumers.begin(), value.consumers.end(), is_integer);
}

std::vector<bool> place(const ir::Graph& graph, const std::vector<Capability>& capabilities,
                        const PlacementCosts& costs) {
  const size_t count = graph.nodes.size();
  Cut cut(count);
  for (size_t n = 0; n < count; ++n) {
    if (graph.nodes[n].erased) continue;
    cut.add_ends(n, capabilities[n].ability == Ability::kFloatOnly ? kForbidden : costs.nodes[n].integer,
                 capabilities[n].pinned ? kForbidden : costs.nodes[n].floating);
    if (capabilities[n].ability == Ability::kFollows) {
      const size_t producer = static_cast<size_t>(ir::value_at(graph, graph.nodes[n].inputs[0]).producer);
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
  for (const GroupCost& group : costs.groups) {
    const size_t rounded = cut.add_vertex();
    cut.add_arrow(rounded, cut.sink(), group.rounding);
    for (const ir::ValueId v : group.values) {
      const ir::Value& value = ir::value_at(graph, v);
      if (value.producer != ir::kNone)
        cut.add_arrow(static_cast<size_t>(value.producer), rounded, kForbidden);
      for (const ir::NodeId reader : value.consumers)
        cut.add_arrow(static_cast<size_t>(reader), rounded, kForbidden);
    }
  }
  for (const PairCost& pair : costs.pairs)
    cut.add_arrow(static_cast<size_t>(pair.integer), static_cast<size_t>(pair.floating), pair.apart);
  std::vector<bool> integer = cut.source_side();
  integer.resize(count);
  return integer;
}

double cost_of(const ir::Graph& graph, const std::vector<bool>& integer, const PlacementCosts& costs) {
  double total = 0;
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    if (!graph.nodes[n].erased) total += integer[n] ? costs.nodes[n].integer : costs.nodes[n].floating;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const ir::Value& value = graph.values[v];
    if (value.constant || value.dtype != ir::DType::kFloat) continue;
    const bool from_integer = value.producer != ir::kNone && integer[value.producer];
    bool to_integer = false, to_float = ir::is_output(graph, static_cast<ir::ValueId>(v));
    for (const ir::NodeId reader : value.consumers) (integer[reader] ? to_integer : to_float) = true;
    if (from_integer && to_float) total += costs.values[v].dequantize;
    if (!from_integer && to_integer) total += costs.values[v].quantize;
    if (from_integer || to_integer) total += costs.values[v].rounding;
  }
  for (const GroupCost& group : costs.groups)
    if (std::ranges::any_of(group.values, [&](ir::ValueId v) { return is_rounded(graph, v, integer); }))
      total += group.rounding;
  for (const PairCost& pair : costs.pairs)
    if (integer[pair.integer] && !integer[pair.floating]) total += pair.apart;
  return total;
}

}  // namespace qc::select
