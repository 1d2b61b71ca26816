// See read_params.h.
#include "adopt/read_params.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "base/text.h"

namespace qc::adopt {
namespace {

using ir::DType;

struct Width {
  DType type;
  int bits;
  bool is_signed;
};
constexpr Width kWidths[] = {{DType::kInt8, 8, true},   {DType::kUint8, 8, false},
                             {DType::kInt16, 16, true}, {DType::kUint16, 16, false},
                             {DType::kInt4, 4, true},   {DType::kUint4, 4, false},
                             {DType::kInt32, 32, true}};

const Width* width_of(DType type) {
  const auto found =
      std::find_if(std::begin(kWidths), std::end(kWidths), [&](const Width& w) { return w.type == type; });
  return found == std::end(kWidths) ? nullptr : found;
}

// Types of ONNX that nothing else here reads.
std::string stored_name(DType type) {
  constexpr std::pair<int, const char*> kOthers[] = {
      {17, "float8e4m3fn"}, {18, "float8e4m3fnuz"}, {19, "float8e5m2"}, {20, "float8e5m2fnuz"},
      {23, "float4e2m1"},   {24, "float8e8m0"},     {25, "uint2"},      {26, "int2"}};
  for (const auto& [number, name] : kOthers)
    if (static_cast<int>(type) == number) return name;
  return ir::name_of(type);
}

void complain(Diagnostics& diagnostics, const ir::Node& node, const char* code, const std::string& cause,
              const std::string& remedy) {
  diagnostics.error({code, place_of(node), cause, remedy});
}

const std::string kExportAgain =
    "calibrate or train that value again before exporting, or give the float model this one was made from";

}  // namespace

std::string place_of(const ir::Node& node) {
  return format("node '{}' ({})", node.name, node.op_type);
}

DType integer_type(const ir::Graph& graph, const ir::Node& node) {
  const auto type_of = [&](size_t slot) {
    if (slot >= node.inputs.size() || node.inputs[slot] == ir::kNone) return DType::kUndefined;
    const ir::Value& value = ir::value_at(graph, node.inputs[slot]);
    return value.constant ? value.constant->dtype : value.dtype;
  };
  if (const DType zero = type_of(2); zero != DType::kUndefined) return zero;
  if (node.op_type == "DequantizeLinear") return type_of(0);
  const auto asked = static_cast<DType>(ir::int_attribute(node, "output_dtype", 0));
  return asked == DType::kUndefined ? DType::kUint8 : asked;
}

std::optional<quant::QuantParams> read_params(const ir::Graph& graph, const ir::Node& node, size_t scale_slot,
                                              size_t zero_slot, DType type, int64_t axis,
                                              Diagnostics& diagnostics) {
  const ir::Tensor* scale = ir::constant_input(graph, node, scale_slot);
  if (!scale || scale->dtype != DType::kFloat || scale->size() == 0) {
    complain(diagnostics, node, "bad-scale", "its scale is not a float32 constant", kExportAgain);
    return std::nullopt;
  }
  const Width* width = width_of(type);
  if (!width) {
    complain(
        diagnostics, node, "bad-type", format("its numbers are stored as {}", stored_name(type)),
        "quantize to int8, uint8, int16, uint16, int4 or uint4, or give the float model this one was made "
        "from");
    return std::nullopt;
  }
  quant::QuantParams params;
  params.bits = width->bits;
  params.is_signed = width->is_signed;
  params.scales.assign(scale->as<float>().begin(), scale->as<float>().end());
  if (params.scales.size() > 1) params.axis = static_cast<int>(axis);
  if (ir::int_attribute(node, "block_size", 0) > 0) {
    complain(
        diagnostics, node, "bad-scale",
        "it has a scale for each block of a weight, which no integer kernel takes",
        "give the float model this one was made from, or the one behind it (qconvert fix --strip MODEL), "
        "and take mode weight_only with blocks");
    return std::nullopt;
  }
  for (size_t i = 0; i < params.scales.size(); ++i) {
    float& s = params.scales[i];
    // Of a channel that is as good as zero. Below the smallest normal float its reciprocal is infinite; at it
    // all of its numbers are still nothing beside any other.
    if (s > 0) s = std::max(s, FLT_MIN);
    if (std::isfinite(s) && s >= FLT_MIN) continue;
    complain(diagnostics, node, "bad-scale", format("scale {} of {} is {}", i, params.scales.size(), s),
             kExportAgain);
    return std::nullopt;
  }
  params.zero_points.assign(params.scales.size(), 0);
  const ir::Tensor* zero = ir::constant_input(graph, node, zero_slot);
  const bool given = zero_slot < node.inputs.size() && node.inputs[zero_slot] != ir::kNone;
  if (given && (!zero || zero->dtype != type || (zero->size() != 1 && zero->size() != scale->size()))) {
    complain(diagnostics, node, "bad-zero-point",
             "its zero point is no constant of its integers' type and scale's size", kExportAgain);
    return std::nullopt;
  }
  if (zero) {
    const std::vector<int32_t> points = integers_of(*zero, params);
    for (size_t i = 0; i < params.zero_points.size(); ++i)
      params.zero_points[i] = points[points.size() == 1 ? 0 : i];
  }
  return params;
}

void join_equal(quant::QuantParams& params) {
  const auto equal = [](const auto& all) {
    return std::all_of(all.begin(), all.end(), [&](const auto& one) { return one == all[0]; });
  };
  if (!params.per_channel() || !equal(params.scales) || !equal(params.zero_points)) return;
  params.scales.resize(1);
  params.zero_points.resize(1);
  params.axis = -1;
}

std::vector<int32_t> integers_of(const ir::Tensor& tensor, const quant::QuantParams& params) {
  return quant::unpack(*tensor.bytes, tensor.size(), params);
}

void make_signed(std::vector<int32_t>& integers, quant::QuantParams& params) {
  if (!params.is_signed && params.bits <= 8) {
    const int32_t half = 1 << (params.bits - 1);
    for (int32_t& q : integers) q -= half;
    for (int32_t& z : params.zero_points) z -= half;
    params.is_signed = true;
  }
  const bool centred =
      std::all_of(params.zero_points.begin(), params.zero_points.end(), [](int32_t z) { return z == 0; });
  params.narrow_range = centred && params.is_signed &&
                        std::all_of(integers.begin(), integers.end(),
                                    [&](int32_t q) { return q > -(int64_t{1} << (params.bits - 1)); });
}

}  // namespace qc::adopt
