// `qconvert compare A B`: two ONNX models, whoever wrote them, on the same images in stock ONNX Runtime. B
// may be a .tflite file, which is run by a model of TFLite's arithmetic.
#pragma once

#include <filesystem>
#include <vector>

#include "config/core_config.h"
#include "report/comparison.h"

namespace qc {

struct CompareOptions {
  std::filesystem::path a, b;
  std::filesystem::path config;             // for the preprocessing; empty: defaults
  std::vector<config::Override> overrides;  // what --images says
  std::filesystem::path labels;             // empty: none
  int64_t label_offset = 0;     // output index = class_index + label_offset (1 for a background class)
  int64_t max_images = 0;       // 0: all of the folder
  int64_t latency_rounds = 20;  // 0: no timing
  int threads = 0;              // 0: all; timing is on one
};

/// Throws Error: models that cannot be read or run, inputs or outputs that do not correspond (both lists),
/// images or labels that do not fit.
report::Comparison compare(const CompareOptions& options);

}  // namespace qc
