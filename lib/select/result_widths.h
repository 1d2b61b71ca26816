// Rules that list widths for results ("activation_n_bits": [8, 16]): whose results they mean, and which of
// the widths the target has for them. Which one each result gets is for a search to say.
#pragma once

#include <span>
#include <vector>

#include "config/core_config.h"
#include "ir/graph.h"
#include "select/rules.h"
#include "target/target.h"

namespace qc::select {

/// The node whose rule says how wide a value may be: its maker, or what that disappears into (a Relu into the
/// Conv before it); ir::kNone for what no node makes.
ir::NodeId speaker_of(const ir::Graph& graph, const target::TargetSpec& target, ir::ValueId v);

/// The list that holds for a value, by its maker or the speaker; empty: none. `rules`: by NodeId; nodes made
/// later have none.
std::vector<int> widths_listed(const ir::Graph& graph, const target::TargetSpec& target,
                               std::span<const config::NodeSettings> rules, ir::ValueId v);

/// Has the target no integers as wide as the widest that is listed for this value, so that float stands for
/// it? False where nothing is listed, and on targets without floats beside integers.
bool float_is_wider(const ir::Graph& graph, const target::TargetSpec& target,
                    std::span<const config::NodeSettings> rules, ir::ValueId v);

/// A list without the target's own width begins with the next wider one, or with its widest: sets
/// NodeSettings::activation_n_bits there.
void begin_lists(const target::TargetSpec& target, std::vector<config::NodeSettings>& rules);

/// Throws Error(kUsage) for every list that leaves none of its rule's nodes a choice on this target: it names
/// what there is, and what to write.
void check_lists(const ir::Graph& graph, const target::TargetSpec& target, const config::CoreConfig& config,
                 const ResolvedRules& rules);

}  // namespace qc::select
