// See attempt.h.
#include "attempt.h"

#include <algorithm>
#include <cmath>

#include "ir/ops.h"
#include "simulate/probe.h"

namespace qc {
namespace {

constexpr int64_t kCorrectionImages = 16;
constexpr int64_t kErrorImages = 2;
constexpr int64_t kProbeImages = 2;
constexpr int64_t kCorrectionMemory = int64_t{48} << 20;  // bytes of activations alive at once

std::vector<ir::ValueId> results_of(const std::vector<correct::Layer>& layers) {
  std::vector<ir::ValueId> results;
  for (const correct::Layer& layer : layers) results.push_back(layer.result);
  return results;
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

FloatAnswers ask_float_model(const ir::Graph& graph, const plan::QuantPlan& plan, run::RunnerFactory& runners,
                             const images::ImageSource& source, const calibrate::Split& split,
                             const config::CoreConfig& config, int threads) {
  FloatAnswers answers;
  answers.judged = simulate::judged_values(graph);
  if (config.quantization.weights_bias_correction) answers.layers = correct::correctable_layers(graph, plan);
  std::vector<ir::ValueId> observed = simulate::rounded_values(plan);
  const std::vector<ir::ValueId> results = results_of(answers.layers);
  observed.insert(observed.end(), results.begin(), results.end());
  std::sort(observed.begin(), observed.end());
  observed.erase(std::unique(observed.begin(), observed.end()), observed.end());
  const auto model = simulate::make_float_model(graph, runners, observed, answers.judged);
  answers.samples = std::make_unique<simulate::Samples>();
  model->hook = [sample = simulate::sampling(*answers.samples)](
                    ir::ValueId value, int64_t slot, std::span<float> tensor, std::span<const int64_t> dims) {
    if (slot < kErrorImages) sample(value, slot, tensor, dims);
  };
  answers.held_out =
      simulate::reference_of(*model->runner, source, split.held_out, answers.judged.size(), threads);
  if (!all_finite(answers.held_out))
    throw calibrate::not_finite(graph, runners, source, answers.held_out.images);
  if (!answers.layers.empty())
    answers.means = correct::float_means(*model, answers.layers, source,
                                         correct::spread(split.calibration, kCorrectionImages), threads);
  return answers;
}

Attempt attempt(const ir::Graph& graph, const plan::QuantPlan& plan, const plan::Candidates& weights,
                const FloatAnswers& answers, run::RunnerFactory& runners, const images::ImageSource& source,
                const config::CoreConfig& config, int threads) {
  Attempt tried;
  tried.model = quantize::quantize(graph, plan, weights, {config.saturation_guard}, tried.guards);
  tried.simulator =
      simulate::make_simulator(tried.model, runners, results_of(answers.layers), answers.judged);
  const auto measure = [&] {
    return simulate::fidelity_of(*tried.simulator->runner, source, answers.held_out, answers.judged, threads);
  };
  tried.fidelity = measure();
  if (answers.layers.empty()) return tried;
  const auto deltas = correct::measure_bias_deltas(*tried.simulator, answers.layers, answers.means, source,
                                                   kCorrectionMemory);
  tried.simulator->before = correct::adding(deltas, answers.layers);
  const simulate::Fidelity corrected = measure();
  const bool better = corrected.worst_db() > tried.fidelity.worst_db();
  tried.corrections.push_back(
      {"sequential bias correction", better, tried.fidelity.worst_db(), corrected.worst_db()});
  if (better) {
    quantize::add_to_biases(tried.model, deltas);
    tried.fidelity = corrected;
  } else {
    tried.simulator->before = {};
  }
  return tried;
}

std::optional<select::Refined> refine_placement(const ir::Graph& graph,
                                                const std::vector<select::Capability>& capabilities,
                                                const select::PlacementCosts& time, Attempt& fastest,
                                                const FloatAnswers& answers,
                                                const images::ImageSource& source,
                                                const calibrate::Split& split, int threads) {
  const plan::QuantPlan& plan = fastest.model.plan;
  std::map<ir::ValueId, std::vector<ir::ValueId>> groups;
  for (const ir::ValueId v : simulate::rounded_values(plan))
    groups[plan.values[static_cast<size_t>(v)].scale_group].push_back(v);
  if (groups.empty() || answers.judged.empty()) return std::nullopt;

  select::MeasuredNoise noise;
  std::vector<std::vector<ir::ValueId>> members;
  for (const auto& [representative, values] : groups) {
    noise.values.push_back(representative);
    members.push_back(values);
  }
  std::vector<std::vector<ir::Tensor>> inputs;
  for (const int64_t image : correct::spread(split.calibration, kProbeImages))
    inputs.push_back(source.load(image));
  noise.ratios = simulate::rounding_noise(*fastest.simulator, members, inputs, answers.judged, threads);

  // What remains when no activation is rounded: the measured total less what the probes explain.
  for (size_t o = 0; o < answers.judged.size(); ++o) {
    double explained = 0;
    for (const std::vector<double>& ratio : noise.ratios) explained += ratio[o];
    const simulate::Power& power = fastest.fidelity.outputs[o];
    noise.base.push_back(std::max(0.0, power.noise / std::max(power.signal, 1e-300) - explained));
  }
  const select::Refined refined = select::refine(graph, capabilities, time, noise, {});
  if (refined.integer == select::place(graph, capabilities, time)) return std::nullopt;
  return refined;
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
    attempt.simulator->runner->run(source.load(answers.held_out.images[static_cast<size_t>(i)]), i);
  }
  attempt.simulator->after = {};
  return simulate::local_sqnr_db(*answers.samples, rounded);
}

}  // namespace qc
