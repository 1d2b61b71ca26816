// Legal graphs that are rare, from the file to both files: stock ONNX Runtime and LiteRT are asked what the
// written files compute, on inputs that were not calibrated on. Each test of this folder was wrong once. One
// file a subject; what they share is here.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "pipeline.h"
#include "report/report.h"

namespace qc::odd {

/// Bytes of what was written; empty: not asked for.
struct Files {
  std::string onnx, tflite;
  report::Report report;
};

/// What calibration file i of 12 holds. None: random numbers in [-1, 1) of the model's own shape.
using Calibration = std::function<ir::Tensor(unsigned i)>;

/// A model's bytes through `corridor` (convert or fix), in a folder that is gone afterwards. The .tflite
/// takes floats in the order of the ONNX model's axes. Throws what the corridor throws.
Files files_of(const std::string& model, const std::vector<std::string>& settings,
               const Calibration& calibration,
               const std::function<ConvertResult(const ConvertOptions&)>& corridor);
/// By a conversion; `settings` are those of --set.
Files convert_graph(const ir::Graph& g, const std::vector<std::string>& settings,
                    const Calibration& calibration = {});
/// By fix, with nothing but the file.
Files fixed_without_images(const std::string& model);

struct Case {
  const char* name;
  std::function<void(ir::Graph&, ir::ValueId x)> build;  // from the input to the outputs
  std::vector<std::string> settings;
  double least_db;  // of every output in each runtime, signal over noise
};
/// Converts the graph whose input has these dims and checks each written file on two inputs.
void check(const Case& one, const std::vector<int64_t>& dims = {1, 3, 12, 10});

/// Settings: integers everywhere in both files; a .tflite alone for a target.
extern const std::vector<std::string> kBoth;
std::vector<std::string> lone_tflite(const char* target);

/// The graph of an ONNX file.
ir::Graph read_graph(const std::string& onnx);
/// The graph as stock ONNX Runtime has it after its optimizations.
ir::Graph optimized_by_runtime(const std::string& onnx, const std::vector<ir::Tensor>& inputs);
/// How many live nodes are of this type, and how many operators of a .tflite.
size_t count_of(const ir::Graph& g, std::string_view op);
size_t operators_of(const std::string& tflite, std::string_view op);
/// SQNR of each output of the .tflite in LiteRT; of the only one.
std::vector<double> litert_db(const std::vector<ir::Tensor>& expected, const std::string& tflite,
                              const std::vector<ir::Tensor>& inputs);
double litert_db(const ir::Tensor& expected, const std::string& tflite,
                 const std::vector<ir::Tensor>& inputs);

}  // namespace qc::odd
