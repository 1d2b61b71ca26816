// What `qconvert inspect` found in a TFLite file, as numbers, then printed. Bytes are those of the file: the
// sizes by kind sum to it, and so do the tensors' with what belongs to none.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "report/inspection.h"

namespace qc::report {

struct TfliteTensor {
  std::string name, type, shape;  // "[1,224,224,3]"
  std::string kind;               // "weights", "bias", "constants"; "" computed at run time
  std::string params;             // "scale 0.0235 zero point -128", "32 scales along 0"; "": none
  std::vector<std::pair<std::string, int64_t>> by_kind;  // bytes: data, scales, names, ...
  int64_t bytes = 0;                                     // their sum
};

struct TfliteOperator {
  std::string op;
  int64_t version = 0;
  std::string options;                       // "padding SAME, stride_w 2"
  std::vector<std::string> inputs, outputs;  // tensors' names; "-" for an input that is not given
  std::string output_type, output_shape, output_params,
      weight_params;           // of the first output; of input 1 if weights
  int64_t constant_bytes = 0;  // data of the constants that it is the first to read
};

struct TfliteInspection {
  std::string model, description;
  int64_t file_size = 0, graphs = 0;
  bool quantized = false;  // some tensor has a scale
  std::vector<Port> inputs, outputs;
  std::vector<std::string> input_params, output_params;
  std::vector<std::pair<std::string, int64_t>> ops;    // "CONV_2D v3" by count, then name
  std::vector<std::pair<std::string, int64_t>> types;  // element types of what operators compute, by count
  std::vector<std::pair<std::string, int64_t>> sizes;  // bytes by kind, the largest first
  Resources taken;                                     // in the order of the operators
  std::string peak_node;
  std::optional<int64_t> macs;
  int64_t unowned = 0;                    // bytes that belong to no tensor
  std::vector<TfliteOperator> operators;  // of the first graph
  std::vector<TfliteTensor> tensors;
  std::vector<std::string> signatures;
  std::vector<std::pair<std::string, std::string>> metadata;  // values that are text, else "12 bytes"
  std::vector<std::string> notes;
};

/// `verbose`: the tensors too.
std::string to_text(const TfliteInspection& inspection, bool verbose);
std::string to_json(const TfliteInspection& inspection);
std::string to_html(const TfliteInspection& inspection);

}  // namespace qc::report
