// See blocked_layout.h. The runtime has no way to tell it which layout an operator of ours takes: it is asked
// for the graph it would run, and that graph is changed.
#include "run/blocked_layout.h"

#include <algorithm>

#include "ir/edit.h"
#include "run/taps.h"

namespace qc::run {
namespace {

// Seconds, measured with AVX-512: what a value saves that is not brought into order, and what the optimized
// graph takes to be written, read, changed and loaded again.
constexpr double kSavedPerValue = 0.2e-9;
constexpr double kPerByteOfConstants = 6e-9, kPerGraph = 0.02;
constexpr double kMostConstants = 256e6;  // bytes: it goes through a temporary file

bool from_blocks(const ir::Graph& graph, ir::NodeId id) {
  if (id == ir::kNone) return false;
  const ir::Node& node = ir::node_at(graph, id);
  return node.domain == kBlockDomain && node.op_type == kBringIntoOrder &&
         ir::int_attribute(node, "channels_last", 0) == 0;
}

struct Shape {
  int64_t images, channels, places, block, groups;
  Shape(std::span<const int64_t> padded, const Blocks& blocks)
      : images(padded[0]),
        channels(blocks.channels),
        places(padded[2] * padded[3]),
        block(blocks.block),
        groups(padded[1] / blocks.block) {}
  int64_t channels_in(int64_t group) const { return std::clamp<int64_t>(channels - group * block, 0, block); }
};

}  // namespace

bool pays_to_read_blocks(const ir::Graph& graph, const std::vector<Tap>& taps, const RunnerOptions& options) {
  double values = 0, constants = 0;
  for (const Tap& tap : taps) {
    if (tap.transform) return false;
    const auto dims = ir::static_dims(graph, tap.value);
    if (!dims || dims->size() != 4 || !tap.any_order) continue;
    double size = 1;
    for (const int64_t dim : *dims) size *= static_cast<double>(dim);
    values += size;
  }
  for (const ir::Value& value : graph.values)
    if (value.constant && value.constant->bytes)
      constants += static_cast<double>(value.constant->bytes->size());
  return constants <= kMostConstants && values * kSavedPerValue * static_cast<double>(options.runs) >
                                            constants * kPerByteOfConstants + kPerGraph;
}

std::optional<ir::Graph> read_blocks(ir::Graph tapped, std::vector<Tap> taps, int64_t block) {
  taps = take_observers_out(tapped, std::move(taps));
  std::vector<Blocks> blocks(taps.size());
  bool any = false;
  for (size_t i = 0; i < taps.size(); ++i) {
    if (taps[i].value == ir::kNone) continue;
    const ir::Value& value = ir::value_at(tapped, taps[i].value);
    if (!from_blocks(tapped, value.producer) || !value.consumers.empty() ||
        ir::is_output(tapped, taps[i].value))
      continue;
    const ir::Node& reorder = ir::node_at(tapped, value.producer);
    blocks[i] = {ir::int_attribute(reorder, "channels", 0), block};
    taps[i].value = reorder.inputs[0];
    any = true;
  }
  if (!any) return std::nullopt;
  tapped = insert_taps(tapped, taps, blocks);
  ir::remove_dead(tapped);
  return tapped;
}

void without_padding(std::span<const float> tensor, std::span<const int64_t> padded, const Blocks& blocks,
                     std::vector<float>& to) {
  const Shape shape(padded, blocks);
  to.resize(static_cast<size_t>(shape.images * shape.channels * shape.places));
  const float* from = tensor.data();
  float* out = to.data();
  for (int64_t run = 0; run < shape.images * shape.groups; ++run, from += shape.places * shape.block) {
    const int64_t channels = shape.channels_in(run % shape.groups);
    if (channels == shape.block)
      out = std::copy_n(from, shape.places * shape.block, out);
    else
      for (int64_t place = 0; place < shape.places; ++place)
        out = std::copy_n(from + place * shape.block, channels, out);
  }
}

void in_order(std::span<const float> tensor, std::span<const int64_t> padded, const Blocks& blocks,
              std::vector<float>& to) {
  const Shape shape(padded, blocks);
  to.resize(static_cast<size_t>(shape.images * shape.channels * shape.places));
  const float* from = tensor.data();
  float* out = to.data();
  for (int64_t run = 0; run < shape.images * shape.groups; ++run, from += shape.places * shape.block)
    for (int64_t channel = 0; channel < shape.channels_in(run % shape.groups); ++channel)
      for (int64_t place = 0; place < shape.places; ++place) *out++ = from[place * shape.block + channel];
}

}  // namespace qc::run
