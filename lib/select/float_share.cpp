// See float_share.h.
#include "select/float_share.h"

#include <algorithm>

namespace qc::select {
namespace {

// What a node reads of the model's activations and writes.
template <typename Visit>
void each_value(const ir::Graph& graph, const ir::Node& node, const Visit& visit) {
  for (const auto* list : {&node.inputs, &node.outputs})
    for (const ir::ValueId v : *list)
      if (v != ir::kNone && !ir::value_at(graph, v).constant) visit(v);
}

// A value is unrounded when its producer and all of its readers are in float: each of them pays its part.
PlacementCosts costs_in_elements(const ir::Graph& graph, const std::vector<int64_t>& elements) {
  PlacementCosts costs{
      std::vector<NodeCost>(graph.nodes.size()), std::vector<ValueCost>(graph.values.size()), {}};
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.nodes[n].erased) continue;
    each_value(graph, graph.nodes[n], [&](ir::ValueId v) {
      const ir::Value& value = ir::value_at(graph, v);
      const bool writes = value.producer == static_cast<ir::NodeId>(n);
      const double readers = static_cast<double>(std::max<size_t>(1, value.consumers.size()));
      costs.nodes[n].floating += static_cast<double>(elements[v]) / (writes ? 2 : 2 * readers);
    });
  }
  return costs;
}

// What gains most may be worth more than all that gains more for its size: that many are tried first.
constexpr size_t kFirst = 8;

class Filler {
 public:
  Filler(const ir::Graph& graph, const std::vector<Capability>& capabilities, const MeasuredNoise& noise,
         const std::vector<int64_t>& elements, const std::vector<bool>& start, int64_t most,
         const ShareLimits& limits)
      : graph_(graph),
        capabilities_(capabilities),
        noise_(noise),
        elements_(elements),
        start_(start),
        most_(most),
        limits_(limits) {}

  // Value by value, the one of most gain for its elements first, while any fits.
  std::vector<bool> fill(std::vector<bool> integer) const {
    while (!is_enough(integer)) {
      const std::vector<double> total = predicted_noise(graph_, noise_, integer);
      const auto worst = static_cast<size_t>(std::max_element(total.begin(), total.end()) - total.begin());
      const int64_t spent = floating_elements(graph_, elements_, start_, integer);
      double best = 0;
      std::vector<bool> next;
      for (size_t g = 0; g < noise_.values.size(); ++g) {
        const double gain = noise_.ratios[g].empty() ? 0 : noise_.ratios[g][worst];
        if (gain <= 0 || !is_open(g) || !is_rounded(graph_, noise_.values[g], integer)) continue;
        std::vector<bool> without = integer;
        if (!take_to_float(noise_.values[g], without)) continue;
        const int64_t after = floating_elements(graph_, elements_, start_, without);
        const double each = gain / static_cast<double>(std::max<int64_t>(1, after - spent));
        if (after > most_ || each <= best) continue;
        best = each;
        next = std::move(without);
      }
      if (next.empty()) return integer;
      integer = std::move(next);
    }
    return integer;
  }

  bool is_enough(const std::vector<bool>& integer) const {
    return predicted_db(graph_, noise_, integer) >= limits_.enough_db;
  }

  bool is_open(size_t group) const { return limits_.open.empty() || limits_.open[group]; }

  // The values that cost most at any output, each in float by itself; those that fit.
  std::vector<std::vector<bool>> firsts() const {
    std::vector<std::pair<double, size_t>> order;
    for (size_t g = 0; g < noise_.values.size(); ++g)
      if (!noise_.ratios[g].empty() && is_open(g))
        order.emplace_back(-*std::max_element(noise_.ratios[g].begin(), noise_.ratios[g].end()), g);
    std::sort(order.begin(), order.end());
    std::vector<std::vector<bool>> found;
    for (size_t i = 0; i < order.size() && found.size() < kFirst; ++i) {
      std::vector<bool> without = start_;
      if (take_to_float(noise_.values[order[i].second], without) &&
          floating_elements(graph_, elements_, start_, without) <= most_)
        found.push_back(std::move(without));
    }
    return found;
  }

 private:
  bool take_to_float(ir::ValueId v, std::vector<bool>& integer) const {
    const ir::Value& value = ir::value_at(graph_, v);
    bool free = value.producer == ir::kNone || take_node(value.producer, integer);
    for (const ir::NodeId reader : value.consumers) free = free && take_node(reader, integer);
    return free;
  }

  // With what has to be in the same place. False: a rule has one of them on integers.
  bool take_node(ir::NodeId id, std::vector<bool>& integer) const {
    const auto n = static_cast<size_t>(id);
    if (!integer[n]) return true;
    if (capabilities_[n].pinned) return false;
    integer[n] = false;
    const ir::Node& node = graph_.nodes[n];
    if (capabilities_[n].ability == Ability::kFollows &&
        !take_node(ir::value_at(graph_, node.inputs[0]).producer, integer))
      return false;
    for (const ir::ValueId v : node.outputs)
      if (v != ir::kNone)
        for (const ir::NodeId reader : ir::value_at(graph_, v).consumers)
          if (capabilities_[reader].ability == Ability::kFollows && !take_node(reader, integer)) return false;
    return true;
  }

  const ir::Graph& graph_;
  const std::vector<Capability>& capabilities_;
  const MeasuredNoise& noise_;
  const std::vector<int64_t>& elements_;
  const std::vector<bool>& start_;
  int64_t most_;
  const ShareLimits& limits_;
};

}  // namespace

int64_t floating_elements(const ir::Graph& graph, const std::vector<int64_t>& elements,
                          const std::vector<bool>& start, const std::vector<bool>& integer) {
  int64_t sum = 0;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const auto id = static_cast<ir::ValueId>(v);
    if (elements[v] > 0 && !is_rounded(graph, id, integer) && is_rounded(graph, id, start))
      sum += elements[v];
  }
  return sum;
}

std::vector<bool> spend_float_share(const ir::Graph& graph, const std::vector<Capability>& capabilities,
                                    const MeasuredNoise& noise, const std::vector<int64_t>& elements,
                                    const std::vector<bool>& start, int64_t most, const ShareLimits& limits) {
  const Filler filler(graph, capabilities, noise, elements, start, most, limits);
  const auto spent = [&](const std::vector<bool>& integer) {
    return floating_elements(graph, elements, start, integer);
  };
  MeasuredNoise open = noise;  // what the cut may ask for
  for (size_t g = 0; g < open.ratios.size(); ++g)
    if (!filler.is_open(g)) std::ranges::fill(open.ratios[g], 0.0);
  std::vector<bool> best = filler.fill(start);
  std::vector<std::vector<bool>> tries = filler.firsts();
  for (Refined& one : frontier(graph, capabilities, costs_in_elements(graph, elements), open))
    if (spent(one.integer) <= most) tries.push_back(std::move(one.integer));
  for (std::vector<bool>& one : tries) {
    std::vector<bool> filled = filler.fill(std::move(one));
    const bool enough = filler.is_enough(filled);
    if (enough && filler.is_enough(best)
            ? spent(filled) < spent(best)
            : predicted_db(graph, noise, filled) > predicted_db(graph, noise, best))
      best = std::move(filled);
  }
  return best;
}

}  // namespace qc::select
