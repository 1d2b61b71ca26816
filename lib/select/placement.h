// Where integers pay: every node integer or float, chosen by an exact minimum cut. Each node costs time in
// either place (and error, in integers); each value costs a conversion where a float node and an integer node
// meet.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "select/capability.h"

namespace qc::select {

struct NodeCost {
  double integer = 0;  // any unit, the same everywhere; only differences matter
  double floating = 0;
};
struct ValueCost {
  double quantize = 0;    // float producer, integer reader
  double dequantize = 0;  // integer producer, float reader or graph output
  double rounding = 0;    // the value is rounded: its producer or one of its readers is integer
};
struct PairCost {
  ir::NodeId floating = ir::kNone, integer = ir::kNone;
  double apart = 0;  // the one is in float while the other is on integers
};
struct GroupCost {
  std::vector<ir::ValueId> values;
  double rounding = 0;  // any of the values is rounded
};
struct PlacementCosts {
  std::vector<NodeCost> nodes;         // by NodeId
  std::vector<ValueCost> values;       // by ValueId
  std::vector<PairCost> pairs;         // nodes that do better in the same place
  std::vector<GroupCost> groups = {};  // values that cost once, however many of them are rounded
  double elsewhere = 0;  // of nodes that have no choice: no part of any decision, but of the whole
  /// By NodeId: what `elsewhere` is made of; on integers: with activations rounded at run time.
  std::vector<NodeCost> without_choice = {};
};

/// Is the value rounded where the nodes marked are on integers?
bool is_rounded(const ir::Graph& graph, ir::ValueId value, const std::vector<bool>& integer);

/// By NodeId: true = integer. The assignment of least total cost among those that keep float-only nodes in
/// float, pinned nodes on integers and followers with their producers. Each value converts once for all of
/// its readers. Exact: s-t minimum cut.
std::vector<bool> place(const ir::Graph& graph, const std::vector<Capability>& capabilities,
                        const PlacementCosts& costs);

/// The cost of an assignment under the same model, without `elsewhere`.
double cost_of(const ir::Graph& graph, const std::vector<bool>& integer, const PlacementCosts& costs);

}  // namespace qc::select
