// See parts.h.
#include "simulate/parts.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/text.h"
#include "ir/edit.h"

namespace qc::simulate {
namespace {

constexpr int kDeep = 8;          // joins of joins: further than anybody nests them
constexpr size_t kMostParts = 8;  // scores between all coordinates are no parts that anybody could name

using Dims = std::vector<int64_t>;

bool keeps_order(const ir::Node& node) {
  constexpr const char* kOps[] = {"Identity", "Cast",    "QuantizeLinear", "DequantizeLinear",
                                  "Reshape",  "Flatten", "Squeeze",        "Unsqueeze"};
  return ir::is_one_of(node, kOps);
}

// So many places along an axis that are all scores, or none of them.
struct Piece {
  int64_t length = 0;
  bool bounded = false;
  bool operator==(const Piece&) const = default;
};
struct Pieces {
  size_t axis = 0;
  std::vector<Piece> list;
  bool operator==(const Pieces&) const = default;
};

void append(std::vector<Piece>& list, const Piece& piece) {
  if (!list.empty() && list.back().bounded == piece.bounded)
    list.back().length += piece.length;
  else if (piece.length > 0)
    list.push_back(piece);
}

std::vector<Piece> within(const std::vector<Piece>& list, int64_t first, int64_t last) {
  std::vector<Piece> kept;
  int64_t at = 0;
  for (const Piece& piece : list) {
    const int64_t length = std::min(last, at + piece.length) - std::max(first, at);
    append(kept, {std::max<int64_t>(length, 0), piece.bounded});
    at += piece.length;
  }
  return kept;
}

// What stands in front of an axis: elements, and how many sizes are free.
std::pair<int64_t, int64_t> in_front(const Dims& dims, size_t axis) {
  std::pair<int64_t, int64_t> sizes{1, 0};
  for (size_t d = 0; d < axis; ++d) {
    if (dims[d] < 0)
      ++sizes.second;
    else
      sizes.first *= dims[d];
  }
  return sizes;
}

class Finder {
 public:
  explicit Finder(const ir::Graph& graph) : graph_(graph) {}

  /// Every length is known. Nothing: no join is found, or shapes are not stated.
  std::optional<Pieces> pieces_of(ir::ValueId v, int depth) const {
    const ir::Node* node = ir::producer_of(graph_, v);
    if (!node || depth > kDeep || !ir::value_at(graph_, v).has_shape) return std::nullopt;
    if (ir::standard_op(*node, "Concat")) return joined(*node, v, depth + 1);
    if (ir::standard_op(*node, "Slice")) return sliced(*node, depth + 1);
    if (ir::standard_op(*node, "Transpose")) return transposed(*node, depth);
    return keeps_order(*node) ? reshaped(node->inputs[0], v, depth) : std::nullopt;
  }

 private:
  const Dims& dims_of(ir::ValueId v) const { return ir::value_at(graph_, v).dims; }

  std::optional<Pieces> transposed(const ir::Node& node, int depth) const {
    std::optional<Pieces> pieces = pieces_of(node.inputs[0], depth);
    if (!pieces) return pieces;
    const Dims perm = ir::ints_attribute(node, "perm");
    const auto place = std::find(perm.begin(), perm.end(), static_cast<int64_t>(pieces->axis));
    pieces->axis = perm.empty() ? dims_of(node.inputs[0]).size() - 1 - pieces->axis
                                : static_cast<size_t>(place - perm.begin());
    return pieces;
  }

  // The axis of the new shape that is the very same.
  std::optional<Pieces> reshaped(ir::ValueId from, ir::ValueId to, int depth) const {
    std::optional<Pieces> pieces = pieces_of(from, depth);
    if (!pieces) return pieces;
    const Dims &was = dims_of(from), &now = dims_of(to);
    for (size_t d = 0; d < now.size(); ++d)
      if (now[d] == was[pieces->axis] && in_front(now, d) == in_front(was, pieces->axis))
        return Pieces{d, std::move(pieces->list)};
    return std::nullopt;
  }

  std::optional<Pieces> joined(const ir::Node& concat, ir::ValueId result, int depth) const {
    const auto rank = static_cast<int64_t>(dims_of(result).size());
    const int64_t stated = ir::int_attribute(concat, "axis", 0);
    Pieces along{static_cast<size_t>(stated < 0 ? stated + rank : stated), {}};
    std::vector<std::optional<Pieces>> inner;
    for (const ir::ValueId input : concat.inputs) inner.push_back(pieces_of(input, depth));
    // Levels of one kind, each with the same parts along another axis.
    if (inner[0] && inner[0]->axis != along.axis && inner[0]->list.size() > 1 &&
        std::all_of(inner.begin(), inner.end(), [&](const auto& one) { return one == inner[0]; }))
      return inner[0];
    for (size_t i = 0; i < inner.size(); ++i) {
      const ir::Value& input = ir::value_at(graph_, concat.inputs[i]);
      if (inner[i] && inner[i]->axis == along.axis) {
        for (const Piece& piece : inner[i]->list) append(along.list, piece);
        continue;
      }
      if (!input.has_shape || along.axis >= input.dims.size() || input.dims[along.axis] < 0)
        return std::nullopt;
      append(along.list, {input.dims[along.axis], bounded(concat.inputs[i], depth)});
    }
    return along;
  }

  std::optional<Pieces> sliced(const ir::Node& node, int depth) const {
    std::optional<Pieces> pieces = pieces_of(node.inputs[0], depth);
    if (!pieces) return pieces;
    const auto first = ir::list_operand(graph_, node, "starts", 1),
               last = ir::list_operand(graph_, node, "ends", 2);
    const Dims axes = ir::list_operand(graph_, node, "axes", 3).value_or(Dims{}),
               steps = ir::int_constant(graph_, node, 4).value_or(Dims{});
    const Dims& dims = dims_of(node.inputs[0]);
    if (!first || !last || first->size() != last->size()) return std::nullopt;
    for (size_t i = 0; i < first->size(); ++i) {
      const int64_t axis = i < axes.size() ? axes[i] : static_cast<int64_t>(i);
      if (axis != static_cast<int64_t>(pieces->axis) &&
          axis + static_cast<int64_t>(dims.size()) != static_cast<int64_t>(pieces->axis))
        continue;
      if (i < steps.size() && steps[i] != 1) return std::nullopt;
      const int64_t length = dims[pieces->axis];
      const auto place = [&](int64_t at) {
        return std::clamp<int64_t>(at < 0 ? at + length : at, 0, length);
      };
      pieces->list = within(pieces->list, place(first->at(i)), place(last->at(i)));
    }
    return pieces;
  }

  // Is every element what a function with bounds gave, or made of such in a way that keeps within them?
  bool bounded(ir::ValueId value, int depth) const {
    constexpr const char* kBounded[] = {"Sigmoid", "HardSigmoid", "Softmax", "Tanh"};
    constexpr const char* kOfFirst[] = {"Transpose",      "Slice",    "Split", "Gather",
                                        "GatherElements", "GatherND", "TopK",  "ReduceMax",
                                        "MaxPool",        "Sqrt",     "Pow"};
    constexpr const char* kOfAll[] = {"Concat", "Mul", "Min", "Max"};
    std::vector<ir::ValueId> open{value};
    std::set<ir::ValueId> seen{value};
    while (!open.empty()) {
      const ir::ValueId v = open.back();
      open.pop_back();
      const ir::Node* node = ir::producer_of(graph_, v);
      if (!node) return false;
      if (ir::is_one_of(*node, kBounded)) continue;
      if (const auto pieces = ir::standard_op(*node, "Slice") ? pieces_of(v, depth) : std::nullopt;
          pieces && std::all_of(pieces->list.begin(), pieces->list.end(), [](Piece p) { return p.bounded; }))
        continue;
      const size_t read = ir::is_one_of(*node, kOfAll)                           ? node->inputs.size()
                          : ir::is_one_of(*node, kOfFirst) || keeps_order(*node) ? 1
                                                                                 : 0;
      if (read == 0) return false;
      for (size_t i = 0; i < read; ++i)
        if (seen.insert(node->inputs[i]).second) open.push_back(node->inputs[i]);
    }
    return true;
  }

  const ir::Graph& graph_;
};

}  // namespace

std::vector<OutputPart> unlike_parts(const ir::Graph& graph, ir::ValueId value) {
  const std::optional<Pieces> pieces = Finder(graph).pieces_of(value, 0);
  std::vector<OutputPart> parts;
  if (!pieces || pieces->list.size() < 2 || pieces->list.size() > kMostParts) return parts;
  int64_t at = 0;
  for (const Piece& piece : pieces->list) {
    parts.push_back({pieces->axis, at, at + piece.length});
    at += piece.length;
  }
  return parts;
}

bool needs_shapes(const ir::Graph& graph) {
  const auto shapeless = [&](ir::ValueId v) { return v != ir::kNone && !ir::value_at(graph, v).has_shape; };
  for (ir::ValueId v : graph.outputs) {
    bool missing = false;
    for (const ir::Node* node = ir::producer_of(graph, v); node; node = ir::producer_of(graph, v)) {
      missing = missing || shapeless(v);
      if (ir::standard_op(*node, "Concat")) {
        if (missing || std::any_of(node->inputs.begin(), node->inputs.end(), shapeless)) return true;
        break;
      }
      if (!keeps_order(*node) && !ir::standard_op(*node, "Transpose")) break;
      v = node->inputs[0];
    }
  }
  return false;
}

std::string spell(const OutputPart& part) {
  std::string text = "[";
  for (size_t d = 0; d < part.axis; ++d) text += ":, ";
  return text + format("{}:{}]", part.first, part.last);
}

}  // namespace qc::simulate
