// The plan acted out in float: constants as their integers stand for, activations rounded by taps whose
// parameters live in a table of this process. Another width, or float again, for any value needs no new
// session.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "ir/graph.h"
#include "plan/quantized_model.h"
#include "quant/quant_params.h"
#include "run/runner.h"
#include "simulate/fidelity.h"

namespace qc::simulate {

/// Called with a tapped value's tensor during a run; `slot` is the number given to run(). May write to the
/// tensor.
using Hook = std::function<void(ir::ValueId value, int64_t slot, std::span<float> tensor,
                                std::span<const int64_t> dims)>;

/// By ValueId: how a value is rounded; nothing: left in float.
using ActivationTable = std::vector<std::optional<quant::QuantParams>>;

/// One session for every question about a quantized model. Table and hooks are read at every call: change
/// them between runs, never during one.
struct Simulator {
  ActivationTable table;
  Hook before;                               // before the value is rounded
  Hook after;                                // after it
  std::unique_ptr<run::ModelRunner> runner;  // returns the graph's outputs, then the judged values
};

/// Taps on every rounded value of the plan and on `also`; the table starts as the plan says.
std::unique_ptr<Simulator> make_simulator(const plan::QuantizedModel& model, run::RunnerFactory& runners,
                                          const std::vector<ir::ValueId>& also,
                                          const std::vector<Judged>& judged);

/// The graph with every constant replaced by the float value of its integers (weights and biases).
ir::Graph integer_valued_graph(const plan::QuantizedModel& model);

/// The table that the plan's decisions stand for.
ActivationTable table_of(const plan::QuantPlan& plan);
/// Values that the plan rounds, in id order.
std::vector<ir::ValueId> rounded_values(const plan::QuantPlan& plan);

/// The float model with observers on `observed`; `hook` is read at every call (its tensor must not be written
/// to).
struct FloatModel {
  Hook hook;
  std::unique_ptr<run::ModelRunner> runner;  // returns the graph's outputs, then the judged values
};
std::unique_ptr<FloatModel> make_float_model(const ir::Graph& graph, run::RunnerFactory& runners,
                                             const std::vector<ir::ValueId>& observed,
                                             const std::vector<Judged>& judged);

}  // namespace qc::simulate
