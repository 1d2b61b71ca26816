// See modes.h.
#include "modes.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "quant/narrow_floats.h"
#include "quantize/quantize.h"
#include "threshold/candidates.h"
#include "write_tflite.h"

namespace qc {
namespace {

constexpr int64_t kWorthNarrowing = 64;  // elements; below, the Cast takes more bytes than it saves
constexpr double kFaithfulDb = 60;       // float16 gives 70 dB and more where its range suffices

const char* name_of(config::Mode mode) {
  constexpr const char* kNames[] = {"static", "weight_only", "float16", "bfloat16"};
  return kNames[static_cast<size_t>(mode)];
}

bool narrows(config::Mode mode) {
  return mode == config::Mode::kFloat16 || mode == config::Mode::kBfloat16;
}

bool faithful_as_float16(const ir::Tensor& tensor) {
  double signal = 0, noise = 0;
  for (const float x : tensor.as<float>()) {
    if (std::fabs(x) > quant::kLargestFloat16) return false;
    const double error = static_cast<double>(x) - quant::from_float16(quant::to_float16(x));
    signal += static_cast<double>(x) * x;
    noise += error * error;
  }
  return noise * std::pow(10.0, kFaithfulDb / 10) <= signal;
}

bool read_by_name(const ir::Graph& graph, ir::ValueId v) {
  const std::vector<ir::NodeId>& readers = graph.values[static_cast<size_t>(v)].consumers;
  return ir::is_output(graph, v) || std::any_of(readers.begin(), readers.end(), [&](ir::NodeId id) {
           const auto& captures = graph.nodes[static_cast<size_t>(id)].captures;
           return std::find(captures.begin(), captures.end(), v) != captures.end();
         });
}

bool large_float(const ir::Value& value) {
  return value.constant && value.constant->dtype == ir::DType::kFloat && value.constant->bytes &&
         !value.consumers.empty() && value.constant->size() >= kWorthNarrowing;
}

}  // namespace

bool wants_images(const config::CoreConfig& config) {
  if (config::rounds_activations(config)) return true;
  return config.mode != config::Mode::kStatic && !config.representative_dataset.path.empty();
}

plan::QuantizedModel unmeasured_model(const ir::Graph& graph, const plan::QuantPlan& plan,
                                      const target::TargetSpec& target, const config::CoreConfig& config,
                                      std::span<const config::NodeSettings> rules, int threads) {
  if (config.mode == config::Mode::kStatic) return float_model(graph, target, config, rules, threads);
  quantize::Guards ignored;
  const plan::Candidates weights =
      threshold::weight_candidates(graph, plan, target, config.quantization, rules, threads);
  plan::QuantizedModel model = quantize::quantize(graph, plan, weights, {}, ignored);
  narrow_constants(config.mode, model);
  return model;
}

std::vector<plan::NodeDecision> reasons_of(config::Mode mode, size_t nodes) {
  plan::NodeDecision reason;
  reason.reason = plan::Reason::kUserKeepFloat;
  reason.detail = format("/mode is {}", name_of(mode));
  return std::vector<plan::NodeDecision>(nodes, reason);
}

void keep_weights_float(config::Mode mode, plan::QuantPlan& plan) {
  if (!narrows(mode)) return;
  for (plan::NodeDecision& node : plan.nodes)
    if (node.compute == plan::Compute::kFloatIntegerWeights) node.compute = plan::Compute::kFloat;
}

void narrow_constants(config::Mode mode, plan::QuantizedModel& model) {
  if (!narrows(mode)) return;
  const bool half = mode == config::Mode::kFloat16;
  for (size_t v = 0; v < model.graph.values.size(); ++v) {
    const ir::Value& value = model.graph.values[v];
    const auto id = static_cast<ir::ValueId>(v);
    if (!large_float(value) || read_by_name(model.graph, id) || model.weights.contains(id)) continue;
    if (half && !faithful_as_float16(*value.constant)) continue;
    model.narrow[id] = half ? ir::DType::kFloat16 : ir::DType::kBfloat16;
  }
}

std::vector<std::string> mode_notes(config::Mode mode, const plan::QuantizedModel& model) {
  if (!narrows(mode)) return {};
  std::vector<std::string> wide;
  for (size_t v = 0; v < model.graph.values.size(); ++v)
    if (large_float(model.graph.values[v]) && !model.narrow.contains(static_cast<ir::ValueId>(v)))
      wide.push_back(model.graph.values[v].name);
  std::string note = format("{} constants are stored as {}", model.narrow.size(), name_of(mode));
  if (!wide.empty())
    note += "; float32 stay those whose numbers it does not hold well, or that are read by name: " +
            join(wide, ", ");
  return {note};
}

}  // namespace qc
