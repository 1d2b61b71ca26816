// See sensitivity.h.
#include "correct/sensitivity.h"

#include <algorithm>

#include "ir/ops.h"
#include "simulate/simulate.h"

namespace qc::correct {
namespace {

using Order = std::vector<std::pair<ir::ValueId, ir::NodeId>>;

std::vector<Layer> layers_of(const plan::QuantizedModel& model, const BiasDeltas& deltas) {
  std::vector<Layer> layers;
  for (const auto& [node, delta] : deltas) {
    const auto bias = ir::bias_place(model.graph, node);
    layers.push_back({node, bias->result, ir::output_axis(model.graph.nodes[static_cast<size_t>(node)])});
  }
  return layers;
}

// Noise over signal, summed over the outputs.
double noise_of(const plan::QuantizedModel& model, const SecondOrder& solved, run::RunnerFactory& runners,
                const images::ImageSource& source, const simulate::Reference& reference,
                const std::vector<simulate::Judged>& judged, int threads) {
  plan::QuantizedModel corrected = model;
  for (const auto& [value, integers] : solved.weights) corrected.weights[value] = integers;
  const std::vector<Layer> layers = layers_of(model, solved.deltas);
  std::vector<ir::ValueId> results;
  for (const Layer& layer : layers) results.push_back(layer.result);
  const auto simulator = simulate::make_simulator(corrected, runners, results, judged);
  if (!layers.empty()) simulator->before = adding(solved.deltas, layers);
  const simulate::Fidelity fidelity =
      simulate::fidelity_of(*simulator->runner, source, reference, judged, threads);
  double sum = 0;
  for (const simulate::Power& power : fidelity.outputs) sum += power.noise / std::max(power.signal, 1e-300);
  return sum;
}

// The layers before place `end`, as the wide network has them. All behind it are solved anew for a probe:
// with only the next few, early layers looked dearer than they are, and the last one was starved for them.
SecondOrder first_of(const SecondOrder& all, const Order& order, size_t end) {
  SecondOrder part;
  for (size_t i = 0; i < end; ++i) {
    const auto weight = all.weights.find(order[i].first);
    if (weight == all.weights.end()) continue;
    part.weights.insert(*weight);
    const auto delta = all.deltas.find(order[i].second);
    if (delta != all.deltas.end()) part.deltas.insert(*delta);
  }
  return part;
}

// The weights that were not probed: their own noise, at the steepest rate at which that of any other grew on
// the way to the outputs.
void estimate_others(const Weights& narrow, const Others& local, Sensitivities& added) {
  double steepest = 0, least = 0;
  for (const auto& [weight, noise] : added) {
    const auto own = local.noise.find(weight);
    if (own != local.noise.end() && own->second > 0) steepest = std::max(steepest, noise / own->second);
    least = std::max(least, noise);
  }
  for (const auto& [weight, integers] : narrow) {
    if (added.contains(weight)) continue;
    const auto own = local.noise.find(weight);
    added[weight] = own != local.noise.end() && steepest > 0 ? steepest * own->second : least;
  }
}

void join(SecondOrder& to, SecondOrder more) {
  to.weights.merge(more.weights);
  to.deltas.merge(more.deltas);
}

}  // namespace

ProbeImages probe_images(std::span<const int64_t> calibration, int64_t count) {
  const std::vector<int64_t> taken = spread(calibration, count);
  ProbeImages images;
  for (size_t i = 0; i < taken.size(); ++i) (i % 2 ? images.judged : images.fitted).push_back(taken[i]);
  if (images.judged.empty()) images.judged = images.fitted;
  return images;
}

Probed probe_compensated(const plan::QuantizedModel& wide, const Weights& narrow,
                         const std::set<ir::ValueId>& measured, run::RunnerFactory& runners,
                         const images::ImageSource& source, const ProbeImages& images,
                         const std::vector<simulate::Judged>& judged, SecondOrderOptions options,
                         const std::function<void()>& probed) {
  options.quick = true;
  const auto exact = simulate::make_float_model(wide.graph, runners, {}, judged);
  const simulate::Reference reference =
      simulate::reference_of(*exact->runner, source, images.judged, judged.size(), options.threads);
  Others others;
  const SecondOrder base =
      solve_second_order(wide, runners, source, images.fitted, options, {}, {{}, narrow}, &others);
  const double wide_noise = noise_of(wide, base, runners, source, reference, judged, options.threads);
  const Order order = solvable_weights(wide);
  Probed found{{}, wide_noise};
  for (const auto& [weight, integers] : narrow) {
    if (!measured.contains(weight)) continue;
    const auto place = std::find_if(order.begin(), order.end(),
                                    [&, w = weight](const auto& layer) { return layer.first == w; });
    plan::QuantizedModel model = wide;
    Besides besides;
    if (place != order.end() && others.weights.contains(weight)) {
      besides.known = first_of(base, order, static_cast<size_t>(place - order.begin()));
      besides.known.weights[weight] = others.weights.at(weight);
      const auto delta = others.deltas.find(place->second);
      if (delta != others.deltas.end()) besides.known.deltas.insert(*delta);
    } else {  // nothing can be solved here, but behind it
      model.weights[weight] = integers;
    }
    SecondOrder solved = solve_second_order(model, runners, source, images.fitted, options, {}, besides);
    join(solved, std::move(besides.known));
    const double noise = noise_of(model, solved, runners, source, reference, judged, options.threads);
    found.added[weight] = std::max(0.0, noise - wide_noise);
    if (probed) probed();
  }
  estimate_others(narrow, others, found.added);
  return found;
}

Sensitivities estimate_from_statistics(const plan::QuantizedModel& wide, const Weights& narrow,
                                       run::RunnerFactory& runners, const images::ImageSource& source,
                                       const ProbeImages& images, SecondOrderOptions options) {
  options.quick = true;
  Others others;
  solve_second_order(wide, runners, source, images.fitted, options, {}, {{}, narrow}, &others);
  Sensitivities found;
  double mean = 0;
  for (const auto& [weight, noise] : others.noise) mean += noise / static_cast<double>(others.noise.size());
  for (const auto& [weight, integers] : narrow) {
    const auto noise = others.noise.find(weight);
    found[weight] = noise != others.noise.end() ? noise->second : mean;
  }
  return found;
}

}  // namespace qc::correct
