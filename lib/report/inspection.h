// What `qconvert inspect` found in a model, as numbers, then printed. Nothing is computed while printing but
// sums over rows; what could not be known is absent and printed as '?'.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace qc::report {

struct Port {
  std::string name, type, shape;  // "input", "float32", "[batch,3,224,224]"
};

struct InspectedNode {
  std::string node, op_type;      // "com.microsoft.QGemm" outside the standard domain
  std::string output_shape;       // of the first output; "" unknown
  std::optional<int64_t> macs;    // none: unknown, or the op does not multiply and add
  int64_t parameters = 0;         // elements of the constants it is the first to read
  int64_t constant_bytes = 0;     // as they are stored
  int64_t quantized_bytes = 0;    // with the weights in the target's width; as stored in a quantized file
  std::string weight_params;      // "int8, 32 scales": quantized files only
  std::string output_params;      // "uint8 scale 0.0235 zero_point 128": quantized files only
  std::string kernel;             // as NodeRow::verdict; quantized files only, "" unknown
  bool integer_kernel = false;    // quantized files only
  bool unpacks = false;           // quantized files only: makes floats of stored weights, once at load
  bool could_be_integer = false;  // float files only: the target has an integer kernel for this node
  std::string reason;             // why not, or what becomes of it
};

/// A value made while running, batch 1.
struct Activation {
  std::string node, shape;                 // who makes it ("" an input), "[1,32,112,112]"
  int64_t bytes = 0, quantized_bytes = 0;  // as it is, and in the target's width
};

/// What a model takes when it runs; absent: a size of a layer is not fixed.
struct Resources {
  int64_t constants = 0;               // bytes
  std::optional<int64_t> activations;  // bytes alive at once, batch 1, in the best order of the nodes
  std::optional<double> bops;          // multiply-accumulates times the bits of both operands
  std::optional<int64_t> total() const {
    return activations ? std::optional(constants + *activations) : std::nullopt;
  }
};

struct Inspection {
  std::string model, target, target_description;
  int64_t file_size = 0, opset = 0, ir_version = 0;
  std::string producer;
  bool quantized = false;      // QDQ or QOperator nodes are in the file, or weights_alone
  bool weights_alone = false;  // a file of ours that stores weights in fewer bits and rounds no activation
  std::vector<Port> inputs, outputs;
  std::vector<std::pair<std::string, int64_t>> ops;  // by count, then name
  std::vector<InspectedNode> nodes;                  // topological order
  Resources as_stored;                               // by the widths of the file
  Resources on_target;                               // float files only: integers wherever it has kernels
  std::string peak_node;                             // of as_stored
  std::vector<Activation> largest;                   // a few, the largest first
  std::optional<int64_t> macs;  // of one run with batch 1; none: a size of a layer is not fixed
  std::vector<std::string> notes;
};

/// `verbose`: every node, not only those with weights or arithmetic.
std::string to_text(const Inspection& inspection, bool verbose);
std::string to_json(const Inspection& inspection);
std::string to_html(const Inspection& inspection);

}  // namespace qc::report
