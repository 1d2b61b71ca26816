// See layout.h. The cut: source side is channels last. A value that exists in both orders costs its bytes
// once, whoever reads it: one auxiliary vertex between producer and readers for each direction (as in the
// placement of integers, select/placement.cpp).
#include "tflite/layout.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <queue>

namespace qc::tflite {
namespace {

constexpr int64_t kForbidden = int64_t{1} << 50;

// Maximum flow by shortest augmenting levels (Dinic 1970), integers, so that ties fall the same everywhere.
class Cut {
 public:
  explicit Cut(size_t vertices) : arcs_(vertices) {}
  size_t add_vertex() {
    arcs_.emplace_back();
    return arcs_.size() - 1;
  }
  /// Costs `capacity` when `from` is on the source side and `to` is not.
  void add_arrow(size_t from, size_t to, int64_t capacity) {
    if (capacity <= 0 || from == to) return;
    arcs_[from].push_back({to, capacity, arcs_[to].size()});
    arcs_[to].push_back({from, 0, arcs_[from].size() - 1});
  }
  /// The smallest source side among the minimum cuts.
  std::vector<bool> source_side(size_t source, size_t sink) {
    while (find_levels(source, sink)) {
      next_.assign(arcs_.size(), 0);
      while (push(source, sink, kForbidden) > 0) {
      }
    }
    std::vector<bool> side(arcs_.size());
    for (size_t v = 0; v < arcs_.size(); ++v) side[v] = level_[v] >= 0;
    return side;
  }

 private:
  struct Arc {
    size_t to;
    int64_t left;
    size_t back;
  };
  bool find_levels(size_t source, size_t sink) {
    level_.assign(arcs_.size(), -1);
    level_[source] = 0;
    std::queue<size_t> open({source});
    while (!open.empty()) {
      const size_t v = open.front();
      open.pop();
      for (const Arc& arc : arcs_[v])
        if (arc.left > 0 && level_[arc.to] < 0) level_[arc.to] = level_[v] + 1, open.push(arc.to);
    }
    return level_[sink] >= 0;
  }
  // Paths are as long as the graph is deep; explicit stacks are not worth it below a million nodes.
  int64_t push(size_t v, size_t sink, int64_t room) {
    if (v == sink) return room;
    for (size_t& i = next_[v]; i < arcs_[v].size(); ++i) {
      Arc& arc = arcs_[v][i];
      if (arc.left <= 0 || level_[arc.to] != level_[v] + 1) continue;
      const int64_t pushed = push(arc.to, sink, std::min(room, arc.left));
      if (pushed == 0) continue;
      arc.left -= pushed;
      arcs_[arc.to][arc.back].left += pushed;
      return pushed;
    }
    return 0;
  }
  std::vector<std::vector<Arc>> arcs_;
  std::vector<int> level_;
  std::vector<size_t> next_;
};

// Bytes to transpose for the value in both orders.
int64_t bytes_of(const ir::Graph& graph, ir::ValueId v, const LayoutOptions& options) {
  const ir::Value& value = ir::value_at(graph, v);
  if (moves_nothing(value.dims, channels_last(value.dims.size()))) return 0;
  const int64_t width = static_cast<size_t>(v) < options.width.size() ? options.width[v] : 4;
  return ir::element_count(value.dims) * width;
}

// A RESHAPE that moves nothing decides between orders of grey pictures that are as good otherwise: they have
// their channel last where convolutions read them.
int64_t cost_of(const ir::Graph& graph, ir::ValueId v, const LayoutOptions& options) {
  constexpr int64_t kReshape = 1;
  const std::vector<int64_t>& dims = ir::value_at(graph, v).dims;
  const bool grey = dims.size() >= 3 && dims[1] == 1;
  return std::max(grey ? kReshape : 0, bytes_of(graph, v, options));
}

}  // namespace

std::vector<int> channels_last(size_t rank) {
  std::vector<int> order(rank);
  std::iota(order.begin(), order.end(), 0);
  if (rank >= 3) std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  return order;
}

std::vector<int64_t> permuted(std::span<const int64_t> dims, std::span<const int> order) {
  std::vector<int64_t> result;
  for (const int d : order) result.push_back(dims[d]);
  return result;
}

bool moves_nothing(std::span<const int64_t> dims, std::span<const int> order) {
  int last = -1;
  for (const int d : order) {
    if (dims[d] == 1) continue;
    if (d < last) return false;
    last = d;
  }
  return true;
}

ir::Tensor transposed(const ir::Tensor& tensor, std::span<const int> order) {
  std::vector<int64_t> dims = permuted(tensor.dims, order);
  if (moves_nothing(tensor.dims, order)) {
    ir::Tensor same = tensor;
    same.dims = std::move(dims);
    return same;
  }
  const size_t rank = dims.size(), width = static_cast<size_t>(ir::bits_of(tensor.dtype) / 8);
  std::vector<int64_t> stride(rank, 1), step(rank), at(rank, 0);
  for (size_t d = rank - 1; d-- > 0;) stride[d] = stride[d + 1] * tensor.dims[d + 1];
  for (size_t d = 0; d < rank; ++d) step[d] = stride[order[d]];
  std::string bytes(tensor.bytes->size(), '\0');
  int64_t from = 0;
  for (size_t to = 0; to < bytes.size(); to += width) {
    std::memcpy(bytes.data() + to, tensor.bytes->data() + static_cast<size_t>(from) * width, width);
    for (size_t d = rank; d-- > 0;) {
      from += step[d];
      if (++at[d] < dims[d]) break;
      from -= step[d] * dims[d];
      at[d] = 0;
    }
  }
  return ir::make_tensor(tensor.dtype, std::move(bytes), std::move(dims));
}

Layouts assign_layouts(const ir::Graph& graph, const std::vector<NodeSides>& sides,
                       const LayoutOptions& options) {
  const size_t nodes = graph.nodes.size(), source = 2 * nodes, sink = source + 1;
  const auto in_of = [](ir::NodeId n) { return 2 * static_cast<size_t>(n); };
  const auto out_of = [](ir::NodeId n) { return 2 * static_cast<size_t>(n) + 1; };
  Cut cut(2 * nodes + 2);
  const auto fix = [&](size_t vertex, Side side) {
    if (side == Side::kLast) cut.add_arrow(source, vertex, kForbidden);
    if (side == Side::kOriginal) cut.add_arrow(vertex, sink, kForbidden);
  };
  for (size_t n = 0; n < nodes; ++n) {
    if (graph.nodes[n].erased) continue;
    fix(2 * n, sides[n].in);
    fix(2 * n + 1, sides[n].out);
    if (!sides[n].tied) continue;
    cut.add_arrow(2 * n, 2 * n + 1, kForbidden);
    cut.add_arrow(2 * n + 1, 2 * n, kForbidden);
  }
  std::vector<size_t> made_by(graph.values.size(), sink);  // the vertex whose side the value has
  for (ir::ValueId v = 0; v < static_cast<ir::ValueId>(graph.values.size()); ++v) {
    const ir::Value& value = ir::value_at(graph, v);
    if (value.constant || value.dims.size() < 3) continue;
    const bool image = value.dims.size() == 4 && !options.keep_io;
    const bool input = value.producer == ir::kNone;
    const size_t maker = !input ? out_of(value.producer) : image ? cut.add_vertex() : sink;
    made_by[v] = maker;
    std::vector<size_t> readers;
    for (const ir::NodeId reader : value.consumers) readers.push_back(in_of(reader));
    if (ir::is_output(graph, v) && !image) readers.push_back(sink);
    const int64_t cost = cost_of(graph, v, options);
    if (cost == 0 || readers.empty()) continue;
    const size_t gather = cut.add_vertex(), scatter = cut.add_vertex();
    cut.add_arrow(maker, gather, cost);
    cut.add_arrow(scatter, maker, cost);
    for (const size_t reader : readers) {
      cut.add_arrow(gather, reader, kForbidden);
      if (reader != sink) cut.add_arrow(reader, scatter, kForbidden);
    }
  }
  const std::vector<bool> last = cut.source_side(source, sink);
  Layouts layouts{std::vector<bool>(nodes), std::vector<bool>(nodes), std::vector<bool>(graph.values.size())};
  for (size_t n = 0; n < nodes; ++n) layouts.node_in[n] = last[2 * n], layouts.node_out[n] = last[2 * n + 1];
  for (size_t v = 0; v < graph.values.size(); ++v) layouts.value[v] = made_by[v] != sink && last[made_by[v]];
  return layouts;
}

}  // namespace qc::tflite
