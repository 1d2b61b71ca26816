// See values.h.
#include "describe/values.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "images/copies.h"
#include "images/encode_png.h"
#include "images/seen.h"
#include "ir/ops.h"
#include "quant/quant_params.h"
#include "report/table.h"

namespace qc {
namespace {

constexpr int64_t kLargestSide = 160;  // pixels of a shown picture: three of them stay below 300 kB
constexpr size_t kShown = 3;
constexpr size_t kNamed = 3;  // results that a warning names

std::string type_of(const quant::QuantParams& params) {
  return format("{}{}", params.is_signed ? "int" : "uint", params.bits);
}

// Neighbouring bins joined until at most kBars are left; the bars' edges stay multiples of their width.
void draw(const plan::Histogram& histogram, report::OutputValues& values) {
  if (histogram.counts.empty()) return;
  const int64_t first = histogram.first_bin, last = first + static_cast<int64_t>(histogram.counts.size()) - 1;
  const auto bar_of = [](int64_t bin, int64_t joined) {
    return bin >= 0 ? bin / joined : -((-bin + joined - 1) / joined);
  };
  int64_t joined = 1;
  while (bar_of(last, joined) - bar_of(first, joined) >= static_cast<int64_t>(report::OutputValues::kBars))
    joined *= 2;
  const int64_t start = bar_of(first, joined);
  values.width = histogram.width() * static_cast<double>(joined);
  values.first = static_cast<double>(start) * values.width;
  values.bars.assign(bar_of(last, joined) - start + 1, 0);
  for (int64_t bin = first; bin <= last; ++bin)
    values.bars[bar_of(bin, joined) - start] += histogram.counts[bin - first];
}

report::OutputValues output_values(const quant::QuantParams& params, const plan::TensorStats* stats) {
  report::OutputValues values;
  values.type = type_of(params);
  values.bits = params.bits;
  values.scale = static_cast<double>(params.scales.at(0));
  values.zero_point = params.zero_points.at(0);
  values.grid_min = static_cast<double>(quant::range_min(params));
  values.grid_max = static_cast<double>(quant::range_max(params));
  values.seen_min = values.seen_max = std::nan("");
  if (!stats || stats->count == 0) return values;
  values.seen_min = static_cast<double>(stats->min);
  values.seen_max = static_cast<double>(stats->max);
  draw(stats->histogram, values);
  return values;
}

report::WeightValues weight_values(const ir::Tensor& constant, const quant::QuantParams& params) {
  report::WeightValues values;
  values.type = type_of(params);
  values.bits = params.stored_bits();
  values.channels = static_cast<int64_t>(params.scales.size());
  const auto [least, most] = std::minmax_element(params.scales.begin(), params.scales.end());
  values.scale_min = static_cast<double>(*least);
  values.scale_max = static_cast<double>(*most);
  const quant::ChannelLayout layout = params.per_channel() ? quant::channel_layout(constant.dims, params.axis)
                                                           : quant::ChannelLayout{1, 1, constant.size()};
  const auto numbers = constant.as<float>();
  values.channel_min.assign(layout.channels, INFINITY);
  values.channel_max.assign(layout.channels, -INFINITY);
  const auto inner = static_cast<size_t>(layout.inner);
  for (size_t at = 0, c = 0; at < numbers.size(); at += inner, c = (c + 1) % values.channel_min.size()) {
    const auto [low, high] = std::ranges::minmax(numbers.subspan(at, inner));
    values.channel_min[c] = std::min(values.channel_min[c], low);
    values.channel_max[c] = std::max(values.channel_max[c], high);
  }
  return values;
}

// The largest constant of the node that is stored as integers.
std::optional<report::WeightValues> weights_of(const plan::QuantizedModel& model, const ir::Node& node) {
  const ir::Tensor* largest = nullptr;
  const quant::QuantParams* params = nullptr;
  for (const ir::ValueId v : node.inputs) {
    const auto weight = v == ir::kNone ? model.weights.end() : model.weights.find(v);
    if (weight == model.weights.end()) continue;
    const ir::Tensor& constant = *ir::value_at(model.graph, v).constant;
    if (constant.dtype != ir::DType::kFloat || constant.size() == 0) continue;
    if (largest && constant.size() <= largest->size()) continue;
    largest = &constant;
    params = &weight->second.params;
  }
  if (!largest) return std::nullopt;
  return weight_values(*largest, *params);
}

bool is_picture(const std::string& name) {
  return !name.ends_with(".npy") && !name.ends_with(".npz") && !name.ends_with(".pb") &&
         name.find('.') != std::string::npos;
}

// The input that pictures go to: the one the config names is found by its shape as well.
std::optional<images::Picture> seen(const std::vector<ir::Tensor>& inputs,
                                    const images::Preprocess& preprocess) {
  for (const ir::Tensor& input : inputs)
    if (auto picture = images::as_seen(input, preprocess, kLargestSide)) return picture;
  return std::nullopt;
}

}  // namespace

void describe_values(report::Report& report, const plan::QuantizedModel& model,
                     const plan::StatsTable& stats) {
  std::map<std::string, report::NodeRow*> rows;
  for (report::NodeRow& row : report.nodes) rows[row.node] = &row;
  for (const ir::NodeId id : ir::topological_order(model.graph)) {
    const ir::Node& node = ir::node_at(model.graph, id);
    const auto row = rows.find(node.name);
    if (row == rows.end()) continue;
    row->second->weights = weights_of(model, node);
    for (const ir::ValueId v : node.outputs) {
      if (v == ir::kNone || row->second->values) continue;
      const plan::ValueDecision& decision = model.plan.values[v];
      if (!decision.quantized || decision.params.scales.empty()) continue;
      const auto found = stats.find(v);
      row->second->values = output_values(decision.params, found == stats.end() ? nullptr : &found->second);
    }
  }
}

void warn_of_cut_off(report::Report& report, const ir::Graph& graph, const plan::QuantPlan& plan,
                     const plan::StatsTable& stats, const target::TargetSpec& target) {
  struct Cut {
    double share;  // of the values' reach that is cut off
    std::string node, told;
  };
  std::vector<Cut> cuts;
  for (const auto& [v, seen] : stats) {
    const auto value = static_cast<size_t>(v);
    const plan::ValueDecision& decision = plan.values[value];
    if (seen.count == 0 || !decision.quantized || decision.params.scales.size() != 1) continue;
    const ir::NodeId maker = graph.values[value].producer;
    const ir::Node* node = maker == ir::kNone ? nullptr : &ir::node_at(graph, maker);
    const target::OpRule rule =
        node ? target::rule_for(target, ir::rule_name(graph, *node), node->domain) : target::OpRule();
    if (rule.kind == target::OpKind::kMove) continue;  // told of what it moves
    const bool fixed = rule.signedness == target::Signedness::kUnsigned ||
                       (target.activations.symmetric && !target.activations.is_signed);
    const auto low = static_cast<double>(seen.min), high = static_cast<double>(seen.max);
    const double half_step = 0.5 * static_cast<double>(decision.params.scales[0]);
    if (!fixed || quant::range_min(decision.params) < 0 || low >= -half_step) continue;
    const std::string name = node ? node->name : graph.values[value].name;
    cuts.push_back({-low / std::max(high, -low), node ? name : "",
                    format("{} '{}' ({:.3g} to {:.3g})", node ? "node" : "input", name, low, high)});
  }
  if (cuts.empty()) return;
  std::stable_sort(cuts.begin(), cuts.end(), [](const Cut& a, const Cut& b) { return a.share > b.share; });
  std::string told, names;
  for (size_t i = 0; i < cuts.size(); ++i) {
    if (i < kNamed) told += (i > 0 ? ", " : "") + cuts[i].told;
    if (!cuts[i].node.empty()) names += (names.empty() ? "" : ", ") + json_quoted(cuts[i].node);
  }
  if (cuts.size() > kNamed) told += format(" and {} more", cuts.size() - kNamed);
  std::string remedy =
      "if the hardware takes signed activations, say so in the target's file: \"signed\": true of its "
      "activations, or \"signedness\": \"auto\" of the op";
  if (!names.empty())
    remedy += format(
        "; if it takes zero points: \"debug_config\": {{\"network_editor\": [{{\"filter\": {{\"name\": "
        "[{}]}}, "
        "\"action\": {{\"activation_quantization_method\": \"UNIFORM\"}}}}]}}",
        names);
  report.warnings.push_back({"negative-cut-off", format("target '{}'", target.name),
                             format("where these are rounded, values below 0 become 0, because their grid "
                                    "has neither a sign nor a zero "
                                    "point: {}",
                                    told),
                             remedy});
}

void warn_of_floats(report::Report& report, const config::CoreConfig& config,
                    const target::TargetSpec& target) {
  if (target.float_islands) return;
  if (config.placement == config::Placement::kAuto && config.mode == config::Mode::kStatic)
    report.notes.push_back(
        format("\"placement\": \"auto\" is \"full\" here: target {} has no float kernels between its "
               "integers to choose",
               target.name));
  constexpr size_t kShownNodes = 5;
  std::vector<std::string> kept;
  for (const report::NodeRow& row : report.nodes)
    if (row.reason == plan::reason_text(plan::Reason::kUserKeepFloat)) kept.push_back(row.node);
  const bool by_mode = config.mode != config::Mode::kStatic;
  if (kept.empty() && !by_mode) return;
  const size_t count = kept.size();
  kept.resize(std::min(count, kShownNodes));
  report.warnings.push_back(
      {"floats-inside", format("target '{}'", target.name),
       "it has no float kernels between its integers, and " +
           (by_mode ? std::string("the mode leaves activations in float")
                    : format("the config keeps {} in float: {}{}",
                             report::counted(static_cast<int64_t>(count), "node"), join(kept, ", "),
                             count > kShownNodes ? ", ..." : "")),
       by_mode
           ? "set /mode to \"static\", or name a target with float kernels"
           : "leave those nodes out of what the config keeps in float, or name a target with float kernels"});
}

void describe_calibration(report::Report& report, const images::ImageSource& source,
                          const calibrate::Split& split, const config::RepresentativeDataset& dataset,
                          bool drawn) {
  report::CalibrationSet& set = report.calibration;
  set.unit = images::unit_of(source);
  report.preprocessing = source.description();
  set.images = static_cast<int64_t>(split.calibration.size());
  set.held_out = split.held_out == split.calibration ? 0 : static_cast<int64_t>(split.held_out.size());
  std::vector<std::string> names;
  for (int64_t i = 0; i < source.size(); ++i) names.push_back(source.name(i));
  set.copies = images::copies(dataset.path, names);
  if (!set.copies.empty()) {
    size_t more = 0;
    for (const std::vector<std::string>& group : set.copies) more += group.size() - 1;
    report.notes.push_back(
        format("{} of {} calibration files {} a copy of another one ({} = {}) and count twice", more,
               names.size(), more == 1 ? "is" : "are", set.copies[0][0], set.copies[0][1]));
  }
  // The first, the middle and the last: a folder is often sorted by class.
  for (size_t i = 0; i < kShown && i < names.size(); ++i) {
    const size_t at = names.size() <= kShown ? i : i * (names.size() - 1) / (kShown - 1);
    if (!is_picture(names[at])) break;
    if (const auto picture = seen(source.load(static_cast<int64_t>(at)), dataset.preprocess))
      set.shown.push_back({names[at], drawn ? images::encode_png(*picture) : std::string()});
  }
}

}  // namespace qc
