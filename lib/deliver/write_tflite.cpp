// See write_tflite.h.
#include "deliver/write_tflite.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "base/text.h"
#include "ir/ops.h"
#include "modes/modes.h"
#include "normalize/idioms.h"
#include "normalize/normalize.h"
#include "prepare.h"
#include "quantize/quantize.h"
#include "run/ort_runner.h"
#include "target_of.h"
#include "tflite/legal.h"
#include "threshold/candidates.h"

namespace qc {

plan::QuantizedModel float_model(const ir::Graph& graph, const target::TargetSpec& target,
                                 const config::CoreConfig& config,
                                 std::span<const config::NodeSettings> rules, int threads) {
  plan::QuantPlan plan;
  plan.nodes.resize(graph.nodes.size());
  plan.values.resize(graph.values.size());
  const bool rounds = config.output.tflite_form == config::TfliteForm::kDynamicRange;
  constexpr int64_t kWorthwhile = 1024;  // TensorFlow's own limit for weights of this form
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    plan.nodes[n].reason = plan::Reason::kUserKeepFloat;
    const ir::WeightTraits* traits =
        graph.nodes[n].erased ? nullptr : ir::weight_traits(graph, graph.nodes[n]);
    if (!rounds || !traits) continue;
    const auto* weight = ir::constant_input(graph, graph.nodes[n], traits->weight_slot);
    if (weight->size() >= kWorthwhile && graph.nodes[n].op_type != "ConvTranspose")
      plan.nodes[n].compute = plan::Compute::kFloatIntegerWeights;
  }
  if (!rounds) return {graph, plan, {}, {}, {}};
  quantize::Guards ignored;
  const plan::Candidates weights =
      threshold::weight_candidates(graph, plan, target, config.quantization, rules, threads);
  return quantize::quantize(graph, plan, weights, {}, ignored);
}

namespace {

std::vector<std::string> port_notes(const tflite::Model& model, const ir::Graph& graph) {
  std::vector<std::string> notes;
  const auto note = [&](const char* what, const std::vector<tflite::TensorId>& ports,
                        const std::vector<ir::ValueId>& values) {
    for (size_t i = 0; i < ports.size(); ++i) {
      const tflite::Tensor& port = model.tensors[ports[i]];
      const ir::Value& value = ir::value_at(graph, values[i]);
      const std::vector<int64_t> shape(port.shape.begin(), port.shape.end());
      const auto differs = [](int64_t made, int64_t stated) { return stated >= 0 && made != stated; };
      const bool moved = shape.size() == 4 && value.dims.size() == 4 &&
                         !std::ranges::equal(shape, value.dims, std::not_fn(differs));
      const bool narrowed = value.dtype == ir::DType::kInt64 && port.type == tflite::Type::kInt32;
      if (!moved && !narrowed && port.quantization.scales.empty()) continue;
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

// What breaks the target's rules and what only leaves it for the processor beside it.
struct Judged {
  std::vector<tflite::Violation> broken, elsewhere;
};
Judged judge(const tflite::Model& model, const target::TargetSpec& target) {
  if (!target.tflite) return {};
  Judged judged{tflite::violations(model, *target.tflite, target.name), {}};
  if (target.tflite->fallback.empty() || judged.broken.empty()) return judged;
  std::vector<tflite::Violation> refused;
  for (tflite::Violation& v : judged.broken) (v.strict ? refused : judged.elsewhere).push_back(std::move(v));
  const target::TargetSpec beside = target::load(target.tflite->fallback);
  judged.broken = beside.tflite ? tflite::violations(model, *beside.tflite, beside.name)
                                : std::vector<tflite::Violation>{};
  // What the target itself takes need not suit the processor beside it.
  std::erase_if(judged.broken, [&](const tflite::Violation& v) {
    return std::none_of(judged.elsewhere.begin(), judged.elsewhere.end(),
                        [&](const tflite::Violation& e) { return e.node == v.node && e.op == v.op; });
  });
  judged.broken.insert(judged.broken.begin(), refused.begin(), refused.end());
  return judged;
}

// One problem a node: the first operator of it that breaks a rule.
void refuse_broken(const std::vector<tflite::Violation>& broken) {
  Diagnostics diagnostics;
  std::vector<std::string> named;
  for (const tflite::Violation& v : broken) {
    const std::string place = v.node.empty() ? format("operator {}", v.op) : format("node '{}'", v.node);
    if (std::find(named.begin(), named.end(), place) != named.end()) continue;
    named.push_back(place);
    diagnostics.error({"target-cannot", place, v.why, v.remedy});
  }
  diagnostics.throw_if_errors(Exit::kUnsupported);
}

// One sentence a reason: "ethos-u leaves to the processor beside it: 3 operators, ... ('a', 'b', ...)".
std::vector<std::string> elsewhere_notes(const std::vector<tflite::Violation>& elsewhere,
                                         const std::string& target) {
  std::vector<std::pair<std::string, std::vector<std::string>>> reasons;
  for (const tflite::Violation& v : elsewhere) {
    auto entry =
        std::find_if(reasons.begin(), reasons.end(), [&](const auto& e) { return e.first == v.why; });
    if (entry == reasons.end()) entry = reasons.insert(entry, {v.why, {}});
    entry->second.push_back(v.node.empty() ? v.op : v.node);
  }
  constexpr size_t kShown = 5;
  std::vector<std::string> notes;
  for (auto& [why, nodes] : reasons) {
    const size_t count = nodes.size();
    nodes.resize(std::min(count, kShown));
    notes.push_back(format("{} leaves {} to the processor beside it ({}{}): {}", target,
                           count == 1 ? "one operator" : format("{} operators", count), join(nodes, ", "),
                           count > kShown ? ", ..." : "", why));
  }
  return notes;
}

// Parameters that stand for those that calibration has yet to find. Sums of a layer have both signs; other
// values may have one alone, and zero points at an end ask less of a target.
plan::QuantizedModel with_any_parameters(const ir::Graph& graph, const plan::QuantPlan& plan,
                                         const target::TargetSpec& target, const config::CoreConfig& config) {
  plan::QuantizedModel model{graph, plan, {}, {}, {}};
  std::set<ir::ValueId> sums;  // scale groups
  for (size_t v = 0; v < plan.values.size(); ++v) {
    const ir::NodeId maker = graph.values[v].producer;
    if (maker != ir::kNone && ir::weight_traits(graph, ir::node_at(graph, maker)))
      sums.insert(plan.values[v].scale_group);
  }
  for (plan::ValueDecision& value : model.plan.values)
    if (value.quantized)
      value.params = target.activations.symmetric
                         ? quant::symmetric_params(1, target.activations.bits, true, true)
                         : quant::asymmetric_params(sums.contains(value.scale_group) ? -1 : 0, 1,
                                                    target.activations.bits, target.activations.is_signed);
  config::QuantizationConfig quick = config.quantization;
  quick.weights_error_method = config::ErrorMethod::kNoClipping;
  quantize::Guards ignored;
  return quantize::quantize(graph, model.plan,
                            threshold::weight_candidates(graph, plan, target, quick, {}, 1), {}, ignored);
}

}  // namespace

namespace {

// XNNPACK leaves such convolutions to LiteRT's own kernels, which unpack the weights in every run.
std::string unpacked_note(const tflite::Model& model) {
  const auto unpacked = std::ranges::count_if(model.operators, [&](const tflite::Operator& op) {
    const bool convolution = op.op == tflite::Op::kConv2d || op.op == tflite::Op::kDepthwiseConv2d;
    return convolution && model.tensors[op.inputs[1]].type == tflite::Type::kInt4;
  });
  return unpacked == 0 ? ""
                       : format(
                             "{} convolutions have weights of 4 bits, which LiteRT unpacks in every run: "
                             "smaller, and 3 to 5 times slower than with 8 (measured in LiteRT 2.3 on x86)",
                             unpacked);
}

std::string padded_note(const plan::QuantizedModel& model, const tflite::Model& lowered) {
  const auto narrow =
      std::ranges::count_if(model.weights, [](const auto& weight) { return weight.second.params.bits < 8; });
  const bool packs = std::ranges::any_of(
      lowered.tensors, [](const tflite::Tensor& tensor) { return tensor.type == tflite::Type::kInt4; });
  return narrow == 0 || packs
             ? ""
             : format(
                   "weights of {} layers have fewer than 8 bits and take a byte each in the .tflite: 4 bits "
                   "are packed beside activations of 8 bits alone, in convolutions and matrices",
                   narrow);
}

// Single numbers look like values of unknown rank to the runtime's shape inference; a run tells them apart.
void find_scalars(ir::Graph& graph, run::RunnerFactory& runners, const std::vector<ir::Tensor>& sample) {
  run::RunnerOptions options;
  for (const ir::NodeId id : ir::topological_order(graph))
    for (const ir::ValueId v : ir::node_at(graph, id).outputs)
      if (v != ir::kNone && !ir::value_at(graph, v).has_shape) options.extra_outputs.push_back(v);
  if (options.extra_outputs.empty() || sample.size() != graph.inputs.size()) return;
  try {
    const std::vector<ir::Tensor> results = runners.make(graph, {}, options)->run(sample);
    for (size_t i = 0; i < options.extra_outputs.size(); ++i) {
      const ir::Tensor& one = results.at(graph.outputs.size() + i);
      if (one.dtype != ir::DType::kUndefined && one.dims.empty())
        ir::value_at(graph, options.extra_outputs[i]).has_shape = true;
    }
  } catch (const Error& error) {
    if (error.exit != Exit::kInput) throw;  // a made-up sample need not run: they stay unknown
  }
}

// By input; none unless all of them begin with one row.
std::vector<bool> free_batches(const ir::Graph& graph, const std::vector<ir::Tensor>& sample) {
  std::vector<bool> free;
  for (size_t i = 0; i < graph.inputs.size() && i < sample.size(); ++i) {
    free.push_back(leaves_batch_free(ir::value_at(graph, graph.inputs[i])));
    if (free.back() && (sample[i].dims.empty() || sample[i].dims[0] != 1)) return {};
  }
  return free;
}

// What batches the file takes, where the model leaves them free.
std::vector<std::string> batch_notes(const tflite::Model& lowered, const ir::Graph& graph) {
  for (size_t i = 0; i < graph.inputs.size() && i < lowered.inputs.size(); ++i) {
    const ir::Value& input = ir::value_at(graph, graph.inputs[i]);
    if (!leaves_batch_free(input)) continue;
    if (lowered.tensors[lowered.inputs[i]].batched)
      return {"the .tflite begins with a batch of 1 and takes any other: resize_tensor_input() in LiteRT"};
    const std::string why =
        lowered.holds_batch.empty() ? "" : format(" ({} cannot follow another)", lowered.holds_batch);
    return {
        format("the .tflite has one batch size{}, which the model leaves free at its input '{}': for "
               "another set /input_shapes/{} (and give calibration files of that size)",
               why, input.name, input.name)};
  }
  return {};
}

}  // namespace

std::vector<std::string> tflite_notes(const tflite::Model& lowered, const plan::QuantizedModel& model,
                                      const target::TargetSpec& target) {
  std::vector<std::string> notes = port_notes(lowered, model.graph);
  for (std::string& note : batch_notes(lowered, model.graph)) notes.push_back(std::move(note));
  if (const std::string note = unpacked_note(lowered); !note.empty() && !target.tflite) notes.push_back(note);
  if (const std::string note = padded_note(model, lowered); !note.empty()) notes.push_back(note);
  for (std::string& note : elsewhere_notes(judge(lowered, target).elsewhere, target.name))
    notes.push_back(std::move(note));
  return notes;
}

std::optional<Problem> slow_kernels(const config::CoreConfig& config, const target::TargetSpec& target,
                                    const std::string& place) {
  const bool wide = config.output.tflite_form == config::TfliteForm::kInt16x8;
  if (!wide || target.tflite) return std::nullopt;
  return Problem{
      "slow-kernels", place,
      "activations of 16 bits run in LiteRT without XNNPACK: ten small networks took 8 to 45 times as "
      "long as in float (LiteRT 2.3, one thread of an x86)",
      "for speed write int8 or float32 (--set /output/tflite/form=int8); for a microcontroller or an "
      "NPU, whose kernels are others, name it (--target tflm or ethos-u)"};
}

namespace {

// What the writer calls what the config asks for.
constexpr std::pair<config::TfliteForm, tflite::Form> kForms[] = {
    {config::TfliteForm::kInt8, tflite::Form::kInt8},
    {config::TfliteForm::kInt16x8, tflite::Form::kInt8},  // the plan says how wide activations are
    {config::TfliteForm::kFloat32, tflite::Form::kFloat32},
    {config::TfliteForm::kDynamicRange, tflite::Form::kDynamicRange},
    {config::TfliteForm::kFloat16, tflite::Form::kFloat16}};
constexpr std::pair<config::TfliteIoType, tflite::IoType> kIoTypes[] = {
    {config::TfliteIoType::kInt8, tflite::IoType::kInt8},
    {config::TfliteIoType::kUint8, tflite::IoType::kUint8},
    {config::TfliteIoType::kFloat32, tflite::IoType::kFloat32}};

template <typename Asked, typename Written, size_t size>
Written written_as(const std::pair<Asked, Written> (&table)[size], Asked asked) {
  return std::ranges::find(table, asked, &std::pair<Asked, Written>::first)->second;
}

}  // namespace

tflite::Model tflite_graph(const FileScene& scene, const plan::QuantizedModel& model) {
  const config::CoreConfig& config = scene.config;
  const target::TargetSpec& target = scene.target;
  tflite::LowerOptions options;
  options.form = written_as(kForms, config.output.tflite_form);
  if (config.mode == config::Mode::kFloat16) options.form = tflite::Form::kFloat16;
  if (config.mode == config::Mode::kDynamic) options.form = tflite::Form::kDynamicRange;
  options.io_type = written_as(kIoTypes, config.output.tflite_io_type);
  options.keep_nchw_io = config.output.tflite_keep_nchw_io;
  options.metadata = metadata_of(config);
  options.int4 = !target.tflite || !target.tflite->limits.contains("int4");
  options.xnnpack = !target.tflite;  // LiteRT; what names its operators is smaller or no processor
  if (target.tflite) {
    const auto runtime = runtime_rules(target);
    if (runtime) options.missing = tflite::missing_ops(*runtime);
    options.never_float = tflite::never_float_ops(*target.tflite);
    options.int4_rows = !has_limit(runtime, "FULLY_CONNECTED", "int4_scales");
    options.narrow_places = has_limit(runtime, "ARG_MAX", "int64");
    options.split_groups = has_limit(target.tflite, "CONV_2D", "groups");
  }
  if (options.xnnpack) options.free_batch = free_batches(model.graph, scene.sample);
  plan::QuantizedModel sized = model;
  sized.graph = with_shapes_of(model.graph, scene.sample, scene.codec);
  run::OrtRunnerFactory runners(scene.codec);
  normalize::settle_sizes(sized.graph, runners,
                          [&](ir::Graph& graph) { run::infer_shapes(graph, scene.codec); });
  find_scalars(sized.graph, runners, scene.sample);
  tflite::Model lowered = tflite::lower(sized, normalize::recognise(sized.graph), options);
  refuse_broken(judge(lowered, target).broken);
  return lowered;
}

void check_tflite(const FileScene& scene, const ir::Graph& graph, const plan::QuantPlan& plan) {
  const config::CoreConfig& config = scene.config;
  const target::TargetSpec& target = scene.target;
  const bool of_weights = config.mode == config::Mode::kDynamic || config.mode == config::Mode::kWeightOnly;
  if (of_weights && has_limit(runtime_rules(target), "DEQUANTIZE", "scales"))
    throw Error(
        Exit::kUnsupported,
        {"target-cannot", "/mode",
         format("{} has no kernels that compute floats from int8 weights with a scale a channel, so that "
                "the .tflite would have none",
                target.name),
         "set /mode to \"static\", or write for target litert"});
  tflite_graph(scene, with_any_parameters(graph, plan, target, config));
}

}  // namespace qc
