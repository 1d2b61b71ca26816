// Rules for chosen nodes, as data: which nodes (Filter) and what is different for them (NodeSettings).
// bit_width_config and debug_config.network_editor are lists of them; select::resolve_rules() finds the
// nodes.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace qc::config {

/// Which nodes a rule means. Everything that is set must hold; of a list, one element must.
struct Filter {
  std::vector<std::string> names;     // globs on the names of the file's nodes
  std::vector<std::string> contains;  // parts of names
  std::vector<std::string> op_types;  // exact
  std::optional<bool> first, last;    // the first, the last node with weights, in topological order
  std::optional<bool> depthwise;      // convolutions whose channels do not meet
  std::vector<Filter> all_of, any_of, none_of;
};

/// What rules say about one node. What is not set is as the target and quantization_config have it.
struct NodeSettings {
  std::optional<int> weights_n_bits;     // 2..8, 16
  std::optional<int> activation_n_bits;  // of the node's results: 2..8, 16
};

struct Rule {
  std::string place;  // JSON pointer, for messages and the report
  Filter filter;
  NodeSettings settings;
  std::string json;  // the rule as it was written
};

}  // namespace qc::config
