// See hints.h. One function a check, one row of a table for each; what they need has been measured before,
// but for single runs over the held-out images with another grid for some values.
#include "describe/hints.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/text.h"
#include "ir/edit.h"
#include "ir/ops.h"
#include "report/table.h"
#include "select/unlike.h"
#include "threshold/candidates.h"

namespace qc {
namespace {

using report::Hint;
using Table = simulate::ActivationTable;

constexpr double kWorthTelling = 0.1;   // dB at the worst output
constexpr size_t kTried = 3;            // layers of a check that are tried
constexpr double kFarOut = 8;           // standard deviations of an outlier
constexpr double kSmallLobe = 0.05;     // share of the range below zero: MCT's shift_negative_ratio
constexpr int64_t kFewImages = 32;      // MCT's users are told to take more
constexpr double kAlike = 0.98;         // correlation of pictures that show the same
constexpr double kEnoughValues = 1000;  // to speak of shares
constexpr double kBeyond = 0.005;       // share of the values of new pictures outside what was seen
constexpr int kStarved = 2;             // bits: MCT's threshold for the last layer
constexpr double kLastCosts = 0.5;      // dB

// A list of names as JSON.
std::string quoted(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + json_quoted(name);
  return "[" + text + "]";
}

std::string edit(const std::vector<std::string>& names, const std::string& action) {
  return format(
      R"({{"debug_config": {{"network_editor": [{{"filter": {{"name": {}}}, "action": {{{}}}}}]}}}})",
      quoted(names), action);
}

// Rounded values by scale group.
std::map<ir::ValueId, std::vector<ir::ValueId>> groups_of(const plan::QuantPlan& plan) {
  std::map<ir::ValueId, std::vector<ir::ValueId>> groups;
  for (const ir::ValueId v : simulate::rounded_values(plan)) groups[plan.values[v].scale_group].push_back(v);
  return groups;
}

// The node by which a rule reaches the group; nullptr for an input of the model.
const ir::Node* node_of(const ir::Graph& graph, const std::vector<ir::ValueId>& group) {
  for (const ir::ValueId v : group)
    if (const ir::Node* maker = ir::producer_of(graph, v)) return maker;
  return nullptr;
}

// The worst output with another table.
template <typename Change>
double db_with(const HintScene& scene, const Change& change) {
  simulate::Simulator& simulator = *scene.best.simulator;
  const Table table = simulator.table;
  change(simulator.table);
  const double db = simulate::fidelity_of(*simulator.runner, scene.source, scene.answers.held_out,
                                          scene.answers.judged, scene.threads)
                        .worst_db();
  simulator.table = table;
  return db;
}

void put(Table& table, const std::vector<ir::ValueId>& values,
         const std::optional<quant::QuantParams>& params) {
  for (const ir::ValueId v : values) table[v] = params;
}

// --- outliers

double largest_z(const plan::TensorStats& stats) {
  const plan::Histogram& h = stats.histogram;
  double count = 0, sum = 0, squares = 0;
  for (size_t i = 0; i < h.counts.size(); ++i) {
    const double n = static_cast<double>(h.counts[i]), x = h.center(i);
    count += n;
    sum += n * x;
    squares += n * x * x;
  }
  if (count == 0) return 0;
  const double mean = sum / count, variance = squares / count - mean * mean;
  if (variance <= 0) return 0;
  return std::max(stats.max - mean, mean - stats.min) / std::sqrt(variance);
}

plan::Candidates cut_at(const HintScene& scene, double z) {
  config::QuantizationConfig config = scene.config.quantization;
  config.z_threshold = z;
  return threshold::activation_candidates(scene.graph, scene.best.model.plan, scene.stats, scene.target,
                                          config, scene.rules);
}

void outliers(const HintScene& scene, std::vector<Hint>& hints) {
  constexpr double kCuts[] = {20, 10, 6};
  if (!scene.tries || std::isfinite(scene.config.quantization.z_threshold)) return;
  const auto groups = groups_of(scene.best.model.plan);
  std::vector<std::pair<double, ir::ValueId>> far;
  for (const auto& [group, members] : groups) {
    double z = 0;
    for (const ir::ValueId v : members)
      if (const auto seen = scene.stats.find(v); seen != scene.stats.end())
        z = std::max(z, largest_z(seen->second));
    if (z >= kFarOut) far.emplace_back(-z, group);
  }
  if (far.empty()) return;
  std::sort(far.begin(), far.end());
  const double before = scene.best.fidelity.worst_db();
  std::map<double, plan::Candidates> cuts;
  for (const double z : kCuts) cuts[z] = cut_at(scene, z);
  std::optional<Hint> everywhere;
  for (const double z : kCuts) {
    const double db = db_with(scene, [&](Table& table) {
      for (const auto& [minus_z, group] : far) put(table, groups.at(group), cuts[z].at(group).front().params);
    });
    if (db < before + kWorthTelling || (everywhere && db <= *everywhere->after_db)) continue;
    everywhere = {"outliers",
                  format("Outliers stretch the range of {} (up to {:.0f} standard deviations from the mean).",
                         far.size() == 1 ? "one value" : format("{} values", far.size()), -far.front().first),
                  format(R"({{"quantization_config": {{"z_threshold": {:g}}}}})", z),
                  before,
                  db,
                  {}};
  }
  if (everywhere) hints.push_back(*everywhere);
  for (size_t i = 0; i < std::min(kTried, far.size()); ++i) {
    const std::vector<ir::ValueId>& members = groups.at(far[i].second);
    const ir::Node* node = node_of(scene.graph, members);
    std::optional<Hint> best;
    for (const double z : kCuts) {
      if (!node || z >= -far[i].first) continue;
      const double db = db_with(
          scene, [&](Table& table) { put(table, members, cuts[z].at(far[i].second).front().params); });
      const double known = best ? *best->after_db : everywhere ? *everywhere->after_db : before;
      if (db < known + kWorthTelling) continue;
      best = {"outliers",
              format("The result of {} has values {:.0f} standard deviations from its mean.", node->name,
                     -far[i].first),
              edit({node->name}, format("\"z_threshold\": {:g}", z)),
              before,
              db,
              {node->name}};
    }
    if (best) hints.push_back(*best);
  }
}

// --- a small negative part

void negative_lobes(const HintScene& scene, std::vector<Hint>& hints) {
  if (!scene.tries || scene.target.activations.symmetric || scene.target.activations.bits > 8) return;
  Table table = scene.best.simulator->table;
  std::vector<std::string> names;
  for (const auto& [group, members] : groups_of(scene.best.model.plan)) {
    const auto seen = scene.stats.find(members.front());
    const ir::Node* node = node_of(scene.graph, members);
    const quant::QuantParams& params = scene.best.model.plan.values[members.front()].params;
    if (seen == scene.stats.end() || !node || members.size() > 1) continue;
    const double low = seen->second.min, high = quant::range_max(params);
    const bool lobe = low < 0 && -low <= kSmallLobe * high;
    const bool half_unused = static_cast<double>(quant::range_min(params)) < -0.9 * high;
    if (!lobe || !half_unused) continue;
    put(table, members, quant::asymmetric_params(low, high, params.bits, params.is_signed));
    names.push_back(node->name);
  }
  if (names.empty()) return;
  const double before = scene.best.fidelity.worst_db();
  const double db = db_with(scene, [&](Table& now) { now = table; });
  if (db < before + kWorthTelling) return;
  hints.push_back({"negative_lobe",
                   format("{} have a small negative part, for which a grid around zero spends half of its "
                          "steps. Where the hardware takes a zero point:",
                          names.size() == 1 ? "The results of one node" : format("{} results", names.size())),
                   edit(names, R"("activation_quantization_method": "UNIFORM")"), before, db, names});
}

// --- concats

void unbalanced_concats(const HintScene& scene, std::vector<Hint>& hints) {
  const plan::QuantPlan& plan = scene.best.model.plan;
  std::vector<bool> integer;
  for (const plan::NodeDecision& node : plan.nodes)
    integer.push_back(node.compute == plan::Compute::kInteger);
  integer.resize(scene.graph.nodes.size());
  for (const select::UnlikeConcat& concat :
       select::unlike_concats(scene.graph, scene.target, scene.stats, integer)) {
    const ir::Node& node = ir::node_at(scene.graph, concat.node);
    std::vector<std::string> names;
    for (const ir::NodeId id : concat.may_float) names.push_back(ir::node_at(scene.graph, id).name);
    if (names.empty()) continue;
    const double before = scene.best.fidelity.worst_db();
    const double db = db_with(scene, [&](Table& table) {
      for (const ir::NodeId id : concat.may_float)
        for (const ir::ValueId v : ir::node_at(scene.graph, id).outputs)
          if (v != ir::kNone) table[v].reset();
    });
    if (db < before + kWorthTelling) continue;
    hints.push_back(
        {"unbalanced_concat",
         format("Concat {} puts values on one scale of which some are {:.0f} times as large.", node.name,
                concat.ratio),
         format(R"({{"placement": {{"rules": [{{"filter": {{"name": {}}}, "placement": "float"}}]}}}})",
                quoted(names)),
         before, db, names});
  }
}

// --- the calibration set

void few_images(const HintScene& scene, std::vector<Hint>& hints) {
  const auto used = static_cast<int64_t>(scene.split.calibration.size());
  if (used >= kFewImages) return;
  const bool cut = scene.source.size() == scene.config.representative_dataset.max_images;
  hints.push_back(
      {"few_images",
       format("Only {0} {1}s were calibrated on; ranges that rare {1}s need are not known. {2} or more are "
              "usual.",
              used, images::unit_of(scene.source), 4 * kFewImages),
       cut ? format(R"({{"representative_dataset": {{"max_images": {}}}}})", 4 * kFewImages)
           : format(R"({{"representative_dataset": {{"path": "a folder with more {}s"}}}})",
                    images::unit_of(scene.source)),
       {},
       {},
       {}});
}

// Some values of an image's first input, the same places for every image.
std::vector<double> sketch(const images::ImageSource& source, int64_t image) {
  constexpr int64_t kPlaces = 509;  // a prime: no multiple of a picture's width
  std::vector<double> values;
  const std::vector<ir::Tensor> inputs = source.load(image);
  if (inputs.empty() || inputs[0].dtype != ir::DType::kFloat) return values;
  const std::span<const float> x = inputs[0].as<float>();
  for (int64_t i = 0; i < kPlaces && !x.empty(); ++i)
    values.push_back(static_cast<double>(x[i * static_cast<int64_t>(x.size()) / kPlaces]));
  return values;
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.empty() || a.size() != b.size()) return 0;
  const double n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n,
               mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 1;
}

// Pictures of one scene teach no more than one of them does.
void uniform_images(const HintScene& scene, std::vector<Hint>& hints) {
  constexpr int64_t kLooked = 16;
  const std::vector<int64_t> some = correct::spread(scene.split.calibration, kLooked);
  if (some.size() < 4) return;
  std::vector<std::vector<double>> sketches;
  for (const int64_t image : some) sketches.push_back(sketch(scene.source, image));
  std::vector<double> nearest;
  for (size_t i = 0; i < sketches.size(); ++i) {
    double most = -1;
    for (size_t j = 0; j < sketches.size(); ++j)
      if (i != j) most = std::max(most, correlation(sketches[i], sketches[j]));
    nearest.push_back(most);
  }
  std::sort(nearest.begin(), nearest.end());
  const double median = nearest[nearest.size() / 2];
  if (median < kAlike) return;
  hints.push_back({"uniform_images",
                   format("The calibration {0}s are almost the same {0} (of {1} looked at, half have "
                          "another with a correlation of {2:.3f}): they teach what one of them does.",
                          images::unit_of(scene.source), some.size(), median),
                   format(R"({{"representative_dataset": {{"path": "a folder with unlike {}s"}}}})",
                          images::unit_of(scene.source)),
                   {},
                   {},
                   {}});
}

// Does what was held out look like what was calibrated on?
void unlike_images(const HintScene& scene, std::vector<Hint>& hints) {
  double worst = 0;
  const ir::Node* where = nullptr;
  std::map<ir::ValueId, std::pair<double, double>> beyond;  // outside, all
  for (const auto& [key, sample] : scene.answers.samples->by_value) {
    const auto seen = scene.stats.find(key.first);
    if (seen == scene.stats.end() || seen->second.count == 0) continue;
    auto& [outside, all] = beyond[key.first];
    for (const float x : sample) outside += x < seen->second.min || x > seen->second.max;
    all += static_cast<double>(sample.size());
  }
  for (const auto& [v, counts] : beyond) {
    const double share = counts.second >= kEnoughValues ? counts.first / counts.second : 0;
    if (share <= worst || !ir::producer_of(scene.graph, v)) continue;
    worst = share;
    where = ir::producer_of(scene.graph, v);
  }
  if (worst < kBeyond) return;
  hints.push_back({"unlike_images",
                   format("{0}s held out have {1} of the values of {2} outside all that calibration saw: "
                          "the calibration {3}s are unlike others.",
                          scene.source.picture() ? "Image" : "Sample", human_share(worst), where->name,
                          images::unit_of(scene.source)),
                   format(R"({{"representative_dataset": {{"max_images": {}}}}})",
                          2 * scene.config.representative_dataset.max_images),
                   {},
                   {},
                   {where->name}});
}

// --- corrections, sums, the last layer

void useless_bias_correction(const HintScene& scene, std::vector<Hint>& hints) {
  for (const report::Correction& one : scene.best.corrections)
    if (one.name == "sequential bias correction" && !one.kept)
      hints.push_back(
          {"bias_correction",
           "Bias correction brings the outputs no closer here and was left out. Not trying it saves "
           "its time.",
           R"({"quantization_config": {"weights_bias_correction": false}})",
           one.after_db,
           one.before_db,
           {}});
}

void saturation(const HintScene& scene, std::vector<Hint>& hints) {
  if (!config::writes(scene.config, "onnx")) return;  // kernels of a .tflite add in 32 bits
  if (scene.best.guards.likely_nodes == 0 || scene.config.saturation_guard.value_or(false) ||
      !guards_pairs(scene.config, scene.target))
    return;
  hints.push_back(
      {"saturation",
       format("Sums of {} overflow 16 bits on x86 without VNNI, with {}s like these.",
              report::counted(scene.best.guards.likely_nodes, "layer"), images::unit_of(scene.source)),
       R"({"saturation_guard": true})",
       {},
       {},
       {}});
}

void starved_last_layer(const HintScene& scene, std::vector<Hint>& hints) {
  const plan::QuantizedModel& model = scene.best.model;
  const ir::Node* last = nullptr;
  ir::ValueId weight = ir::kNone;
  for (const ir::NodeId id : ir::topological_order(model.graph)) {
    const ir::Node& node = ir::node_at(model.graph, id);
    if (const ir::WeightTraits* traits = ir::weight_traits(model.graph, node)) {
      last = &node;
      weight = node.inputs[traits->weight_slot];
    }
  }
  const auto stored = model.weights.find(weight);
  if (last && stored != model.weights.end() && stored->second.params.stored_bits() <= kStarved)
    hints.push_back(
        {"last_layer",
         format("The last layer, {}, has weights of {} bits; its error reaches the outputs as it is.",
                last->name, stored->second.params.stored_bits()),
         R"({"bit_width_config": [{"filter": {"last": true}, "weights_n_bits": 8}]})",
         {},
         {},
         {last->name}});
  std::vector<ir::ValueId> outputs;
  std::vector<std::string> names;
  for (const simulate::Judged& judged : scene.answers.judged) {
    const ir::Node* maker = ir::producer_of(scene.graph, judged.value);
    if (!maker || !scene.best.simulator->table[judged.value]) continue;
    outputs.push_back(judged.value);
    if (std::find(names.begin(), names.end(), maker->name) == names.end()) names.push_back(maker->name);
  }
  if (outputs.empty() || !scene.tries) return;
  const double before = scene.best.fidelity.worst_db();
  const double db = db_with(scene, [&](Table& table) { put(table, outputs, std::nullopt); });
  if (db < before + kLastCosts) return;
  hints.push_back({"last_layer", "Rounding the outputs themselves costs a good part of the error.",
                   edit(names, R"("enable_activation_quantization": false)"), before, db, names});
}

using Check = void (*)(const HintScene&, std::vector<Hint>&);
constexpr Check kChecks[] = {outliers,          negative_lobes, unbalanced_concats,      few_images,
                             uniform_images,    unlike_images,  useless_bias_correction, saturation,
                             starved_last_layer};

}  // namespace

std::vector<Hint> find_hints(const HintScene& scene) {
  std::vector<Hint> hints;
  for (const Check check : kChecks) check(scene, hints);
  return hints;
}

}  // namespace qc
