// Models of any kind as a comparison needs them: read, their inputs and outputs matched with those of the
// first, and opened so that one run gives everything that is judged.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "compare/tflite_runner.h"
#include "config/core_config.h"
#include "ir/graph.h"
#include "run/runner.h"
#include "simulate/fidelity.h"

namespace qc {

/// One output of A, its counterpart in the model, and where in the results of a run both stand.
struct OutputPair {
  simulate::Judged a, own;
  size_t result_a = 0, result = 0;
};

struct ComparedFile {
  std::string letter;  // "A" is what the others are compared with
  std::filesystem::path path;
  ir::Graph graph;
  std::unique_ptr<TfliteModel> tflite;  // set: `graph` is its outside, and its arithmetic is modelled
  std::unique_ptr<run::ModelRunner> runner;
  std::vector<size_t> inputs;     // which of A's inputs feeds each of its own
  std::vector<OutputPair> pairs;  // none for A
};

/// A .tflite gets its inputs and outputs in the order of dimensions of the first ONNX model, if there is one.
/// Throws Error: files that cannot be read, all at once where they are several; more models than letters.
std::vector<ComparedFile> read_models(const std::vector<std::filesystem::path>& paths,
                                      const config::CoreConfig& config, Diagnostics& diagnostics);

/// Fills `inputs` and `pairs`: by name, else by order where all shapes allow it; judged before their Softmax
/// where both have one. Throws Error(kInput) with both lists when a model's do not correspond to A's.
void match_with_first(std::vector<ComparedFile>& models, std::vector<std::string>& notes);

/// Makes the runners, one thread a run, and fills the places of all pairs.
void open_runners(std::vector<ComparedFile>& models);

/// A's inputs in the order that the model wants.
std::vector<ir::Tensor> inputs_for(const ComparedFile& model, const std::vector<ir::Tensor>& inputs);

/// The error of two models that do not go together.
Error unlike(const std::string& cause, const std::string& remedy);

}  // namespace qc
