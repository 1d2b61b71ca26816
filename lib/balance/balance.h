// Corrections of the float graph that leave its function as it is and make it easier to round: scales moved
// between layers, results shifted, layers merged. One file a correction, their order in balance.cpp. They
// only change graphs; whether a change stays is for the corridor to measure (balance_graph.cpp). Rewrites
// that need no statistics and cannot hurt are in the room normalize instead.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/core_config.h"
#include "ir/graph.h"
#include "plan/idioms.h"
#include "plan/quant_plan.h"
#include "plan/tensor_stats.h"
#include "target/target.h"

namespace qc::balance {

/// What a correction may look at. Borrowed.
struct Seen {
  const plan::QuantPlan& plan;    // of the graph as it is, with parameters
  const plan::StatsTable& stats;  // of every rounded value, by channel where weights multiply it
  const std::vector<plan::Idiom>& idioms;
  const target::TargetSpec& target;
  const config::QuantizationConfig& config;
  std::span<const config::NodeSettings> rules;  // by NodeId
  bool everywhere = false;  // integers wherever there is a kernel: accuracy cannot be bought with float
  /// Deviation of each channel (dimension 1) of a value on a few calibration images: one run of the model.
  std::function<std::map<ir::ValueId, std::vector<double>>(const std::vector<ir::ValueId>&)> deviations;
};

/// Where a correction changed something.
struct Site {
  std::string node;               // the layer's name
  std::string detail;             // "channel ranges 1:340 -> 1:6"
  std::optional<double> gain_db;  // what rounding this layer's result is predicted to lose in noise
};

struct Done {
  std::vector<Site> sites;                              // empty: the graph is as it was
  std::map<ir::NodeId, config::NodeSettings> settings;  // of new nodes and their neighbours
  std::string note;                                     // what the user should know besides, a sentence or ""
};

/// kIfBetter: kept where the measured error falls by what the correction costs. kTry: the user asked for the
/// first; where it falls at all. kAsked: for the correction itself; it stays unless the measured error grows.
enum class Wish { kNo, kIfBetter, kTry, kAsked };

/// What a correction helps: results that are rounded, integer weights of layers whose activations stay float,
/// or both.
enum class Helps { kRounded, kFloats, kBoth };

struct Correction {
  std::string_view name;  // "cross-layer equalization"
  std::string_view key;   // its switch in quantization_config
  Wish (*wish)(const Seen&);
  Done (*apply)(ir::Graph&, const Seen&);
  double worth_db = 0;  // what the error has to fall by where nobody asked: the price of nodes that it adds
  Helps helps = Helps::kRounded;
};
/// In the order in which they are tried; each sees what the ones before it left.
std::span<const Correction> corrections();

// --- each in the file of its name
Done collapse_linear(ir::Graph& graph, const Seen& seen);
Done collapse_residual(ir::Graph& graph, const Seen& seen);
Done bound_to_power_of_two(ir::Graph& graph, const Seen& seen);
Done equalize_bounds(ir::Graph& graph, const Seen& seen);
Done equalize_deviations(ir::Graph& graph, const Seen& seen);
Done equalize_weights(ir::Graph& graph, const Seen& seen);
Done equalize_weights_bounded(ir::Graph& graph, const Seen& seen);
Done equalize_columns(ir::Graph& graph, const Seen& seen);
Done equalize_results(ir::Graph& graph, const Seen& seen);
Done equalize_gates(ir::Graph& graph, const Seen& seen);
Done equalize_norms(ir::Graph& graph, const Seen& seen);
Done shift_softmax(ir::Graph& graph, const Seen& seen);
Done scale_input(ir::Graph& graph, const Seen& seen);
Done check_concats(ir::Graph& graph, const Seen& seen);
Done shift_negative(ir::Graph& graph, const Seen& seen);

}  // namespace qc::balance
