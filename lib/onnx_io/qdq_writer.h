// What the parts of the QDQ writer share: the file as far as it is made, and its smallest steps. Every entry
// is labelled (node, kind) when it is made. Private to onnx_io.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "onnx_io/file_bytes.h"
#include "onnx_io/onnx_io.h"

namespace qc::onnx_io {

constexpr const char* kContrib = "com.microsoft";  // has 16-bit Q/DQ at every opset
constexpr int64_t kWideTypesOpset = 21;            // standard Q/DQ of 16 and 4 bits
constexpr int64_t kOldestLinear = 10;
constexpr int64_t kPerAxisOpset = 13;
constexpr int64_t kIntegerClipOpset = 12;

struct Writer {
  const plan::QuantizedModel& model;
  const QdqOptions& options;
  int64_t opset;
  FileParts parts;
  std::vector<std::pair<std::string, ir::Tensor>>
      initializers;  // written last: they may go into a second file
  std::vector<plan::Piece> node_pieces, initializer_pieces;
  std::vector<std::string> value_names;             // by ValueId, as the file has them
  std::map<char, int64_t> counts;                   // of names made for each letter
  std::set<std::string> names;                      // every value name in the file
  std::set<std::string> node_names;                 // as far as new nodes get names as well
  std::map<std::string, std::string> shared;        // type, shape and bytes of a small constant -> its name
  std::map<ir::ValueId, std::string> read_as;       // what readers of an activation read
  std::map<ir::ValueId, std::string> quantized_as;  // the integers of an activation
  std::map<ir::ValueId, std::string> read_by_channel;  // the same floats, from a scale for each channel
  std::map<ir::ValueId, std::string> written_as;       // what its producer writes
  std::map<ir::ValueId, std::string> integers, dequantized, unfolded, widened;  // of constants, as written
  bool contrib = false;

  Writer(const plan::QuantizedModel& m, const QdqOptions& o)
      : model(m), options(o), opset(ir::opset(m.graph)) {}
  const ir::Value& value(ir::ValueId v) const { return ir::value_at(model.graph, v); }
  const std::string& name(ir::ValueId v) const { return value_names[v]; }
  const ir::Node& node(ir::NodeId id) const { return ir::node_at(model.graph, id); }
  plan::Compute compute(ir::NodeId id) const { return model.plan.nodes[id].compute; }
  const plan::ValueDecision& decision(ir::ValueId v) const { return model.plan.values[v]; }
};

[[noreturn]] void bug(const std::string& place, const std::string& cause);

/// The same integers in the types that kernels take: 8, 16 or 32 bits. Widths below are made by a Clip
/// (activations) or by the integers themselves (weights).
quant::QuantParams in_kernels(quant::QuantParams params);

/// Names of new values are a letter and a number: they stand in the file three times each, and in a small
/// model that is more than the integers' own overhead. The letters: q quantized, d dequantized, s scale, z
/// zero point, b bias, c and w steps of unfolding.
std::string fresh_name(Writer& w, char letter);
bool captured(const Writer& w, ir::ValueId v);

void add_initializer(Writer& w, const std::string& name, ir::Tensor tensor, const std::string& label,
                     const char* kind);
/// Small constants repeat all over a model: one initializer for equal content.
std::string shared_constant(Writer& w, char letter, ir::Tensor tensor, const std::string& label,
                            const char* kind = "scales");
ir::Node new_node(const char* op_type, std::vector<ir::Attribute> attributes = {});
void add_node(Writer& w, ir::Node node, const std::vector<std::string>& inputs,
              const std::vector<std::string>& outputs, const std::string& label);
/// QuantizeLinear or DequantizeLinear for this type, in the domain that knows it.
ir::Node linear_node(Writer& w, const char* op_type, const quant::QuantParams& params);
std::string scale_name(Writer& w, const quant::QuantParams& params, const std::string& label);
std::string zero_point_name(Writer& w, const quant::QuantParams& params, const std::string& label);

/// What an integer node reads for a constant: its integers behind DequantizeLinear.
const std::string& dequantized_constant(Writer& w, ir::ValueId v, const std::string& label);
/// What a float node reads: the same behind Cast and Mul, which are folded at load.
const std::string& unfolded_constant(Writer& w, ir::ValueId v, const std::string& label);
/// What every node reads for a constant stored in a narrower float type: a Cast, which is folded at load.
const std::string& widened_constant(Writer& w, ir::ValueId v, const std::string& label);
std::string dequantized_bias(Writer& w, ir::NodeId id, const plan::IntegerTensor& bias);
/// A value that holds a constant's integers in the kernels' type: an initializer, or what unpacks one.
const std::string& integer_value(Writer& w, ir::ValueId v, const std::string& label);

/// Whether the node is written as the runtime's integer op (write_qoperator.cpp).
bool as_qoperator(const Writer& w, ir::NodeId id);
/// A Relu or Clip whose producer is, and clamps by its own range.
bool inside_qoperator(const Writer& w, ir::NodeId id);
/// Whether something reads the value's floats: all readers that are no such ops, and the world outside.
bool floats_are_read(const Writer& w, ir::ValueId v);
/// The op itself, and DequantizeLinear behind it for readers of floats.
void add_qoperator_node(Writer& w, ir::NodeId id);

}  // namespace qc::onnx_io
