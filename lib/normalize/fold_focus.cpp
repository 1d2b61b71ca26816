// Every other row and column of a picture, in all four ways, side by side as channels of a convolution: the
// stem of YOLOX and of early YOLOv5. The convolution reads the same pixels with twice its kernel and stride
// (as YOLOv5 does since its release 6), and nothing is cut up and joined before.
#include <set>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

constexpr int64_t kStep = 2;
constexpr size_t kImage = 4, kParts = 4;  // rank; step * step

struct Part {
  ValueId source = kNone;
  Dims first = Dims(kImage, 0), step = Dims(kImage, 1);
};

// One Slice more in front of what is known of the ones behind it, each of another axis.
bool slice_of(const Graph& graph, NodeId id, Part& part) {
  const Node& node = node_at(graph, id);
  const auto first = ir::list_operand(graph, node, "starts", 1),
             last = ir::list_operand(graph, node, "ends", 2), axes = ir::list_operand(graph, node, "axes", 3),
             steps = ir::int_constant(graph, node, 4);
  const auto dims = ir::static_dims(graph, node.inputs[0]);
  if (!first || !last || !axes || !steps || !dims || dims->size() != kImage) return false;
  if (last->size() != first->size() || axes->size() != first->size() || steps->size() != first->size())
    return false;
  for (size_t i = 0; i < first->size(); ++i) {
    const int64_t stated = (*axes)[i], axis = stated < 0 ? stated + static_cast<int64_t>(kImage) : stated;
    if (axis < 2 || axis >= static_cast<int64_t>(kImage)) return false;
    const auto a = static_cast<size_t>(axis);
    if (part.step[a] != 1 || (*steps)[i] != kStep || (*first)[i] < 0 || (*first)[i] >= kStep ||
        (*last)[i] < (*dims)[a] || (*dims)[a] % kStep != 0)
      return false;
    part.step[a] = kStep;
    part.first[a] = (*first)[i];
  }
  part.source = node.inputs[0];
  return true;
}

std::optional<Part> part_at(const Graph& graph, ValueId value) {
  Part part{value};
  for (NodeId id = ir::producer_if(graph, value, "Slice"); id != kNone;
       id = ir::producer_if(graph, part.source, "Slice"))
    if (!slice_of(graph, id, part)) break;
  const bool whole = part.step[2] == kStep && part.step[3] == kStep;
  return whole ? std::optional(part) : std::nullopt;
}

struct Match {
  NodeId conv = kNone, concat = kNone;
  std::vector<Part> parts;
};

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& conv = node_at(graph, id);
  if (!ir::standard_op(conv, "Conv") || ir::int_attribute(conv, "group", 1) != 1 ||
      ir::string_attribute(conv, "auto_pad", "NOTSET") != "NOTSET" || !ir::linear_at(graph, id))
    return std::nullopt;
  const Dims dilations = ir::ints_attribute(conv, "dilations", {1, 1});
  if (ir::float_constant(graph, conv, 1)->dims.size() != kImage || dilations != Dims{1, 1})
    return std::nullopt;
  Match m{id, ir::producer_if(graph, conv.inputs[0], "Concat"), {}};
  if (m.concat == kNone || ir::sole_consumer(graph, conv.inputs[0]) != id) return std::nullopt;
  const Node& concat = node_at(graph, m.concat);
  const int64_t axis = ir::int_attribute(concat, "axis", 0);
  if (concat.inputs.size() != kParts || (axis != 1 && axis != 1 - static_cast<int64_t>(kImage)))
    return std::nullopt;
  std::set<Dims> places;
  for (const ValueId input : concat.inputs) {
    const auto part = part_at(graph, input);
    if (!part || (!m.parts.empty() && part->source != m.parts[0].source)) return std::nullopt;
    places.insert(part->first);
    m.parts.push_back(*part);
  }
  return places.size() == kParts ? std::optional(m) : std::nullopt;
}

bool transform(Graph& graph, const Match& m) {
  const ir::Tensor weight = *ir::float_constant(graph, node_at(graph, m.conv), 1);
  const int64_t results = weight.dims[0], channels = weight.dims[1] / static_cast<int64_t>(kParts),
                height = weight.dims[2], width = weight.dims[3];
  const auto old = weight.as<float>();
  std::vector<float> kernel(old.size());
  size_t at = 0;
  for (int64_t o = 0; o < results; ++o)
    for (const Part& part : m.parts)
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t u = 0; u < height; ++u)
          for (int64_t v = 0; v < width; ++v, ++at) {
            const int64_t row = kStep * u + part.first[2], column = kStep * v + part.first[3];
            kernel[((o * channels + c) * kStep * height + row) * kStep * width + column] = old[at];
          }
  const Dims twice{kStep * height, kStep * width};
  ir::set_constant(graph, m.conv, 1, ir::float_tensor(kernel, {results, channels, twice[0], twice[1]}),
                   node_at(graph, m.conv).name + "_weight");
  Node& conv = node_at(graph, m.conv);
  Dims strides = ir::ints_attribute(conv, "strides", {1, 1}),
       pads = ir::ints_attribute(conv, "pads", Dims(4, 0));
  for (Dims* list : {&strides, &pads})
    for (int64_t& number : *list) number *= kStep;
  ir::set_attribute(conv, "kernel_shape", twice);
  ir::set_attribute(conv, "strides", strides);
  ir::set_attribute(conv, "pads", pads);
  ir::absorb_origin(graph, m.conv, m.concat);
  ir::set_input(graph, m.conv, 0, m.parts[0].source);
  return true;
}

}  // namespace

int fold_focus(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
