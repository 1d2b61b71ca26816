// The written .tflite against its plan. ONNX Runtime says what an ONNX file computes; no LiteRT is at hand
// when a .tflite is made, but a model of its arithmetic is.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "blank_inputs.h"
#include "images/image_source.h"
#include "ir/graph.h"
#include "plan/quantized_model.h"
#include "run/runner.h"
#include "search/attempt.h"
#include "simulate/judged.h"
#include "subject.h"

namespace qc {

/// Runs the bytes of a .tflite on one picture (`inputs`, the float model's), and says so where an output is
/// further from the float model than the plan's simulation is (by 6 dB and more, below 24 dB). Nothing where
/// all is well, for outputs behind a jump, for models whose one inference would take seconds, and for
/// operators without a model of their arithmetic. Throws Error(kUnsupported) for a file that cannot be run:
/// nobody has a use for it. `place`: the file's name.
std::optional<Problem> unlike_its_plan(const std::string& tflite, const std::string& place,
                                       const ir::Graph& graph, const plan::QuantizedModel& planned,
                                       const std::vector<simulate::Judged>& judged,
                                       const std::vector<ir::Tensor>& inputs, run::RunnerFactory& runners);

/// Inputs of the sizes that the .tflite was fixed to, those of `sample`: of the first of `held_out` that has
/// them, or the sample itself. Where others have other sizes, `taken` says so: which sizes were taken, and
/// where to set others.
struct OfItsSizes {
  std::vector<ir::Tensor> inputs;
  std::optional<Problem> taken;
};
OfItsSizes of_its_sizes(const ir::Graph& graph, const images::ImageSource& source,
                        std::span<const int64_t> held_out, const Sample& sample, const std::string& place);

/// Warns of all that a user of the .tflite at `path` should know: kernels that are slow, sizes that were
/// taken, outputs unlike the plan's. `graph`: the float model; `at_hand`: the sample that gave the file its
/// sizes. Throws as unlike_its_plan() does.
void prove_tflite(const Scene& scene, const ir::Graph& graph, const Sample& at_hand,
                  const FloatAnswers& answers, const plan::QuantizedModel& planned, const std::string& tflite,
                  const std::filesystem::path& path, Diagnostics& diagnostics);

}  // namespace qc
