// See probe.h.
#include "simulate/probe.h"

#include <algorithm>

#include "base/parallel.h"
#include "base/progress.h"

namespace qc::simulate {
namespace {

std::vector<std::vector<ir::Tensor>> judged_outputs(Simulator& simulator,
                                                    const std::vector<std::vector<ir::Tensor>>& inputs,
                                                    size_t judged, int threads) {
  std::vector<std::vector<ir::Tensor>> outputs(inputs.size());
  parallel_for(static_cast<int64_t>(inputs.size()), threads, [&](int64_t i, int worker) {
    std::vector<ir::Tensor> results = simulator.runner->run(inputs[static_cast<size_t>(i)], worker);
    outputs[static_cast<size_t>(i)].assign(results.end() - static_cast<std::ptrdiff_t>(judged),
                                           results.end());
  });
  return outputs;
}

}  // namespace

NoiseRatios rounding_noise(Simulator& simulator, const std::vector<std::vector<ir::ValueId>>& groups,
                           const std::vector<std::vector<ir::Tensor>>& inputs,
                           const std::vector<Judged>& judged, int threads) {
  const ActivationTable full = simulator.table;
  std::fill(simulator.table.begin(), simulator.table.end(), std::nullopt);
  const auto base = judged_outputs(simulator, inputs, judged.size(), threads);
  NoiseRatios ratios;
  Progress progress("probing", static_cast<int64_t>(groups.size()), "values");
  for (const std::vector<ir::ValueId>& group : groups) {
    for (const ir::ValueId v : group) simulator.table[static_cast<size_t>(v)] = full[static_cast<size_t>(v)];
    const auto rounded = judged_outputs(simulator, inputs, judged.size(), threads);
    for (const ir::ValueId v : group) simulator.table[static_cast<size_t>(v)].reset();
    std::vector<double> ratio;
    for (size_t j = 0; j < judged.size(); ++j) {
      Power sum;
      for (size_t i = 0; i < inputs.size(); ++i)
        add(sum, compare(base[i][j], rounded[i][j], judged[j].mean_free));
      ratio.push_back(sum.noise / std::max(sum.signal, 1e-300));
    }
    ratios.push_back(std::move(ratio));
    progress.advance();
  }
  simulator.table = full;
  return ratios;
}

}  // namespace qc::simulate
