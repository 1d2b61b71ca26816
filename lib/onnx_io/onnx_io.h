// The ONNX door: files in, files out. Nothing else in the house knows protobuf.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "ir/graph.h"
#include "plan/quantized_model.h"

namespace qc::onnx_io {

/// Reads a model file with its external data. Constant nodes become constants; initializers that are also
/// inputs become constants and are noted in Graph::initializers_as_inputs; empty node names are made unique.
/// Shapes are those the file states (value_info, inputs, outputs). Throws Error(kInput) naming the place:
/// missing, empty, truncated or non-ONNX file; external data missing, too short, or outside the model's
/// folder; unsupported opset.
ir::Graph read(const std::filesystem::path& path, Diagnostics& diagnostics);
/// The same from bytes (fuzzing, tests); `folder` is where external data is looked for.
ir::Graph parse(std::string_view bytes, const std::filesystem::path& folder, Diagnostics& diagnostics);

/// The body in such an attribute of an If. What it reads from outside, by name, are its inputs; it imports no
/// opsets, which are those of the model. Throws Error(kInput) where it is no sound graph.
ir::Graph read_body(const ir::OpaqueAttribute& attribute);

/// metadata_props of files that a conversion wrote: by which version, for which config.
inline constexpr const char *kVersionKey = "qconvert.version", *kConfigKey = "qconvert.config";

/// A file of ours whose weights are stored in fewer bits, with no op by which one can see that it is
/// quantized: activations are floats, and Cast and Mul or floats of 16 bits hold the weights.
bool has_narrow_weights_of_ours(const ir::Graph& graph);

/// Problems that must stop a conversion, all at once, as Error(kInput): weights with NaN or Inf (value and
/// node named), a model that is already quantized (QuantizeLinear, QLinear*, ..., or narrow weights of ours;
/// hint), no inputs or outputs.
void check_convertible(const ir::Graph& graph, const std::filesystem::path& path);

/// A file in memory with its external data, as write_qdq() returns it.
ir::Graph parse(const plan::Written& file, Diagnostics& diagnostics);

/// The float graph as it stands. `for_runtime` keeps it small and exact for our own sessions (no metadata,
/// docs). Constants in `outside` are named as external data of no file: whoever loads the model has them.
std::string write(const ir::Graph& graph, bool for_runtime = false,
                  std::span<const ir::ValueId> outside = {});

struct QdqOptions {
  /// Initializers of this many bytes in all go into a second file under this name (Written::external_*;
  /// pieces then cover both files): one ONNX file ends at 2 GiB.
  std::string external_name = "model.onnx.data";
  int64_t external_above = 1'900'000'000;
  /// Every node gets a name, also those without one in the file and the new ones: for judging what a runtime
  /// makes of each. Costs bytes, changes nothing else.
  bool name_all_nodes = false;
  /// Integer nodes as the runtime's integer ops (QLinearConv, ...) where there is one, instead of the float
  /// op between DequantizeLinear and QuantizeLinear.
  bool qoperator = false;
  bool standard_ops_only = false;  // of those, none of the domain com.microsoft
  bool float_softmax = false;      // of those, no Softmax: its logits can be read as floats
  /// true: values inside the model, weights among them, get the shortest names there are
  /// (Written::value_names has their own). Nothing: where their own are a lot of the file. Nodes, inputs,
  /// outputs and what bodies read keep theirs in any case, as do all where every node is to be named.
  std::optional<bool> short_names = false;
};

/// The quantized file: Q -> DQ after every quantized activation, integer initializers behind DequantizeLinear
/// for integer nodes and behind Cast and Mul for float nodes (folded at load). Follows the plan and decides
/// nothing. Names of inputs, outputs, nodes, their results and weights stay (but see short_names); what is
/// new has the shortest names there are. A quantized output y has its float original in y_f. Attributes that
/// say what the standard takes for granted are left out, and what exporters note about the origin of nodes.
plan::Written write_qdq(const plan::QuantizedModel& model,
                        const std::vector<std::pair<std::string, std::string>>& metadata,
                        const QdqOptions& options = {});

/// Raises the standard opset to `version` by our own rules (Softmax, BatchNormalization, Dropout, axes that
/// became inputs, Resize, Clip, Pad, ...), in place. False with a warning naming the op when a rule is
/// missing; the graph is then unchanged.
bool raise_opset(ir::Graph& graph, int64_t version, Diagnostics& diagnostics);

}  // namespace qc::onnx_io
