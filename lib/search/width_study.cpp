// See width_study.h.
#include "search/width_study.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "base/progress.h"
#include "base/text.h"
#include "correct/bias_correction.h"
#include "correct/sensitivity.h"
#include "ir/linear.h"
#include "ir/ops.h"
#include "quant/quant_params.h"
#include "search/spend_results.h"
#include "simulate/layer_sensitivity.h"
#include "threshold/candidates.h"

namespace qc {
namespace {

constexpr double kLeastSensitivity = 0.01;  // of the mean: probes that measured nothing are not free

bool is_data(const std::string& kind) {
  return kind == "weights" || kind == "bias" || kind == "scales" || kind == "constants";
}

using BytesByNode = std::map<std::string, int64_t>;

// Bytes of constants by node, the larger format; "" has those that belong to none.
BytesByNode constant_bytes(const std::vector<plan::Written>& files) {
  BytesByNode most;
  for (const plan::Written& file : files) {
    BytesByNode bytes;
    for (const plan::Piece& piece : file.pieces)
      if (is_data(piece.kind)) bytes[piece.node] += piece.bytes;
    for (const auto& [node, count] : bytes) most[node] = std::max(most[node], count);
  }
  return most;
}

int64_t total_of(const BytesByNode& bytes) {
  int64_t total = 0;
  for (const auto& [node, count] : bytes) total += count;
  return total;
}

std::vector<WidthItem> items_of(const BudgetScene& scene, const plan::Candidates& weights) {
  std::vector<WidthItem> items;
  std::set<ir::ValueId> seen;
  for (const ir::NodeId id : ir::topological_order(scene.graph)) {
    const ir::Node& node = ir::node_at(scene.graph, id);
    const ir::WeightTraits* traits = ir::weight_traits(scene.graph, node);
    if (!traits) continue;
    const ir::ValueId weight = node.inputs[traits->weight_slot];
    const auto candidate = weights.find(weight);
    if (candidate == weights.end() || !seen.insert(weight).second) continue;
    const std::vector<ir::NodeId>& readers = ir::value_at(scene.graph, weight).consumers;
    const bool by_hand = std::any_of(readers.begin(), readers.end(), [&](ir::NodeId reader) {
      return !ir::weight_traits(scene.graph, ir::node_at(scene.graph, reader)) ||
             (!scene.rules.empty() && fixed_by_hand(scene.rules[reader]));
    });
    if (!by_hand) items.push_back({weight, readers, node.name, {}, 0, {}, {}});
  }
  return items;
}

double bits_of_input(const BudgetScene& scene, const ir::Node& node) {
  const ir::WeightTraits* traits = ir::weight_traits(scene.graph, node);
  const plan::ValueDecision& input = scene.plan.values[node.inputs[traits->data_slot]];
  return input.quantized ? input.params.bits : 32;
}

}  // namespace

int64_t written_bytes(const BudgetScene& scene, const plan::QuantizedModel& model) {
  int64_t most = 0;
  for (const plan::Written& file : scene.write(model)) {
    int64_t bytes = 0;
    for (const plan::Piece& piece : file.pieces)
      if (is_data(piece.kind)) bytes += piece.bytes;
    most = std::max(most, bytes);
  }
  return most;
}

void count_operations(const BudgetScene& scene, const plan::Candidates& weights, WidthStudy& study) {
  study.other_bops = 0;
  for (WidthItem& item : study.items) item.products = 0;
  std::map<ir::NodeId, size_t> item_of;
  for (size_t i = 0; i < study.items.size(); ++i)
    for (const ir::NodeId node : study.items[i].nodes) item_of[node] = i;
  for (size_t n = 0; n < scene.sized.nodes.size(); ++n) {
    const ir::Node& node = scene.sized.nodes[n];
    const double products = budget::products_of(scene.sized, node);
    if (products <= 0) continue;
    const double bits = products * bits_of_input(scene, node);
    const auto item = item_of.find(static_cast<ir::NodeId>(n));
    if (item != item_of.end()) {
      study.items[item->second].products += bits;
      continue;
    }
    const ir::WeightTraits* traits = ir::weight_traits(scene.graph, node);
    const auto weight = weights.find(node.inputs[traits->weight_slot]);
    study.other_bops += bits * (weight == weights.end() ? 32 : weight->second.front().params.bits);
  }
}

void count_activations(const BudgetScene& scene, WidthStudy& study) {
  const auto memory = memory_of(scene);
  if (!memory) return;
  budget::Schedule found = budget::schedule(*memory);
  if (study.schedule && budget::walk(*memory, study.schedule->order).bytes < found.peak)
    found.order = study.schedule->order;
  study.peak = budget::walk(*memory, found.order);
  study.schedule = std::move(found);
  study.peak_names.clear();
  for (const size_t t : study.peak->tensors) study.peak_names.push_back(memory->tensors[t].name);
}

plan::Candidates picked(const WidthStudy& study, const std::vector<size_t>& picks) {
  plan::Candidates weights = study.candidates.back();
  for (size_t i = 0; i < study.items.size(); ++i)
    weights[study.items[i].weight] = study.candidates[picks[i]].at(study.items[i].weight);
  return weights;
}

plan::QuantizedModel rounded(const BudgetScene& scene, const plan::Candidates& weights) {
  quantize::Guards ignored;
  return quantize::quantize(scene.graph, scene.plan, weights, {}, ignored);
}

plan::QuantizedModel as_large(const BudgetScene& scene, const plan::Candidates& weights) {
  plan::QuantizedModel model = rounded(scene, weights);
  const bool corrected = scene.config.quantization.weights_bias_correction ||
                         scene.config.correction.method != config::CorrectionMethod::kNone;
  std::map<ir::NodeId, std::vector<float>> zeros;  // to biases that are there as well: they get another name
  if (corrected)
    for (const correct::Layer& layer : correct::correctable_layers(model.graph, model.plan))
      if (const auto linear = ir::linear_at(model.graph, layer.node))
        zeros[layer.node].assign(linear->out_channels, 0.0f);
  quantize::add_to_biases(model, zeros);
  return model;
}

namespace {

// One model of each width, written: bytes are counted, not computed.
void count_bytes(const BudgetScene& scene, WidthStudy& study) {
  const std::vector<int> all = widths(scene.config, scene.target);
  for (size_t w = 0; w < all.size(); ++w) {
    std::vector<config::NodeSettings> rules = scene.rules;
    rules.resize(scene.graph.nodes.size());
    for (const WidthItem& item : study.items)
      for (const ir::NodeId node : item.nodes) rules[node].weights_n_bits = all[w];
    study.candidates.push_back(threshold::weight_candidates(scene.graph, scene.plan, scene.target,
                                                            scene.config.quantization, rules, scene.threads));
    const BytesByNode bytes = constant_bytes(scene.write(as_large(scene, study.candidates.back())));
    int64_t in_items = 0;
    for (WidthItem& item : study.items) {
      int64_t sum = 0;
      for (const ir::NodeId node : item.nodes) {
        const auto found = bytes.find(ir::node_at(scene.graph, node).name);
        if (found != bytes.end()) sum += found->second;
      }
      item.bytes.push_back(sum);
      in_items += sum;
    }
    study.other_bytes = total_of(bytes) - in_items;
  }
}

// A probe for each item, but few for the smallest, which together hold little: each for those of a stretch of
// the network.
std::vector<std::vector<ir::ValueId>> probes_of(const WidthStudy& study) {
  constexpr double kLittle = 0.03;  // of all bytes
  constexpr size_t kStretches = 3;
  std::vector<size_t> smallest_first(study.items.size());
  std::iota(smallest_first.begin(), smallest_first.end(), size_t{0});
  int64_t all = 0;
  for (const WidthItem& item : study.items) all += item.bytes.back();
  std::stable_sort(smallest_first.begin(), smallest_first.end(), [&](size_t a, size_t b) {
    return study.items[a].bytes.back() < study.items[b].bytes.back();
  });
  auto little = static_cast<int64_t>(kLittle * static_cast<double>(all));
  std::vector<size_t> small;
  std::vector<std::vector<ir::ValueId>> probes;
  for (const size_t i : smallest_first)
    if (little -= study.items[i].bytes.back(); little >= 0)
      small.push_back(i);
    else
      probes.push_back({study.items[i].weight});
  std::sort(small.begin(), small.end());
  const size_t length = (small.size() + kStretches - 1) / kStretches;
  for (size_t s = 0; s < small.size(); ++s) {
    if (s % length == 0) probes.emplace_back();
    probes.back().push_back(study.items[small[s]].weight);
  }
  return probes;
}

// All of them within a given amount of work, counted and not timed, so that the same is found everywhere.
int64_t probe_images_for(const BudgetScene& scene, size_t probes) {
  constexpr double kWork = 2.5e11;  // products; about a minute and a half on two cores
  constexpr double kLeast = 32, kMost = 128;
  if (scene.config.mixed_precision.images) return *scene.config.mixed_precision.images;
  double products = 0;
  for (const ir::Node& node : scene.sized.nodes) products += budget::products_of(scene.sized, node);
  // What stands before a probed layer is not solved again: half the network, on average.
  const double work = std::max(1.0, products * static_cast<double>(probes) / 2);
  return static_cast<int64_t>(std::clamp(kWork / work, kLeast, kMost));
}

}  // namespace

namespace {

// What was measured at kProbed bits, at every width.
std::vector<double> costs_by_width(const std::vector<int>& all, double at_probed) {
  std::vector<double> costs;
  for (const int bits : all) costs.push_back(at_probed * std::pow(kByBit, kProbed - bits));
  return costs;
}

void probe_outputs(const BudgetScene& scene, WidthStudy& study) {
  const std::vector<int> all = widths(scene.config, scene.target);
  const auto probed = static_cast<size_t>(std::find(all.begin(), all.end(), kProbed) - all.begin());
  const plan::QuantizedModel wide = rounded(scene, study.candidates.back()),
                             narrow_model = rounded(scene, study.candidates[probed]);
  correct::Weights narrow;
  for (const WidthItem& item : study.items) narrow[item.weight] = narrow_model.weights.at(item.weight);
  correct::SecondOrderOptions options = second_order_options(scene.config, scene.threads);
  options.kept = scene.answers.kept;
  const std::vector<std::vector<ir::ValueId>> probes = probes_of(study);
  const correct::ProbeImages images =
      correct::probe_images(scene.answers.calibration,
                            correction_images(wide, scene.config, probe_images_for(scene, probes.size())));
  correct::Sensitivities found, by_probes;
  if (scene.config.mixed_precision.sensitivity == config::Sensitivity::kGram) {
    found = correct::estimate_from_statistics(wide, narrow, scene.runners, scene.source, images, options);
  } else {
    Progress progress("probing", static_cast<int64_t>(probes.size()), "layers");
    const correct::Probed measured =
        correct::probe_compensated(wide, narrow, probes, scene.runners, scene.source, images,
                                   scene.answers.judged, options, [&] { progress.advance(); });
    found = correct::steadied(measured);
    by_probes = measured.added;
    study.wide_noise = measured.wide;
  }
  double mean = 0;
  for (const auto& [weight, added] : found) mean += added / static_cast<double>(found.size());
  const double least = std::max(kLeastSensitivity * mean, 1e-12);
  for (WidthItem& item : study.items) {
    item.costs = costs_by_width(all, std::max(found.at(item.weight), least));
    if (!by_probes.empty()) item.probed = costs_by_width(all, std::max(by_probes.at(item.weight), least));
  }
}

// MCT's words to those of the room that measures.
simulate::LayerMeasure measure_of(const config::MetricConfig& config) {
  using From = config::DistanceWeighting;
  using To = simulate::DistanceWeighting;
  simulate::LayerMeasure measure;
  const bool scores = config.hessian_scores || config.weighting == From::kHessian;
  measure.weighting = scores                                 ? To::kScores
                      : config.weighting == From::kLastLayer ? To::kLastLayer
                      : config.weighting == From::kExp       ? To::kExponential
                                                             : To::kAverage;
  const std::map<config::DistanceFunction, simulate::Distance> distances{
      {config::DistanceFunction::kMse, simulate::Distance::kMse},
      {config::DistanceFunction::kMae, simulate::Distance::kMae},
      {config::DistanceFunction::kCosine, simulate::Distance::kCosine}};
  if (const auto found = distances.find(config.distance); found != distances.end())
    measure.everywhere = found->second;
  const std::map<config::MetricNormalization, simulate::MetricNormalization> normalizations{
      {config::MetricNormalization::kNone, simulate::MetricNormalization::kNone},
      {config::MetricNormalization::kMaxBit, simulate::MetricNormalization::kMaxBit},
      {config::MetricNormalization::kMinBit, simulate::MetricNormalization::kMinBit}};
  measure.sigma = config.exp_sigma;
  measure.places_factor = config.interest_points_factor;
  measure.scale = {normalizations.at(config.normalization), config.epsilon, config.normalization_threshold};
  return measure;
}

void probe_layers(const BudgetScene& scene, WidthStudy& study) {
  constexpr int64_t kImages = 32;  // MCT's default
  std::vector<simulate::ProbedWeight> weights;
  for (const WidthItem& item : study.items) weights.push_back({item.weight, item.nodes});
  const auto rounded_weight = [&](size_t item, size_t width) {
    const ir::ValueId weight = study.items[item].weight;
    const ir::Tensor& exact = *ir::value_at(scene.graph, weight).constant;
    const quant::QuantParams& params = study.candidates[width].at(weight).front().params;
    const std::vector<int32_t> integers = quant::quantize(exact.as<float>(), exact.dims, params);
    return ir::make_tensor(std::span<const float>(quant::dequantize(integers, exact.dims, params)),
                           exact.dims);
  };
  const std::vector<int64_t> images =
      correct::spread(scene.answers.calibration, scene.config.mixed_precision.images.value_or(kImages));
  const auto found = simulate::layer_sensitivities(
      {scene.graph, scene.answers.judged, scene.runners, scene.source, images, scene.threads}, weights,
      study.candidates.size(), rounded_weight, measure_of(scene.config.mixed_precision.metric));
  for (size_t i = 0; i < study.items.size(); ++i) study.items[i].costs = found[i];
}

}  // namespace

void assume_alike(const BudgetScene& scene, WidthStudy& study) {
  for (WidthItem& item : study.items) item.costs = costs_by_width(widths(scene.config, scene.target), 1);
}

void probe(const BudgetScene& scene, WidthStudy& study) {
  if (scene.config.mixed_precision.sensitivity == config::Sensitivity::kLayer)
    probe_layers(scene, study);
  else
    probe_outputs(scene, study);
}

std::vector<budget::Item> problem_of(const BudgetScene& scene, const WidthStudy& study, double steeper,
                                     std::vector<double> WidthItem::*costs) {
  const std::vector<int> all = widths(scene.config, scene.target);
  std::vector<budget::Item> items;
  for (const WidthItem& item : study.items) {
    items.emplace_back();
    for (size_t w = 0; w < all.size(); ++w)
      items.back().choices.push_back(
          {item.bytes[w], (item.*costs)[w] * std::pow(steeper, kProbed - all[w]), item.products * all[w]});
  }
  return items;
}

int64_t WidthStudy::full_bytes() const {
  int64_t bytes = other_bytes;
  for (const WidthItem& item : items) bytes += item.bytes.back();
  return bytes;
}

double WidthStudy::full_bops() const {
  double bops = other_bops;
  for (const WidthItem& item : items) bops += item.products * 8;
  return bops;
}

bool fixed_by_hand(const config::NodeSettings& rule) {
  return rule.weights_n_bits || rule.weights_quantization_method || rule.weights_threshold ||
         rule.enable_weights_quantization;
}

std::vector<int> widths(const config::CoreConfig& config, const target::TargetSpec& target) {
  std::vector<int> all{2, 3, 4, 5, 6, 7, 8};
  if (config::writes(config, "tflite")) all = {4, 8};
  std::erase_if(
      all, [&](int bits) { return !target.weight_widths.empty() && !target.weight_widths.contains(bits); });
  return all;
}

WidthStudy sizes_of(const BudgetScene& scene, const plan::Candidates& weights) {
  WidthStudy study;
  study.items = items_of(scene, weights);
  count_operations(scene, weights, study);
  count_activations(scene, study);
  count_bytes(scene, study);
  for (WidthItem& item : study.items) item.costs.assign(study.candidates.size(), 0);
  return study;
}

std::string why_closed(const BudgetScene& scene, const WidthStudy& study) {
  std::set<ir::ValueId> by_hand, others;
  for (const ir::NodeId id : ir::topological_order(scene.graph)) {
    const ir::Node& node = ir::node_at(scene.graph, id);
    const ir::WeightTraits* traits = ir::weight_traits(scene.graph, node);
    if (!traits) continue;
    const ir::ValueId weight = node.inputs[traits->weight_slot];
    const bool ruled =
        study.candidates.back().contains(weight) && !scene.rules.empty() && fixed_by_hand(scene.rules[id]);
    (ruled ? by_hand : others).insert(weight);
  }
  return format(
      "no layer's width is open: of {} with weights, {} set by hand (bit_width_config, network_editor, "
      "weight_only)",
      by_hand.size() + others.size(),
      by_hand.size() == 1 ? "1 has its own" : format("{} have theirs", by_hand.size()));
}

void check_widths(const BudgetScene& scene) {
  if (config::writes(scene.config, "tflite") && scene.target.tflite &&
      scene.target.tflite->limits.contains("int4"))
    throw Error(Exit::kUnsupported,
                {"no-narrow-weights", "/target_resource_utilization",
                 format("{} takes no weights of 4 bits in a .tflite, so there are no widths to choose from",
                        scene.target.name),
                 "leave out the budget, or \"tflite\" in /output/formats"});
  if (!scene.target.weight_widths.empty() && !scene.target.weight_widths.contains(kProbed))
    throw Error(Exit::kUnsupported,
                {"no-narrow-weights", "/target_resource_utilization",
                 format("{} takes no weights of {} bits, so there are no widths to choose from",
                        scene.target.name, kProbed),
                 "leave out the budget, or name another target"});
}

plan::QuantizedModel quantized_at_full_width(const BudgetScene& scene, const WidthStudy& study) {
  return rounded(scene, study.candidates.back());
}

}  // namespace qc
