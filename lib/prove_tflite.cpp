// See prove_tflite.h.
#include "prove_tflite.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "ir/ops.h"
#include "simulate/simulate.h"
#include "tflite_runner.h"

namespace qc {
namespace {

constexpr double kFurtherDb = 6;              // two kernels that round differently are not so far apart
constexpr double kCloseDb = 30;               // what is as near as this less kFurtherDb is right
constexpr int64_t kMostMacs = 1'500'000'000;  // about a second

double sqnr_db(const ir::Tensor& exact, const ir::Tensor& found) {
  const std::span<const float> e = exact.as<float>(), f = found.as<float>();
  if (e.size() != f.size()) return -INFINITY;
  double signal = 0, noise = 0;
  for (size_t i = 0; i < e.size(); ++i) {
    const double x = static_cast<double>(e[i]), difference = x - static_cast<double>(f[i]);
    signal += x * x;
    noise += difference * difference;
  }
  if (!std::isfinite(noise)) return -INFINITY;
  return 10 * std::log10(std::max(signal, 1e-30) / std::max(noise, 1e-30));
}

int64_t macs_of(const ir::Graph& graph) {
  int64_t sum = 0;
  for (const ir::Node& node : graph.nodes)
    if (!node.erased) sum += ir::macs(graph, node);
  return sum;
}

std::optional<TfliteModel> read_if_known(const std::string& tflite, const std::string& place,
                                         const ir::Graph& like) {
  try {
    return parse_tflite(tflite, place, like);
  } catch (const Error& error) {
    if (error.exit == Exit::kUnsupported) return std::nullopt;
    throw;
  }
}

size_t place_of(const ir::Graph& graph, const std::string& output) {
  return static_cast<size_t>(
      std::find_if(graph.outputs.begin(), graph.outputs.end(),
                   [&](ir::ValueId v) { return graph.values[static_cast<size_t>(v)].name == output; }) -
      graph.outputs.begin());
}

}  // namespace

std::optional<Problem> unlike_its_plan(const std::string& tflite, const std::string& place,
                                       const ir::Graph& graph, const plan::QuantizedModel& planned,
                                       const std::vector<simulate::Judged>& judged,
                                       const std::vector<ir::Tensor>& inputs, run::RunnerFactory& runners) {
  if (macs_of(graph) > kMostMacs) return std::nullopt;
  const std::optional<TfliteModel> file = read_if_known(tflite, place, graph);
  if (!file) return std::nullopt;
  std::vector<ir::Tensor> found;
  try {
    found = run_tflite(*file, {})->run(inputs, 0);
  } catch (const Error& error) {
    if (error.exit == Exit::kUnsupported) return std::nullopt;
    throw;
  }
  const std::vector<ir::Tensor>
      exact = simulate::make_float_model(graph, runners, {}, {})->runner->run(inputs, 0),
      simulated = simulate::make_simulator(planned, runners, {}, {})->runner->run(inputs, 0);
  for (const simulate::Judged& one : judged) {
    const size_t at = place_of(graph, one.output), in_file = place_of(file->graph, one.output),
                 in_plan = place_of(planned.graph, one.output);
    if (!one.jump.empty() || at >= exact.size() || in_file >= found.size() || in_plan >= simulated.size() ||
        exact[at].dtype != ir::DType::kFloat || found[in_file].dtype != ir::DType::kFloat)
      continue;
    const double is = sqnr_db(exact[at], found[in_file]), should = sqnr_db(exact[at], simulated[in_plan]);
    if (is < std::min(should, kCloseDb) - kFurtherDb)
      return Problem{"unlike-its-plan", place,
                     format("its output '{}' is at {:.1f} dB on a held-out picture, and the plan's at {:.1f}",
                            one.output, is, should),
                     "do not use this file; write ONNX, and please report this with the model"};
  }
  return std::nullopt;
}

}  // namespace qc
