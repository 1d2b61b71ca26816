// What is to be known about a model before a budget is spent on it: which weights may have which widths, what
// each takes in the file, as written, and what it costs at the outputs, probed.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "budget/frontier.h"
#include "budget/resources.h"
#include "config/core_config.h"
#include "plan/candidates.h"
#include "plan/idioms.h"
#include "plan/quantized_model.h"
#include "search/attempt.h"
#include "select/capability.h"
#include "target/target.h"

namespace qc {

constexpr int kProbed = 4;  // bits of a probe
/// A bit more divides what a weight adds to the noise by this (measured on MobileNetV1 0.75: 3 to 4 in every
/// layer; 4 is what rounding alone would give), whatever the layer, where only kProbed bits were measured.
constexpr double kByBit = 3.5;

/// What widths are searched in. Borrowed, but for the plan.
struct BudgetScene {
  const ir::Graph& graph;
  ir::Graph sized;       // the same with the shapes of a real run
  plan::QuantPlan plan;  // the widths of results are chosen here as well
  const target::TargetSpec& target;
  const std::vector<plan::Idiom>& idioms;
  const std::vector<select::Capability>& capabilities;  // by NodeId
  const config::CoreConfig& config;
  const std::vector<config::NodeSettings>& rules;  // by NodeId
  const FloatAnswers& answers;
  run::RunnerFactory& runners;
  const images::ImageSource& source;
  int threads;
  /// The model in every format that is asked for, in memory.
  std::function<std::vector<plan::Written>(const plan::QuantizedModel&)> write;
  /// Ranges of the plan's values by these rules, and the same plan with such ranges.
  std::function<plan::Candidates(const std::vector<config::NodeSettings>& rules)> ranges_by;
  std::function<plan::QuantPlan(const plan::Candidates& activations)> plan_by;
};

/// A weight whose width is searched for. One that several nodes read is one item.
struct WidthItem {
  ir::ValueId weight = ir::kNone;
  std::vector<ir::NodeId> nodes;
  std::string name;            // of the first node
  std::vector<int64_t> bytes;  // by width, as widths()
  double products = 0;         // multiply-accumulates times bits of the input; times bits of the weight they
                               // are bit operations
  std::vector<double> costs;   // by width: noise over signal at the outputs that it adds; or MCT's distance
  std::vector<double> probed;  // the same by probes alone; empty: nothing else is known than `costs`
};

/// Widths that are searched over, ascending; the last is the full one.
std::vector<int> widths(const config::CoreConfig& config, const target::TargetSpec& target);

/// Do the rules of a node that reads a weight leave no choice of its width?
bool fixed_by_hand(const config::NodeSettings& rule);

/// What was found out about a model before any budget is spent.
struct WidthStudy {
  std::vector<WidthItem> items;              // in topological order
  std::vector<plan::Candidates> candidates;  // by width
  int64_t other_bytes = 0;                   // constants that are no items
  double other_bops = 0;
  double wide_noise = 0;    // at the outputs with every item at full width
  double result_noise = 0;  // what results of other widths than the target's own add to that
  std::optional<budget::Schedule> schedule;
  std::optional<budget::Peak> peak;     // of activations; nothing: sizes are unknown
  std::vector<std::string> peak_names;  // what is alive there, the largest first
  int64_t full_bytes() const;
  double full_bops() const;
};

/// All but the costs, which are 0: items, operations, activations, and bytes of each width.
WidthStudy sizes_of(const BudgetScene& scene, const plan::Candidates& weights);
/// Counts again what depends on the widths of results in the scene's plan.
void count_operations(const BudgetScene& scene, const plan::Candidates& weights, WidthStudy& study);
/// In the best order that is found, or that of an earlier count where it is better still.
void count_activations(const BudgetScene& scene, WidthStudy& study);
/// Measures what widths cost, the way that the config asks for.
void probe(const BudgetScene& scene, WidthStudy& study);
/// Without measuring: every weight costs the same at the same width.
void assume_alike(const BudgetScene& scene, WidthStudy& study);
/// Why no width is open in a study without items: how many layers have theirs set by hand, and how many are
/// no integers at all.
std::string why_closed(const BudgetScene& scene, const WidthStudy& study);
/// Throws Error(kUnsupported) where the target or a format has no narrow weights to choose from.
void check_widths(const BudgetScene& scene);

/// The choices of every item: bytes, costs, bit operations (by widths()). `steeper`: a bit less than kProbed
/// costs so many times more than `costs` says, and a bit more so many times less.
std::vector<budget::Item> problem_of(const BudgetScene& scene, const WidthStudy& study, double steeper = 1,
                                     std::vector<double> WidthItem::*costs = &WidthItem::costs);
/// Candidates with these widths, by item; and the model that they make, rounded to nearest.
plan::Candidates picked(const WidthStudy& study, const std::vector<size_t>& picks);
plan::QuantizedModel rounded(const BudgetScene& scene, const plan::Candidates& weights);
/// The same with biases (of 0) where corrections add some: as many bytes as the file will have.
plan::QuantizedModel as_large(const BudgetScene& scene, const plan::Candidates& weights);
/// The scene's plan with every weight at full width, rounded to nearest.
plan::QuantizedModel quantized_at_full_width(const BudgetScene& scene, const WidthStudy& study);
/// Bytes of constants in the file that takes most.
int64_t written_bytes(const BudgetScene& scene, const plan::QuantizedModel& model);

}  // namespace qc
