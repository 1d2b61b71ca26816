// Resize: TFLite has two modes with three ways to place the samples. Which of them reads exactly the cells
// that ONNX reads is found by comparing the positions themselves, for every output index.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "base/text.h"
#include "tflite/lowering.h"

namespace qc::tflite {
namespace {

// One dimension: sizes, and ONNX's factor between them.
struct Stretch {
  int64_t in = 1, out = 1;
  float scale = 1;  // out / in as the model says it
};

struct Placing {
  const char* name;
  bool align_corners, half_pixel;
};
constexpr Placing kPlacings[] = {
    {"asymmetric", false, false}, {"half_pixel", false, true}, {"align_corners", true, false}};

// In float32, step by step as ONNX Runtime computes it: where factors are no whole numbers, the last bit
// decides about the cell.
float onnx_position(const std::string& mode, const Stretch& s, int64_t o) {
  const auto x = static_cast<float>(o), in = static_cast<float>(s.in), out = static_cast<float>(s.out);
  if (mode == "asymmetric") return x / s.scale;
  if (mode == "align_corners") return s.out > 1 ? x * (in - 1) / (out - 1) : 0;
  if (mode == "pytorch_half_pixel" && s.out == 1) return 0;
  if (mode == "half_pixel_symmetric") {
    const float adjusted = out / (s.scale * in);
    return in / 2 * (1 - adjusted) + (x + 0.5f) / s.scale - 0.5f;
  }
  if (mode == "tf_half_pixel_for_nn") return (x + 0.5f) / s.scale;
  return (x + 0.5f) / s.scale - 0.5f;
}

// As LiteRT's kernels place samples; their floats are kept where they decide about a rounding.
double litert_position(const Placing& p, const Stretch& s, int64_t o, bool nearest) {
  const float step = p.align_corners && s.out > 1
                         ? static_cast<float>(s.in - 1) / static_cast<float>(s.out - 1)
                         : static_cast<float>(s.in) / static_cast<float>(s.out);
  const float half = p.half_pixel ? 0.5f : 0.0f;
  const float position = (static_cast<float>(o) + half) * step;
  return nearest ? position : position - half;
}

int64_t clamped(double position, int64_t size) {
  return std::clamp<int64_t>(static_cast<int64_t>(position), 0, size - 1);
}

int64_t onnx_nearest(const std::string& mode, const std::string& rounding, const Stretch& s, int64_t o) {
  constexpr double kNearHalf = 1e-6;  // what ONNX Runtime takes for a half
  const double x = static_cast<double>(onnx_position(mode, s, o));
  if (rounding == "floor") return clamped(std::floor(x), s.in);
  if (rounding == "ceil") return clamped(std::ceil(x), s.in);
  if (rounding == "round_prefer_ceil") return clamped(std::floor(x + 0.5 + kNearHalf), s.in);
  return clamped(std::ceil(x - 0.5 - kNearHalf), s.in);
}

int64_t litert_nearest(const Placing& p, const Stretch& s, int64_t o) {
  const double x = litert_position(p, s, o, true);
  return clamped(p.align_corners ? std::round(x) : std::floor(x), s.in);
}

// Every output index of every dimension agrees.
const Placing* matching(const std::vector<Stretch>& stretches,
                        const std::function<bool(const Placing&, const Stretch&, int64_t)>& agrees) {
  for (const Placing& placing : kPlacings) {
    bool all = true;
    for (const Stretch& s : stretches)
      for (int64_t o = 0; all && o < s.out; ++o) all = agrees(placing, s, o);
    if (all) return &placing;
  }
  return nullptr;
}

// A GATHER for each dimension whose cells are picked in a way that TFLite's op does not know.
void gather_cells(Lowering& l, ir::NodeId id, TensorId x, const std::vector<Stretch>& stretches,
                  const std::string& mode, const std::string& rounding) {
  for (size_t d = 0; d < stretches.size(); ++d) {
    const Stretch& s = stretches[d];
    std::vector<int32_t> cells, shape = tensor_at(l, x).shape;
    for (int64_t o = 0; o < s.out; ++o)
      cells.push_back(static_cast<int32_t>(onnx_nearest(mode, rounding, s, o)));
    shape[d + 1] = static_cast<int32_t>(s.out);
    const TensorId table = constant_ints(l, cells);
    const Options axis{{"axis", static_cast<int64_t>(d) + 1}};
    if (d + 1 == stretches.size()) return emit_result(l, id, Op::kGather, {x, table}, axis, same_as(x));
    const TensorId next = temporary(l, shape, x);
    emit(l, Op::kGather, {x, table}, {next}, axis);
    x = next;
  }
}

// One factor for all where the sizes that are asked for are only bounds.
void keep_aspect_ratio(const Lowering& l, const ir::Node& node, std::vector<int64_t> axes,
                       std::vector<Stretch>& stretches) {
  const std::string policy = ir::string_attribute(node, "keep_aspect_ratio_policy", "stretch");
  const auto sizes = integers_of(l, node, 3);
  if (policy == "stretch" || !sizes) return;
  if (axes.empty())
    for (size_t d = 0; d < stretches.size(); ++d) axes.push_back(static_cast<int64_t>(d));
  std::vector<float> factors;
  for (size_t i = 0; i < std::min(axes.size(), sizes->size()); ++i) {
    const auto d = static_cast<size_t>(axis_in(axes[i], stretches.size(), false));
    factors.push_back(static_cast<float>((*sizes)[i]) / static_cast<float>(stretches[d].in));
  }
  if (factors.empty()) return;
  const auto [least, most] = std::minmax_element(factors.begin(), factors.end());
  for (const int64_t axis : axes)
    stretches[axis_in(axis, stretches.size(), false)].scale = policy == "not_larger" ? *least : *most;
}

std::vector<Stretch> stretches_of(const Lowering& l, const ir::Node& node) {
  const std::vector<int64_t>&in = dims_of(l, node.inputs[0]), &out = dims_of(l, node.outputs[0]);
  const size_t scales_slot = node.op_type == "Upsample" ? 1 : 2;
  const ir::Tensor* scales = ir::constant_input(graph_of(l), node, scales_slot);
  const std::vector<int64_t> axes = ir::ints_attribute(node, "axes");
  std::vector<Stretch> stretches;
  for (size_t d = 0; d < in.size(); ++d) {
    Stretch s{in[d], out[d], static_cast<float>(out[d]) / static_cast<float>(in[d])};
    const bool said = scales && scales->size() > 0 && scales->dtype == ir::DType::kFloat;
    if (said && axes.empty() && d < static_cast<size_t>(scales->size())) s.scale = scales->as<float>()[d];
    for (size_t i = 0; said && i < axes.size(); ++i)
      if (axes[i] == static_cast<int64_t>(d)) s.scale = scales->as<float>()[i];
    stretches.push_back(s);
  }
  keep_aspect_ratio(l, node, axes, stretches);
  return stretches;
}

void lower_resize(Lowering& l, ir::NodeId id) {
  const ir::Node& node = node_at(l, id);
  std::vector<Stretch> stretches = stretches_of(l, node);
  if (stretches.size() != 4 || stretches[0].in != stretches[0].out || stretches[1].in != stretches[1].out)
    return refuse(l, id, "TFLite resizes height and width of images only");
  stretches.erase(stretches.begin(), stretches.begin() + 2);
  const std::string mode = ir::string_attribute(node, "mode", "nearest");
  const std::string placing = ir::string_attribute(node, "coordinate_transformation_mode",
                                                   node.op_type == "Upsample" ? "asymmetric" : "half_pixel");
  const std::string rounding =
      ir::string_attribute(node, "nearest_mode", node.op_type == "Upsample" ? "floor" : "round_prefer_floor");
  if (ir::int_attribute(node, "antialias", 0) != 0 || placing == "tf_crop_and_resize" || mode == "cubic")
    return refuse(l, id,
                  format("TFLite has no Resize with mode={}, {}{}", mode, placing,
                         ir::int_attribute(node, "antialias", 0) != 0 ? ", antialias" : ""),
                  "export the model with mode=linear or nearest there");
  const TensorId x = read(l, id, 0);
  const TensorId size =
      constant_ints(l, {static_cast<int32_t>(stretches[0].out), static_cast<int32_t>(stretches[1].out)});
  const auto options = [](const Placing& p) {
    return Options{{"align_corners", int64_t{p.align_corners}},
                   {"half_pixel_centers", int64_t{p.half_pixel}}};
  };
  if (mode == "nearest") {
    const Placing* same = matching(stretches, [&](const Placing& p, const Stretch& s, int64_t o) {
      return litert_nearest(p, s, o) == onnx_nearest(placing, rounding, s, o);
    });
    if (!same) return gather_cells(l, id, x, stretches, placing, rounding);
    return emit_result(l, id, Op::kResizeNearestNeighbor, {x, size}, options(*same), same_as(x));
  }
  const Placing* same = matching(stretches, [&](const Placing& p, const Stretch& s, int64_t o) {
    const double last = static_cast<double>(s.in - 1), tolerance = 1e-4;
    return std::fabs(std::clamp(litert_position(p, s, o, false), 0.0, last) -
                     std::clamp(static_cast<double>(onnx_position(placing, s, o)), 0.0, last)) < tolerance;
  });
  if (!same)
    return refuse(
        l, id,
        format("TFLite does not place the samples of a Resize with {} and these sizes as ONNX does", placing),
        "export the model with half_pixel or align_corners and a whole factor");
  emit_result(l, id, Op::kResizeBilinear, {x, size}, options(*same), same_as(x));
}

constexpr OpRow kRows[] = {
    {"Resize", last_sides, lower_resize},
    {"Upsample", last_sides, lower_resize},
};

}  // namespace

std::span<const OpRow> resize_ops() {
  return kRows;
}

}  // namespace qc::tflite
