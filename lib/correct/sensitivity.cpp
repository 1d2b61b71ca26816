// See sensitivity.h.
#include "correct/sensitivity.h"

#include <algorithm>
#include <utility>

#include "ir/ops.h"
#include "simulate/simulate.h"

namespace qc::correct {
namespace {

using Order = std::vector<std::pair<ir::ValueId, ir::NodeId>>;

std::vector<Layer> layers_of(const plan::QuantizedModel& model, const BiasDeltas& deltas) {
  std::vector<Layer> layers;
  for (const auto& [node, delta] : deltas) {
    const auto bias = ir::bias_place(model.graph, node);
    layers.push_back({node, bias->result, ir::output_axis(ir::node_at(model.graph, node))});
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
  for (const double ratio : simulate::noise_ratios(fidelity.outputs)) sum += ratio;
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

// What a probe added, by weight: in proportion to the noise of each one's own result.
void share_out(double noise, const std::vector<ir::ValueId>& probe, const Others& local,
               Sensitivities& added) {
  double sum = 0;
  for (const ir::ValueId weight : probe)
    if (const auto own = local.noise.find(weight); own != local.noise.end()) sum += own->second;
  for (const ir::ValueId weight : probe) {
    const auto own = local.noise.find(weight);
    const double share =
        own != local.noise.end() && sum > 0 ? own->second / sum : 1 / static_cast<double>(probe.size());
    added[weight] = share * noise;
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
  for (size_t i = 0; i < taken.size(); ++i) (i % 3 == 2 ? images.judged : images.fitted).push_back(taken[i]);
  if (images.judged.empty()) images.judged = images.fitted;
  return images;
}

namespace {

// The wide network with the weights of one probe narrow, and what of it is solved already: all before the
// first of them, and that one.
struct Narrowed {
  plan::QuantizedModel model;
  Besides besides;
};

Narrowed narrowed(const plan::QuantizedModel& wide, const Weights& narrow,
                  const std::vector<ir::ValueId>& probe, const SecondOrder& base, const Others& others) {
  const Order order = solvable_weights(wide);
  Narrowed made{wide, {}};
  made.besides.trusts = base.trusts;
  size_t first = order.size();
  for (const ir::ValueId weight : probe) made.model.weights[weight] = narrow.at(weight);
  for (const ir::ValueId weight : probe) {
    const auto place =
        std::find_if(order.begin(), order.end(), [&](const auto& layer) { return layer.first == weight; });
    // Nothing can be solved in such a layer, but all behind it.
    if (place == order.end() || !others.weights.contains(weight)) return made;
    first = std::min(first, static_cast<size_t>(place - order.begin()));
  }
  made.besides.known = first_of(base, order, first);
  made.besides.known.weights[order[first].first] = others.weights.at(order[first].first);
  const auto delta = others.deltas.find(order[first].second);
  if (delta != others.deltas.end()) made.besides.known.deltas.insert(*delta);
  return made;
}

// Of a probe there is one figure to keep: its layers together would be as many as the network's, squared.
std::string key_of_probe(const Narrowed& probe, const ProbeImages& images,
                         const SecondOrderOptions& options) {
  std::vector<int64_t> runs = images.fitted;
  runs.push_back(-1);
  runs.insert(runs.end(), images.judged.begin(), images.judged.end());
  return pass_key(probe.model, runs, options, probe.besides);
}

}  // namespace

Probed probe_compensated(const plan::QuantizedModel& wide, const Weights& narrow,
                         const std::vector<std::vector<ir::ValueId>>& probes, run::RunnerFactory& runners,
                         const images::ImageSource& source, const ProbeImages& images,
                         const std::vector<simulate::Judged>& judged, SecondOrderOptions options,
                         const std::function<void()>& probed) {
  Kept* kept = std::exchange(options.kept, nullptr);
  options.quick = true;
  const auto exact = simulate::make_float_model(wide.graph, runners, {}, judged);
  const simulate::Reference reference =
      simulate::reference_of(*exact->runner, source, images.judged, judged.size(), options.threads);
  Others others;
  const SecondOrder base =
      solve_second_order(wide, runners, source, images.fitted, options, {}, {{}, narrow, {}}, &others);
  const double wide_noise = noise_of(wide, base, runners, source, reference, judged, options.threads);
  Probed found{{}, {}, wide_noise};
  for (const auto& [weight, integers] : narrow)
    if (const auto own = others.noise.find(weight); own != others.noise.end()) found.local.insert(*own);
  for (const std::vector<ir::ValueId>& probe : probes) {
    Narrowed one = narrowed(wide, narrow, probe, base, others);
    const auto measured = [&] {
      SecondOrder solved =
          solve_second_order(one.model, runners, source, images.fitted, options, {}, one.besides);
      join(solved, std::move(one.besides.known));
      return noise_of(one.model, solved, runners, source, reference, judged, options.threads);
    };
    const double noise = kept ? kept_figure(*kept, key_of_probe(one, images, options), measured) : measured();
    share_out(std::max(0.0, noise - wide_noise), probe, others, found.added);
    if (probed) probed();
  }
  return found;
}

Sensitivities steadied(const Probed& probed) {
  double added = 0, local = 0;  // of layers that have both
  for (const auto& [weight, own] : probed.local) {
    local += own;
    added += probed.added.at(weight);
  }
  if (!(local > 0)) return probed.added;
  Sensitivities mean = probed.added;
  for (const auto& [weight, own] : probed.local)
    mean[weight] = (probed.added.at(weight) + own * added / local) / 2;
  return mean;
}

Sensitivities estimate_from_statistics(const plan::QuantizedModel& wide, const Weights& narrow,
                                       run::RunnerFactory& runners, const images::ImageSource& source,
                                       const ProbeImages& images, SecondOrderOptions options) {
  options.quick = true;
  Others others;
  solve_second_order(wide, runners, source, images.fitted, options, {}, {{}, narrow, {}}, &others);
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
