// Shape arithmetic that is settled before any image is seen. Exporters compute Reshape targets from Shape,
// Gather, Slice, Concat at run time even where every size is fixed. Here small integer vectors are followed
// through the graph element by element: a number, or "dimension k of value v", or unknown.
//   - all numbers: the vector becomes a constant;
//   - a Reshape target of numbers, dimensions that its data has at the same place (written 0), and at most
//     one more (written -1): a constant, although the batch is not fixed.
#include <algorithm>
#include <map>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

using ir::DType;

/// Longer integer vectors are data, not shapes.
constexpr int64_t kLongest = 64;

struct Element {
  enum class Kind { kNumber, kDimension, kUnknown } kind = Kind::kUnknown;
  int64_t number = 0;
  ValueId value = kNone;  // kDimension: dimension `number` of this value
};

struct Vector {
  std::vector<Element> elements;
  bool scalar = false;  // rank 0
  DType dtype = DType::kInt64;
};

using Known = std::map<ValueId, Vector>;

Element number(int64_t n) {
  return {Element::Kind::kNumber, n, kNone};
}

bool is_number(const Element& e) {
  return e.kind == Element::Kind::kNumber;
}

std::optional<Vector> vector_of(const Graph& graph, const Known& known, ValueId value) {
  if (value == kNone) return std::nullopt;
  const auto it = known.find(value);
  if (it != known.end()) return it->second;
  const ir::Value& v = value_at(graph, value);
  Vector result;
  if (v.constant) {
    const ir::Tensor& t = *v.constant;
    const bool integer = t.dtype == DType::kInt64 || t.dtype == DType::kInt32;
    if (!integer || !t.bytes || t.dims.size() > 1 || t.size() > kLongest) return std::nullopt;
    result.scalar = t.dims.empty();
    result.dtype = t.dtype;
    for (int64_t i = 0; i < t.size(); ++i)
      result.elements.push_back(number(t.dtype == DType::kInt64 ? t.as<int64_t>()[i] : t.as<int32_t>()[i]));
    return result;
  }
  // An integer vector of known length with unknown elements still has its place in a Concat.
  const bool integer = v.dtype == DType::kInt64 || v.dtype == DType::kInt32;
  if (!integer || !v.has_shape || v.dims.size() > 1) return std::nullopt;
  const int64_t size = v.dims.empty() ? 1 : v.dims[0];
  if (size < 0 || size > kLongest) return std::nullopt;
  result.scalar = v.dims.empty();
  result.dtype = v.dtype;
  result.elements.resize(size);
  return result;
}

std::optional<Vector> shape_of(const Graph& graph, const Known&, const Node& node) {
  const ir::Value& x = value_at(graph, node.inputs[0]);
  if (!x.has_shape) return std::nullopt;
  const auto rank = static_cast<int64_t>(x.dims.size());
  const auto clamp = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + rank : i, 0, rank); };
  Vector result;
  for (int64_t i = clamp(ir::int_attribute(node, "start", 0));
       i < clamp(ir::int_attribute(node, "end", rank)); ++i) {
    const int64_t dim = x.dims[i];
    result.elements.push_back(dim >= 0 ? number(dim) : Element{Element::Kind::kDimension, i, node.inputs[0]});
  }
  return result;
}

std::optional<Vector> gathered(const Graph& graph, const Known& known, const Node& node) {
  const auto data = vector_of(graph, known, node.inputs[0]);
  const auto indices = vector_of(graph, known, node.inputs[1]);
  if (!data || data->scalar || !indices || ir::int_attribute(node, "axis", 0) != 0) return std::nullopt;
  const auto size = static_cast<int64_t>(data->elements.size());
  Vector result{{}, indices->scalar, data->dtype};
  for (const Element& e : indices->elements) {
    const int64_t index = e.number < 0 ? e.number + size : e.number;
    if (!is_number(e) || index < 0 || index >= size) return std::nullopt;
    result.elements.push_back(data->elements[index]);
  }
  return result;
}

std::optional<Vector> sliced(const Graph& graph, const Known& known, const Node& node) {
  const auto data = vector_of(graph, known, node.inputs[0]);
  const auto starts = list_operand(graph, node, "starts", 1), ends = list_operand(graph, node, "ends", 2);
  if (!data || data->scalar || !starts || !ends || starts->size() != 1 || ends->size() != 1)
    return std::nullopt;
  const auto steps = int_constant(graph, node, 4);
  const bool stepped = node.inputs.size() > 4 && node.inputs[4] != kNone;
  if (stepped && (!steps || *steps != Dims{1})) return std::nullopt;
  const auto size = static_cast<int64_t>(data->elements.size());
  const auto clamp = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size); };
  Vector result{{}, false, data->dtype};
  for (int64_t i = clamp(starts->at(0)); i < clamp(ends->at(0)); ++i)
    result.elements.push_back(data->elements[i]);
  return result;
}

std::optional<Vector> concatenated(const Graph& graph, const Known& known, const Node& node) {
  Vector result;
  for (const ValueId input : node.inputs) {
    const auto part = vector_of(graph, known, input);
    if (!part || part->scalar) return std::nullopt;
    result.dtype = part->dtype;
    result.elements.insert(result.elements.end(), part->elements.begin(), part->elements.end());
  }
  return result;
}

/// Unsqueeze of a scalar, Squeeze of a single element: the element stays.
std::optional<Vector> wrapped(const Graph& graph, const Known& known, const Node& node) {
  auto data = vector_of(graph, known, node.inputs[0]);
  const bool unsqueeze = ir::standard_op(node, "Unsqueeze");
  if (!data || data->elements.size() != 1 || data->scalar != unsqueeze) return std::nullopt;
  if (rank_of(graph, node.outputs[0]) > 1) return std::nullopt;
  const auto axes = list_operand(graph, node, "axes", 1);
  if (unsqueeze && (!axes || axes->size() != 1)) return std::nullopt;
  data->scalar = !unsqueeze;
  return data;
}

std::optional<Vector> converted(const Graph& graph, const Known& known, const Node& node) {
  auto data = vector_of(graph, known, node.inputs[0]);
  if (!data || ir::standard_op(node, "Identity")) return data;
  data->dtype = static_cast<DType>(ir::int_attribute(node, "to", 0));
  const bool integer = data->dtype == DType::kInt64 || data->dtype == DType::kInt32;
  return integer ? data : std::nullopt;
}

std::optional<Vector> size_of(const Graph& graph, const Known&, const Node& node) {
  const auto dims = static_dims(graph, node.inputs[0]);
  return dims ? std::optional(Vector{{number(ir::element_count(*dims))}, true, DType::kInt64}) : std::nullopt;
}

struct Rule {
  const char* op_type;
  std::optional<Vector> (*read)(const Graph&, const Known&, const Node&);
};
constexpr Rule kRules[] = {
    {"Shape", shape_of},  {"Size", size_of},        {"Gather", gathered},
    {"Slice", sliced},    {"Concat", concatenated}, {"Unsqueeze", wrapped},
    {"Squeeze", wrapped}, {"Cast", converted},      {"Identity", converted},
};

ir::Tensor tensor_of(const Vector& vector) {
  Dims dims;
  if (!vector.scalar) dims.push_back(static_cast<int64_t>(vector.elements.size()));
  std::vector<int64_t> wide;
  for (const Element& e : vector.elements) wide.push_back(e.number);
  if (vector.dtype == DType::kInt64) return ir::make_tensor(std::span<const int64_t>(wide), dims);
  const std::vector<int32_t> narrow(wide.begin(), wide.end());
  return ir::make_tensor(std::span<const int32_t>(narrow), dims);
}

bool is_dimension(const Graph& graph, const Element& e, ValueId x, size_t axis) {
  if (e.kind != Element::Kind::kDimension) return false;
  if (e.value == x && e.number == static_cast<int64_t>(axis)) return true;
  const auto symbol = [&](ValueId value, size_t i) {
    const auto& names = value_at(graph, value).dim_params;
    return i < names.size() ? names[i] : std::string();
  };
  const std::string name = symbol(e.value, static_cast<size_t>(e.number));
  return !name.empty() && rank_of(graph, x) > static_cast<int64_t>(axis) && name == symbol(x, axis);
}

/// A constant target for this Reshape; nullopt: it needs a number that only the run knows.
std::optional<Dims> fixed_target(const Graph& graph, const Node& node, const Vector& target) {
  if (target.scalar || ir::int_attribute(node, "allowzero", 0) != 0) return std::nullopt;
  Dims fixed;
  int open = 0;
  for (size_t i = 0; i < target.elements.size(); ++i) {
    const Element& e = target.elements[i];
    fixed.push_back(is_number(e) ? e.number : is_dimension(graph, e, node.inputs[0], i) ? 0 : -1);
    open += fixed.back() == -1;
  }
  return open <= 1 ? std::optional(fixed) : std::nullopt;
}

}  // namespace

int fold_shapes(Graph& graph) {
  int count = 0;
  Known known;
  for (const NodeId id : ir::topological_order(graph)) {
    const Node& node = node_at(graph, id);
    if (ir::standard_op(node, "Reshape") && node.inputs.size() == 2 &&
        !value_at(graph, node.inputs[1]).constant) {
      const auto target = vector_of(graph, known, node.inputs[1]);
      const auto fixed = target ? fixed_target(graph, node, *target) : std::nullopt;
      if (!fixed) continue;
      ir::set_input(graph, id, 1, ir::add_constant(graph, node.name + "/shape", int_tensor(*fixed)));
      ++count;
    }
    const auto rule = std::find_if(std::begin(kRules), std::end(kRules),
                                   [&](const Rule& r) { return ir::standard_op(node, r.op_type); });
    const auto vector = rule != std::end(kRules) ? rule->read(graph, known, node) : std::nullopt;
    if (!vector) continue;
    const ValueId out = node.outputs[0];
    known[out] = *vector;
    const bool settled = std::all_of(vector->elements.begin(), vector->elements.end(), is_number);
    if (!settled || value_at(graph, out).consumers.empty() || ir::is_output(graph, out)) continue;
    make_constant(graph, out, tensor_of(*vector));
    ++count;
  }
  return count;
}

}  // namespace qc::normalize
