// See open_widths.h.
#include "config/open_widths.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "config/keys.h"

namespace qc::config {
namespace {

struct Row {
  bool holds;
  const char* pointer;
  std::string cause, remedy;
};

std::optional<Obstacle> first_of(const std::vector<Row>& rows) {
  const auto row = std::find_if(rows.begin(), rows.end(), [](const Row& one) { return one.holds; });
  if (row == rows.end()) return std::nullopt;
  return Obstacle{row->pointer, row->cause, row->remedy};
}

}  // namespace

std::optional<Obstacle> widths_obstacle(const CoreConfig& config) {
  if (rounds_activations(config)) return std::nullopt;
  const bool tflite = writes(config, "tflite"), weights_alone = config.mode == Mode::kWeightOnly,
             by_form = !weights_alone && tflite && tflite_keeps_floats(config);
  const WeightOnly& stored = config.weight_only;
  const std::string form = find_key("/output/tflite/form")->field.get(config),
                    mode = find_key("/mode")->field.get(config);
  return first_of({
      {by_form, "/output/tflite/form", format("a .tflite of the form {} has one width for all weights", form),
       "leave /mode and /output/tflite/form at their defaults"},
      {config.mode == Mode::kDynamic, "/mode",
       "in mode dynamic it is settled on the finished file which layers round activations as they run, and "
       "no "
       "search measures that",
       "leave /mode at its default, or write \"weight_only\""},
      {!weights_alone, "/mode", format("mode {} has one width for all weights", mode),
       std::string("leave /mode at its default") + (tflite ? "" : ", or write \"weight_only\"")},
      {stored.block_size > 0, "/weight_only/block_size",
       "weights in blocks have one width: others are searched for where a channel has one scale",
       "remove /weight_only/block_size"},
      {stored.bits.has_value(), "/weight_only/bits", "it gives all weights one width",
       "remove /weight_only/bits"},
      {!stored.symmetric, "/weight_only/symmetric",
       "weights with zero points have one width: others are searched for among symmetric ones",
       "remove /weight_only/symmetric"},
  });
}

std::optional<Obstacle> budget_obstacle(const CoreConfig& config) {
  if (!config.budget.any() || rounds_activations(config)) return std::nullopt;
  if (std::optional<Obstacle> found = widths_obstacle(config)) {
    found->cause = format("no widths can be searched for: {}: {}", found->pointer, found->cause);
    found->pointer = "/target_resource_utilization";
    found->remedy += ", or leave out the budget";
    return found;
  }
  constexpr const char* kInstead = "bound weights_memory or total_memory, or leave /mode at its default";
  return first_of({
      {config.budget.activation_memory.has_value(), "/target_resource_utilization/activation_memory",
       "in mode weight_only activations stay float: they take the same whatever the widths", kInstead},
      {config.budget.bops.has_value(), "/target_resource_utilization/bops",
       "in mode weight_only floats are multiplied: widths change no operation", kInstead},
  });
}

std::vector<std::pair<const Rule*, std::string>> rules_with_widths(const CoreConfig& config) {
  std::vector<std::pair<const Rule*, std::string>> found;
  const auto look = [&](const std::vector<Rule>& rules, const char* inside) {
    for (const Rule& rule : rules)
      if (!rule.settings.activation_widths.empty())
        found.emplace_back(&rule, rule.place + inside + "/activation_n_bits");
  };
  look(config.bit_width_config, "");
  look(config.network_editor, "/action");
  return found;
}

bool lists_widths(const CoreConfig& config) {
  return !rules_with_widths(config).empty();
}

bool bounds_activations(const CoreConfig& config) {
  return config.budget.activation_memory || config.budget.total_memory || config.budget.bops;
}

}  // namespace qc::config
