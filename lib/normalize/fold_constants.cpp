// What depends on constants alone is computed once, by the runtime itself: all such nodes as one model
// without inputs. Left alone: random ops, nodes with bodies, results that are much larger than what they are
// made from (the runtime makes them again at load, for nothing; in the file they would cost bytes), graph
// outputs, types without plain numbers.
#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "ir/names.h"
#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

/// A result may have this many times the bytes of the constants it comes from (weights stored as int4 or
/// float16 and widened: 8), and this much on top. Measured on a face detector whose channels are padded by
/// Concat with ConstantOfShape: 248 kB instead of 395 kB, with the same placement and the same accuracy.
constexpr size_t kTimesLarger = 8;
constexpr size_t kBytesLarger = 16 * 1024;

/// Of a constant, in bytes: below, what nodes read is theirs alone, and may be changed for them alone.
constexpr size_t kWorthSharing = 1024;

constexpr const char* kRandomOps[] = {
    "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike",
    "Multinomial",  "Bernoulli",     "Dropout"};

using Region = std::set<NodeId>;

bool plain_constant(const Graph& graph, ValueId value) {
  const auto& constant = value_at(graph, value).constant;
  return constant && constant->bytes && constant->opaque_proto.empty();
}

bool may_fold(const Graph& graph, const Node& node, const Region& region) {
  if (!ir::standard_domain(node.domain)) return false;
  if (!node.captures.empty()) return false;
  // Nobody reads what it makes, under no name: a runtime refuses such a node, and all others with it.
  if (std::all_of(node.outputs.begin(), node.outputs.end(), [](ValueId v) { return v == kNone; }))
    return false;
  for (const char* op : kRandomOps)
    if (node.op_type == op) return false;
  for (const ir::Attribute& attribute : node.attributes)
    if (std::holds_alternative<ir::OpaqueAttribute>(attribute.value)) return false;
  for (const ValueId v : node.outputs)
    if (v != kNone && ir::is_output(graph, v)) return false;
  return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId v) {
    if (v == kNone || plain_constant(graph, v)) return true;
    const NodeId producer = value_at(graph, v).producer;
    return producer != kNone && region.count(producer) > 0;
  });
}

// By op type.
Region nodes_of(const Graph& graph, const std::vector<std::string>& op_types) {
  Region nodes;
  for (size_t id = 0; id < graph.nodes.size(); ++id)
    if (std::find(op_types.begin(), op_types.end(), graph.nodes[id].op_type) != op_types.end())
      nodes.insert(static_cast<NodeId>(id));
  return nodes;
}

Region foldable(const Graph& graph, const Region& banned) {
  Region region;
  for (const NodeId id : ir::topological_order(graph))
    if (banned.count(id) == 0 && may_fold(graph, node_at(graph, id), region)) region.insert(id);
  return region;
}

/// Values of the region that somebody outside reads.
std::vector<ValueId> wanted_from(const Graph& graph, const Region& region) {
  std::vector<ValueId> wanted;
  for (const NodeId id : region)
    for (const ValueId v : node_at(graph, id).outputs) {
      if (v == kNone) continue;
      const auto& readers = value_at(graph, v).consumers;
      if (std::any_of(readers.begin(), readers.end(), [&](NodeId r) { return region.count(r) == 0; }))
        wanted.push_back(v);
    }
  return wanted;
}

/// The region as a model of its own.
Graph extract(const Graph& graph, const Region& region, const std::vector<ValueId>& wanted) {
  Graph part;
  part.name = "constants";
  part.opset_imports = graph.opset_imports;
  part.ir_version = graph.ir_version;
  std::map<ValueId, ValueId> ids;
  const auto copied = [&](ValueId v) {
    if (v == kNone) return kNone;
    const auto [it, fresh] = ids.try_emplace(v, static_cast<ValueId>(part.values.size()));
    if (fresh) {
      part.values.push_back(value_at(graph, v));
      part.values.back().producer = kNone;
      part.values.back().consumers.clear();
    }
    return it->second;
  };
  for (const NodeId id : region) {
    Node node = node_at(graph, id);
    for (ValueId& v : node.inputs) v = copied(v);
    for (ValueId& v : node.outputs) v = copied(v);
    ir::add_node(part, std::move(node));
  }
  for (const ValueId v : wanted) part.outputs.push_back(ids.at(v));
  return part;
}

/// Bytes of the constants that the value is computed from.
size_t source_bytes(const Graph& graph, ValueId value, std::set<ValueId>& seen) {
  if (value == kNone || !seen.insert(value).second) return 0;
  const ir::Value& v = value_at(graph, value);
  if (v.constant) return v.constant->bytes ? v.constant->bytes->size() : 0;
  size_t bytes = 0;
  if (v.producer != kNone)
    for (const ValueId input : node_at(graph, v.producer).inputs) bytes += source_bytes(graph, input, seen);
  return bytes;
}

bool worth_storing(const Graph& graph, ValueId value, const ir::Tensor& result) {
  if (ir::bits_of(result.dtype) == 0 || !result.bytes) return false;
  std::set<ValueId> seen;
  return result.bytes->size() <= kTimesLarger * source_bytes(graph, value, seen) + kBytesLarger;
}

/// Constants that fold_constants() may find again, by their size in bytes.
using Known = std::multimap<size_t, ValueId>;

Known known_constants(const Graph& graph) {
  Known known;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const auto& constant = graph.values[v].constant;
    if (constant && constant->bytes && constant->bytes->size() >= kWorthSharing &&
        constant->opaque_proto.empty() && !graph.values[v].consumers.empty())
      known.emplace(constant->bytes->size(), static_cast<ValueId>(v));
  }
  return known;
}

/// Exporters name a shared weight once for each reader, behind an Identity or a Transpose of its own: one
/// constant for all.
void store(Graph& graph, ValueId value, ir::Tensor result, Known& known) {
  const auto [first, last] = known.equal_range(result.bytes->size());
  const auto same = std::find_if(
      first, last, [&](const auto& one) { return ir::equal(*value_at(graph, one.second).constant, result); });
  if (same != last && ir::replace_uses(graph, value, same->second)) return;
  if (result.bytes->size() >= kWorthSharing) known.emplace(result.bytes->size(), value);
  make_constant(graph, value, std::move(result));
}

}  // namespace

int fold_constants(Graph& graph, run::RunnerFactory& runners, const std::vector<std::string>& left) {
  Region banned = nodes_of(graph, left);
  // Every pass bans at least one more node, so this ends; mostly at the first pass.
  for (;;) {
    const Region region = foldable(graph, banned);
    const std::vector<ValueId> wanted = wanted_from(graph, region);
    if (wanted.empty()) return 0;
    std::vector<ir::Tensor> results;
    try {
      results = runners.make(extract(graph, region, wanted), {}, {})->run({});
    } catch (const Error& error) {
      log::debug(format("constants are left as they are, the runtime cannot compute them: {}", error.what()));
      return 0;
    }
    const size_t banned_before = banned.size();
    for (size_t i = 0; i < wanted.size(); ++i)
      if (!worth_storing(graph, wanted[i], results[i])) banned.insert(value_at(graph, wanted[i]).producer);
    if (banned.size() > banned_before) continue;
    Known known = known_constants(graph);
    for (size_t i = 0; i < wanted.size(); ++i) store(graph, wanted[i], std::move(results[i]), known);
    return static_cast<int>(wanted.size());
  }
}

}  // namespace qc::normalize
