// Two papers of this folder: what files are made with, and what was made.
#pragma once

#include <vector>

#include "config/core_config.h"
#include "deliver/output_paths.h"
#include "ir/tensor.h"
#include "plan/quantized_model.h"
#include "proof/verdict.h"
#include "run/ort_runner.h"
#include "target/target.h"

namespace qc {

/// What files are made with. Borrowed.
struct FileScene {
  const config::CoreConfig& config;
  const target::TargetSpec& target;
  const OutputPaths& outputs;
  const run::ModelCodec& codec;
  const std::vector<ir::Tensor>& sample;  // one image's inputs: the sizes that a .tflite has
};

/// What the config's formats ask for; the others stay empty.
struct ModelFiles {
  plan::Written onnx, tflite;
  std::vector<proof::Verdict> verdicts;  // what runs, by NodeId of the model that the report describes
};

}  // namespace qc
