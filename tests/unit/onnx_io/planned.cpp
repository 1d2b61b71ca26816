// See planned.h.
#include "unit/onnx_io/planned.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "base/files.h"
#include "support/tiny_models.h"
#include "unit/onnx_io/ort_try.h"

namespace qc::planned {

using ir::NodeId;
using ir::ValueId;
using plan::Compute;

Planned::Planned(const ir::Graph& graph) {
  model.graph = graph;
  model.plan.nodes.resize(graph.nodes.size());
  model.plan.values.resize(graph.values.size());
  const std::string bytes = onnx_io::write(graph);
  inputs = ort_try::random_inputs(bytes, 7);
  ir::Graph tapped = graph;
  tapped.outputs.clear();
  for (ValueId v = 0; v < static_cast<ValueId>(graph.values.size()); ++v)
    if (at(v).producer != ir::kNone) tapped.outputs.push_back(v);
  const auto outputs = ort_try::run(onnx_io::write(tapped), inputs);
  for (size_t i = 0; i < inputs.size(); ++i) add_range(graph.inputs[i], inputs[i]);
  for (size_t i = 0; i < outputs.size(); ++i) add_range(tapped.outputs[i], outputs[i]);
}

void Planned::add_range(ValueId v, const ir::Tensor& tensor) {
  if (tensor.dtype != ir::DType::kFloat) return;
  const auto [low, high] = std::minmax_element(tensor.as<float>().begin(), tensor.as<float>().end());
  ranges[v] = {*low, *high};
}

Planned& Planned::activation(ValueId v, int bits, bool is_signed) {
  auto& decision = model.plan.values[v];
  decision.quantized = true;
  decision.params = quant::asymmetric_params(ranges[v].first, ranges[v].second, bits, is_signed);
  return *this;
}

Planned& Planned::activations(const std::vector<ValueId>& values) {
  for (const ValueId v : values) activation(v);
  return *this;
}

Planned& Planned::compute(NodeId id, Compute compute) {
  model.plan.nodes[id].compute = compute;
  return *this;
}

Planned& Planned::weight(ValueId v, int axis, int bits, int32_t zero_point) {
  const ir::Tensor& tensor = *at(v).constant;
  quant::QuantParams p{bits, true, zero_point == 0, axis, {}, {}};
  const auto layout = quant::channel_layout(tensor.dims, axis);
  p.scales.assign(static_cast<size_t>(axis < 0 ? 1 : layout.channels), 0.0f);
  p.zero_points.assign(p.scales.size(), zero_point);
  for (size_t i = 0; i < tensor.as<float>().size(); ++i) {
    const size_t c =
        axis < 0 ? 0 : i / static_cast<size_t>(layout.inner) % static_cast<size_t>(layout.channels);
    const auto steps = static_cast<float>((p.qmax() - std::abs(zero_point)) / (bits == 8 ? 2 : 1));
    p.scales[c] = std::max(p.scales[c], std::abs(tensor.as<float>()[i]) / steps);
  }
  model.weights[v] = {p, quant::quantize(tensor.as<float>(), tensor.dims, p)};
  return *this;
}

Planned& Planned::bias(NodeId id) {
  const ir::Node& node = ir::node_at(model.graph, id);
  const ir::Tensor& tensor = *at(node.inputs[2]).constant;
  const auto& weights = model.weights.at(node.inputs[1]).params;
  quant::QuantParams p{32, true, false, weights.axis < 0 ? -1 : 0, weights.scales, {}};
  for (float& s : p.scales) s *= params(node.inputs[0]).scales[0];
  p.zero_points.assign(p.scales.size(), 0);
  model.biases[id] = {p, quant::quantize(tensor.as<float>(), tensor.dims, p)};
  return *this;
}

Planned& Planned::integer(NodeId id, int axis) {
  const ir::Node& node = ir::node_at(model.graph, id);
  compute(id, Compute::kInteger).weight(node.inputs[1], axis);
  return node.inputs.size() > 2 ? bias(id) : *this;
}

Outcome judge(const Planned& planned, const onnx_io::QdqOptions& options) {
  Outcome outcome;
  outcome.written = onnx_io::write_qdq(planned.model, {{"k", "v"}}, options);
  const std::string& bytes = outcome.written.bytes;
  const TemporaryFile optimized(".onnx");
  const auto fast =
      ort_try::run(bytes, planned.inputs, ort_try::Optimize::kExtended, optimized.path().string());
  const auto simulated = ort_try::run(bytes, planned.inputs);
  const auto original = ort_try::run(onnx_io::write(planned.model.graph), planned.inputs);
  outcome.against_simulation = outcome.against_float = 0;
  for (size_t i = 0; i < fast.size(); ++i) {
    outcome.against_simulation =
        std::max(outcome.against_simulation, ort_try::max_relative_error(simulated[i], fast[i]));
    outcome.against_float =
        std::max(outcome.against_float, ort_try::max_relative_error(original[i], fast[i]));
  }
  Diagnostics diagnostics;
  outcome.ops = tiny::ops(onnx_io::read(optimized.path(), diagnostics));
  return outcome;
}

void check_numbers(const Outcome& outcome, double tolerance) {
  CHECK(outcome.against_simulation < 0.009);  // two steps of 8 bits
  CHECK(outcome.against_float < tolerance);
  CHECK(outcome.against_float > 0);  // something was quantized at all
}

NodeId producer(const ir::Graph& g, ValueId v) {
  return ir::value_at(g, v).producer;
}

}  // namespace qc::planned
