// A Pad in front of a pool that fills whole windows: what these hold is the padding's own number, so that the
// pool need not see them and they come behind it, as padding of its result. What is left in front is smaller
// than the window, as ONNX Runtime demands of a pool's own padding: it makes that of any Pad in front of one,
// and 1.30 refuses a model where the two do not fit.
#include <algorithm>

#include "normalize/edit.h"
#include "normalize/match.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

struct Match {
  NodeId node, pad;
  Dims front, behind;  // of all dimensions, begins then ends
};

// Of one dimension: padding before and after, of the picture or of the result.
struct Ends {
  int64_t before = 0, after = 0;
};

// Moves the windows that lie in the padding alone from `front` to what is returned.
Ends move_windows(int64_t size, int64_t kernel, int64_t stride, Ends& front) {
  const auto windows = [&](int64_t padding) {
    return padding < kernel ? 0 : (padding - kernel) / stride + 1;
  };
  const int64_t unread = (front.before + size + front.after - kernel) % stride;  // behind the last window
  const Ends behind{windows(front.before), windows(front.after - unread)};
  if (behind.after > 0 || front.after >= kernel) front.after -= unread;
  front.before -= behind.before * stride;
  front.after -= behind.after * stride;
  return behind;
}

bool plain_pool(const Graph& graph, const Node& node, size_t spatial) {
  const Dims kernel = ir::ints_attribute(node, "kernel_shape"),
             strides = ir::ints_attribute(node, "strides", Dims(spatial, 1)),
             dilations = ir::ints_attribute(node, "dilations", Dims(spatial, 1)),
             pads = ir::ints_attribute(node, "pads", Dims(2 * spatial, 0));
  if (spatial == 0 || strides.size() != spatial || ir::opset(graph) < 11) return false;
  for (size_t d = 0; d < spatial; ++d)
    if (strides[d] < 1 || strides[d] > kernel[d]) return false;  // else a window may begin inside
  return std::all_of(dilations.begin(), dilations.end(), [](int64_t d) { return d == 1; }) &&
         std::all_of(pads.begin(), pads.end(), [](int64_t p) { return p == 0; }) &&
         ir::string_attribute(node, "auto_pad", "NOTSET") == "NOTSET" &&
         ir::int_attribute(node, "ceil_mode", 0) == 0 && node.outputs.size() == 1;
}

bool any(const Dims& amounts) {
  return std::any_of(amounts.begin(), amounts.end(), [](int64_t p) { return p != 0; });
}

std::optional<Match> match(const Graph& graph, NodeId id) {
  const Node& node = node_at(graph, id);
  if (!ir::standard_op(node, "MaxPool") && !ir::standard_op(node, "AveragePool")) return std::nullopt;
  const Dims kernel = ir::ints_attribute(node, "kernel_shape");
  const size_t spatial = kernel.size(), rank = spatial + 2;
  const NodeId pad = ir::producer_if(graph, node.inputs[0], "Pad");
  const auto value = pad == kNone ? std::nullopt : padding_value(graph, node_at(graph, pad));
  if (!value || !plain_pool(graph, node, spatial)) return std::nullopt;
  const auto x = ir::static_dims(graph, node_at(graph, pad).inputs[0]);
  const auto pads = ir::full_pads(graph, node_at(graph, pad), rank);
  if (!x || x->size() != rank || !pads ||
      pads->at(0) + pads->at(1) + pads->at(rank) + pads->at(rank + 1) != 0 ||
      std::any_of(pads->begin(), pads->end(), [](int64_t p) { return p < 0; }))
    return std::nullopt;
  Match m{id, pad, *pads, Dims(2 * rank, 0)};
  const Dims strides = ir::ints_attribute(node, "strides", Dims(spatial, 1));
  for (size_t d = 0; d < spatial; ++d) {
    int64_t &before = m.front[d + 2], &after = m.front[d + 2 + rank];
    if (std::max(before, after) < kernel[d]) continue;
    Ends front{before, after};
    const Ends behind = move_windows(x->at(d + 2), kernel[d], strides[d], front);
    if (x->at(d + 2) + front.before + front.after < kernel[d]) return std::nullopt;  // no window is left
    before = front.before;
    after = front.after;
    m.behind[d + 2] = behind.before;
    m.behind[d + 2 + rank] = behind.after;
  }
  // The runtime would take what stays in front for MaxPool's own padding, which is below any number.
  const bool lower = any(m.front) && ir::standard_op(node, "MaxPool") && *value == 0 &&
                     !never_negative(graph, node_at(graph, pad).inputs[0]);
  return lower || m.front == *pads ? std::nullopt : std::optional(m);
}

// What a Pad of `x` by these amounts reads.
std::vector<ValueId> pad_inputs(Graph& graph, const Match& m, ValueId x, const Dims& amounts,
                                const std::string& name) {
  std::vector<ValueId> inputs = node_at(graph, m.pad).inputs;
  inputs[0] = x;
  inputs[1] = ir::add_constant(graph, name, ir::int_tensor(amounts));
  inputs.resize(std::min<size_t>(inputs.size(), 3));  // all axes are listed
  return inputs;
}

bool transform(Graph& graph, const Match& m) {
  const Node pool = node_at(graph, m.node);
  ValueId x = node_at(graph, m.pad).inputs[0];
  if (any(m.front))
    x = ir::insert_node(graph, "Pad", pad_inputs(graph, m, x, m.front, pool.name + "/pads_in_front"), {},
                        pool.name + "/in_front", m.pad);
  if (!any(m.behind)) {
    ir::set_input(graph, m.node, 0, x);
    return true;
  }
  const ValueId inside =
      ir::insert_node(graph, pool.op_type, {x}, pool.attributes, pool.name + "/inside", m.node);
  ir::become(graph, m.node, "Pad", pad_inputs(graph, m, inside, m.behind, pool.name + "/pads_behind"), {});
  return true;
}

}  // namespace

int pad_behind(Graph& graph) {
  return rewrite_all<Match>(graph, match, transform);
}

}  // namespace qc::normalize
