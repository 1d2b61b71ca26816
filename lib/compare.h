// `qconvert compare A B [C ...]`: models of any kind, whoever wrote them, on the same images. ONNX files run
// in stock ONNX Runtime, .tflite files by a model of TFLite's arithmetic.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/core_config.h"
#include "report/comparison.h"

namespace qc {

struct CompareOptions {
  std::vector<std::filesystem::path> models;  // the first is what the others are compared with
  std::filesystem::path config;               // for the preprocessing; empty: defaults
  std::vector<config::Override> overrides;    // what --images says
  std::filesystem::path labels;               // empty: none
  int64_t label_offset = 0;  // output index = class_index + label_offset (1 for a background class)
  int64_t max_images = 0;    // 0: all of the folder
  /// Of timing; 0: neither time nor memory. Not said: up to 20, fewer where the times are steady.
  std::optional<int64_t> latency_rounds;
  int threads = 0;                 // 0: all; times are taken on one, and on so many
  bool per_class = false;          // asks for labels
  std::vector<std::string> gates;  // "top1_drop <= 1", see report/comparison_gates.h
};

struct CompareResult {
  report::Comparison comparison;
  bool gates_hold = true;  // false: exit 5
};

/// Throws Error(kUsage) with all that is wrong with what is asked for: gates that are none or have no figure,
/// accuracy by class without labels, the config.
void check_asked(const CompareOptions& options);

/// Throws what compare() would of the first model, the images and the labels: for a look at them before the
/// other models are made.
void check_comparable(const CompareOptions& options);

/// Throws Error: models that cannot be read or run, inputs or outputs that do not correspond (both lists),
/// images or labels that do not fit, gates that are none or have no figure.
CompareResult compare(const CompareOptions& options);

}  // namespace qc
