// Rules for chosen nodes, as data: which nodes (Filter) and what is different for them (NodeSettings).
// bit_width_config and debug_config.network_editor are lists of them; select::resolve_rules() finds the
// nodes.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace qc::config {

/// Everything on the paths from one place in the graph to another, both included. Globs on the names of
/// nodes; of values where no node has such a name: from what reads it, up to what makes it.
struct Region {
  std::string from, to;
};

/// Which nodes a rule means. Everything that is set must hold; of a list, one element must.
struct Filter {
  std::vector<std::string> names;     // globs on the names of the file's nodes
  std::vector<std::string> contains;  // parts of names
  std::vector<std::string> op_types;  // exact
  std::optional<bool> first, last;    // the first, the last node with weights, in topological order
  std::optional<bool> depthwise;      // convolutions whose channels do not meet
  std::optional<Region> region;
  std::vector<Filter> all_of, any_of, none_of;
};

/// MCT's QuantizationErrorMethod and QuantizationMethod; numbers as there.
enum class ErrorMethod { kNoClipping = 0, kMse = 1, kMae = 2, kKl = 4, kLp = 5, kHmse = 6 };
enum class QuantizationMethod {
  kPowerOfTwo = 0,
  kLutPowerOfTwo = 1,
  kSymmetric = 2,
  kUniform = 3,
  kLutSymmetric = 4
};

/// What becomes of the numbers. kStatic: activations and weights are rounded by a plan made from images. The
/// others leave activations in float: integer weights (kDynamic rounds the activations anew at every run
/// where that is faster), or weights in a float type of 16 bits. kStrip: a float model out of a quantized
/// one.
enum class Mode { kStatic, kWeightOnly, kFloat16, kBfloat16, kDynamic, kStrip };

/// What rules say about one node. What is not set is as the target and quantization_config have it. A new
/// setting has its lines in overlay() and in settings_of() of select/rules.cpp, too.
struct NodeSettings {
  std::optional<Mode> mode;               // where it is not that of the model; never kStrip
  std::optional<int> weights_n_bits;      // 2..8, 16
  std::optional<int> weights_block_size;  // 0: a scale for each channel; QuantParams::block_size
  std::optional<int> activation_n_bits;   // of the node's results: 2..8, 16
  /// What the search chooses from, ascending, two or more; empty: nothing to choose. Is set together with
  /// activation_n_bits, which then says where the search begins, where that is not the target's own width.
  std::vector<int> activation_widths;
  std::optional<QuantizationMethod> weights_quantization_method, activation_quantization_method;
  std::optional<ErrorMethod> weights_error_method, activation_error_method;
  std::optional<bool> enable_weights_quantization, enable_activation_quantization;
  std::optional<bool> weights_per_channel_threshold, lut_per_channel;
  std::optional<bool> weights_bias_correction, weights_second_moment_correction, activation_bias_correction;
  std::optional<bool> shift_negative_activation_correction;
  std::optional<double> shift_negative_ratio;
  std::optional<double> z_threshold, min_threshold;
  std::optional<int> l_p_value;
  std::optional<double> weights_threshold;                    // no search: weights reach from -t to t
  std::optional<std::pair<double, double>> activation_range;  // no search; low <= 0 <= high
  std::optional<bool> integer;  // where the node runs, by a rule of /placement; nothing: where it pays
  std::string placed_by;        // that rule's JSON pointer
  // Of nodes that corrections of the graph made or changed; no config says these:
  std::optional<bool> part_of_reader;  // computed as one with what reads its results, which are not rounded
  std::optional<bool> range_of_one_width;  // activation_range is right for the target's own width alone
};

/// Everything that `rule` sets.
void overlay(NodeSettings& settings, const NodeSettings& rule);

/// One codebook for values on an 8-bit grid, instead of a grid of few bits.
constexpr bool is_lut(QuantizationMethod method) {
  return method == QuantizationMethod::kLutPowerOfTwo || method == QuantizationMethod::kLutSymmetric;
}

struct Rule {
  std::string place;  // JSON pointer, for messages and the report
  Filter filter;
  NodeSettings settings;
  std::string json;  // the rule as it was written
};

}  // namespace qc::config
