// What a placement costs in time, from the target's table of measured times: decisions come from data, never
// from a clock during a conversion, so the same input gives the same bytes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "select/capability.h"
#include "select/placement.h"
#include "target/target.h"

namespace qc::select {

/// How much of each kind of work a node of a graph with static shapes does; scripts/cost_terms.py has the
/// same terms, in which times are fitted. `groups`: as which a convolution is written, if not in its own.
target::CostTerms work_of(const ir::Graph& sized, const ir::Node& node, std::optional<int64_t> groups = {});

/// Nanoseconds on one thread. `sized`: the graph with the shapes of a real run (see run::infer_shapes).
PlacementCosts time_costs(const ir::Graph& sized, const std::vector<Capability>& capabilities,
                          const target::TargetSpec& target);

/// The costs on one kind of processor. Its name is "" where the target has one table for all.
struct ProcessorCosts {
  std::string processor;
  PlacementCosts time;
};
/// One entry for each processor that the target tells apart.
std::vector<ProcessorCosts> time_costs_on_each(const ir::Graph& sized,
                                               const std::vector<Capability>& capabilities,
                                               const target::TargetSpec& target);

/// Time of the whole model with these nodes on integers; that of float is 1.
double time_ratio(const ir::Graph& graph, const std::vector<bool>& integer, const PlacementCosts& time);
/// The largest of the ratios on any of the processors.
double slowest_ratio(const ir::Graph& graph, const std::vector<bool>& integer,
                     const std::vector<ProcessorCosts>& each);

/// Costs whose fastest placement suits every processor: their mean, in which each one's float model counts
/// the same. Where that placement is slower than `limit` times float on one of them, the mean leans towards
/// that one until it no longer is, or as far as it goes.
PlacementCosts costs_for_all(const ir::Graph& graph, const std::vector<Capability>& capabilities,
                             const std::vector<ProcessorCosts>& each, double limit);

/// A sentence for the report: nodes whose op has no entry in the cost table and that are judged by its
/// fallback, the entry "*"; "" where there are none.
std::string describe_unpriced(const ir::Graph& graph, const std::vector<Capability>& capabilities,
                              const target::TargetSpec& target);

}  // namespace qc::select
