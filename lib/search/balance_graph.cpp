// See balance_graph.h.
#include "search/balance_graph.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "balance/balance.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/text.h"
#include "modes/modes.h"
#include "search/attempt.h"
#include "search/complete_plan.h"
#include "search/refine_placement.h"
#include "search/width_study.h"
#include "select/costs.h"
#include "select/decide.h"
#include "target_of.h"
#include "threshold/candidates.h"

namespace qc {
namespace {

constexpr int64_t kImages = 16;  // that trials are calibrated on, and judged on
constexpr int64_t kDeviationImages = 8;
// Layers longer than this are solved in strips: both graphs lose alike, and what takes most of the time of
// large networks grows with the cube of it.
constexpr int64_t kTrialPatch = 1152;
constexpr double kSameFunction = 80;  // dB between both graphs in float; float32's own noise is above 100
// Less is luck; the more so on the fewer images that large pictures are tried on, and what is kept there
// costs a calibration pass that takes long.
constexpr double kWorthDb = 0.1, kWorthOfFewDb = 0.5;
// Weights of 8 bits alone leave ordinary networks above this. Narrow ones do not, and where no layer has much
// to gain they pay no more than a few inferences for the look.
constexpr double kMuchDb = 40;

/// A graph and everything that follows from it; statistics of few images where a trial made it.
struct Variant : Subject {
  bool floats = false;                                  // nothing is rounded but weights
  plan::QuantPlan plan;                                 // with parameters
  std::map<ir::NodeId, config::NodeSettings> settings;  // of nodes that corrections made
};

std::vector<bool> integers_of(const Variant& variant) {
  return variant.floats ? only_pinned(variant.graph, variant.places.capabilities) : variant.places.fastest;
}

PlanScene plan_scene_of(const Scene& scene, const Variant& variant) {
  return {variant.graph, variant.places, scene.config, scene.target, variant.stats};
}

plan::QuantPlan plan_of(const Scene& scene, const Variant& variant) {
  return complete_plan(plan_scene_of(scene, variant), integers_of(variant));
}

plan::StatsTable trial_stats(const Scene& scene, const Variant& variant) {
  const auto requests =
      select::requests(outlined(plan_scene_of(scene, variant), integers_of(variant)), variant.graph);
  if (variant.floats && requests.empty()) return {};
  const std::vector<int64_t> few =
      correct::spread(scene.split.calibration, enough_images(scene.source, kImages));
  return calibrate::calibrate(variant.graph, scene.runners, scene.source, few, requests, {scene.threads, 1});
}

Variant variant_of(const Scene& scene, ir::Graph graph, std::map<ir::NodeId, config::NodeSettings> settings,
                   bool floats) {
  Variant variant;
  variant.floats = floats;
  variant.graph = std::move(graph);
  variant.settings = std::move(settings);
  run::infer_shapes(variant.graph, scene.codec);
  variant.places =
      places_of(variant.graph, scene.config, scene.target, scene.sample, scene.codec, variant.settings);
  variant.stats = trial_stats(scene, variant);
  variant.plan = plan_of(scene, variant);
  return variant;
}

/// Rules of a trial. Where widths are searched for afterwards, every weight whose width is free has the one
/// that all of them could have within the budget: what helps results of 8 bits may hurt weights of few.
std::vector<config::NodeSettings> rules_of_trial(const Scene& scene, const Variant& variant) {
  std::vector<config::NodeSettings> rules = variant.places.rules.nodes;
  if (!scene.widths_open) return rules;
  double wanted = kProbed;
  if (const auto& bytes = scene.config.budget.weights_memory) {
    double elements = 0;
    for (const ir::Node& node : variant.graph.nodes)
      if (const ir::WeightTraits* traits = node.erased ? nullptr : ir::weight_traits(variant.graph, node))
        if (const auto* weight = ir::constant_input(variant.graph, node, traits->weight_slot))
          elements += static_cast<double>(weight->size());
    wanted = 8 * (bytes->share ? bytes->amount : bytes->amount / std::max(1.0, elements));
  }
  const std::vector<int> all = widths(scene.config, scene.target);
  int bits = all.front();
  for (const int width : all)
    if (width <= wanted + 0.5) bits = width;
  for (config::NodeSettings& rule : rules)
    if (!fixed_by_hand(rule)) rule.weights_n_bits = bits;
  return rules;
}

/// The worst output in dB, quantized as the whole conversion would, but for the search for better placements.
double measured_db(const Scene& scene, const Variant& variant) {
  calibrate::Split few = scene.split;
  few.calibration = correct::spread(scene.split.calibration, enough_images(scene.source, kImages));
  few.held_out = correct::spread(scene.split.held_out, enough_images(scene.source, kImages));
  const std::vector<config::NodeSettings> rules = rules_of_trial(scene, variant);
  const plan::Candidates weights = threshold::weight_candidates(
      variant.graph, variant.plan, scene.target, scene.config.quantization, rules, scene.threads);
  const AttemptScene trial = attempt_scene(scene, variant.graph);
  FloatAnswers answers =
      ask_float_model(trial, variant.plan, variant.stats, few, parts_count(scene.config, scene.target));
  answers.rules = rules;
  answers.kept = scene.kept;
  answers.bound_pairs = guards_pairs(scene.config, scene.target);
  answers.longest_patch = kTrialPatch;
  return attempt(trial, answers, variant.plan, weights).fidelity.worst_db();
}

/// How far apart both graphs are in float on held-out images.
double difference_db(const Scene& scene, const ir::Graph& before, const ir::Graph& after) {
  const std::vector<simulate::Judged> judged = simulate::judged_values(before),
                                      judged_after = simulate::judged_values(after);
  if (judged.size() != judged_after.size()) return -INFINITY;
  constexpr int64_t kCompared = 4;
  const auto old_model = simulate::make_float_model(before, scene.runners, {}, judged),
             new_model = simulate::make_float_model(after, scene.runners, {}, judged_after);
  const std::vector<int64_t> images = correct::spread(scene.split.held_out, kCompared);
  const simulate::Reference reference =
      simulate::reference_of(*old_model->runner, scene.source, images, judged.size(), scene.threads);
  return simulate::fidelity_of(*new_model->runner, scene.source, reference, judged_after, scene.threads)
      .worst_db();
}

struct Moments {
  std::vector<double> sum, square;  // by channel
  double count = 0;
};

Moments moments_of(std::span<const float> tensor, std::span<const int64_t> dims) {
  const quant::ChannelLayout layout = quant::channel_layout(dims, 1);
  Moments m;
  m.sum.resize(layout.channels);
  m.square.resize(layout.channels);
  m.count = static_cast<double>(layout.outer * layout.inner);
  size_t i = 0;
  for (int64_t o = 0; o < layout.outer; ++o)
    for (size_t c = 0; c < m.sum.size(); ++c)
      for (int64_t k = 0; k < layout.inner; ++k, ++i) {
        const auto x = static_cast<double>(tensor[i]);
        m.sum[c] += x;
        m.square[c] += x * x;
      }
  return m;
}

void add(Moments& all, const Moments& one) {
  all.sum.resize(std::max(all.sum.size(), one.sum.size()));
  all.square.resize(all.sum.size());
  for (size_t c = 0; c < one.sum.size(); ++c) {
    all.sum[c] += one.sum[c];
    all.square[c] += one.square[c];
  }
  all.count += one.count;
}

std::map<ir::ValueId, std::vector<double>> deviations_of(const Scene& scene, const ir::Graph& graph,
                                                         const std::vector<ir::ValueId>& values) {
  const std::vector<int64_t> images = correct::spread(scene.split.calibration, kDeviationImages);
  std::vector<std::map<ir::ValueId, Moments>> by_image(images.size());
  const auto model = simulate::make_float_model(graph, scene.runners, values, {});
  model->hook = [&](ir::ValueId value, int64_t slot, std::span<float> tensor, std::span<const int64_t> dims) {
    by_image[slot][value] = moments_of(tensor, dims);
  };
  parallel_for(std::ssize(images), scene.threads,
               [&](int64_t i, int) { model->runner->run(scene.source.load(images[i]), i); });
  std::map<ir::ValueId, Moments> moments;
  for (const auto& image : by_image)
    for (const auto& [value, m] : image) add(moments[value], m);
  std::map<ir::ValueId, std::vector<double>> deviations;
  for (const auto& [value, m] : moments)
    for (size_t c = 0; c < m.sum.size(); ++c) {
      const double mean = m.sum[c] / m.count;
      deviations[value].push_back(std::sqrt(std::max(0.0, m.square[c] / m.count - mean * mean)));
    }
  return deviations;
}

/// The walk through the table. `base` is the best graph so far, `base_db` what it was measured at (NaN: not
/// yet).
class Search {
 public:
  Search(const Scene& scene, Variant first, Balancing which)
      : scene_(scene), base_(std::move(first)), which_(which) {}

  void attempt_one(const balance::Correction& correction, Balanced& result) {
    if (correction.helps == (base_.floats ? balance::Helps::kRounded : balance::Helps::kFloats)) return;
    const balance::Seen seen{
        base_.plan,
        base_.stats,
        base_.places.idioms,
        scene_.target,
        scene_.config.quantization,
        base_.places.rules.nodes,
        is_full(scene_.config, scene_.target),
        [&](const std::vector<ir::ValueId>& values) { return deviations_of(scene_, base_.graph, values); }};
    const balance::Wish wish = correction.wish(seen);
    const bool unasked = wish == balance::Wish::kIfBetter;
    if (wish == balance::Wish::kNo || which_ == (unasked ? Balancing::kAsked : Balancing::kUnasked)) return;
    if (wish != balance::Wish::kAsked && !base_.floats && !integers_pay()) {
      if (!unasked)
        result.notes.push_back(
            format("{} was not tried: activations stay in float, as integers gain too little time",
                   correction.name));
      return;
    }
    ir::Graph graph = base_.graph;
    const balance::Done done = correction.apply(graph, seen);
    if (!done.note.empty()) result.notes.push_back(done.note);
    if (done.sites.empty() && done.note.empty() && !unasked)
      result.notes.push_back(format("{} has nothing to do in this model", correction.name));
    if (done.sites.empty()) return;
    ir::remove_dead(graph);
    ir::verify(graph);
    if (const double db = difference_db(scene_, base_.graph, graph); db < kSameFunction) {
      result.notes.push_back(
          format("{} was undone: it would have changed the float function ({:.1f} dB)", correction.name, db));
      return;
    }
    if (std::isnan(base_db_)) {  // on the same images as the trial
      base_ = variant_of(scene_, std::move(base_.graph), std::move(base_.settings), base_.floats);
      base_db_ = measured_db(scene_, base_);
    }
    auto settings = base_.settings;
    for (const auto& [node, own] : done.settings) config::overlay(settings[node], own);
    Variant tried = variant_of(scene_, std::move(graph), std::move(settings), base_.floats);
    const double db = measured_db(scene_, tried);
    const double worth = std::max(unasked ? correction.worth_db : 0,
                                  enough_images(scene_.source, kImages) < kImages ? kWorthOfFewDb : kWorthDb);
    const bool kept = db > base_db_ + (wish == balance::Wish::kAsked ? -kWorthDb : worth);
    report::Correction row{std::string(correction.name), kept, base_db_, db, {}};
    for (const balance::Site& site : done.sites) row.layers.push_back({site.node, site.detail, site.gain_db});
    result.corrections.push_back(std::move(row));
    if (!kept) return;
    base_ = std::move(tried);
    base_db_ = db;
    result.changed = true;
  }

  Variant& base() { return base_; }

 private:
  // Where even the fastest placement saves too little, activations will stay float, and what balancing does
  // to their rounding says nothing.
  bool integers_pay() const {
    return is_full(scene_.config, scene_.target) || scene_.target.costs.empty() ||
           select::slowest_ratio(base_.graph, base_.places.fastest, base_.places.time_on) <= kWorthTime;
  }

  const Scene& scene_;
  Variant base_;
  Balancing which_;
  double base_db_ = std::nan("");
};

}  // namespace

bool wants_balanced_floats(const Scene& scene, const Subject& subject, const Attempt& found) {
  const config::CoreConfig& config = scene.config;
  const std::optional<bool>& asked = config.quantization.cross_layer_equalization;
  // Of 16 bits, or rounded at run time, a scaled activation is another one.
  const auto changes_activations = [&](ir::NodeId id) {
    const config::Mode mode = mode_of(config, subject.places.rules.nodes, id);
    return mode != config::Mode::kStatic && mode != config::Mode::kWeightOnly;
  };
  if (config.budget.any() || found.fidelity.outputs.empty() ||
      !simulate::rounded_values(found.model.plan).empty() ||
      std::ranges::any_of(ir::topological_order(subject.graph), changes_activations))
    return false;
  return asked.value_or(found.fidelity.worst_db() < kMuchDb);
}

Balanced balance_graph(const Scene& scene, const Subject& subject, Balancing which) {
  Balanced result;
  Variant first{subject, which == Balancing::kFloats, {}, {}};
  first.plan = plan_of(scene, first);
  Search search(scene, std::move(first), which);
  for (const balance::Correction& correction : balance::corrections()) search.attempt_one(correction, result);
  if (result.changed) {
    result.graph = std::move(search.base().graph);
    result.places = std::move(search.base().places);
  }
  return result;
}

}  // namespace qc
