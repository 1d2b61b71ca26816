// A .tflite file in the clothes of an ONNX model, so that both can be compared: inputs and outputs as float32
// and in the order of dimensions that the ONNX model has, run by the model of TFLite's arithmetic
// (tflite/execute.h).
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "ir/graph.h"
#include "run/runner.h"
#include "tflite/read.h"

namespace qc {

struct TfliteModel {
  // Where a value of `graph` stands in the file.
  struct Port {
    tflite::file::TensorId tensor = tflite::file::kAbsent;
    bool channels_last = false;  // there, while the graph's value has its channels first
  };

  std::string place;
  tflite::file::Model file;
  ir::Graph graph;  // inputs, outputs, and the logits where a SOFTMAX ends the file: nothing of its inside
  std::vector<Port> ports;  // by value id
};

/// `like`: the ONNX model whose inputs and outputs these stand for, with shapes as far as they are known; by
/// name, else by order. Throws Error: file not readable (kInput), an operator without a model of its
/// arithmetic (kUnsupported).
TfliteModel read_tflite(const std::filesystem::path& path, const ir::Graph& like);
/// The same of a file that is not on disk yet.
TfliteModel parse_tflite(std::string bytes, const std::string& place, const ir::Graph& like);

/// Results are graph.outputs in order, then `extra`. Integers are rounded as LiteRT with XNNPACK rounds them.
/// `model` must outlive the runner.
std::unique_ptr<run::ModelRunner> run_tflite(const TfliteModel& model, std::span<const ir::ValueId> extra);

}  // namespace qc
