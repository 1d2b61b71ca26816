// Widths for results (activations) under the budgets of /target_resource_utilization, where the target has
// more than one: what each costs at the outputs, measured one value at a time, and the choice that together
// with the weights' widths stays within bytes and bit operations at the least noise. Before the weights'
// widths are settled (spend_budget.h), which then know how many bytes are left.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "budget/resources.h"
#include "search/activation_memory.h"
#include "search/width_study.h"

namespace qc {

/// Values of one scale, whose width is searched for.
struct ResultItem {
  ir::ValueId group = ir::kNone;
  std::string name;       // of the node that makes them, the first in the graph
  std::vector<int> bits;  // two or more, ascending
  size_t base = 0;        // where the plan has them
  bool listed = false;    // a rule lists these widths
};

struct ResultChoice {
  std::vector<ResultItem> items;             // empty: nothing to choose
  plan::Candidates base;                     // every value at the target's own width
  std::map<int, plan::Candidates> by_width;  // the items' values at others
};

/// What there is to choose for the scene's plan: the widths that all makers of a value offer and all its
/// readers take (as MCT's load_fqc.py filters candidates), but where a rule set one by hand or lists fewer. A
/// target has one
/// width alone for a `.tflite`, whose activations fill their type.
ResultChoice result_choice(const BudgetScene& scene);

/// The scene's plan with every item at this width (by item).
plan::QuantPlan plan_with(const BudgetScene& scene, const ResultChoice& choice,
                          const std::vector<size_t>& picks);

/// Sums over outputs of noise over signal when this value alone is rounded, by item and width; no narrower
/// width has less.
std::vector<std::vector<double>> result_noise(const BudgetScene& scene, const ResultChoice& choice,
                                              const plan::QuantizedModel& model);

/// Elements of the plan's rounded values: of one scale group, or of all.
int64_t elements_of(const BudgetScene& scene, std::optional<ir::ValueId> group = {});
/// Why a result of which a rule lists the widths has the one that it `now` has ("16 bits", "float"): `narrow`
/// bits make a share of the `noise` that rounding results makes at the outputs, and it is one of their
/// `size`.
std::string width_reason(std::string_view now, const std::vector<int>& list, int narrow, double noise,
                         double size);
/// Puts that into the plan's words on the nodes whose results are listed. `noise`, `picks`: by item.
void explain_widths(const BudgetScene& scene, const ResultChoice& choice,
                    const std::vector<std::vector<double>>& noise, const std::vector<size_t>& picks,
                    plan::QuantPlan& plan);

/// Ops and the bytes of what is between them, by the scene's plan: results in whole bytes, but where the
/// target has several widths for them, in their bits. Nothing: a size is unknown.
std::optional<budget::MemoryGraph> memory_of(const BudgetScene& scene);

/// Budgets in bytes and bit operations.
struct Figures {
  std::optional<double> weights, activations, total, bops;
};

/// The picks (by item) and the plan that goes with them, in `scene`; the order of nodes that they were chosen
/// for and the noise that they add, in `study`; how they were found, in the report's notes. The weights'
/// sensitivities have to be known where their bytes or bit operations are limited.
void settle_results(BudgetScene& scene, const ResultChoice& choice, const plan::Candidates& weights,
                    const Figures& figures, WidthStudy& study, report::Report& report);

}  // namespace qc
