// See file_answers.h.
#include "spell/file_answers.h"

#include <algorithm>
#include <cmath>

#include "base/decibels.h"
#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "simulate/judged.h"

namespace qc {

Runs answers(const ir::Graph& graph, const Runs& inputs, run::RunnerFactory& runners) {
  run::RunnerOptions options;
  for (const simulate::Judged& one : simulate::judged_values(graph))
    options.extra_outputs.push_back(one.value);
  const auto runner = runners.make(graph, {}, options);
  Runs outputs;
  for (const std::vector<ir::Tensor>& one : inputs) {
    const std::vector<ir::Tensor> all = runner->run(one);
    outputs.emplace_back(all.end() - static_cast<std::ptrdiff_t>(options.extra_outputs.size()), all.end());
  }
  return outputs;
}

Runs answers(const plan::QuantizedModel& model, const Runs& inputs, run::RunnerFactory& runners) {
  return answers(graph_of_file(onnx_io::write_qdq(model, {}, {})), inputs, runners);
}

double sqnr_db(const Runs& exact, const Runs& rounded) {
  double worst = INFINITY;
  for (size_t o = 0; !exact.empty() && o < exact[0].size(); ++o) {
    if (exact[0][o].dtype != ir::DType::kFloat) continue;
    double signal = 0, noise = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
      const std::span<const float> a = exact[i][o].as<float>(), b = rounded[i][o].as<float>();
      for (size_t k = 0; k < std::min(a.size(), b.size()); ++k) {
        if (!std::isfinite(b[k]) && std::isfinite(a[k])) return -INFINITY;
        if (!std::isfinite(a[k])) continue;
        signal += static_cast<double>(a[k]) * a[k];
        noise += std::pow(static_cast<double>(a[k]) - b[k], 2);
      }
    }
    worst = std::min(worst, noise > 0 ? decibels(signal / noise) : INFINITY);
  }
  return worst;
}

}  // namespace qc
