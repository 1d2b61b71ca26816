// See attempt.h.
#include "search/attempt.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "base/progress.h"
#include "base/text.h"
#include "correct/moments.h"
#include "correct/solvable.h"
#include "ir/linear.h"
#include "ir/ops.h"
#include "target_of.h"

namespace qc {
namespace {

constexpr int64_t kCorrectionImages = 16;
constexpr int64_t kErrorImages = 2;
constexpr int kMirroredBits = 5;  // of those that mirrored pictures pay for

std::vector<ir::ValueId> results_of(const std::vector<correct::Layer>& layers) {
  std::vector<ir::ValueId> results;
  for (const correct::Layer& layer : layers) results.push_back(layer.result);
  return results;
}

bool corrects_biases(const config::CoreConfig& config) {
  return config.quantization.weights_bias_correction &&
         config.correction.method != config::CorrectionMethod::kNone;
}

int64_t memory_limit(const config::CoreConfig& config) {
  if (config.memory_limit) return *config.memory_limit;
  return ::sysconf(_SC_PHYS_PAGES) / 2 * ::sysconf(_SC_PAGE_SIZE);
}

bool wants_second_order(const plan::QuantizedModel& model, const config::CoreConfig& config) {
  using config::CorrectionMethod;
  if (config.correction.method != CorrectionMethod::kUnset)
    return config.correction.method == CorrectionMethod::kSecondOrder;
  return has_narrow_weights(model);
}

// A weight of at most so many bits?
bool has_weights_of(const plan::QuantizedModel& model, int bits) {
  return std::any_of(model.weights.begin(), model.weights.end(),
                     [&](const auto& weight) { return weight.second.params.stored_bits() <= bits; });
}

bool all_finite(const simulate::Reference& reference) {
  for (const std::vector<ir::Tensor>& image : reference.judged)
    for (const ir::Tensor& tensor : image) {
      const auto x = tensor.as<float>();
      if (!std::all_of(x.begin(), x.end(), [](float v) { return std::isfinite(v); })) return false;
    }
  return true;
}

}  // namespace

correct::SecondOrderOptions second_order_options(const config::CoreConfig& config, int threads) {
  const config::Correction& correction = config.correction;
  correct::SecondOrderOptions options;
  options.rounding.retarget_auto = !correction.retarget_strength;
  options.rounding.retarget_strength = correction.retarget_strength.value_or(0);
  options.rounding.sweeps = correction.sweeps;
  options.rounding.scale_search = correction.scale_search;
  options.seed = static_cast<uint64_t>(correction.seed);
  options.threads = threads;
  // The guard bounds pairs of integers, which rounding here would not keep; narrow ones cannot exceed it.
  options.only_narrow = config.saturation_guard.value_or(false);
  return options;
}

int64_t correction_images(const plan::QuantizedModel& model, const config::CoreConfig& config, int64_t most) {
  return std::min(most, correct::images_that_fit(model, model.graph, memory_limit(config)));
}

bool misses_goal(const Attempt& attempt, const config::CoreConfig& config) {
  return attempt.fidelity.worst_db() < config.goals.min_sqnr_db.value_or(config::PlacementGoals::kSqnrDb);
}

bool has_narrow_weights(const plan::QuantizedModel& model) {
  return has_weights_of(model, correct::kFullWidth - 1);
}

int64_t enough_images(const images::ImageSource& source, int64_t most) {
  constexpr int64_t kLarge = int64_t{3} * 416 * 416;
  int64_t elements = 1;
  for (const ir::Tensor& input : source.load(0)) elements += input.size();
  return std::clamp(most * kLarge / elements, std::max<int64_t>(1, most / 4), most);
}

bool parts_count(const config::CoreConfig& config, const target::TargetSpec& target) {
  return config.goals.min_sqnr_db || config.gates.min_sqnr_db || is_full(config, target);
}

bool guards_pairs(const config::CoreConfig& config, const target::TargetSpec& target) {
  constexpr const char* kAddsIn32Bits = "x86_vnni";
  return config::writes(config, "onnx") && target.pairs_in_16_bits && config.goals.processor != kAddsIn32Bits;
}

FloatAnswers ask_float_model(const AttemptScene& scene, const plan::QuantPlan& plan,
                             const plan::StatsTable& stats, const calibrate::Split& split, bool by_parts,
                             std::span<const int64_t> cut_off) {
  FloatAnswers answers;
  answers.judged = simulate::judged_values(scene.graph);
  for (simulate::Judged& one : answers.judged) one.by_parts = by_parts;
  answers.calibration = split.calibration;
  for (const auto& [value, seen] : stats)
    if (!seen.channel_max.empty()) answers.maxima[value] = seen.channel_max;
  if (corrects_biases(scene.config)) answers.layers = correct::correctable_layers(scene.graph, plan);
  std::vector<ir::ValueId> observed = simulate::rounded_values(plan);
  const std::vector<ir::ValueId> results = results_of(answers.layers);
  observed.insert(observed.end(), results.begin(), results.end());
  std::sort(observed.begin(), observed.end());
  observed.erase(std::unique(observed.begin(), observed.end()), observed.end());
  const auto model = simulate::make_float_model(scene.graph, scene.runners, observed, answers.judged);
  answers.samples = std::make_unique<simulate::Samples>();
  model->hook = [sample = simulate::sampling(*answers.samples)](
                    ir::ValueId value, int64_t slot, std::span<float> tensor, std::span<const int64_t> dims) {
    if (slot < kErrorImages) sample(value, slot, tensor, dims);
  };
  answers.held_out = simulate::reference_of(*model->runner, scene.source, split.held_out,
                                            answers.judged.size(), scene.threads);
  if (!all_finite(answers.held_out))
    throw calibrate::not_finite(scene.graph, scene.runners, scene.source, answers.held_out.images);
  model->hook = {};
  answers.cut_off =
      simulate::reference_of(*model->runner, scene.source, cut_off, answers.judged.size(), scene.threads);
  if (!answers.layers.empty())
    answers.means = correct::float_means(
        *model, answers.layers, scene.source,
        correct::spread(split.calibration, enough_images(scene.source, kCorrectionImages)), scene.threads);
  return answers;
}

namespace {

// Held-out images, by place: those that tell whether correcting the biases helps, and the others.
struct Compared {
  std::vector<size_t> some, others;
};

Compared compare_on(size_t images, bool few) {
  constexpr size_t kOneOf = 2;
  Compared compared;
  for (size_t i = 0; i < images; ++i) (few && i % kOneOf != 0 ? compared.others : compared.some).push_back(i);
  return compared;
}

void correct_biases(const AttemptScene& scene, const FloatAnswers& answers, const Compared& compared,
                    Attempt& tried) {
  if (answers.layers.empty()) return;
  const auto judge = [&](std::span<const size_t> places) {
    return simulate::fidelity_on(places, *tried.simulator->runner, scene.source, answers.held_out,
                                 answers.judged, scene.threads);
  };
  const auto deltas = correct::measure_bias_deltas(*tried.simulator, answers.layers, answers.means,
                                                   scene.source, kCorrectionMemory, scene.threads);
  tried.simulator->before = correct::adding(deltas, answers.layers);
  simulate::Fidelity corrected = judge(compared.some);
  const bool better = corrected.worst_db() > tried.fidelity.worst_db();
  tried.corrections.push_back(
      {"sequential bias correction", better, tried.fidelity.worst_db(), corrected.worst_db(), {}});
  if (better) {
    quantize::add_to_biases(tried.model, deltas);
    tried.fidelity = std::move(corrected);
  } else {
    tried.simulator->before = {};
  }
  if (!compared.others.empty()) simulate::add(tried.fidelity, judge(compared.others));
}

// Layers that a correction is for, by the config and the rules over it.
std::vector<correct::Layer> layers_for(const FloatAnswers& answers, const plan::QuantizedModel& model,
                                       bool everywhere, std::optional<bool> config::NodeSettings::*by_rule) {
  std::vector<correct::Layer> layers;
  for (const correct::Layer& layer : correct::correctable_layers(model.graph, model.plan)) {
    const auto n = static_cast<size_t>(layer.node);
    const std::optional<bool> rule = n < answers.rules.size() ? answers.rules[n].*by_rule : std::nullopt;
    if (rule.value_or(everywhere)) layers.push_back(layer);
  }
  return layers;
}

std::vector<ir::ValueId> inputs_of(const ir::Graph& graph, const std::vector<correct::Layer>& layers) {
  std::vector<ir::ValueId> inputs;
  for (const correct::Layer& layer : layers) inputs.push_back(ir::node_at(graph, layer.node).inputs[0]);
  return inputs;
}

// Takes the changed model where the worst output comes closer to float; whether it did.
bool take_if_better(const AttemptScene& scene, const FloatAnswers& answers, plan::QuantizedModel changed,
                    std::string name, Attempt& tried) {
  auto simulator =
      simulate::make_simulator(changed, scene.runners, results_of(answers.layers), answers.judged);
  const simulate::Fidelity fidelity = simulate::fidelity_of(*simulator->runner, scene.source,
                                                            answers.held_out, answers.judged, scene.threads);
  const bool better = fidelity.worst_db() > tried.fidelity.worst_db();
  tried.corrections.push_back({std::move(name), better, tried.fidelity.worst_db(), fidelity.worst_db(), {}});
  if (!better) return false;
  tried.model = std::move(changed);
  tried.simulator = std::move(simulator);
  tried.fidelity = fidelity;
  return true;
}

void correct_by_float_means(const AttemptScene& scene, const FloatAnswers& answers, Attempt& tried) {
  std::vector<correct::Layer> inputs;
  std::vector<ir::ValueId> values;
  for (const correct::Layer& layer : answers.layers) {
    const auto linear = ir::linear_at(scene.graph, layer.node);
    const ir::ValueId x = ir::node_at(scene.graph, layer.node).inputs[0];
    if (!linear || std::find(values.begin(), values.end(), x) != values.end()) continue;
    values.push_back(x);
    inputs.push_back({layer.node, x, static_cast<int>(linear->channel_axis)});
  }
  const auto model = simulate::make_float_model(scene.graph, scene.runners, values, answers.judged);
  const correct::FloatMeans means = correct::float_means(
      *model, inputs, scene.source, correct::spread(answers.calibration, kCorrectionImages), scene.threads);
  plan::QuantizedModel changed = tried.model;
  quantize::add_to_biases(changed,
                          correct::deltas_by_float_means(scene.graph, simulate::integer_valued_graph(changed),
                                                         answers.layers, inputs, means));
  take_if_better(scene, answers, std::move(changed), "bias correction by float means", tried);
}

void correct_input_shifts(const AttemptScene& scene, const FloatAnswers& answers, Attempt& tried) {
  const auto layers = layers_for(answers, tried.model, scene.config.quantization.activation_bias_correction,
                                 &config::NodeSettings::activation_bias_correction);
  if (layers.empty()) return;
  const auto probe = simulate::make_simulator(tried.model, scene.runners,
                                              inputs_of(tried.model.graph, layers), answers.judged);
  const auto deltas = correct::measure_input_shifts(
      *probe, tried.model, layers, scene.source, correct::spread(answers.calibration, kCorrectionImages),
      scene.config.quantization.activation_bias_correction_threshold, scene.threads);
  plan::QuantizedModel changed = tried.model;
  quantize::add_to_biases(changed, deltas);
  take_if_better(scene, answers, std::move(changed), "activation bias correction", tried);
}

void correct_moments(const AttemptScene& scene, const FloatAnswers& answers, Attempt& tried) {
  const auto layers =
      layers_for(answers, tried.model, scene.config.quantization.weights_second_moment_correction,
                 &config::NodeSettings::weights_second_moment_correction);
  if (layers.empty()) return;
  const auto probe = simulate::make_simulator(tried.model, scene.runners, results_of(layers), answers.judged);
  const auto model =
      simulate::make_float_model(scene.graph, scene.runners, results_of(layers), answers.judged);
  const auto rescales = correct::measure_rescales(*probe, *model, layers, scene.source,
                                                  correct::spread(answers.calibration, kCorrectionImages),
                                                  kCorrectionMemory, scene.threads);
  plan::QuantizedModel changed = tried.model;
  for (const auto& [node, rescale] : rescales)
    quantize::rescale_results(changed, node, rescale.gain, rescale.shift);
  take_if_better(scene, answers, std::move(changed), "second-moment correction", tried);
}

bool corrects_only_biases(const config::CoreConfig& config, const FloatAnswers& answers) {
  const config::QuantizationConfig& quantization = config.quantization;
  const bool ruled = std::any_of(answers.rules.begin(), answers.rules.end(), [](const auto& rule) {
    return rule.activation_bias_correction || rule.weights_second_moment_correction;
  });
  return !answers.layers.empty() && !ruled && !quantization.activation_bias_correction &&
         !quantization.weights_second_moment_correction && !quantization.bias_correction_by_float_means;
}

quantize::Options guard_options(const AttemptScene& scene, const FloatAnswers& answers) {
  using quantize::SaturationGuard;
  SaturationGuard guard = answers.bound_pairs ? SaturationGuard::kSeen : SaturationGuard::kOff;
  if (scene.config.saturation_guard)
    guard = *scene.config.saturation_guard ? SaturationGuard::kAlways : SaturationGuard::kOff;
  return {guard, answers.maxima, scene.threads};
}

// `nearest`: the model before any correction.
void correct_weights(const AttemptScene& scene, const FloatAnswers& answers, plan::QuantizedModel nearest,
                     int64_t images, Attempt& tried) {
  correct::SecondOrderOptions options = second_order_options(scene.config, scene.threads);
  options.mirror = scene.config.correction.mirror && has_weights_of(nearest, kMirroredBits);
  options.most_runs = correct::images_that_fit(nearest, nearest.graph, memory_limit(scene.config));
  options.kept = answers.kept;
  options.longest_patch = answers.longest_patch;
  const int64_t layers = correct::solvable_layers(nearest, options.only_narrow);
  if (layers == 0 || answers.calibration.empty()) return;
  Progress progress("correcting", layers, "layers");
  const correct::SecondOrder solved = correct::solve_second_order(
      nearest, scene.runners, scene.source, correct::spread(answers.calibration, images), options,
      [&] { progress.advance(); });
  if (solved.layers == 0) return;
  for (const auto& [value, integers] : solved.weights) nearest.weights[value] = integers;
  quantize::Guards guards = tried.guards;
  quantize::guard_again(nearest, guard_options(scene, answers), guards);
  quantize::add_to_biases(nearest, solved.deltas);
  const std::string name = format("{} of {} layers, {} {}s{}", kSecondOrder, solved.layers, solved.images,
                                  images::unit_of(scene.source),
                                  solved.mirrored ? format(" and {} mirrored", solved.mirrored) : "");
  if (take_if_better(scene, answers, std::move(nearest), name, tried)) tried.guards = guards;
}

}  // namespace

Attempt attempt(const AttemptScene& scene, const FloatAnswers& answers, const plan::QuantPlan& plan,
                const plan::Candidates& weights, bool again) {
  Attempt tried;
  tried.model = quantize::quantize(scene.graph, plan, weights, guard_options(scene, answers), tried.guards);
  tried.simulator =
      simulate::make_simulator(tried.model, scene.runners, results_of(answers.layers), answers.judged);
  const Compared compared =
      compare_on(answers.held_out.images.size(), again && corrects_only_biases(scene.config, answers));
  tried.fidelity = simulate::fidelity_on(compared.some, *tried.simulator->runner, scene.source,
                                         answers.held_out, answers.judged, scene.threads);
  tried.uncorrected_db = tried.fidelity.worst_db();
  const bool second_order = wants_second_order(tried.model, scene.config);
  plan::QuantizedModel nearest;
  if (second_order) nearest = tried.model;
  correct_input_shifts(scene, answers, tried);
  correct_moments(scene, answers, tried);
  if (!scene.config.quantization.bias_correction_by_float_means)
    correct_biases(scene, answers, compared, tried);
  else if (!answers.layers.empty())
    correct_by_float_means(scene, answers, tried);
  if (second_order) {
    const int64_t images = correction_images(nearest, scene.config, scene.config.correction.images);
    correct_weights(scene, answers, std::move(nearest), images, tried);
  }
  return tried;
}

void round_anew(const AttemptScene& scene, const FloatAnswers& answers, const plan::Candidates& weights,
                int64_t images, Attempt& tried) {
  quantize::Guards ignored;
  plan::QuantizedModel nearest =
      quantize::quantize(scene.graph, tried.model.plan, weights, guard_options(scene, answers), ignored);
  correct_weights(scene, answers, std::move(nearest), images, tried);
}

std::vector<plan::NodeDecision> reasons_in_float(const std::vector<bool>& fastest,
                                                 const std::vector<bool>& integer) {
  std::vector<plan::NodeDecision> reasons(integer.size());
  for (size_t n = 0; n < integer.size(); ++n) {
    reasons[n].reason = fastest[n] && !integer[n] ? plan::Reason::kAccuracy : plan::Reason::kIsland;
    if (reasons[n].reason == plan::Reason::kAccuracy)
      reasons[n].detail = "measured: rounding here costs the outputs more than its time is worth";
  }
  return reasons;
}

std::map<ir::ValueId, double> error_by_value(const FloatAnswers& answers, Attempt& attempt,
                                             const images::ImageSource& source) {
  simulate::Samples rounded;
  attempt.simulator->after = simulate::sampling(rounded);
  for (int64_t i = 0;
       i < std::min<int64_t>(kErrorImages, static_cast<int64_t>(answers.held_out.images.size())); ++i) {
    attempt.simulator->runner->run(source.load(answers.held_out.images[i]), i);
  }
  attempt.simulator->after = {};
  return simulate::local_sqnr_db(*answers.samples, rounded);
}

}  // namespace qc
