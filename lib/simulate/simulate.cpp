// See simulate.h.
#include "simulate/simulate.h"

#include <algorithm>

namespace qc::simulate {

ActivationTable table_of(const plan::QuantPlan& plan) {
  ActivationTable table(plan.values.size());
  for (const ir::ValueId v : rounded_values(plan)) table[static_cast<size_t>(v)] = plan.values[static_cast<size_t>(v)].params;
  return table;
}

std::vector<ir::ValueId> rounded_values(const plan::QuantPlan& plan) {
  std::vector<ir::ValueId> values;
  for (size_t v = 0; v < plan.values.size(); ++v)
    if (plan.values[v].quantized) values.push_back(static_cast<ir::ValueId>(v));
  return values;
}

ir::Graph integer_valued_graph(const plan::QuantizedModel& model) {
  ir::Graph graph = model.graph;
  for (const auto& [value, tensor] : model.weights) {
    ir::Value& v = graph.values[static_cast<size_t>(value)];
    v.constant = ir::make_tensor(std::span<const float>(quant::dequantize(tensor.integers, v.dims, tensor.params)), v.dims);
  }
  for (const auto& [id, tensor] : model.biases) {
    const std::vector<int64_t> dims{static_cast<int64_t>(tensor.integers.size())};
    const std::string name = graph.nodes[static_cast<size_t>(id)].name + "_bias";
    const ir::ValueId bias = ir::add_constant(graph, name, ir::make_tensor(std::span<const float>(quant::dequantize(tensor.integers, dims, tensor.params)), dims));
    ir::set_input(graph, id, 2, bias);
  }
  return graph;
}

std::vector<run::Tap> rounding_taps(const std::vector<ir::ValueId>& values, const ActivationTable& table, Before before) {
  std::vector<run::Tap> taps;
  for (const ir::ValueId value : values) {
    taps.push_back({value, {}, [value, &table, before](int64_t slot, std::span<const float> in, std::span<float> out, std::span<const int64_t> dims) {
      if (before) {
        if (in.data() != out.data()) std::copy(in.begin(), in.end(), out.begin());
        before(value, slot, out, dims);
        in = out;
      }
      if (const auto& params = table[static_cast<size_t>(value)]) quant::fake_quantize(in, out, *params);
      else if (in.data() != out.data()) std::copy(in.begin(), in.end(), out.begin());
    }});
  }
  return taps;
}

}  // namespace qc::simulate
