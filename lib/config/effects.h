// Keys that change nothing beside what the rest of a config says: for people, who get a sentence on each.
#pragma once

#include <string>
#include <vector>

#include "config/core_config.h"

namespace qc::config {

struct Idle {
  std::string pointer;  // of the key, or of a rule
  std::string why;      // "in mode weight_only activations stay float"
  /// The user asked for one thing by name that will not be done: parse() warns. Else the report has a note.
  bool by_name = false;
};

/// Those that are not at their defaults, in the order of the table.
std::vector<Idle> keys_without_effect(const CoreConfig& config);

}  // namespace qc::config
