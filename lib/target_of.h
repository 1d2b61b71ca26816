// The target as a config uses it, and what it means that integers go wherever they can.
#pragma once

#include <optional>
#include <vector>

#include "config/core_config.h"
#include "select/capability.h"
#include "target/target.h"

namespace qc {

/// The target that the config names, with int16 activations where the .tflite's form asks for them. Under a
/// full placement no integer kernel of it hands out floats. Throws Error(kUsage) as target::load() does.
target::TargetSpec target_of(const config::CoreConfig& config);

/// Of what reads a .tflite and computes its floats: the runtime beside the target, or the target itself.
std::optional<target::TfliteRules> runtime_rules(const target::TargetSpec& target);
/// Whether the rules of an operator name the limit; without rules there is none.
bool has_limit(const std::optional<target::TfliteRules>& rules, const char* op, const char* limit);

/// Integers go wherever the target has a kernel: the config has it so, or the target leaves no choice.
bool is_full(const config::CoreConfig& config, const target::TargetSpec& target);
/// By NodeId: integer wherever there is a kernel.
std::vector<bool> wherever_possible(const std::vector<select::Capability>& capabilities);

/// Worst output, in dB, from which on a model that is all on integers is of use: transformers end up near 0,
/// and no classifier met so far below this.
constexpr double kUsableDb = 18;
/// A full placement that the config asked for, or that did no harm: nothing is taken back to float.
bool full_stands(const config::CoreConfig& config, double worst_db);

}  // namespace qc
