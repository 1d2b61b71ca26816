// See target_of.h.
#include "target_of.h"

namespace qc {

bool is_full(const config::CoreConfig& config, const target::TargetSpec& target) {
  return config::placement_of(config) == config::Placement::kFull || !target.float_islands;
}

std::optional<target::TfliteRules> runtime_rules(const target::TargetSpec& target) {
  const bool alone = !target.tflite || target.tflite->fallback.empty();
  return alone ? target.tflite : target::load(target.tflite->fallback).tflite;
}

bool has_limit(const std::optional<target::TfliteRules>& rules, const char* op, const char* limit) {
  if (!rules) return false;
  const auto rule = rules->ops.find(op);
  return rule != rules->ops.end() && rule->second.limits.contains(limit);
}

target::TargetSpec target_of(const config::CoreConfig& config) {
  target::TargetSpec target = target::load(config.target);
  const bool tflite = config::writes(config, "tflite"),
             wide = config.output.tflite_form == config::TfliteForm::kInt16x8;
  if (wide) target = target::with_int16_activations(std::move(target));
  target.weights.narrow_at_4 = tflite;
  target.known_ranges_bind = tflite || target.tflite;
  // ONNX Runtime's integer MatMul rounds its result; int64 biases take LiteRT to slower kernels.
  target.bias_in_products = tflite && !config::writes(config, "onnx") && !wide;
  if (tflite)  // which has integers alone
    for (auto& [bits, codebook] : target.weight_widths) codebook = false;
  // Weights of float nodes are integers behind a DEQUANTIZE where its kernel knows all their scales.
  const bool folds = !tflite || !has_limit(runtime_rules(target), "DEQUANTIZE", "scales");
  for (auto& [op, rule] : target.ops) {
    if (is_full(config, target)) rule.float_output = false;
    if (tflite) rule.result_widths.clear();  // its activations fill their type
    if (!folds && rule.per_channel) rule.float_weights_int8 = false;
  }
  // XNNPACK multiplies two activations where the second has zero point 0, and else slower kernels do.
  const auto product = target.ops.find("MatMul");
  if (tflite && !target.tflite && product != target.ops.end()) product->second.centred_inputs = {1};
  for (const config::CustomOp& op : config.custom_ops) {
    target::OpRule rule;
    rule.op_type = op.op_type;
    rule.kind = target::OpKind::kCompute;
    rule.data_inputs = op.quantizable_inputs;
    rule.same_scale = op.same_scale;
    target.ops[op.domain + ":" + op.op_type] = rule;
  }
  if (const auto concat = target.ops.find("Concat");
      concat != target.ops.end() && config.quantization.concat_threshold_update)
    concat->second.copies_equal = true;
  return target;
}

bool full_stands(const config::CoreConfig& config, double worst_db) {
  return config::placement_of(config) == config::Placement::kFull &&
         (config.placement == config::Placement::kFull || worst_db >= kUsableDb);
}

std::vector<bool> wherever_possible(const std::vector<select::Capability>& capabilities) {
  std::vector<bool> integer;
  for (const select::Capability& c : capabilities)
    integer.push_back(c.ability != select::Ability::kFloatOnly);
  return integer;
}

}  // namespace qc
