// See settle_dynamic.h.
#include "modes/settle_dynamic.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/decibels.h"
#include "base/parallel.h"
#include "base/text.h"
#include "ir/ops.h"
#include "simulate/fidelity.h"
#include "simulate/simulate.h"

namespace qc {
namespace {

using Inputs = std::vector<std::vector<ir::Tensor>>;
using Answers = std::vector<std::vector<ir::Tensor>>;  // by input, by judged value

// A value that layers round at run time.
struct Rounded {
  ir::ValueId value = ir::kNone;
  std::vector<ir::NodeId> readers;
  std::vector<double> noise = {};  // over signal, by judged value, rounded alone
};

std::vector<Rounded> rounded_at_run_time(const ir::Graph& graph,
                                         const std::vector<select::DynamicChoice>& choices) {
  std::map<ir::ValueId, Rounded> by_value;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const auto n = static_cast<size_t>(id);
    if (n >= choices.size() || !choices[n].dynamic || !ir::weight_traits(graph, graph.nodes[n])) continue;
    Rounded& one = by_value[graph.nodes[n].inputs[0]];
    one.value = graph.nodes[n].inputs[0];
    one.readers.push_back(id);
  }
  std::vector<Rounded> all;
  for (auto& [value, one] : by_value) all.push_back(std::move(one));
  return all;
}

// As DynamicQuantizeLinear does: the range of this very tensor, zero included.
void round_in_place(std::span<float> tensor) {
  const auto [low, high] = std::minmax_element(tensor.begin(), tensor.end());
  if (low == tensor.end()) return;
  const quant::QuantParams params =
      quant::asymmetric_params(std::min(0.0f, *low), std::max(0.0f, *high), 8, false);
  quant::fake_quantize(tensor, tensor, params);
}

class Trial {
 public:
  Trial(const plan::QuantizedModel& model, const std::vector<ir::ValueId>& values, const Inputs& inputs,
        run::RunnerFactory& runners, int threads)
      : judged_(simulate::judged_values(model.graph)),
        inputs_(inputs),
        threads_(threads),
        active_(model.graph.values.size(), false),
        simulator_(simulate::make_simulator(model, runners, values, judged_)) {
    simulator_->before = [this](ir::ValueId value, int64_t, std::span<float> tensor,
                                std::span<const int64_t>) {
      if (active_[value]) round_in_place(tensor);
    };
    exact_ = answers(*simulate::make_float_model(model.graph, runners, {}, judged_)->runner);
  }

  std::vector<bool>& active() { return active_; }
  // Noise over signal with what is active, as simulate::noise_ratios() has it.
  std::vector<double> noise() {
    const Answers rounded = answers(*simulator_->runner);
    std::vector<simulate::Power> sums = simulate::no_powers(judged_);
    for (size_t j = 0; j < judged_.size(); ++j)
      for (size_t i = 0; i < inputs_.size(); ++i)
        simulate::add(sums[j], simulate::compare(exact_[i][j], rounded[i][j], judged_[j]));
    return simulate::noise_ratios(sums);
  }

 private:
  Answers answers(run::ModelRunner& runner) const {
    Answers all(inputs_.size());
    parallel_for(static_cast<int64_t>(inputs_.size()), threads_, [&](int64_t i, int worker) {
      const std::vector<ir::Tensor> results = runner.run(inputs_[i], worker);
      all[i].assign(results.end() - static_cast<std::ptrdiff_t>(judged_.size()), results.end());
    });
    return all;
  }

  std::vector<simulate::Judged> judged_;
  const Inputs& inputs_;
  int threads_;
  std::vector<bool> active_;  // by ValueId
  std::unique_ptr<simulate::Simulator> simulator_;
  Answers exact_;
};

double worst(const std::vector<double>& noise) {
  return noise.empty() ? 0 : *std::max_element(noise.begin(), noise.end());
}

}  // namespace

void settle_dynamic(const plan::QuantizedModel& model, const Inputs& inputs, run::RunnerFactory& runners,
                    double goal_db, int threads, std::vector<select::DynamicChoice>& choices) {
  std::vector<Rounded> all = rounded_at_run_time(model.graph, choices);
  if (all.empty() || inputs.empty()) return;
  std::vector<ir::ValueId> values;
  for (const Rounded& one : all) values.push_back(one.value);
  Trial trial(model, values, inputs, runners, threads);
  const double goal = noise_of_db(goal_db);
  const std::vector<double> weights_alone = trial.noise();
  for (const ir::ValueId v : values) trial.active()[v] = true;
  if (worst(trial.noise()) <= goal) return;

  std::fill(trial.active().begin(), trial.active().end(), false);
  for (Rounded& one : all) {
    trial.active()[one.value] = true;
    one.noise = trial.noise();
    for (size_t j = 0; j < one.noise.size(); ++j)
      one.noise[j] = std::max(0.0, one.noise[j] - weights_alone[j]);
    trial.active()[one.value] = false;
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Rounded& a, const Rounded& b) { return worst(a.noise) < worst(b.noise); });
  // As many of the cheapest as reach the goal; each is kept or not for good, so the search ends after one
  // walk.
  for (const Rounded& one : all) {
    trial.active()[one.value] = true;
    if (worst(trial.noise()) <= goal) continue;
    trial.active()[one.value] = false;
    for (const ir::NodeId id : one.readers) {
      select::DynamicChoice& choice = choices[id];
      choice.dynamic = false;
      choice.why = format("rounding at run time would take the worst output below {:.3g} dB", goal_db);
    }
  }
}

}  // namespace qc
