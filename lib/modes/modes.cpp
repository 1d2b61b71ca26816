// See modes.h.
#include "modes/modes.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "base/text.h"
#include "deliver/write_tflite.h"
#include "ir/edit.h"
#include "ir/ops.h"
#include "modes/settle_dynamic.h"
#include "onnx_io/onnx_io.h"
#include "plan/halving.h"
#include "prepare.h"
#include "quant/narrow_floats.h"
#include "quantize/pairs.h"
#include "quantize/quantize.h"
#include "report/table.h"
#include "simulate/judged.h"
#include "spell/channels.h"
#include "spell/file_answers.h"
#include "spell/groups.h"
#include "spell/modes.h"
#include "spell/pixels.h"
#include "spell/reductions.h"
#include "spell/shuffle.h"
#include "spell/softmax.h"
#include "spell/store_tables.h"
#include "spell/sums.h"
#include "spell/tiles.h"
#include "threshold/candidates.h"

namespace qc {
namespace {

using config::Mode;
using plan::Compute;

constexpr int64_t kWorthNarrowing = 64;  // elements; below, the Cast takes more bytes than it saves
constexpr double kMarginDb = 2;   // for other inputs than the few that rounding at run time is tried on
constexpr double kEnoughDb = 60;  // float16 that reaches this stays: 55 and a margin for other inputs

std::string some_of(std::vector<std::string> names) {
  constexpr size_t kShown = 5;
  const bool more = names.size() > kShown;
  names.resize(std::min(names.size(), kShown));
  return join(names, ", ") + (more ? ", ..." : "");
}

const char* name_of(Mode mode) {
  constexpr const char* kNames[] = {"static", "weight_only", "float16", "bfloat16", "dynamic", "strip"};
  return kNames[static_cast<size_t>(mode)];
}

bool narrows(Mode mode) {
  return mode == Mode::kFloat16 || mode == Mode::kBfloat16;
}

// Converters that read the other forms may not know every op that ONNX Runtime does.
bool is_for_runtime(config::OnnxForm form) {
  return form == config::OnnxForm::kQdq || form == config::OnnxForm::kQOperator;
}

bool integer_weights(Mode mode) {
  return mode == Mode::kWeightOnly || mode == Mode::kDynamic;
}

// --- constants of 16 bits

bool fits_float16(const ir::Tensor& tensor) {
  const std::span<const float> all = tensor.as<float>();
  return std::all_of(all.begin(), all.end(), [](float x) { return std::fabs(x) <= quant::kLargestFloat16; });
}

bool read_by_name(const ir::Graph& graph, ir::ValueId v) {
  const std::vector<ir::NodeId>& readers = ir::value_at(graph, v).consumers;
  return ir::is_output(graph, v) || std::any_of(readers.begin(), readers.end(), [&](ir::NodeId id) {
           const auto& captures = ir::node_at(graph, id).captures;
           return std::find(captures.begin(), captures.end(), v) != captures.end();
         });
}

ir::DType type_of(Mode mode) {
  return mode == Mode::kFloat16    ? ir::DType::kFloat16
         : mode == Mode::kBfloat16 ? ir::DType::kBfloat16
                                   : ir::DType::kUndefined;
}

// The type of 16 bits that all readers' modes agree on.
std::optional<ir::DType> narrow_type(const config::CoreConfig& config,
                                     std::span<const config::NodeSettings> rules, const ir::Value& value) {
  const Mode mode = mode_of(config, rules, value.consumers.front());
  const bool agreed = std::all_of(value.consumers.begin(), value.consumers.end(),
                                  [&](ir::NodeId id) { return mode_of(config, rules, id) == mode; });
  if (!agreed || !narrows(mode)) return std::nullopt;
  return type_of(mode);
}

// The same bytes as integers with a scale for each output channel.
plan::QuantizedModel in_fixed_point(plan::QuantizedModel model) {
  for (const ir::NodeId id : ir::topological_order(model.graph)) {
    const ir::Node& node = ir::node_at(model.graph, id);
    const ir::WeightTraits* traits = ir::weight_traits(model.graph, node);
    if (!traits) continue;
    const ir::ValueId v = node.inputs[traits->weight_slot];
    const auto narrow = model.narrow.find(v);
    if (narrow == model.narrow.end() || narrow->second != ir::DType::kFloat16) continue;
    model.weights[v] =
        in_integers(*ir::value_at(model.graph, v).constant, 16, ir::output_channel_axis(model.graph, node));
    model.narrow.erase(narrow);
  }
  return model;
}

}  // namespace

bool wants_images(const config::CoreConfig& config) {
  if (config::rounds_activations(config)) return true;
  return config.mode != Mode::kStatic && (config.budget.any() || !config.representative_dataset.path.empty());
}

int64_t opset_wanted(const config::CoreConfig& config) {
  constexpr int64_t kPerChannel = 13, kBlocks = 21;
  const bool blocks =
      config.weight_only.runtime == config::WeightRuntime::kPacked && config.output.standard_ops_only;
  return blocks ? kBlocks : kPerChannel;
}

Mode mode_of(const config::CoreConfig& config, std::span<const config::NodeSettings> rules, ir::NodeId node) {
  const auto n = static_cast<size_t>(node);  // nodes made later have no rules
  return n < rules.size() ? rules[n].mode.value_or(config.mode) : config.mode;
}

std::vector<config::NodeSettings> with_weight_only(const ir::Graph& graph, const config::CoreConfig& config,
                                                   std::vector<config::NodeSettings> rules) {
  constexpr int kBlockBits = 4;
  const config::WeightOnly& wanted = config.weight_only;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    const ir::WeightTraits* traits = ir::weight_traits(graph, node);
    if (!traits || mode_of(config, rules, id) != Mode::kWeightOnly) continue;
    const ir::Tensor& weight = *ir::constant_input(graph, node, traits->weight_slot);
    const quant::ChannelLayout layout =
        quant::channel_layout(weight.dims, ir::output_channel_axis(graph, node));
    config::NodeSettings& settings = rules[id];
    const int64_t length = layout.outer * layout.inner;
    if (!settings.weights_block_size && length > wanted.block_size)
      settings.weights_block_size = static_cast<int>(wanted.block_size);
    const bool blocks = settings.weights_block_size.value_or(0) > 0;
    if (!settings.weights_n_bits && wanted.bits) settings.weights_n_bits = static_cast<int>(*wanted.bits);
    if (!settings.weights_n_bits && blocks) settings.weights_n_bits = kBlockBits;
    if (!settings.weights_quantization_method && !wanted.symmetric)
      settings.weights_quantization_method = config::QuantizationMethod::kUniform;
  }
  return rules;
}

void keep_out_of_plan(const ir::Graph& graph, const config::CoreConfig& config,
                      std::span<const config::NodeSettings> rules,
                      std::vector<select::Capability>& capabilities) {
  using select::Ability;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    Mode mode = mode_of(config, rules, id);
    select::Capability& c = capabilities[id];
    if (c.ability == Ability::kFollows) {
      const ir::NodeId producer = ir::value_at(graph, ir::node_at(graph, id).inputs[0]).producer;
      if (capabilities[producer].ability == Ability::kFloatOnly) mode = mode_of(config, rules, producer);
    }
    if (mode == Mode::kStatic) continue;
    const bool kept = c.ability == Ability::kFloatOnly &&
                      (c.reason == plan::Reason::kUserKeepFloat || c.reason == plan::Reason::kNotFloat);
    if (kept) continue;
    c.ability = Ability::kFloatOnly;
    c.reason = plan::Reason::kMode;
    c.detail = format("{} {}", mode == config.mode ? "/mode is" : "a rule's mode is", name_of(mode));
  }
}

std::vector<select::DynamicChoice> dynamic_choices(const ir::Graph& graph, const config::CoreConfig& config,
                                                   std::span<const config::NodeSettings> rules,
                                                   const select::PlacementCosts& time) {
  std::vector<select::DynamicChoice> choices(graph.nodes.size());
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const auto n = static_cast<size_t>(id);
    const bool asked = mode_of(config, rules, id) == Mode::kDynamic;
    const bool kept = n < rules.size() && !rules[n].enable_weights_quantization.value_or(true);
    if (asked && !kept) choices[n] = select::dynamic_choice(graph, id, time, config.output.standard_ops_only);
  }
  return choices;
}

void apply_modes(const ir::Graph& graph, const config::CoreConfig& config,
                 std::span<const config::NodeSettings> rules,
                 const std::vector<select::DynamicChoice>& choices, plan::QuantPlan& plan) {
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const auto n = static_cast<size_t>(id);
    const Mode mode = mode_of(config, rules, id);
    plan::NodeDecision& decision = plan.nodes[n];
    if (mode == Mode::kStatic || decision.compute == Compute::kInteger) continue;
    if (narrows(mode) && decision.compute == Compute::kFloatIntegerWeights)
      decision.compute = Compute::kFloat;
    const bool operands = has_stored_operands(graph, graph.nodes[n]);
    if (mode != Mode::kDynamic || (decision.compute != Compute::kFloatIntegerWeights && !operands)) continue;
    const select::DynamicChoice& choice = choices[n];
    if (choice.why.empty()) continue;
    decision.reason = choice.dynamic ? plan::Reason::kTarget : plan::Reason::kNotAtRunTime;
    decision.detail = choice.why;
  }
}

plan::QuantizedModel unmeasured_model(const ir::Graph& graph, const plan::QuantPlan& plan,
                                      const target::TargetSpec& target, const config::CoreConfig& config,
                                      std::span<const config::NodeSettings> rules, int threads) {
  if (config.mode == Mode::kStatic) return float_model(graph, target, config, rules, threads);
  quantize::Guards ignored;
  const plan::Candidates weights =
      threshold::weight_candidates(graph, plan, target, config.quantization, rules, threads);
  return quantize::quantize(graph, plan, weights, {}, ignored);
}

std::vector<plan::NodeDecision> reasons_of(Mode mode, size_t nodes) {
  plan::NodeDecision reason;
  reason.reason = plan::Reason::kMode;
  reason.detail = format("/mode is {}", name_of(mode));
  return std::vector<plan::NodeDecision>(nodes, reason);
}

namespace {

// Activations of 16 bits where they may be, and sentences on where and why not elsewhere.
std::vector<std::string> narrow_activations(const config::CoreConfig& config,
                                            std::span<const config::NodeSettings> rules, const Runs& inputs,
                                            const Reach& reach, run::RunnerFactory& runners,
                                            plan::QuantizedModel& model) {
  if (reach.largest.empty()) return {};
  const ir::Graph& graph = model.graph;
  std::vector<ir::DType> types(graph.nodes.size(), ir::DType::kUndefined);
  for (const ir::NodeId id : ir::topological_order(graph)) types[id] = type_of(mode_of(config, rules, id));
  const std::vector<HalfChoice> choices = half_choices(model, types, reach);
  plan::QuantizedModel half = model;
  spell_half(choices, types, config.float16.keep_io_types, half);
  const double db = sqnr_db(answers(graph, inputs, runners), answers(half, inputs, runners));
  if (db == -INFINITY) return {"activations stay float32: with 16 bits some outputs were not finite"};
  int64_t chosen = 0;
  std::map<std::string, std::vector<std::string>> left;  // reason -> nodes
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const HalfChoice& choice = choices[id];
    const ir::Node& node = ir::node_at(graph, id);
    chosen += choice.half;
    if (!choice.why.empty()) left[choice.why].push_back(format("{} ({})", node.name, node.op_type));
    if (choice.half) half.plan.nodes[id].detail += ", with activations of 16 bits";
    if (!choice.why.empty()) half.plan.nodes[id].detail += format(", activations in float32: {}", choice.why);
  }
  std::vector<std::string> notes{format(
      "{} nodes compute on activations of 16 bits ({:.1f} dB), for processors with arithmetic for them. "
      "Others widen and round at every step, and may be slower than in float: leave "
      "/float16/activations false for these",
      chosen, db)};
  for (const auto& [why, nodes] : left) notes.push_back(format("in float32: {}: {}", why, some_of(nodes)));
  model = std::move(half);
  return notes;
}

std::vector<std::string> narrow_constants(const config::CoreConfig& config,
                                          std::span<const config::NodeSettings> rules, const Runs& inputs,
                                          run::RunnerFactory& runners, plan::QuantizedModel& model) {
  const ir::Graph& graph = model.graph;
  const std::vector<bool> small = plan::smallest_constants(graph);
  std::vector<std::string> wide;
  int64_t kept = 0;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const ir::Value& value = graph.values[v];
    const auto id = static_cast<ir::ValueId>(v);
    if (!ir::is_read_float(value) || model.weights.contains(id)) continue;
    const std::optional<ir::DType> type = narrow_type(config, rules, value);
    if (!type) continue;
    if (read_by_name(graph, id) || (*type == ir::DType::kFloat16 && !fits_float16(*value.constant)))
      wide.push_back(value.name);
    else if (small[v] || value.constant->size() < kWorthNarrowing)
      ++kept;
    else
      model.narrow[id] = *type;
  }
  if (model.narrow.empty()) return {};
  const bool half = std::any_of(model.narrow.begin(), model.narrow.end(),
                                [](const auto& one) { return one.second == ir::DType::kFloat16; });
  std::vector<std::string> notes{format("{} constants are stored as {}, {} small ones as float32",
                                        model.narrow.size(), half ? "float16" : "bfloat16", kept)};
  if (!wide.empty()) notes[0] += "; float32 stay those beyond its range or read by name: " + join(wide, ", ");
  // A .tflite has no such integers.
  if (!half || inputs.empty() || config.float16.activations || !config::writes(config, "onnx")) return notes;
  const Runs exact = answers(graph, inputs, runners);
  const double db = sqnr_db(exact, answers(model, inputs, runners));
  if (db >= kEnoughDb) return notes;
  plan::QuantizedModel fixed = in_fixed_point(model);
  const double fixed_db = sqnr_db(exact, answers(fixed, inputs, runners));
  if (fixed_db <= db) return notes;
  model = std::move(fixed);
  notes.push_back(format(
      "{} of them are integers of 16 bits with a scale for each output channel: float16 gave {:.1f} dB, "
      "these give {:.1f} dB in as many bytes",
      model.weights.size(), db, fixed_db));
  return notes;
}

std::vector<std::string> dynamic_notes(const config::CoreConfig& config,
                                       const std::vector<select::DynamicChoice>& choices,
                                       const ir::Graph& graph) {
  int64_t dynamic = 0;
  std::map<std::string, std::vector<std::string>> left;  // reason -> nodes
  for (const ir::NodeId id : ir::topological_order(graph)) {
    if (static_cast<size_t>(id) >= choices.size()) continue;
    const select::DynamicChoice& choice = choices[id];
    const ir::Node& node = ir::node_at(graph, id);
    dynamic += choice.dynamic;
    if (choice.dynamic || choice.why.empty()) continue;
    const bool by_cost = choice.why.starts_with("by the target's costs");
    left[by_cost ? "rounding them at run time would take longer" : choice.why].push_back(
        format("{} ({})", node.name, node.op_type));
  }
  if (config.mode != Mode::kDynamic && dynamic == 0 && left.empty()) return {};
  std::vector<std::string> notes{
      format("activations of {} are rounded at run time", report::counted(dynamic, "layer"))};
  for (const auto& [why, nodes] : left)
    notes.push_back(format("in float with int8 weights, no slower than float, {}: {}: {}",
                           report::counted(std::ssize(nodes), "layer"), why, some_of(nodes)));
  return notes;
}

// Nothing is known of what comes in, so pairs of products are bounded for any integers.
std::vector<std::string> bound_products(const std::vector<select::DynamicChoice>& choices, int threads,
                                        plan::QuantizedModel& model) {
  int64_t channels = 0;
  for (const ir::NodeId id : ir::topological_order(model.graph)) {
    const auto n = static_cast<size_t>(id);
    const ir::Node& node = model.graph.nodes[n];
    const ir::WeightTraits* traits = ir::weight_traits(model.graph, node);
    if (n >= choices.size() || !choices[n].dynamic || !traits) continue;
    const ir::ValueId v = node.inputs[traits->weight_slot];
    const auto stored = model.weights.find(v);
    if (stored == model.weights.end()) continue;
    const ir::Tensor& weight = *ir::value_at(model.graph, v).constant;
    channels += quantize::bound_pairs(weight, {weight.dims, ir::output_channel_axis(model.graph, node)},
                                      false, HUGE_VAL, threads, stored->second);
  }
  if (channels == 0) return {};
  return {
      format("weights of {} channels are bounded so that sums of pairs cannot saturate on x86 without VNNI;"
             " \"saturation_guard\": false leaves them alone",
             channels)};
}

}  // namespace

std::vector<bool> rounded_at_run_time(const plan::QuantPlan& planned, const plan::QuantPlan& stored) {
  std::vector<bool> at_run_time(planned.nodes.size());
  for (size_t n = 0; n < at_run_time.size(); ++n)
    at_run_time[n] =
        planned.nodes[n].compute != Compute::kInteger && stored.nodes[n].compute == Compute::kInteger;
  return at_run_time;
}

std::vector<ir::Tensor> noise_like(const std::vector<ir::Tensor>& inputs) {
  std::vector<ir::Tensor> noise;
  uint64_t state = 0x9e3779b97f4a7c15u;
  const auto next = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state >> 33);
  };
  for (const ir::Tensor& input : inputs) {
    if (input.dtype != ir::DType::kFloat) {
      noise.push_back(input);
      continue;
    }
    std::vector<float> values(input.size());
    for (float& x : values) x = static_cast<float>(next()) / 1073741824.0f - 1.0f;
    noise.push_back(ir::make_tensor(std::span<const float>(values), input.dims));
  }
  return noise;
}

namespace {

// How far float values go, for /float16/activations. Empty where no node wants to know or nothing can be run.
Reach half_reach(const ModeScene& scene, const ir::Graph& graph) {
  const std::vector<ir::NodeId> order = ir::topological_order(graph);
  const bool any = std::any_of(order.begin(), order.end(), [&](ir::NodeId id) {
    return narrows(mode_of(scene.config, scene.rules, id));
  });
  if (!scene.config.float16.activations || !any) return {};
  if (scene.source) return reach_on_images(graph, scene.runners, *scene.source, scene.images, scene.threads);
  return scene.inputs.empty() ? Reach{} : reach_on_noise(graph, scene.runners, scene.inputs[0]);
}

// Float nodes of a static file that no rule keeps the constants of.
std::vector<ir::NodeId> nodes_with_tables(const config::CoreConfig& config,
                                          std::span<const config::NodeSettings> rules,
                                          const plan::QuantizedModel& model) {
  std::vector<ir::NodeId> nodes;
  for (const ir::NodeId id : ir::topological_order(model.graph)) {
    const auto n = static_cast<size_t>(id);
    const bool kept = n < rules.size() && !rules[n].enable_weights_quantization.value_or(true);
    if (mode_of(config, rules, id) == Mode::kStatic && !kept && n < model.plan.nodes.size() &&
        model.plan.nodes[n].compute != Compute::kInteger)
      nodes.push_back(id);
  }
  return nodes;
}

}  // namespace

plan::QuantizedModel stored_by_mode(const ModeScene& scene, plan::QuantizedModel model,
                                    std::vector<std::string>& notes) {
  const config::CoreConfig& config = scene.config;
  const std::span<const config::NodeSettings> rules = scene.rules;
  const Runs& inputs = scene.inputs;
  std::vector<select::DynamicChoice> choices = scene.choices;
  const Reach reach = half_reach(scene, model.graph);
  const auto say = [&](const std::vector<std::string>& said) {
    notes.insert(notes.end(), said.begin(), said.end());
  };
  const double goal = config.goals.min_sqnr_db.value_or(config::PlacementGoals::kSqnrDb);
  const bool bounded = config.saturation_guard.value_or(true);
  if (bounded) say(bound_products(choices, scene.threads, model));
  settle_dynamic(model, inputs, scene.runners, goal + kMarginDb, scene.threads, choices);
  apply_modes(model.graph, config, rules, choices, model.plan);
  say(dynamic_notes(config, choices, model.graph));
  say(narrow_activations(config, rules, inputs, reach, scene.runners, model));
  say(narrow_constants(config, rules, inputs, scene.runners, model));
  std::vector<ir::NodeId> operands, weights;
  for (const ir::NodeId id : ir::topological_order(model.graph)) {
    const Mode mode = mode_of(config, rules, id);
    const bool at_run_time = static_cast<size_t>(id) < choices.size() && choices[id].dynamic;
    if (integer_weights(mode) && !at_run_time) operands.push_back(id);
    if (mode == Mode::kWeightOnly) weights.push_back(id);
  }
  if (config.weight_only.runtime == config::WeightRuntime::kPacked)
    if (const std::string said = spell_packed(weights, config.output.standard_ops_only, model); !said.empty())
      say({said});
  store_operands(operands, model, scene.threads);
  say(store_tables(nodes_with_tables(config, rules, model), inputs, scene.runners, scene.threads, model));
  if (is_for_runtime(config.output.onnx_form)) spell_tiles(model);
  spell_dynamic(choices, bounded, scene.threads, model);
  spell_shuffles(model);
  spell_groups(model);
  spell_channels(model);
  spell_pixels(model);
  if (is_for_runtime(config.output.onnx_form)) {
    spell_softmaxes(model);
    spell_reductions(model);
    spell_sums(model);
  }
  return model;
}

}  // namespace qc
