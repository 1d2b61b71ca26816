// Values as the runtime's convolutions lay them out: [batch, channels / block, height, width, block], the
// last block padded with what they compute for channels that do not exist. An observer of such a value makes
// the runtime bring it into order first, which costs as much as counting it. Where many runs pay for it,
// observers read blocks instead. Private to this room.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ir/graph.h"
#include "run/runner.h"

namespace qc::run {

/// How a value lies. No channels: in order, as its dimensions say.
struct Blocks {
  int64_t channels = 0;  // without the padding
  int64_t block = 0;     // channels that lie side by side
};

/// Domain of the runtime's own layout and the op that brings it into order (attribute `channels`).
inline constexpr const char* kBlockDomain = "com.microsoft.nchwc";
inline constexpr const char* kBringIntoOrder = "ReorderOutput";

/// Whether reading blocks saves more time than preparing it takes; false where sizes are not known.
bool pays_to_read_blocks(const ir::Graph& graph, const std::vector<Tap>& taps, const RunnerOptions& options);

/// `tapped` (observers alone) after the runtime's optimizations, its own layouts among them: the observers
/// read blocks where the runtime would bring a value into order for nobody else. nullopt: there are none
/// such.
std::optional<ir::Graph> read_blocks(ir::Graph tapped, std::vector<Tap> taps, int64_t block);

/// A tensor in blocks, of `padded` dimensions [batch, channels with padding, height, width]: `to` gets its
/// values without the padding, as they lie; or as [batch, channels, height, width].
void without_padding(std::span<const float> tensor, std::span<const int64_t> padded, const Blocks& blocks,
                     std::vector<float>& to);
void in_order(std::span<const float> tensor, std::span<const int64_t> padded, const Blocks& blocks,
              std::vector<float>& to);

}  // namespace qc::run
