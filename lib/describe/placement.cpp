// See placement.h.
#include "describe/placement.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "base/decibels.h"
#include "base/text.h"
#include "search/goal_in_floats.h"
#include "search/probe_regions.h"
#include "select/dynamic.h"

namespace qc {
namespace {

using select::Ability;

constexpr size_t kNamed = 3;           // nodes that a warning names
constexpr double kWorthAWord = 0.005;  // of the error: what rounds to 0 % explains nothing
constexpr size_t kRuled = 24;          // and that a rule for them lists at most

double db_of(double ratio) {
  return ratio > 0 ? std::min(kExactDb, -decibels(ratio)) : kExactDb;
}

// What the worst output comes to with nodes on integers that are not now: their measured noise is added to
// what the present placement was measured to have.
double db_with(const PlacementScene& scene, const Placed& placed, const Attempt& best,
               const std::vector<bool>& now, const std::vector<bool>& with) {
  const std::vector<double> before = select::predicted_noise(scene.graph, *placed.noise, now),
                            after = select::predicted_noise(scene.graph, *placed.noise, with),
                            measured = simulate::noise_ratios(best.fidelity.outputs);
  double worst = 0;
  for (size_t o = 0; o < before.size(); ++o) worst = std::max(worst, measured[o] + after[o] - before[o]);
  return db_of(worst);
}

std::string name_of(const std::vector<bool>& integer) {
  return format("{} nodes on integers", std::count(integer.begin(), integer.end(), true));
}

std::vector<report::FrontierPoint> frontier_of(const PlacementScene& scene, const Placed& placed,
                                               const Attempt& best, const std::vector<bool>& now,
                                               double time_now) {
  std::vector<report::FrontierPoint> points;
  for (const select::Refined& one : placed.frontier)
    if (one.integer != now)
      points.push_back({name_of(one.integer), time_ratio(scene, one.integer).value_or(1), 0, one.predicted_db,
                        one.predicted_db, false});
  points.push_back({name_of(now), time_now, 0, std::nan(""), best.fidelity.worst_db(), true});
  std::stable_sort(points.begin(), points.end(),
                   [](const auto& a, const auto& b) { return a.time < b.time; });
  return points;
}

// Nodes that are `on` integers, or in float though they could be integers, those of one region under the same
// number; -1: not one of them.
std::vector<int> regions_of(const PlacementScene& scene, const std::vector<bool>& now, bool on) {
  std::vector<int> region(now.size(), -1);
  const auto may = [&](size_t n) {
    return !scene.graph.nodes[n].erased && now[n] == on &&
           (on || scene.capabilities[n].ability != Ability::kFloatOnly);
  };
  int count = 0;
  for (const ir::NodeId first : ir::topological_order(scene.graph)) {
    if (!may(static_cast<size_t>(first)) || region[first] >= 0) continue;
    std::vector<ir::NodeId> open{first};
    region[first] = count;
    const auto visit = [&](ir::NodeId other) {
      if (other == ir::kNone || !may(static_cast<size_t>(other)) || region[other] >= 0) return;
      region[other] = count;
      open.push_back(other);
    };
    while (!open.empty()) {
      const ir::Node& node = ir::node_at(scene.graph, open.back());
      open.pop_back();
      for (const ir::ValueId v : node.inputs)
        if (v != ir::kNone) visit(ir::value_at(scene.graph, v).producer);
      for (const ir::ValueId v : node.outputs)
        if (v != ir::kNone)
          for (const ir::NodeId reader : ir::value_at(scene.graph, v).consumers) visit(reader);
    }
    ++count;
  }
  return region;
}

// The same as lists, by the first node's place in topological order.
std::vector<std::vector<ir::NodeId>> members_of_regions(const PlacementScene& scene,
                                                        const std::vector<bool>& now, bool on) {
  const std::vector<int> region = regions_of(scene, now, on);
  std::vector<std::vector<ir::NodeId>> members;
  for (const ir::NodeId id : ir::topological_order(scene.graph)) {
    const int number = region[id];
    if (number < 0) continue;
    if (static_cast<size_t>(number) >= members.size()) members.resize(static_cast<size_t>(number) + 1);
    members[number].push_back(id);
  }
  return members;
}

// "the integers of 'a', 'b', ... save 0.01 of its time by the cost table: in float they take ...".
std::string least_gain(const PlacementScene& scene, const std::vector<bool>& now) {
  const double time = time_ratio(scene, now).value_or(0);
  double least = std::numeric_limits<double>::infinity();
  std::vector<std::string> names;
  for (const std::vector<ir::NodeId>& nodes : members_of_regions(scene, now, true)) {
    std::vector<bool> without = now;
    std::vector<std::string> ruled;
    for (const ir::NodeId id : nodes) {
      without[id] = false;
      if (scene.capabilities[id].ability == Ability::kInteger)
        ruled.push_back(ir::node_at(scene.graph, id).name);
    }
    const double gain = time_ratio(scene, without).value_or(0) - time;
    if (ruled.empty() || gain >= least) continue;
    least = gain;
    names = std::move(ruled);
  }
  if (names.empty()) return {};
  const std::string remedy = names.size() > kRuled
                                 ? "\"placement\": \"auto\" leaves in float what does not pay"
                                 : "to leave them in float: " + report::placement_rule(names, "float");
  const size_t more = names.size() > kNamed ? names.size() - kNamed : 0;
  names.resize(std::min(names.size(), kNamed));
  return format("by the cost table integers save least ({} of float's time) at {}{}; {}", human_ratio(least),
                join(names, ", "), more ? format(" and {} more", more) : "", remedy);
}

// Where the search for a placement had all of the nodes on integers once.
bool were_probed(const Placed& placed, const std::vector<ir::NodeId>& nodes) {
  return placed.noise &&
         std::all_of(nodes.begin(), nodes.end(), [&](ir::NodeId id) { return placed.probed[id]; });
}

std::vector<bool> with_nodes(std::vector<bool> integer, const std::vector<ir::NodeId>& nodes) {
  for (const ir::NodeId id : nodes) integer[id] = true;
  return integer;
}

// By region: values that are not rounded now and would be, were all of the regions on integers.
std::vector<std::vector<ir::ValueId>> rounded_in(const ir::Graph& graph, const plan::QuantPlan& now,
                                                 const plan::QuantPlan& then,
                                                 const std::vector<std::vector<ir::NodeId>>& regions) {
  std::vector<std::vector<ir::ValueId>> rounded(regions.size());
  for (size_t r = 0; r < regions.size(); ++r) {
    std::set<ir::ValueId> found;
    for (const ir::NodeId id : regions[r]) {
      const ir::Node& node = ir::node_at(graph, id);
      for (const auto* list : {&node.inputs, &node.outputs})
        for (const ir::ValueId v : *list)
          if (v != ir::kNone && then.values[v].quantized && !now.values[v].quantized) found.insert(v);
    }
    rounded[r].assign(found.begin(), found.end());
  }
  return rounded;
}

// Fills in what the search for a placement had no reason to look at: `regions[i]` are the nodes of
// `rows[which[i]]`.
void measure_regions(const PlacementScene& scene, const Attempt& best, const std::vector<bool>& now,
                     const Outline& outline, const std::vector<std::vector<ir::NodeId>>& regions,
                     const std::vector<size_t>& which, std::vector<report::FloatRegion>& rows) {
  if (regions.empty() || !outline || scene.answers.judged.empty() || scene.answers.held_out.images.empty())
    return;
  std::vector<bool> all = now;
  for (const std::vector<ir::NodeId>& nodes : regions) all = with_nodes(std::move(all), nodes);
  const simulate::NoiseRatios noise =
      noise_of_unplanned(best, rounded_in(scene.graph, best.model.plan, outline(all), regions), scene.answers,
                         scene.runners, scene.source, scene.threads);
  const std::vector<double> measured = simulate::noise_ratios(best.fidelity.outputs);
  for (size_t i = 0; i < which.size(); ++i) {
    double worst = 0;
    for (size_t o = 0; o < noise[i].size(); ++o) worst = std::max(worst, measured[o] + noise[i][o]);
    rows[which[i]].sqnr_db = db_of(worst);
  }
}

std::vector<report::FloatRegion> float_regions(const PlacementScene& scene, const Placed& placed,
                                               const Attempt& best, const std::vector<bool>& now,
                                               const Outline& outline) {
  std::vector<report::FloatRegion> found;
  std::vector<std::vector<ir::NodeId>> unknown;
  std::vector<size_t> which;
  for (std::vector<ir::NodeId>& nodes : members_of_regions(scene, now, false)) {
    report::FloatRegion one;
    std::vector<std::string> ruled;
    for (const ir::NodeId id : nodes) {
      const size_t n = static_cast<size_t>(id);
      one.nodes.push_back(scene.graph.nodes[n].name);
      if (scene.capabilities[n].ability == Ability::kInteger) ruled.push_back(scene.graph.nodes[n].name);
    }
    const std::vector<bool> with = with_nodes(now, nodes);
    one.time = time_ratio(scene, with).value_or(0) - time_ratio(scene, now).value_or(0);
    one.rule = report::placement_rule(ruled, "integer");
    if (were_probed(placed, nodes)) {
      one.sqnr_db = db_with(scene, placed, best, now, with);
    } else {
      which.push_back(found.size());
      unknown.push_back(std::move(nodes));
    }
    found.push_back(std::move(one));
  }
  measure_regions(scene, best, now, outline, unknown, which, found);
  return found;
}

// --- goals

// What the worst output's error comes from, the worst first.
struct Behind {
  std::string words;               // "most of its error comes from rounding 'a' (41 %), 'b' (22 %)"
  std::vector<std::string> nodes;  // those named
  bool weights = false;            // their integers come first
  bool weights_alone = false;      // nothing else is rounded
};

// In float, these leave the value as it is: its producer, or where that is in float already (it computes what
// integers read), those that read it.
std::vector<std::string> nodes_that_round(const ir::Graph& graph, ir::ValueId v,
                                          const std::vector<bool>& integer) {
  const ir::Value& value = ir::value_at(graph, v);
  if (value.producer != ir::kNone && integer[value.producer])
    return {ir::node_at(graph, value.producer).name};
  std::vector<std::string> names;
  for (const ir::NodeId reader : value.consumers)
    if (reader != ir::kNone && integer[reader]) names.push_back(ir::node_at(graph, reader).name);
  return names;
}

// By what each rounding was measured to add to it.
Behind behind_by_noise(const PlacementScene& scene, const Placed& placed, const Attempt& best) {
  struct Part {
    double share = 0;
    std::string words;
    std::vector<std::string> nodes;
  };
  const std::vector<double> measured = simulate::noise_ratios(best.fidelity.outputs);
  const auto worst =
      static_cast<size_t>(std::max_element(measured.begin(), measured.end()) - measured.begin());
  const double total = std::max(measured[worst], 1e-300);
  std::vector<Part> parts{{placed.noise->base[worst] / total, "the weights' integers", {}}};
  const std::vector<bool> now = integer_nodes(best.model.plan);
  for (size_t g = 0; g < placed.noise->values.size(); ++g) {
    const ir::ValueId v = placed.noise->values[g];
    if (!select::is_rounded(scene.graph, *placed.noise, g, now)) continue;
    const ir::Value& value = ir::value_at(scene.graph, v);
    const std::string node = value.producer == ir::kNone ? "" : ir::node_at(scene.graph, value.producer).name;
    parts.push_back({placed.noise->ratios[g][worst] / total,
                     node.empty() ? format("the input '{}'", value.name) : format("'{}'", node),
                     nodes_that_round(scene.graph, v, now)});
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Part& a, const Part& b) { return a.share > b.share; });
  parts.resize(std::min(parts.size(), kNamed));
  while (parts.size() > 1 && parts.back().share < kWorthAWord) parts.pop_back();
  Behind behind;
  std::vector<std::string> words;
  double sum = 0;
  for (const Part& part : parts) {
    words.push_back(format("{} ({})", part.words, human_share(std::min(part.share, 1.0), 0)));
    for (const std::string& node : part.nodes)
      if (std::ranges::find(behind.nodes, node) == behind.nodes.end()) behind.nodes.push_back(node);
    sum += part.share;
  }
  behind.words = format("{} comes from rounding {}", sum > 0.5 ? "most of its error" : "of its error most",
                        join(words, ", "));
  behind.weights = parts[0].words.starts_with("the weights");
  return behind;
}

Behind behind_miss(const report::Report& report, const PlacementScene& scene, const Placed& placed,
                   const Attempt& best) {
  if (placed.noise && !best.fidelity.outputs.empty()) return behind_by_noise(scene, placed, best);
  std::vector<std::pair<double, std::string>> rows;
  for (const report::NodeRow& row : report.nodes)
    if (std::isfinite(row.sqnr_db)) rows.emplace_back(row.sqnr_db, row.node);
  if (rows.empty()) return {"nothing in it was rounded but weights", {}, true, true};
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  rows.resize(std::min(rows.size(), kNamed));
  Behind behind;
  const std::vector<bool> now = integer_nodes(best.model.plan);
  behind.weights = behind.weights_alone = std::find(now.begin(), now.end(), true) == now.end();
  std::vector<std::string> words;
  for (const auto& [db, node] : rows) {
    words.push_back(format("'{}' ({:.1f} dB)", node, db));
    behind.nodes.push_back(node);
  }
  behind.words = "the results furthest from float are those of " + join(words, ", ");
  return behind;
}

bool has_tflite(const report::Report& report) {
  return std::any_of(report.files.begin(), report.files.end(),
                     [](const report::FileBytes& file) { return file.format == "tflite"; });
}

// What to write into the config: tried on models whose weights, and on others whose results, cost the most.
constexpr const char* kSearch = "let those that cost most be floats: \"placement\": \"auto\"";

// For targets that compute nothing in float: what brings the outputs closer without that.
constexpr const char* kElsewhere =
    "name a target with float kernels beside its integers (qconvert targets lists them)";

// Where a budget or a pick of the frontier says how many bytes weights may have: wider ones do not fit.
std::string more_bytes(double goal) {
  return format(
      "allow more bytes: qconvert frontier MODEL --config CFG.json shows what each size reaches, and --pick "
      "'sqnr >= {:g}' converts one that reaches this",
      goal);
}

// The hint that reached the goal when it was tried, the best of them.
const report::Hint* hint_that_does(const report::Report& report, double goal) {
  const report::Hint* best = nullptr;
  for (const report::Hint& hint : report.hints)
    if (hint.after_db && *hint.after_db >= goal && (!best || *hint.after_db > *best->after_db)) best = &hint;
  return best;
}

std::string remedy_for(const Behind& behind, const report::Report& report, const Attempt& best,
                       bool may_float) {
  const bool weights_tried =
      std::any_of(best.corrections.begin(), best.corrections.end(),
                  [](const report::Correction& one) { return one.name.starts_with(kSecondOrder); });
  const std::string correct = "correct the weights: \"gptq_config\": {\"method\": \"second_order\"}";
  if (!may_float) return weights_tried ? kElsewhere : correct;
  if (behind.weights && weights_tried && (behind.weights_alone || !has_tflite(report)))
    return std::string(has_tflite(report) ? "write ONNX alone, and " : "") +
           format(
               "give the weights {0} bits: \"bit_width_config\": [{{\"filter\": {{\"name\": \"*\"}}, "
               "\"weights_n_bits\": {0}}}]",
               has_narrow_weights(best.model) ? 8 : 16);
  std::vector<std::string> names;
  if (!behind.weights_alone)
    for (const std::string& node : behind.nodes) names.push_back('"' + node + '"');
  const std::string leave = format(
      "leave these in float: \"placement\": {{\"rules\": [{{\"filter\": {{\"name\": [{}]}}, "
      "\"placement\": \"float\"}}]}}",
      join(names, ", "));
  if (names.empty()) return correct;
  return weights_tried ? leave : leave + ", or " + correct;
}

// A placement that was tried or predicted: its time by the cost table and its worst output.
struct Reachable {
  double time = 0, db = 0;
};

std::vector<Reachable> reachable(const PlacementScene& scene, const Placed& placed, const Attempt& best) {
  std::vector<Reachable> found{
      {time_ratio(scene, integer_nodes(best.model.plan)).value_or(1), best.fidelity.worst_db()}};
  for (const select::Refined& one : placed.frontier)
    found.push_back({time_ratio(scene, one.integer).value_or(1), one.predicted_db});
  return found;
}

// The goals of the user that nothing reaches, or not together, each with the best that can be had of it.
std::vector<Problem> out_of_reach(const PlacementScene& scene, const Placed& placed, const Attempt& best) {
  if (!scene.priced) return {};
  const std::optional<double>&goal = scene.goals.min_sqnr_db, &limit = scene.goals.max_latency_ratio;
  const std::vector<Reachable> found = reachable(scene, placed, best);
  double fastest = std::numeric_limits<double>::infinity(), needed = fastest, most = 0, within = 0;
  for (const Reachable& one : found) fastest = std::min(fastest, one.time);
  const double allowed = std::max(limit.value_or(1), fastest);
  for (const Reachable& one : found) {
    most = std::max(most, one.db);
    if (one.time <= allowed) within = std::max(within, one.db);
    if (goal && one.db >= *goal) needed = std::min(needed, one.time);
  }
  for (const report::Correction& one : best.corrections) most = std::max(most, one.after_db);
  std::vector<Problem> warnings;
  const auto warn = [&](std::string why, std::string remedy) {
    warnings.push_back({"goals-out-of-reach", "/placement", std::move(why), std::move(remedy)});
  };
  if (limit && fastest > *limit)
    warn(format("no placement reaches max_latency_ratio {:g} by the cost table: the fastest takes {} of "
                "float's time",
                *limit, human_ratio(fastest)),
         format("lower the goal: \"max_latency_ratio\": {:.2f}", std::ceil(100 * fastest) / 100));
  if (!goal || best.fidelity.worst_db() >= *goal) return warnings;
  if (allowed < 1 && std::isfinite(needed))
    warn(format("min_sqnr_db {:g} and max_latency_ratio {:g} exclude each other: in {} of float's time "
                "{:.1f} dB can be had, and {:g} dB take {} of it",
                *goal, *limit, human_ratio(allowed), within, *goal, human_ratio(needed)),
         "lower one of them");
  else if (allowed < 1)
    warn(format("min_sqnr_db {:g} is out of reach in {} of float's time: {:.1f} dB can be had in it", *goal,
                human_ratio(allowed), within),
         "lower the goal, or allow float's time, in which more is tried: \"max_latency_ratio\": 1");
  else if (most < *goal)
    warn(format("no placement reaches min_sqnr_db {:g}: {:.1f} dB can be had", *goal, most),
         format("lower the goal: \"min_sqnr_db\": {:g}", std::floor(most)));
  return warnings;
}

}  // namespace

void describe_placement(report::Report& report, const PlacementScene& scene, const Placed& placed,
                        const Attempt& best, const std::vector<bool>& at_run_time, const Outline& outline) {
  if (best.model.plan.nodes.size() != scene.graph.nodes.size()) return;
  const std::vector<bool> now = integer_nodes(best.model.plan);
  const auto saved = [&](const select::PlacementCosts& time) {
    return select::saved_at_run_time(scene.graph, at_run_time, time);
  };
  report.predicted_time = time_ratio(scene, now);
  if (report.predicted_time) *report.predicted_time -= saved(scene.time);
  for (const select::ProcessorCosts& one : scene.time_on)
    if (report.predicted_time && !one.processor.empty())
      report.predicted_on.emplace_back(one.processor,
                                       select::time_ratio(scene.graph, now, one.time) - saved(one.time));
  if (report.predicted_time && report.frontier.empty())
    report.frontier = frontier_of(scene, placed, best, now, *report.predicted_time);
  report.float_regions = float_regions(scene, placed, best, now, outline);
  if (report.predicted_time) report.least_gain = least_gain(scene, now);
}

void judge_goals(report::Report& report, const PlacementScene& scene, const Placed& placed,
                 const Attempt& best, const Intent& intent) {
  if (!report.accuracy || report.accuracy->integer.empty()) return;
  const double worst = report.accuracy->worst_sqnr_db();
  const bool asked = scene.goals.min_sqnr_db.has_value();
  const double goal = scene.goals.min_sqnr_db.value_or(config::PlacementGoals::kSqnrDb);
  if (asked) report.gates.push_back({"placement.min_sqnr_db", goal, worst, worst >= goal});
  const std::vector<bool> now = integer_nodes(best.model.plan);
  const bool rounds = config::rounds_activations(intent.config);
  if (rounds && has_tflite(report) && std::find(now.begin(), now.end(), true) == now.end())
    report.warnings.push_back({"no-integers", "/placement",
                               "the files compute in float with int8 weights, as integers were too far from "
                               "float or no faster; a device that has integers alone cannot run them",
                               "have integers wherever the target has them: \"placement\": \"full\""});
  for (Problem& warning : out_of_reach(scene, placed, best)) report.warnings.push_back(std::move(warning));
  if (worst >= goal) return;
  const bool bounded = intent.picked || intent.config.budget.any();
  const auto missed = [&](const std::string& why, const std::string& remedy) {
    report.warnings.push_back(
        {"goal-missed", "/placement/min_sqnr_db",
         format("the worst output is at {:.1f} dB, the goal is {:g}; {}", worst, goal, why), remedy});
  };
  if (!rounds) {
    const Miss miss = miss_in_floats(scene, best, intent.config, worst, goal);
    missed(miss.cause, bounded && has_narrow_weights(best.model) ? more_bytes(goal) : miss.remedy);
    return;
  }
  const Behind behind = behind_miss(report, scene, placed, best);
  if (bounded && behind.weights && has_narrow_weights(best.model))
    return missed(behind.words, more_bytes(goal));
  if (const report::Hint* hint = hint_that_does(report, goal))
    missed(behind.words,
           format("do what came to {:.1f} dB when it was tried: {}", *hint->after_db, hint->lines));
  else
    missed(behind.words, intent.no_search ? kSearch : remedy_for(behind, report, best, intent.may_float));
}

}  // namespace qc
