// See goal_in_floats.h.
#include "search/goal_in_floats.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/decibels.h"
#include "base/text.h"
#include "describe/diagnose.h"
#include "search/width_study.h"

namespace qc {
namespace {

constexpr size_t kNamed = 3;     // layers that the cause names
constexpr size_t kRuled = 24;    // and that a rule lists at most
constexpr double kMarginDb = 2;  // layers corrected together cost less than the sum of each alone
constexpr int kWide = 8, kFloat = 16;

std::string more_bits(const std::vector<std::string>& names, int bits) {
  std::vector<std::string> quoted;
  for (const std::string& name : names) quoted.push_back(json_quoted(name));
  return format(
      "give these weights more bits: \"bit_width_config\": [{{\"filter\": {{\"name\": [{}]}}, "
      "\"weights_n_bits\": {}}}]",
      join(quoted, ", "), bits);
}

// As many bits for every layer as the goal takes, or where some have that many, for the others.
std::string wider_all(const std::vector<report::AblationRow>& rows, double worst_db, double goal_db) {
  const double added = (goal_db + kMarginDb - worst_db) / decibels(kByBit);
  const int most = rows.front().bits < kWide ? kWide : kFloat,
            bits = std::min(rows.front().bits + static_cast<int>(std::ceil(added)), most);
  std::vector<std::string> names;
  for (const report::AblationRow& row : rows)
    if (row.bits < bits) names.push_back(row.node);
  if (names.size() == rows.size()) return more_bits({"*"}, most == kFloat ? kFloat : bits);
  return names.size() <= kRuled ? more_bits(names, bits) : more_bits({"*"}, most);
}

// The costliest layers that have to be wide for the goal.
std::string wider(const std::vector<report::AblationRow>& rows, double sum, double worst_db, double goal_db) {
  // Together they may seem to cost less than alone, as corrections of one make up for others; those that stay
  // narrow do so no more.
  const double most = std::max(sum, noise_of_db(worst_db)),
               missing = 1 - noise_of_db(goal_db + kMarginDb) / most;  // share of the noise to lose
  std::vector<std::string> names;
  double lost = 0;
  bool narrow = false;
  for (size_t r = 0; r < rows.size() && (names.empty() || lost < missing); ++r) {
    lost += noise_of_db(rows[r].only_db) / sum;
    narrow |= rows[r].bits < kWide;
    names.push_back(rows[r].node);
  }
  const bool few = names.size() <= kRuled && (!narrow || 4 * names.size() <= 3 * rows.size());
  return few ? more_bits(names, narrow ? kWide : kFloat) : wider_all(rows, worst_db, goal_db);
}

// Where it is not for narrow integers.
Miss other_cause(const config::CoreConfig& config) {
  using config::Mode;
  const struct {
    bool holds;
    const char *cause, *remedy;
  } rows[] = {
      {config.mode == Mode::kDynamic, "activations are rounded as they run",
       "round none: \"mode\": \"weight_only\""},
      {config.mode == Mode::kWeightOnly && config.weight_only.runtime == config::WeightRuntime::kPacked,
       "kernels of packed weights may round activations",
       "let weights be unfolded: \"weight_only\": {\"runtime\": \"folded\"}"},
      {config.float16.activations, "activations have 16 bits",
       "leave them at 32: \"float16\": {\"activations\": false}"},
      {config.mode == Mode::kBfloat16, "weights have 16 bits, 8 of them for the exponent",
       "take those that are finer: \"mode\": \"float16\""},
      {config.output.tflite_form == config::TfliteForm::kDynamicRange, "weights have 8 bits",
       "give them 16: \"output\": {\"tflite\": {\"form\": \"float16\"}}"},
      {true, "weights and tables are stored in fewer bits than float's", "lower the goal"}};
  const auto* row = std::find_if(std::begin(rows), std::end(rows), [](const auto& one) { return one.holds; });
  return {row->cause, row->remedy};
}

}  // namespace

Miss miss_in_floats(const PlacementScene& scene, const Attempt& best, const config::CoreConfig& config,
                    double worst_db, double goal_db) {
  const std::vector<report::AblationRow> rows =
      weights_alone(scene.graph, best, scene.answers, scene.runners, scene.source, scene.threads);
  double sum = 0;
  for (const report::AblationRow& row : rows) sum += noise_of_db(row.only_db);
  const bool by_form = config.mode != config::Mode::kWeightOnly && config::writes(config, "tflite");
  if (rows.empty() || sum <= 0 || by_form || best.fidelity.worst_db() >= goal_db) return other_cause(config);
  std::vector<std::string> words;
  for (size_t r = 0; r < std::min(kNamed, rows.size()); ++r)
    words.push_back(format("'{}' ({})", rows[r].node, human_share(noise_of_db(rows[r].only_db) / sum, 0)));
  return {"most of its error comes from the weights of " + join(words, ", "),
          wider(rows, sum, worst_db, goal_db)};
}

}  // namespace qc
