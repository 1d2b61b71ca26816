// See simulate.h.
#include "simulate/simulate.h"

#include <algorithm>

namespace qc::simulate {
namespace {

run::RunnerOptions with_judged(const std::vector<Judged>& judged) {
  run::RunnerOptions options;
  for (const Judged& one : judged) options.extra_outputs.push_back(one.value);
  return options;
}

}  // namespace

ActivationTable table_of(const plan::QuantPlan& plan) {
  ActivationTable table(plan.values.size());
  for (const ir::ValueId v : rounded_values(plan)) table[v] = plan.values[v].params;
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
    ir::Value& v = ir::value_at(graph, value);
    v.constant = ir::make_tensor(
        std::span<const float>(quant::dequantize(tensor.integers, v.dims, tensor.params)), v.dims);
  }
  for (const auto& [id, tensor] : model.biases) {
    const std::vector<int64_t> dims{static_cast<int64_t>(tensor.integers.size())};
    const std::vector<float> bias = quant::dequantize(tensor.integers, dims, tensor.params);
    const std::string name = ir::node_at(graph, id).name + "_bias";
    ir::set_input(graph, id, 2,
                  ir::add_constant(graph, name, ir::make_tensor(std::span<const float>(bias), dims)));
  }
  return graph;
}

std::unique_ptr<Simulator> make_simulator(const plan::QuantizedModel& model, run::RunnerFactory& runners,
                                          const std::vector<ir::ValueId>& also,
                                          const std::vector<Judged>& judged) {
  auto simulator = std::make_unique<Simulator>();
  simulator->table = table_of(model.plan);
  std::vector<ir::ValueId> tapped = rounded_values(model.plan);
  tapped.insert(tapped.end(), also.begin(), also.end());
  std::sort(tapped.begin(), tapped.end());
  tapped.erase(std::unique(tapped.begin(), tapped.end()), tapped.end());
  std::vector<run::Tap> taps;
  for (const ir::ValueId value : tapped)
    taps.push_back({value,
                    {},
                    [value, s = simulator.get()](int64_t slot, std::span<const float> in,
                                                 std::span<float> out, std::span<const int64_t> dims) {
                      const auto& params = s->table[value];
                      if (in.data() != out.data() && (s->before || !params))
                        std::copy(in.begin(), in.end(), out.begin());
                      if (s->before) {
                        s->before(value, slot, out, dims);
                        in = out;
                      }
                      if (params) quant::fake_quantize(in, out, *params);
                      if (s->after) s->after(value, slot, out, dims);
                    }});
  simulator->runner = runners.make(integer_valued_graph(model), std::move(taps), with_judged(judged));
  return simulator;
}

std::unique_ptr<FloatModel> make_float_model(const ir::Graph& graph, run::RunnerFactory& runners,
                                             const std::vector<ir::ValueId>& observed,
                                             const std::vector<Judged>& judged) {
  auto model = std::make_unique<FloatModel>();
  std::vector<run::Tap> taps;
  for (const ir::ValueId value : observed)
    taps.push_back({value,
                    [value, m = model.get()](int64_t slot, std::span<const float> tensor,
                                             std::span<const int64_t> dims) {
                      // Hooks of the simulator may write; those of the float model only look.
                      if (m->hook)
                        m->hook(value, slot, {const_cast<float*>(tensor.data()), tensor.size()}, dims);
                    },
                    {}});
  model->runner = runners.make(graph, std::move(taps), with_judged(judged));
  return model;
}

}  // namespace qc::simulate
