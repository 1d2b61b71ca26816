// Whether widths of weights can be searched for, by what the config alone says.
#pragma once

#include <optional>
#include <string>

#include "config/core_config.h"

namespace qc::config {

/// What is in the way of a search, and what to do about it.
struct Obstacle {
  std::string pointer, cause, remedy;
};

/// Nothing where every weight may have a width of its own: where activations are rounded too, and where
/// weights alone are stored with a scale for each channel.
std::optional<Obstacle> widths_obstacle(const CoreConfig& config);
/// The same for the budgets that are set, some of which bound nothing that widths change. Nothing where none
/// is set.
std::optional<Obstacle> budget_obstacle(const CoreConfig& config);

/// Rules that list widths for results ("activation_n_bits": [8, 16]), and the JSON pointers of the lists.
std::vector<std::pair<const Rule*, std::string>> rules_with_widths(const CoreConfig& config);
bool lists_widths(const CoreConfig& config);

/// Is there a budget that the widths of results count for?
bool bounds_activations(const CoreConfig& config);

}  // namespace qc::config
