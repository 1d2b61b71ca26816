// Paper 4, from quantize to simulate, correct and both writers. The float graph after normalization, the
// plan, and the integers. A weight read by two nodes is one value and stands here once; a bias belongs to a
// node, because its scale is (scale of that node's input) * (scale of that node's weight).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "plan/quant_plan.h"

namespace qc::plan {

struct IntegerTensor {
  quant::QuantParams params;      // bias: bits 32, signed, axis 0 or -1, zero points 0
  std::vector<int32_t> integers;  // row-major, as many as the constant has elements
};

struct QuantizedModel {
  ir::Graph graph;  // constants keep their float values (bias-corrected where correction was kept)
  QuantPlan plan;
  std::map<ir::ValueId, IntegerTensor>
      weights;  // every constant stored as integers, of integer and float nodes alike
  std::map<ir::NodeId, IntegerTensor> biases;  // int32 bias of an integer Conv or Gemm (input slot 2)
  std::map<ir::ValueId, ir::DType>
      narrow;  // float constants stored as kFloat16 or kBfloat16; in no other map
};

/// Bytes of a written file, born with a label (node, kind). `node` is "" for what belongs to no node.
struct Piece {
  std::string node;
  std::string kind;  // "weights", "bias", "scales", "constants", "graph"
  int64_t bytes = 0;
};

/// What a writer returns. What no piece claims is file structure; pieces never sum to more than bytes.size().
struct Written {
  std::string bytes;  // the file, complete
  std::vector<Piece> pieces;
  // Models over 2 GB: tensors live in a second file beside the first (ONNX external data), named here.
  std::string external_name;
  std::string external_bytes;
  std::vector<std::pair<std::string, std::string>>
      value_names;  // in the file and in the model, where they differ
};

}  // namespace qc::plan
