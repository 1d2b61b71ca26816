// The written .tflite against its plan. ONNX Runtime says what an ONNX file computes; no LiteRT is at hand
// when a .tflite is made, but a model of its arithmetic is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "ir/graph.h"
#include "plan/quantized_model.h"
#include "run/runner.h"
#include "simulate/judged.h"

namespace qc {

/// Runs the bytes of a .tflite on one picture (`inputs`, the float model's), and says so where an output is
/// further from the float model than the plan's simulation is (by 6 dB and more, below 24 dB), or where the
/// file cannot be run. Nothing where all is well, for outputs behind a jump, for models whose one inference
/// would take seconds, and for operators without a model of their arithmetic. `place`: the file's name.
std::optional<Problem> unlike_its_plan(const std::string& tflite, const std::string& place,
                                       const ir::Graph& graph, const plan::QuantizedModel& planned,
                                       const std::vector<simulate::Judged>& judged,
                                       const std::vector<ir::Tensor>& inputs, run::RunnerFactory& runners);

}  // namespace qc
