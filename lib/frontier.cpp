// See frontier.h.
#include "frontier.h"

#include <algorithm>
#include <cmath>

#include "base/decibels.h"
#include "base/files.h"
#include "base/log.h"
#include "base/text.h"
#include "budget/frontier.h"
#include "config/open_widths.h"
#include "deliver/resume.h"
#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "version.h"

namespace qc {
namespace {

// The same analysis holds for another budget, other gates and other file names; formats decide what is
// counted. Empty where the conversion will ask for images.
std::string key_of(const ConvertOptions& options, config::CoreConfig config) {
  if (config.representative_dataset.path.empty()) return {};
  config.budget = {};
  config.gates = {};
  Diagnostics ignored;  // said by the conversion
  const correct::Origin origin = origin_of(options, config, onnx_io::read(options.model, ignored));
  return content_hash(
      join({origin.model, origin.config, origin.images, config::hash(config), qconvert_version()}, " "));
}

std::filesystem::path beside(const ConvertOptions& options, const char* ending) {
  return options.output_folder / (options.model.stem().string() + ending);
}

std::vector<budget::Item> items_of(const report::WidthFrontier& frontier) {
  std::vector<budget::Item> items;
  for (const report::WidthFrontier::Layer& layer : frontier.layers) {
    items.emplace_back();
    for (size_t w = 0; w < frontier.widths.size(); ++w)
      items.back().choices.push_back({layer.bytes[w], layer.costs[w], 0});
  }
  return items;
}

std::vector<size_t> picks_of(const report::WidthFrontier& frontier, const std::vector<int>& bits) {
  std::vector<size_t> picks;
  for (const int b : bits)
    picks.push_back(static_cast<size_t>(std::find(frontier.widths.begin(), frontier.widths.end(), b) -
                                        frontier.widths.begin()));
  return picks;
}

std::vector<int> bits_of(const report::WidthFrontier& frontier, const std::vector<size_t>& picks) {
  std::vector<int> bits;
  for (const size_t pick : picks) bits.push_back(frontier.widths[pick]);
  return bits;
}

// What a written file takes beyond the sum of its layers, at the most that was seen.
int64_t beyond_sums(const report::WidthFrontier& frontier, const std::vector<budget::Item>& items) {
  int64_t most = 0;
  for (const report::WidthFrontier::Point& point : frontier.points)
    most = std::max(most, point.bytes - frontier.other_bytes -
                              budget::sum_of(items, picks_of(frontier, point.bits)).bytes);
  return most;
}

// What measuring is likely to find: the costs as noise, moved by what was measured nearby. Costs that are no
// noise at the outputs (statistics alone, MCT's distances) are moved just so.
double expected_db(const report::WidthFrontier& frontier, const std::vector<budget::Item>& items,
                   int64_t bytes, double cost) {
  const auto db_of = [&](double added) { return -decibels(std::max(frontier.wide_noise + added, 1e-20)); };
  const report::WidthFrontier::Point *below = nullptr, *above = nullptr;
  for (const report::WidthFrontier::Point& point : frontier.points) {
    if (point.uniform || !std::isfinite(point.measured_db)) continue;
    if (point.bytes <= bytes) below = &point;
    if (point.bytes >= bytes && !above) above = &point;
  }
  const auto shift = [&](const report::WidthFrontier::Point& p) {
    return p.measured_db - db_of(budget::sum_of(items, picks_of(frontier, p.bits)).cost);
  };
  const double predicted = db_of(cost);
  if (!below && !above) return predicted;
  if (!below || !above || above->bytes == below->bytes) return predicted + shift(below ? *below : *above);
  const double part =
      static_cast<double>(bytes - below->bytes) / static_cast<double>(above->bytes - below->bytes);
  return predicted + shift(*below) + part * (shift(*above) - shift(*below));
}

std::string rules_of(const config::CoreConfig& config, const report::WidthFrontier& frontier,
                     const std::vector<int>& bits) {
  std::vector<std::string> rules;
  for (const config::Rule& rule : config.bit_width_config) rules.push_back(rule.json);
  for (size_t i = 0; i < bits.size(); ++i)
    rules.push_back(format(R"({{"filter": {{"name": {}}}, "weights_n_bits": {}}})",
                           json_quoted(frontier.layers[i].node), bits[i]));
  return "[" + join(rules, ", ") + "]";
}

// What --pick asks for: one of the two.
struct Pick {
  std::optional<int64_t> bytes;
  std::optional<double> sqnr_db;
};

// Bits by layer: the best of the measured points and of those that the analysis predicts. Throws
// Error(kBudget).
std::vector<int> bits_for(const report::WidthFrontier& frontier, const Pick& pick) {
  const std::vector<budget::Item> items = items_of(frontier);
  const budget::Frontier all(items);
  const int64_t beside = frontier.other_bytes + beyond_sums(frontier, items);
  const report::WidthFrontier::Point* measured = nullptr;
  for (const report::WidthFrontier::Point& point : frontier.points) {
    if (!point.best) continue;
    if (pick.bytes && point.bytes <= *pick.bytes) measured = &point;
    if (pick.sqnr_db && point.measured_db >= *pick.sqnr_db && !measured) measured = &point;
  }
  std::optional<budget::Sum> predicted;
  if (pick.bytes) {
    predicted = all.within(*pick.bytes - beside);
    if (predicted && measured &&
        measured->measured_db >= expected_db(frontier, items, predicted->bytes + beside, predicted->cost))
      predicted.reset();
  } else {
    for (size_t i = 0; i < all.size() && !predicted; ++i) {
      const budget::Sum sum = all.at(i);
      if (expected_db(frontier, items, sum.bytes + beside, sum.cost) >= *pick.sqnr_db) predicted = sum;
    }
    if (predicted && measured && measured->bytes <= predicted->bytes + beside) predicted.reset();
  }
  if (predicted) return bits_of(frontier, predicted->picks);
  if (measured) return measured->bits;
  const report::WidthFrontier::Point &smallest = frontier.points.front(), *best = &smallest;
  for (const report::WidthFrontier::Point& point : frontier.points)
    if (point.best) best = &point;
  throw Error(Exit::kBudget,
              {"nothing-to-pick", "--pick",
               pick.bytes ? format("the smallest choice of widths takes {}",
                                   human_bytes(static_cast<double>(smallest.bytes)))
                          : format("the best that was measured is {:.1f} dB", best->measured_db),
               "ask for what the table has"});
}

// What bits_for() chooses, and where an error is asked for, what else was measured to hold, by size: a
// mixture between two measured ones may turn out worse than predicted.
std::vector<std::vector<int>> choices_for(const report::WidthFrontier& frontier, const Pick& pick) {
  std::vector<std::vector<int>> choices{bits_for(frontier, pick)};
  if (pick.sqnr_db)
    for (const report::WidthFrontier::Point& point : frontier.points)
      if (point.best && point.measured_db >= *pick.sqnr_db && point.bits != choices.front())
        choices.push_back(point.bits);
  return choices;
}

ConvertResult convert_picked(const FrontierOptions& options, const config::CoreConfig& config,
                             const report::WidthFrontier& frontier, const Pick& pick) {
  ConvertOptions conversion = options.convert;
  conversion.frontier = false;
  conversion.picked = true;
  for (const char* key : {"weights_memory", "activation_memory", "total_memory", "bops"})
    conversion.overrides.push_back({std::string("/target_resource_utilization/") + key, "null"});
  if (pick.sqnr_db) conversion.overrides.push_back({"/gates/min_sqnr_db", format("{}", *pick.sqnr_db)});
  const std::vector<std::vector<int>> choices = choices_for(frontier, pick);
  for (size_t c = 0;; ++c) {
    ConvertOptions one = conversion;
    one.overrides.push_back({"/bit_width_config", rules_of(config, frontier, choices[c])});
    ConvertResult result = convert(one);
    if (result.gates_hold || c + 1 == choices.size()) return result;
  }
}

// As the config reads sizes.
std::optional<int64_t> size_of(const std::string& text) {
  Diagnostics ignored;
  try {
    return config::parse("{}", "", {{"/gates/max_file_size", json_quoted(text)}}, ignored)
        .gates.max_file_size;
  } catch (const Error&) {
    return std::nullopt;
  }
}

Pick parse_pick(const std::string& text) {
  std::string rest = text;
  const auto take = [&](const char* word) {
    while (rest.starts_with(' ')) rest.erase(0, 1);
    if (!rest.starts_with(word)) return false;
    rest.erase(0, std::string_view(word).size());
    while (rest.starts_with(' ')) rest.erase(0, 1);
    return true;
  };
  Pick pick;
  if (take("<=")) pick.bytes = size_of(rest);
  if (!pick.bytes && take("sqnr") && take(">=")) {
    char* end = nullptr;
    const double db = std::strtod(rest.c_str(), &end);
    if (!rest.empty() && *end == '\0' && std::isfinite(db)) pick.sqnr_db = db;
  }
  if (!pick.bytes && !pick.sqnr_db)
    throw Error(Exit::kUsage, {"bad-pick", "--pick '" + text + "'", "it is neither a size nor an error",
                               "write --pick '<= 2 MB' or --pick 'sqnr >= 20' (dB)"});
  return pick;
}

}  // namespace

FrontierResult frontier(const FrontierOptions& options) {
  const bool picks = !options.pick.empty();
  const Pick pick = picks ? parse_pick(options.pick) : Pick{};
  Diagnostics diagnostics;
  const config::CoreConfig config = load_config(options.convert, diagnostics);
  if (const std::optional<config::Obstacle> obstacle = config::widths_obstacle(config))
    throw Error(Exit::kUsage, {"refused", obstacle->pointer,
                               "no widths can be searched for: " + obstacle->cause, obstacle->remedy});
  if (config.budget.any())
    log::warn(
        Problem{"no-effect", "/target_resource_utilization",
                "the frontier has choices of every size, whatever the limits",
                "choose one with --pick, or convert with the limits: qconvert MODEL --config CFG.json"});
  const std::filesystem::path file = beside(options.convert, ".frontier.json"),
                              picture = beside(options.convert, ".frontier.svg");
  const std::string key = key_of(options.convert, config);
  FrontierResult result;
  if (std::filesystem::exists(file)) {
    result.frontier = report::parse_width_frontier(read_file(file), file.string());
    result.kept = result.frontier.key == key;
  }
  if (!result.kept) {
    ConvertOptions analysis = options.convert;
    analysis.frontier = true;
    result.frontier = *convert(analysis).frontier;
    result.frontier.key = key;
    const std::string json = report::to_json(result.frontier), svg = report::to_svg(result.frontier);
    write_files_atomically({{file, json}, {picture, svg}});
    result.written = {file, picture};
  }
  if (picks) result.converted = convert_picked(options, config, result.frontier, pick);
  return result;
}

}  // namespace qc
