// The corridor's side of the .tflite: what of the config it depends on, and the model it is made from.
#pragma once

#include <span>
#include <vector>

#include "config/core_config.h"
#include "deliver/file_scene.h"
#include "ir/graph.h"
#include "plan/quantized_model.h"
#include "target/target.h"
#include "tflite/tflite.h"

namespace qc {

/// The graph with nothing rounded, and for the form dynamic_range with integer weights, of 8 bits where the
/// rules (by NodeId) say nothing else.
plan::QuantizedModel float_model(const ir::Graph& graph, const target::TargetSpec& target,
                                 const config::CoreConfig& config,
                                 std::span<const config::NodeSettings> rules, int threads);

/// The TFLite graph of a model, with the shapes that it has on the sample. Throws Error(kUnsupported) naming
/// every node that TFLite cannot express, or every one that breaks the target's rules.
tflite::Model tflite_graph(const FileScene& scene, const plan::QuantizedModel& model);
/// Throws what tflite_graph() would, before anything was calibrated, but for what depends on ranges alone.
void check_tflite(const FileScene& scene, const ir::Graph& graph, const plan::QuantPlan& plan);

/// What a program that feeds the .tflite must know: a sentence for every input and output that is not as in
/// the ONNX model. And what narrow weights come to, and what the target leaves to the processor beside it.
std::vector<std::string> tflite_notes(const tflite::Model& lowered, const plan::QuantizedModel& model,
                                      const target::TargetSpec& target);
/// What takes many times float's time in LiteRT: activations of 16 bits, where no other runtime is named.
std::optional<Problem> slow_kernels(const config::CoreConfig& config, const target::TargetSpec& target,
                                    const std::string& place);

}  // namespace qc
