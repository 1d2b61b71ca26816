// The plan acted out in float: constants as their integers stand for, activations rounded by taps whose parameters
// live in a table of this process. Another width, or float again, for any value needs no new session.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "ir/graph.h"
#include "plan/quantized_model.h"
#include "quant/quant_params.h"
#include "run/runner.h"

namespace qc::simulate {

/// By ValueId: how the simulator rounds a value now. Change it between runs, never during one.
using ActivationTable = std::vector<std::optional<quant::QuantParams>>;

/// The table that the plan's decisions stand for.
ActivationTable table_of(const plan::QuantPlan& plan);

/// The graph with every constant replaced by the float value of its integers (weights and biases).
ir::Graph integer_valued_graph(const plan::QuantizedModel& model);

/// One transformer for each value in `values`, reading `table` at every call. `before` (optional) may change the
/// tensor first: it is called with the value, the slot and the writable tensor.
using Before = std::function<void(ir::ValueId value, int64_t slot, std::span<float> tensor, std::span<const int64_t> dims)>;
std::vector<run::Tap> rounding_taps(const std::vector<ir::ValueId>& values, const ActivationTable& table, Before before = {});

/// Values that the plan rounds, in id order.
std::vector<ir::ValueId> rounded_values(const plan::QuantPlan& plan);

}  // namespace qc::simulate
