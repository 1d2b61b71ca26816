// See write_tflite.h.
#include "write_tflite.h"

#include <algorithm>

#include "base/text.h"
#include "ir/ops.h"
#include "normalize/idioms.h"
#include "prepare.h"
#include "quantize/quantize.h"
#include "threshold/candidates.h"

namespace qc {

bool wants_format(const config::CoreConfig& config, const char* format) {
  const std::vector<std::string>& formats = config.output.formats;
  return std::find(formats.begin(), formats.end(), format) != formats.end();
}

target::TargetSpec without_float_outputs(target::TargetSpec target) {
  for (auto& [op, rule] : target.ops) rule.float_output = false;
  return target;
}

bool full_stands(const config::CoreConfig& config, double worst_db) {
  constexpr double kUsable = 15;  // dB; transformers end up near 0, and no classifier met so far below 16
  return config::placement_of(config) == config::Placement::kFull &&
         (config.placement == config::Placement::kFull || worst_db >= kUsable);
}

std::vector<bool> wherever_possible(const std::vector<select::Capability>& capabilities) {
  std::vector<bool> integer;
  for (const select::Capability& c : capabilities)
    integer.push_back(c.ability != select::Ability::kFloatOnly);
  return integer;
}

plan::QuantizedModel float_model(const ir::Graph& graph, const target::TargetSpec& target,
                                 const config::CoreConfig& config,
                                 std::span<const config::NodeSettings> rules, int threads) {
  plan::QuantPlan plan;
  plan.nodes.resize(graph.nodes.size());
  plan.values.resize(graph.values.size());
  const bool rounds = config.output.tflite_form == config::TfliteForm::kDynamicRange;
  constexpr int64_t kWorthwhile = 1024;  // TensorFlow's own limit for weights of this form
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    plan.nodes[n].reason = plan::Reason::kNotFloat;
    const ir::WeightTraits* traits =
        graph.nodes[n].erased ? nullptr : ir::weight_traits(graph, graph.nodes[n]);
    if (!rounds || !traits) continue;
    const auto* weight = ir::constant_input(graph, graph.nodes[n], static_cast<size_t>(traits->weight_slot));
    if (weight->size() >= kWorthwhile && graph.nodes[n].op_type != "ConvTranspose")
      plan.nodes[n].compute = plan::Compute::kFloatIntegerWeights;
  }
  if (!rounds) return {graph, plan, {}, {}};
  quantize::Guards ignored;
  const plan::Candidates weights =
      threshold::weight_candidates(graph, plan, target, config.quantization, rules, threads);
  return quantize::quantize(graph, plan, weights, {}, ignored);
}

std::vector<std::string> port_notes(const tflite::Model& model, const ir::Graph& graph) {
  std::vector<std::string> notes;
  const auto note = [&](const char* what, const std::vector<tflite::TensorId>& ports,
                        const std::vector<ir::ValueId>& values) {
    for (size_t i = 0; i < ports.size(); ++i) {
      const tflite::Tensor& port = model.tensors[static_cast<size_t>(ports[i])];
      const ir::Value& value = graph.values[static_cast<size_t>(values[i])];
      const std::vector<int64_t> shape(port.shape.begin(), port.shape.end());
      const bool moved = shape != value.dims && shape.size() == 4;
      if (!moved && port.quantization.scales.empty()) continue;
      notes.push_back(format("the .tflite's {} '{}' is {} [{}]{}", what, port.name,
                             tflite::name_of(port.type), fmt::join(shape, ","),
                             moved ? ", channels last" : ""));
      if (!port.quantization.scales.empty())
        notes.back() += format(", scale {:.6g}, zero point {}", port.quantization.scales[0],
                               port.quantization.zero_points[0]);
    }
  };
  note("input", model.inputs, graph.inputs);
  note("output", model.outputs, graph.outputs);
  return notes;
}

tflite::Model tflite_graph(const plan::QuantizedModel& model, const std::vector<ir::Tensor>& sample,
                           const run::Doors& doors, const config::CoreConfig& config) {
  tflite::LowerOptions options;
  options.form = static_cast<tflite::Form>(config.output.tflite_form);
  options.io_type = static_cast<tflite::IoType>(config.output.tflite_io_type);
  options.keep_nchw_io = config.output.tflite_keep_nchw_io;
  options.metadata = metadata_of(config);
  plan::QuantizedModel sized = model;
  sized.graph = with_shapes_of(model.graph, sample, doors);
  return tflite::lower(sized, normalize::recognise(sized.graph), options);
}

}  // namespace qc
