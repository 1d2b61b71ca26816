// See forms.h. Floats on a grid stay where they are when they are rounded to it again, so both forms
// keep what corrections chose.
#include "spell/forms.h"

#include <algorithm>
#include <cmath>

#include "ir/ops.h"
#include "plan/resize_plan.h"
#include "quant/quant_params.h"
#include "select/capability.h"

namespace qc {
namespace {

using ir::kNone;
using ir::ValueId;
using quant::QuantParams;

constexpr const char* kMctDomain = "mct_quantizers";
constexpr float kMctEps = 1e-8f;  // what MCT's codebooks add to a threshold before they divide by it

ir::Tensor on_grid(const plan::IntegerTensor& tensor, const std::vector<int64_t>& dims) {
  const std::vector<float> values = quant::dequantize(tensor.integers, dims, tensor.params);
  return ir::make_tensor(std::span<const float>(values), dims);
}

// Biases as the floats that their integers stand for: some runtimes take no int32 bias (TensorRT), some
// targets do not round it (IMX500).
void spell_float_biases(plan::QuantizedModel& model) {
  for (const auto& [id, bias] : model.biases) {
    const ir::Node& node = ir::node_at(model.graph, id);
    if (node.op_type == "MatMul") continue;  // its bias is a float one already, in the Add behind it
    const ir::Tensor* old = ir::constant_input(model.graph, node, 2);
    const std::vector<int64_t> vector{static_cast<int64_t>(bias.integers.size())};
    const std::string name = old ? ir::value_at(model.graph, node.inputs[2]).name
                                 : node.name + "_b";  // made unique where others read it
    const ValueId made = ir::add_constant(model.graph, name, on_grid(bias, vector));
    ir::set_input(model.graph, id, 2, made);
  }
  model.biases.clear();
  ir::remove_dead(model.graph);
  resize_plan(model);
}

// Weights become the floats that their integers stand for, in their place.
void put_weights_on_grid(plan::QuantizedModel& model) {
  for (const auto& [v, tensor] : model.weights) {
    ir::Value& value = ir::value_at(model.graph, v);
    value.constant = on_grid(tensor, value.constant->dims);
  }
  model.weights.clear();
  spell_float_biases(model);
}

// T of the range that MCT means: from -T (signed) or 0 to one step below T.
std::vector<float> thresholds(const QuantParams& params) {
  std::vector<float> all;
  for (const float scale : params.scales)
    all.push_back(std::ldexp(scale, params.bits - (params.is_signed ? 1 : 0)));
  return all;
}

// The same grid with integers that lie around zero where they may, so that zero points are 0 if they can.
QuantParams centred(QuantParams params) {
  const int32_t half = 1 << (params.bits - 1);
  const int32_t z = params.zero_points.at(0);
  if (!params.is_signed && z == half) {
    params.is_signed = true;
    params.zero_points[0] = 0;
  } else if (params.is_signed && z == -half) {
    params.is_signed = false;
    params.zero_points[0] = 0;
  }
  return params;
}

ir::Node quantizer(const std::string& name, const char* op_type, const QuantParams& params) {
  ir::Node node;
  node.name = name;
  node.op_type = op_type;
  node.domain = kMctDomain;
  node.attributes.push_back({"num_bits", int64_t{params.stored_bits()}});
  return node;
}

ir::Node activation_quantizer(const std::string& name, const QuantParams& given) {
  const QuantParams params = centred(given);
  if (params.zero_points.at(0) != 0) {
    ir::Node node = quantizer(name, "ActivationUniformQuantizer", params);
    node.attributes.push_back({"min_range", quant::range_min(params)});
    node.attributes.push_back({"max_range", quant::range_max(params)});
    return node;
  }
  const float threshold = thresholds(params).at(0);
  ir::Node node = quantizer(
      name, quant::is_power_of_two(threshold) ? "ActivationPOTQuantizer" : "ActivationSymmetricQuantizer",
      params);
  node.attributes.push_back({"threshold", threshold});
  node.attributes.push_back({"signed", int64_t{params.is_signed}});
  return node;
}

ValueId new_float(plan::QuantizedModel& model, const std::string& name, ValueId like) {
  const ValueId made = ir::add_value(model.graph, name, ir::DType::kFloat);
  const ir::Value& shape = ir::value_at(model.graph, like);
  ir::Value& value = ir::value_at(model.graph, made);
  value.has_shape = shape.has_shape;
  value.dims = shape.dims;
  value.dim_params = shape.dim_params;
  return made;
}

// Names stay on the rounded side, but for inputs of the model, as in files of our own form.
void add_activation_quantizers(plan::QuantizedModel& model) {
  const size_t count = model.plan.values.size();
  for (size_t i = 0; i < count; ++i) {
    const auto v = static_cast<ValueId>(i);
    const plan::ValueDecision decision = model.plan.values[i];
    model.plan.values[i].quantized = false;
    const ir::NodeId producer = ir::value_at(model.graph, v).producer;
    if (!decision.quantized || ir::value_at(model.graph, v).constant ||
        (ir::value_at(model.graph, v).consumers.empty() && !ir::is_output(model.graph, v)))
      continue;
    const std::string name = ir::value_at(model.graph, v).name;
    ir::Node node = activation_quantizer(name + "_quantizer", decision.params);
    if (producer == kNone) {
      const ValueId rounded = new_float(model, name + "_rounded", v);
      ir::replace_uses(model.graph, v, rounded);
      node.inputs = {v};
      node.outputs = {rounded};
    } else {
      const ValueId exact = new_float(model, name + "_f", v);
      const std::vector<ValueId>& made = ir::node_at(model.graph, producer).outputs;
      const auto slot = static_cast<size_t>(std::find(made.begin(), made.end(), v) - made.begin());
      ir::set_output(model.graph, producer, slot, exact);
      node.inputs = {exact};
      node.outputs = {v};
    }
    ir::add_node(model.graph, std::move(node));
  }
  resize_plan(model);
}

ValueId numbers(plan::QuantizedModel& model, const std::string& name, const std::vector<float>& values) {
  return ir::add_constant(
      model.graph, name,
      ir::make_tensor(std::span<const float>(values), {static_cast<int64_t>(values.size())}));
}

ir::Node weight_quantizer(plan::QuantizedModel& model, ValueId weight, const QuantParams& params) {
  const std::string name = ir::value_at(model.graph, weight).name;
  const auto rank = static_cast<int64_t>(ir::value_at(model.graph, weight).constant->dims.size());
  const std::vector<float> threshold = thresholds(params);
  const bool powers = std::all_of(threshold.begin(), threshold.end(), quant::is_power_of_two);
  const bool book = !params.codebook.empty();
  const bool shifted =
      std::any_of(params.zero_points.begin(), params.zero_points.end(), [](int32_t z) { return z != 0; });
  const char* op = book      ? powers ? "WeightsLUTPOTQuantizer" : "WeightsLUTSymmetricQuantizer"
                   : shifted ? "WeightsUniformQuantizer"
                   : powers  ? "WeightsPOTQuantizer"
                             : "WeightsSymmetricQuantizer";
  ir::Node node = quantizer(name + "_quantizer", op, params);
  node.inputs = {weight};
  if (book)
    node.inputs.push_back(numbers(model, name + "_lut", {params.codebook.begin(), params.codebook.end()}));
  if (shifted) {
    node.inputs.push_back(numbers(model, name + "_min", {quant::range_min(params)}));
    node.inputs.push_back(numbers(model, name + "_max", {quant::range_max(params)}));
  } else {
    node.inputs.push_back(numbers(model, name + "_threshold", threshold));
  }
  node.attributes.push_back({"per_channel", int64_t{params.per_channel()}});
  node.attributes.push_back({"channel_axis", int64_t{std::max(params.axis, 0)}});
  if (book) {
    node.attributes.push_back({"input_rank", rank});
    node.attributes.push_back({"lut_values_bitwidth", int64_t{params.bits}});
    node.attributes.push_back({"eps", kMctEps});
  }
  node.attributes.push_back({"signed", int64_t{params.is_signed}});
  return node;
}

// MCT's codebooks are one a tensor, its uniform grids one a channel or one a tensor; what has no spelling
// there stays a float on its grid, which computes the same.
bool has_quantizer(const QuantParams& params) {
  const bool shifted =
      std::any_of(params.zero_points.begin(), params.zero_points.end(), [](int32_t z) { return z != 0; });
  return params.block_size == 0 && !params.codebook_per_channel() && !(shifted && params.per_channel());
}

void add_weight_quantizers(plan::QuantizedModel& model,
                           const std::map<ValueId, plan::IntegerTensor>& weights) {
  for (const auto& [value, tensor] : weights) {
    const ValueId v = value;
    const std::vector<ir::NodeId> readers = ir::value_at(model.graph, v).consumers;
    const bool weight = std::all_of(readers.begin(), readers.end(), [&](ir::NodeId id) {
      const ir::Node& node = ir::node_at(model.graph, id);
      const ir::WeightTraits* traits = ir::weight_traits(model.graph, node);
      return traits && node.inputs[traits->weight_slot] == v;
    });
    if (!weight || readers.empty() || !has_quantizer(tensor.params)) continue;
    ir::Node node = weight_quantizer(model, v, tensor.params);
    const ValueId rounded = new_float(model, ir::value_at(model.graph, v).name + "_rounded", v);
    ir::value_at(model.graph, rounded).dims = ir::value_at(model.graph, v).constant->dims;
    ir::value_at(model.graph, rounded).has_shape = true;
    ir::value_at(model.graph, rounded).dim_params.assign(ir::value_at(model.graph, rounded).dims.size(), "");
    ir::replace_uses(model.graph, v, rounded);
    node.outputs = {rounded};
    ir::add_node(model.graph, std::move(node));
  }
  resize_plan(model);
}

// The runtime makes one integer op of an AveragePool between integers, whatever the plan says of it, and
// reports nothing. A Max of one value behind it, which hands that on, is what its fusion does not know.
void keep_averages_in_float(plan::QuantizedModel& model) {
  for (const ir::NodeId id : ir::topological_order(model.graph)) {
    const ir::Node& pool = ir::node_at(model.graph, id);
    const ValueId result = pool.outputs.empty() ? kNone : pool.outputs[0];
    if (select::averages_unlike_float(pool).empty() || !model.plan.values[result].quantized) continue;
    ir::Node apart;
    apart.name = pool.name + "/float";
    apart.op_type = "Max";
    const ValueId mean = ir::add_value(model.graph, apart.name, ir::value_at(model.graph, result).dtype);
    apart.inputs = {mean};
    apart.outputs = {result};
    ir::set_output(model.graph, id, 0, mean);
    ir::add_node(model.graph, std::move(apart));
  }
  resize_plan(model);
}

}  // namespace

Spelled spelled_for(config::OnnxForm form, const target::TargetSpec& target, plan::QuantizedModel model) {
  keep_averages_in_float(model);
  if (form == config::OnnxForm::kMctq) return {spell_mct_quantizers(model), spell_fake_quant(model)};
  if (form == config::OnnxForm::kFakeQuant)
    model = spell_fake_quant(std::move(model));
  else if (target.bias_bits == 0)
    spell_float_biases(model);
  return {model, model};
}

plan::QuantizedModel spell_fake_quant(plan::QuantizedModel model) {
  // Between integers the runtime would round float weights itself; the writer sees to that for nodes in
  // float.
  for (size_t n = 0; n < model.graph.nodes.size(); ++n)
    if (ir::weight_traits(model.graph, model.graph.nodes[n]))
      model.plan.nodes[n].compute = plan::Compute::kFloat;
  put_weights_on_grid(model);
  return model;
}

plan::QuantizedModel spell_mct_quantizers(plan::QuantizedModel model) {
  const std::map<ValueId, plan::IntegerTensor> weights = model.weights;
  put_weights_on_grid(model);
  for (plan::NodeDecision& node : model.plan.nodes) node.compute = plan::Compute::kFloat;
  add_activation_quantizers(model);
  add_weight_quantizers(model, weights);
  model.graph.opset_imports.emplace_back(kMctDomain, 1);
  return model;
}

}  // namespace qc
