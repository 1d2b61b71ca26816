// See judged.h. One pass forward finds what lies behind a jump of data that depends on the inputs, walks back
// from the outputs find the border.
#include "simulate/judged.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "ir/names.h"

namespace qc::simulate {
namespace {

// Also those of the runtime's own domain, for types that the standard ones take only in later opsets.
bool is_rounding(const ir::Node& node) {
  const bool known = ir::standard_domain(node.domain) || node.domain == "com.microsoft";
  return known && (node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear");
}

// Ops that pass every element on, so that the value before them can be judged instead; a Clip of integers is
// a part of the rounding before it.
bool passes_through(const ir::Graph& graph, const ir::Node& node) {
  constexpr const char* kOps[] = {"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast"};
  if (ir::is_one_of(node, kOps) || is_rounding(node)) return true;
  if (!ir::standard_op(node, "Clip") || node.inputs[0] == ir::kNone) return false;
  const ir::NodeId maker = ir::value_at(graph, node.inputs[0]).producer;
  return maker != ir::kNone && ir::node_at(graph, maker).op_type == "QuantizeLinear";
}

// Their results do not depend on what is in their inputs, only on its shape.
bool asks_for_shape(const ir::Node& node) {
  constexpr const char* kOps[] = {"Shape", "Size"};
  return ir::is_one_of(node, kOps);
}

// Runners give these as float32.
bool judgeable(ir::DType type) {
  return type == ir::DType::kFloat || ir::is_half(type);
}

bool jumps(const ir::Graph& graph, const ir::Node& node) {
  constexpr const char* kOps[] = {"ArgMax",  "ArgMin",         "NonMaxSuppression",
                                  "Hardmax", "Unique",         "NonZero",
                                  "Greater", "GreaterOrEqual", "Less",
                                  "Equal",   "LessOrEqual",    "Round",
                                  "Floor",   "Ceil",           "Sign",
                                  "Mod",     "Bernoulli",      "Multinomial"};
  if (ir::is_one_of(node, kOps)) return true;
  if (ir::standard_op(node, "TopK")) {  // the largest values are continuous, their places are not
    const ir::ValueId places = node.outputs.size() > 1 ? node.outputs[1] : ir::kNone;
    return places != ir::kNone &&
           (!ir::value_at(graph, places).consumers.empty() || ir::is_output(graph, places));
  }
  if (!ir::standard_op(node, "Cast") || node.inputs.empty() || node.inputs[0] == ir::kNone) return false;
  const auto is_float = [&](ir::ValueId v) {
    const ir::DType type = ir::value_at(graph, v).dtype;
    return judgeable(type) || type == ir::DType::kDouble;
  };
  return is_float(node.inputs[0]) && !is_float(node.outputs[0]);
}

// The second result of a pooling that tells where it found its maxima.
bool tells_position(const ir::Node& node) {
  return ir::standard_op(node, "MaxPool") && node.outputs.size() > 1 && node.outputs[1] != ir::kNone;
}
bool is_position(const ir::Node& node, size_t slot) {
  return slot == 1 && tells_position(node);
}

// Hands on what it reads, or a part of it, elsewhere: numbers that nobody has calculated with, be they
// rounded.
bool hands_on(const ir::Node& node) {
  constexpr const char* kOps[] = {"Concat",   "Expand",   "Flatten", "Gather",    "GatherElements",
                                  "GatherND", "Identity", "Reshape", "Slice",     "Split",
                                  "Squeeze",  "Tile",     "Pad",     "Unsqueeze", "Transpose"};
  return ir::is_one_of(node, kOps) || is_rounding(node);
}

// The graph, and what is known of the way from its inputs to each value.
struct TracedGraph {
  const ir::Graph& graph;
  std::vector<bool> data;         // by ValueId: depends on the contents of the inputs
  std::vector<bool> moves;        // by ValueId: so that rounding elsewhere may change it
  std::vector<bool> given;        // by ValueId: nothing but numbers of the inputs
  std::vector<std::string> jump;  // by ValueId: op type of the first jump before it; "" none

  const ir::Value& value(ir::ValueId v) const { return ir::value_at(graph, v); }
  const ir::Node* producer(ir::ValueId v) const {
    return value(v).producer == ir::kNone ? nullptr : &ir::node_at(graph, value(v).producer);
  }
  bool behind(ir::ValueId v) const { return !jump[v].empty(); }
};

std::vector<ir::ValueId> read_by(const ir::Node& node) {
  std::vector<ir::ValueId> values;
  for (const std::vector<ir::ValueId>* list : {&node.inputs, &node.captures})
    std::copy_if(list->begin(), list->end(), std::back_inserter(values),
                 [](ir::ValueId v) { return v != ir::kNone; });
  return values;
}

// Integers and truth values: what is made of such inputs alone, a mask of the ids that are padding, is the
// same in every file.
bool is_discrete(const ir::Value& value) {
  return value.dtype != ir::DType::kUndefined && !judgeable(value.dtype) && value.dtype != ir::DType::kDouble;
}

TracedGraph look(const ir::Graph& graph) {
  const size_t values = graph.values.size();
  TracedGraph traced{graph, std::vector<bool>(values), std::vector<bool>(values), std::vector<bool>(values),
                     std::vector<std::string>(values)};
  for (const ir::ValueId v : graph.inputs) {
    traced.data[v] = traced.given[v] = true;
    traced.moves[v] = !is_discrete(traced.value(v));
  }
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    if (asks_for_shape(node)) continue;
    bool data = false, moves = false, given = true;
    std::string jump;
    for (const ir::ValueId v : read_by(node)) {
      data = data || traced.data[v];
      moves = moves || traced.moves[v];
      given = given && (traced.given[v] || !traced.data[v]);
      if (jump.empty()) jump = traced.jump[v];
    }
    if (moves && jump.empty() && jumps(graph, node)) {
      // Ids that come as floats are the same in every file.
      if (given && ir::standard_op(node, "Cast"))
        moves = false;
      else
        jump = node.op_type;
    }
    for (size_t slot = 0; slot < node.outputs.size(); ++slot) {
      if (node.outputs[slot] == ir::kNone) continue;
      const ir::ValueId result = node.outputs[slot];
      traced.data[result] = data;
      traced.given[result] = data && given && hands_on(node);
      traced.moves[result] = data && (moves || !is_discrete(traced.value(result)));
      traced.jump[result] = jump.empty() && moves && is_position(node, slot) ? node.op_type : jump;
    }
  }
  return traced;
}

// The value before a final Softmax, or the value itself.
Judged before_softmax(const TracedGraph& traced, ir::ValueId value) {
  Judged one;
  one.value = value;
  for (ir::ValueId v = value; traced.producer(v);) {
    const ir::Node& node = *traced.producer(v);
    if (ir::is_one_of(node, {"Softmax", "LogSoftmax"})) {
      one.value = node.inputs[0];
      one.mean_free = true;
      break;
    }
    if (!passes_through(traced.graph, node)) break;
    v = node.inputs[0];
  }
  return one;
}

// What a value is but for its shape and rounding.
ir::ValueId root_of(const TracedGraph& traced, ir::ValueId v) {
  while (traced.producer(v) && passes_through(traced.graph, *traced.producer(v)))
    v = traced.producer(v)->inputs[0];
  return v;
}

// Float values on the way to `output` that no jump lies before and that something behind one reads; of
// several spellings of one value the first.
std::vector<ir::ValueId> border_of(const TracedGraph& traced, ir::ValueId output) {
  std::vector<ir::ValueId> border, open{output};
  std::set<ir::ValueId> seen{output}, roots;
  while (!open.empty()) {
    const ir::ValueId v = open.back();
    open.pop_back();
    const std::vector<ir::ValueId> reads = read_by(*traced.producer(v));
    for (auto read = reads.rbegin(); read != reads.rend(); ++read) {
      if (!traced.data[*read] || !seen.insert(*read).second) continue;
      if (traced.behind(*read)) {
        open.push_back(*read);
        continue;
      }
      const ir::ValueId root = root_of(traced, *read);
      // What a written file hands on as integers is judged before they are rounded.
      const ir::ValueId judged = judgeable(traced.value(*read).dtype) ? *read : root;
      if (judgeable(traced.value(judged).dtype) && roots.insert(root).second) border.push_back(judged);
    }
  }
  return border;
}

// Is the value made from others of the border alone? (The pooled scores that peaks are compared with.)
bool follows_from(const TracedGraph& traced, ir::ValueId value, const std::set<ir::ValueId>& others) {
  std::vector<ir::ValueId> open{value};
  std::set<ir::ValueId> seen{value};
  while (!open.empty()) {
    const ir::ValueId v = open.back();
    open.pop_back();
    if (v != value && others.contains(v)) continue;
    if (!traced.producer(v)) return false;  // an input of the model
    for (const ir::ValueId read : read_by(*traced.producer(v)))
      if (traced.data[read] && seen.insert(read).second) open.push_back(read);
  }
  return true;
}

std::vector<ir::ValueId> last_continuous(const TracedGraph& traced, ir::ValueId output) {
  const std::vector<ir::ValueId> border = border_of(traced, output);
  std::vector<ir::ValueId> kept;
  for (const ir::ValueId v : border) {
    std::set<ir::ValueId> others;
    for (const ir::ValueId other : border)
      if (other != v) others.insert({other, root_of(traced, other)});
    others.erase(root_of(traced, v));
    if (!follows_from(traced, v, others)) kept.push_back(v);
  }
  return kept;
}

}  // namespace

std::vector<Judged> judged_values(const ir::Graph& graph) {
  const TracedGraph traced = look(graph);
  std::vector<Judged> judged;
  for (const ir::ValueId output : graph.outputs) {
    const ir::Value& value = traced.value(output);
    const std::string& jump = traced.jump[output];
    const std::vector<ir::ValueId> places =
        jump.empty() ? std::vector<ir::ValueId>{} : last_continuous(traced, output);
    if (places.empty()) {
      if (!judgeable(value.dtype)) continue;
      judged.push_back(before_softmax(traced, output));
      judged.back().output = value.name;
    }
    for (const ir::ValueId place : places) {
      Judged one = before_softmax(traced, place);
      const auto known = std::find_if(judged.begin(), judged.end(), [&](const Judged& other) {
        return root_of(traced, other.value) == root_of(traced, one.value) && other.mean_free == one.mean_free;
      });
      if (known != judged.end()) {
        if (known->output != value.name) known->also.push_back(value.name);
        continue;
      }
      one.output = value.name;
      one.jump = jump;
      judged.push_back(std::move(one));
    }
  }
  for (Judged& one : judged)
    if (!one.mean_free) one.parts = unlike_parts(graph, one.value);
  return judged;
}

bool scores_classes(std::span<const int64_t> dims) {
  int lists = 0;
  for (size_t d = 0; d < dims.size(); ++d)
    if (dims[d] != 1 && !(d == 0 && dims[d] < 0)) ++lists;
  return lists == 1;
}

bool needs_types(const ir::Graph& graph) {
  const auto unknown = [&](ir::ValueId v) {
    return v != ir::kNone && ir::value_at(graph, v).dtype == ir::DType::kUndefined;
  };
  bool may_jump = false, types_missing = false;
  for (const ir::Node& node : graph.nodes) {
    if (node.erased) continue;
    may_jump = may_jump || jumps(graph, node) || tells_position(node) || ir::standard_op(node, "Cast");
    types_missing = types_missing || std::any_of(node.inputs.begin(), node.inputs.end(), unknown) ||
                    std::any_of(node.outputs.begin(), node.outputs.end(), unknown);
  }
  return (may_jump && types_missing) || needs_shapes(graph);
}

std::string describe(const std::vector<Judged>& judged, const ir::Graph& graph, size_t index) {
  const Judged& first = judged[index];
  const auto same = [&](const Judged& one) { return one.output == first.output; };
  if (first.jump.empty() ||
      std::find_if(judged.begin(), judged.end(), same) != judged.begin() + static_cast<std::ptrdiff_t>(index))
    return {};
  std::vector<std::string> outputs{first.output}, places;
  for (const Judged& one : judged) {
    if (!same(one)) continue;
    places.push_back("'" + ir::value_at(graph, one.value).name + "'");
    for (const std::string& name : one.also)
      if (std::find(outputs.begin(), outputs.end(), name) == outputs.end()) outputs.push_back(name);
  }
  for (std::string& name : outputs) name = "'" + name + "'";
  return format(
      "{} {} {} behind {}, where the smallest error is all or nothing: judged at the last "
      "continuous {}, {}",
      outputs.size() == 1 ? "output" : "outputs", join(outputs, ", "), outputs.size() == 1 ? "lies" : "lie",
      first.jump, places.size() == 1 ? "value" : "values", join(places, ", "));
}

}  // namespace qc::simulate
