// A graph with a plan made by hand, and what stock ONNX Runtime makes of the file written from it: which
// kernels, and whether they compute what the float simulation of the same file says.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "onnx_io/onnx_io.h"
#include "plan/quantized_model.h"

namespace qc::planned {

/// Ranges are taken from one run of the float graph on random inputs.
struct Planned {
  plan::QuantizedModel model;
  std::vector<ir::Tensor> inputs;
  std::map<ir::ValueId, std::pair<float, float>> ranges;

  explicit Planned(const ir::Graph& graph);
  void add_range(ir::ValueId v, const ir::Tensor& tensor);
  const ir::Value& at(ir::ValueId v) const { return ir::value_at(model.graph, v); }
  quant::QuantParams& params(ir::ValueId v) { return model.plan.values[v].params; }

  Planned& activation(ir::ValueId v, int bits = 8, bool is_signed = false);
  Planned& activations(const std::vector<ir::ValueId>& values);
  Planned& compute(ir::NodeId id, plan::Compute compute);
  /// Integer weights, symmetric; axis -1: per tensor. Of 8 bits only half the range is used, so that kernels
  /// that add pairs of products in 16 bits (x86 without VNNI) compute what others do.
  Planned& weight(ir::ValueId v, int axis, int bits = 8, int32_t zero_point = 0);
  Planned& bias(ir::NodeId id);
  /// Conv or Gemm with all that belongs to it, except its output.
  Planned& integer(ir::NodeId id, int axis = 0);
};

struct Outcome {
  std::string ops;            // of the optimized graph
  double against_simulation;  // worst output, relative to its largest element
  double against_float;
  plan::Written written;
};

Outcome judge(const Planned& planned, const onnx_io::QdqOptions& options = {});

/// CHECKs that the kernels compute what the simulation does, and nearly what the float graph does.
void check_numbers(const Outcome& outcome, double tolerance = 0.03);

ir::NodeId producer(const ir::Graph& g, ir::ValueId v);

}  // namespace qc::planned
