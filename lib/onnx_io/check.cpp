// What must stop a conversion before it starts: every problem of the model at once, each with the node it
// sits at.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/text.h"
#include "ir/unfolded.h"
#include "onnx_io/onnx_io.h"

namespace qc::onnx_io {
namespace {

constexpr size_t kNamed = 3;  // nodes named in one sentence; the rest is counted

struct Unusable {
  int64_t nan = 0, infinite = 0;
};

// IEEE layout: an exponent of all ones is infinite with an empty mantissa, NaN otherwise.
template <typename Bits>
Unusable count_unusable(std::span<const Bits> numbers, Bits exponent, Bits mantissa) {
  Unusable found;
  for (const Bits bits : numbers) {
    if ((bits & exponent) != exponent) continue;
    ((bits & mantissa) != 0 ? found.nan : found.infinite) += 1;
  }
  return found;
}

Unusable count_unusable(const ir::Tensor& tensor) {
  switch (tensor.dtype) {
    case ir::DType::kFloat:
      return count_unusable<uint32_t>(tensor.as<uint32_t>(), 0x7f800000u, 0x007fffffu);
    case ir::DType::kDouble:
      return count_unusable<uint64_t>(tensor.as<uint64_t>(), 0x7ff0000000000000u, 0x000fffffffffffffu);
    case ir::DType::kFloat16:
      return count_unusable<uint16_t>(tensor.as<uint16_t>(), 0x7c00u, 0x03ffu);
    case ir::DType::kBfloat16:
      return count_unusable<uint16_t>(tensor.as<uint16_t>(), 0x7f80u, 0x007fu);
    default:
      return {};
  }
}

// Ops in which an infinite constant can only be damage. Elsewhere it has a meaning: bounds of Clip, Max and
// Min, attention masks in Add and Where, padding.
constexpr std::string_view kNeedsFinite[] = {"Conv",
                                             "ConvTranspose",
                                             "Gemm",
                                             "MatMul",
                                             "BatchNormalization",
                                             "InstanceNormalization",
                                             "LayerNormalization",
                                             "GroupNormalization",
                                             "PRelu",
                                             "Mul",
                                             "LSTM",
                                             "GRU",
                                             "RNN"};

bool needs_finite(const ir::Node& node) {
  return std::any_of(std::begin(kNeedsFinite), std::end(kNeedsFinite),
                     [&](std::string_view op) { return ir::standard_op(node, op); });
}

// Their scales are in the file.
constexpr std::string_view kScaledOps[] = {"QuantizeLinear", "DequantizeLinear", "QGemm"};
constexpr std::string_view kRunTimeOps[] = {
    "DynamicQuantizeLinear", "ConvInteger",         "MatMulInteger",
    "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "MatMulIntegerToFloat",
    "MatMulInteger16",       "QAttention",          "QEmbedLayerNormalization"};

constexpr std::string_view kNarrowOps[] = {"MatMulNBits"};  // weights alone

bool has_scales(const ir::Node& node) {
  return node.op_type.starts_with("QLinear") ||
         std::ranges::find(kScaledOps, node.op_type) != std::end(kScaledOps);
}

bool rounds_at_run_time(const ir::Node& node) {
  return std::ranges::find(kRunTimeOps, node.op_type) != std::end(kRunTimeOps);
}

bool is_quantized_op(const ir::Node& node) {
  return has_scales(node) || rounds_at_run_time(node) ||
         std::ranges::find(kNarrowOps, node.op_type) != std::end(kNarrowOps);
}

std::string node_place(const ir::Node& node) {
  return format("node '{}' ({})", node.name, node.op_type);
}

void check_numbers(const ir::Graph& graph, Diagnostics& diagnostics) {
  for (const ir::Value& value : graph.values) {
    if (!value.constant || value.consumers.empty()) continue;
    const Unusable found = count_unusable(*value.constant);
    if (found.nan + found.infinite == 0) continue;
    const auto reader = std::find_if(value.consumers.begin(), value.consumers.end(), [&](ir::NodeId id) {
      return found.nan > 0 || needs_finite(ir::node_at(graph, id));
    });
    if (reader == value.consumers.end()) continue;
    const ir::Node& node = ir::node_at(graph, *reader);
    diagnostics.error({"bad-weights", node_place(node),
                       format("its constant '{}' holds {} NaN and {} infinite of {} numbers", value.name,
                              found.nan, found.infinite, value.constant->size()),
                       "train or export the model again: no quantizer can mend numbers that are lost"});
  }
}

void check_ours(const ir::Graph& graph, const std::string& place, Diagnostics& diagnostics) {
  if (!has_narrow_weights_of_ours(graph)) return;
  const bool unfolds = ir::unfolded_weights(graph) > 0;
  diagnostics.error(
      {"already-quantized", place,
       "it is quantized already: qconvert wrote it, with weights in fewer bits and activations in float",
       unfolds ? "give the float32 model that this one was made from, or the one behind it: qconvert fix "
                 "--strip MODEL"
               : "give the float32 model that this one was made from"});
}

void check_float(const ir::Graph& graph, const std::string& place, Diagnostics& diagnostics) {
  std::vector<std::string> names;
  size_t count = 0;
  bool scales = false, at_run_time = false;
  for (const ir::Node& node : graph.nodes) {
    if (node.erased || !is_quantized_op(node)) continue;
    scales = scales || has_scales(node);
    at_run_time = at_run_time || rounds_at_run_time(node);
    if (++count <= kNamed) names.push_back(node_place(node));
  }
  if (count == 0) return check_ours(graph, place, diagnostics);
  diagnostics.error(
      {"already-quantized", place,
       format("it is quantized already: {}{}", join(names, ", "),
              count > kNamed ? format(" and {} more", count - kNamed) : ""),
       scales
           ? "write it anew with: qconvert fix MODEL; or give the float32 model that this one was made from"
       : at_run_time
           ? "give the float32 model that this one was made from, or the one behind it: qconvert fix --strip "
             "MODEL (its activations are rounded at run time, so there are no scales to take over; \"mode\": "
             "\"dynamic\" makes such a file)"
           : "give the float32 model that this one was made from, or the one behind it: qconvert fix --strip "
             "MODEL (its weights alone are integers, as \"mode\": \"weight_only\" makes them)"});
}

// Layers whose weights are of 16 bits, and none with others. Of our own files all has been said.
void check_width(const ir::Graph& graph, const std::string& place, Diagnostics& diagnostics) {
  constexpr std::string_view kLayers[] = {"Conv", "ConvTranspose", "Gemm", "MatMul"};
  int64_t layers = 0, halves = 0;
  for (const ir::Node& node : graph.nodes) {
    const bool layer = std::any_of(std::begin(kLayers), std::end(kLayers),
                                   [&](std::string_view op) { return ir::standard_op(node, op); });
    if (node.erased || !layer || node.inputs.size() < 2 || node.inputs[1] == ir::kNone) continue;
    const ir::Value& weight = ir::value_at(graph, node.inputs[1]);
    ++layers;
    halves += weight.constant && ir::is_half(weight.constant->dtype);
  }
  if (halves > 0 && halves == layers && !has_narrow_weights_of_ours(graph))
    diagnostics.error(
        {"half-weights", place,
         format("all of its {} layers compute in floats of 16 bits, and what is quantized are those "
                "of 32",
                layers),
         "export it in float32"});
}

}  // namespace

bool has_narrow_weights_of_ours(const ir::Graph& graph) {
  const bool ours = std::any_of(graph.metadata.begin(), graph.metadata.end(),
                                [](const auto& entry) { return entry.first == kVersionKey; });
  const bool shows = std::any_of(graph.nodes.begin(), graph.nodes.end(),
                                 [](const ir::Node& node) { return !node.erased && is_quantized_op(node); });
  if (!ours || shows) return false;
  const bool halves = std::any_of(graph.values.begin(), graph.values.end(), [](const ir::Value& value) {
    return value.constant && ir::is_half(value.constant->dtype) && !value.consumers.empty();
  });
  return halves || ir::unfolded_weights(graph) > 0;
}

void check_convertible(const ir::Graph& graph, const std::filesystem::path& path) {
  Diagnostics diagnostics;
  const std::string place = path.string();
  if (graph.inputs.empty())
    diagnostics.error({"no-inputs", place, "the model has no inputs, so nothing can be calibrated",
                       "export it with the image as an input instead of a constant"});
  if (graph.outputs.empty())
    diagnostics.error(
        {"no-outputs", place, "the model has no outputs", "export it again with its outputs named"});
  check_float(graph, place, diagnostics);
  check_width(graph, place, diagnostics);
  check_numbers(graph, diagnostics);
  diagnostics.throw_if_errors(Exit::kInput);
}

}  // namespace qc::onnx_io
