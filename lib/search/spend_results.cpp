// See spend_results.h.
#include "search/spend_results.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/text.h"
#include "budget/widths.h"
#include "ir/edit.h"
#include "ir/ops.h"
#include "select/result_widths.h"
#include "simulate/probe.h"
#include "simulate/simulate.h"

namespace qc {
namespace {

const plan::ValueDecision& decision_of(const BudgetScene& scene, ir::ValueId v) {
  return scene.plan.values[v];
}

// A function spelled as several nodes is the op that it spells, where the target has a rule for that.
const target::OpRule* rule_of(const BudgetScene& scene, ir::ValueId v) {
  const ir::NodeId speaker = select::speaker_of(scene.graph, scene.target, v);
  if (speaker == ir::kNone) return nullptr;
  for (const plan::Idiom& idiom : scene.idioms)
    if (idiom.output == v && scene.target.ops.contains(plan::op_of(idiom.kind)))
      return &scene.target.ops.at(plan::op_of(idiom.kind));
  const ir::Node& node = ir::node_at(scene.graph, speaker);
  return &target::rule_for(scene.target, ir::rule_name(scene.graph, node), node.domain);
}

// Has its width from what it reads, and no say of its own?
bool hands_on(const BudgetScene& scene, ir::ValueId v) {
  const target::OpRule* rule = rule_of(scene, v);
  return rule && (rule->kind == target::OpKind::kMove || rule->same_input_scale);
}

bool set_by_hand(const BudgetScene& scene, ir::ValueId v) {
  const ir::NodeId maker = ir::value_at(scene.graph, v).producer;
  const auto says = [&](ir::NodeId id) {
    const auto n = static_cast<size_t>(id);
    return id != ir::kNone && n < scene.rules.size() && scene.rules[n].activation_n_bits.has_value();
  };
  return says(maker) || says(select::speaker_of(scene.graph, scene.target, v));
}

std::vector<int> listed(const BudgetScene& scene, ir::ValueId v) {
  return select::widths_listed(scene.graph, scene.target, scene.rules, v);
}

std::vector<int> offered(const BudgetScene& scene, const std::vector<ir::ValueId>& members) {
  std::optional<std::set<int>> widths;
  bool made = false;  // by an op with widths of its own
  int most = target::kMostResultBits;
  const auto keep = [&](const std::set<int>& own) {
    if (widths)
      std::erase_if(*widths, [&](int bits) { return !own.contains(bits); });
    else
      widths = own;
  };
  for (const ir::ValueId v : members) {
    const std::vector<int> list = listed(scene, v);
    if (list.empty() && set_by_hand(scene, v)) return {};
    if (!list.empty()) keep({list.begin(), list.end()});
    for (const ir::NodeId reader : ir::value_at(scene.graph, v).consumers) {
      const ir::Node& node = ir::node_at(scene.graph, reader);
      const std::vector<int>& taken =
          target::rule_for(scene.target, ir::rule_name(scene.graph, node), node.domain).input_bits;
      if (!taken.empty()) most = std::min(most, *std::max_element(taken.begin(), taken.end()));
    }
    if (hands_on(scene, v)) continue;
    std::set<int> own;
    if (const target::OpRule* rule = rule_of(scene, v))
      for (const auto& [bits, grid] : rule->result_widths) own.insert(bits);
    keep(own);
    made = true;
  }
  if (!made) return {};
  std::vector<int> all;
  for (const int bits : widths.value_or(std::set<int>{}))
    if (bits <= most) all.push_back(bits);
  return all;
}

// The rules, with this width for the items' values. What was searched for another width is searched again.
std::vector<config::NodeSettings> rules_with(const BudgetScene& scene, const ResultChoice& choice, int bits) {
  std::set<ir::ValueId> groups;
  for (const ResultItem& item : choice.items) groups.insert(item.group);
  std::vector<config::NodeSettings> rules = scene.rules;
  rules.resize(scene.graph.nodes.size());
  for (size_t v = 0; v < scene.plan.values.size(); ++v) {
    const plan::ValueDecision& decision = scene.plan.values[v];
    const ir::NodeId maker = scene.graph.values[v].producer;
    if (!decision.quantized || maker == ir::kNone || !groups.contains(decision.scale_group)) continue;
    config::NodeSettings& rule = rules[maker];
    rule.activation_n_bits = bits;
    rule.activation_widths.clear();
    if (rule.range_of_one_width.value_or(false)) rule.activation_range.reset();
  }
  return rules;
}

std::vector<budget::Moment> moments_of(const BudgetScene& scene, const ResultChoice& choice,
                                       const budget::MemoryGraph& memory, const std::vector<size_t>& order) {
  std::map<ir::ValueId, size_t> item_of;
  for (size_t i = 0; i < choice.items.size(); ++i) item_of[choice.items[i].group] = i;
  std::vector<budget::Moment> moments;
  for (const std::vector<size_t>& alive : budget::alive_through(memory, order)) {
    moments.emplace_back();
    for (const size_t t : alive) {
      const budget::MemoryGraph::Tensor& tensor = memory.tensors[t];
      const plan::ValueDecision& decision = decision_of(scene, static_cast<ir::ValueId>(tensor.value));
      const auto item = decision.quantized ? item_of.find(decision.scale_group) : item_of.end();
      if (item == item_of.end()) {
        moments.back().fixed += tensor.bytes;
        continue;
      }
      const ir::Value& value = ir::value_at(scene.sized, static_cast<ir::ValueId>(tensor.value));
      moments.back().tensors.emplace_back(item->second, ir::element_count(value.dims));
    }
  }
  return moments;
}

// Layers and what their two factors have for widths.
std::vector<budget::Products> products_of(const BudgetScene& scene, const ResultChoice& choice,
                                          const plan::Candidates& weights, const WidthStudy& study) {
  std::map<ir::NodeId, size_t> weight_of;
  for (size_t i = 0; i < study.items.size(); ++i)
    for (const ir::NodeId node : study.items[i].nodes) weight_of[node] = i;
  std::vector<budget::Products> all;
  for (size_t n = 0; n < scene.sized.nodes.size(); ++n) {
    const ir::Node& node = scene.sized.nodes[n];
    budget::Products layer{budget::products_of(scene.sized, node), {}, {}, 32, 32};
    if (layer.count <= 0) continue;
    const ir::WeightTraits* traits = ir::weight_traits(scene.graph, node);
    const plan::ValueDecision& input = decision_of(scene, node.inputs[traits->data_slot]);
    if (input.quantized) layer.group_bits = input.params.bits;
    for (size_t i = 0; i < choice.items.size(); ++i)
      if (input.quantized && choice.items[i].group == input.scale_group) layer.group = i;
    const auto item = weight_of.find(static_cast<ir::NodeId>(n));
    const auto weight = weights.find(node.inputs[traits->weight_slot]);
    if (item != weight_of.end())
      layer.weight = item->second;
    else if (weight != weights.end())
      layer.weight_bits = weight->second.front().params.bits;
    all.push_back(layer);
  }
  return all;
}

std::optional<int64_t> bytes_beside(const std::optional<double>& figure, int64_t taken) {
  if (!figure) return std::nullopt;
  return static_cast<int64_t>(std::floor(*figure)) - taken;
}

budget::JointProblem problem_of(const BudgetScene& scene, const ResultChoice& choice,
                                const std::vector<std::vector<double>>& noise,
                                const plan::Candidates& weights, const Figures& figures,
                                const WidthStudy& study) {
  budget::JointProblem problem;
  for (size_t i = 0; i < choice.items.size(); ++i) {
    problem.groups.emplace_back();
    for (size_t w = 0; w < noise[i].size(); ++w)
      problem.groups.back().widths.push_back({choice.items[i].bits[w], noise[i][w] - noise[i].back()});
  }
  problem.group_bytes = bytes_beside(figures.activations, 0);
  problem.weight_bytes = bytes_beside(figures.weights, study.other_bytes);
  problem.total_bytes = bytes_beside(figures.total, study.other_bytes);
  problem.bops = figures.bops;
  problem.weight_bits = widths(scene.config, scene.target);
  problem.weights = problem_of(scene, study);
  problem.products = products_of(scene, choice, weights, study);
  return problem;
}

std::string shares_text(const ResultChoice& choice, const std::vector<size_t>& picks) {
  std::map<int, size_t> count;
  for (size_t i = 0; i < picks.size(); ++i) ++count[choice.items[i].bits[picks[i]]];
  std::vector<std::string> words;
  for (const auto& [bits, results] : count) words.push_back(format("{} of {} bits", results, bits));
  return join(words, ", ");
}

}  // namespace

ResultChoice result_choice(const BudgetScene& scene) {
  ResultChoice choice;
  std::map<ir::ValueId, std::vector<ir::ValueId>> groups;
  for (const ir::ValueId v : simulate::rounded_values(scene.plan))
    groups[decision_of(scene, v).scale_group].push_back(v);
  std::set<int> all;
  for (const auto& [group, members] : groups) {
    const std::vector<int> bits = offered(scene, members);
    const int base = decision_of(scene, members.front()).params.bits;
    const auto at = std::find(bits.begin(), bits.end(), base);
    if (bits.size() < 2 || at == bits.end()) continue;
    const ir::NodeId maker = ir::value_at(scene.graph, members.front()).producer;
    choice.items.push_back({group, maker == ir::kNone ? std::string() : ir::node_at(scene.graph, maker).name,
                            bits, static_cast<size_t>(at - bits.begin()),
                            std::any_of(members.begin(), members.end(),
                                        [&](ir::ValueId v) { return !listed(scene, v).empty(); })});
    all.insert(bits.begin(), bits.end());
  }
  if (choice.items.empty()) return choice;
  choice.base = scene.ranges_by(scene.rules);
  for (const int bits : all) choice.by_width[bits] = scene.ranges_by(rules_with(scene, choice, bits));
  for (ResultItem& item : choice.items) {
    choice.by_width[item.bits[item.base]][item.group] = choice.base.at(item.group);
    const int base = item.bits[item.base];
    // A width that the search for ranges had to refuse is none.
    std::erase_if(item.bits, [&](int bits) {
      return choice.by_width.at(bits).at(item.group).front().params.bits != bits;
    });
    item.base = static_cast<size_t>(std::find(item.bits.begin(), item.bits.end(), base) - item.bits.begin());
  }
  std::erase_if(choice.items, [](const ResultItem& item) { return item.bits.size() < 2; });
  return choice;
}

plan::QuantPlan plan_with(const BudgetScene& scene, const ResultChoice& choice,
                          const std::vector<size_t>& picks) {
  plan::Candidates activations = choice.base;
  for (size_t i = 0; i < choice.items.size(); ++i) {
    const ResultItem& item = choice.items[i];
    activations[item.group] = choice.by_width.at(item.bits[picks[i]]).at(item.group);
  }
  return scene.plan_by(activations);
}

std::string width_reason(std::string_view now, const std::vector<int>& list, int narrow, double noise,
                         double size) {
  return format(
      "{} for its result, of {} bits: {} make {} of what rounding results costs the outputs, and it is "
      "{} of them",
      now, fmt::join(list, " or "), narrow, human_share(noise), human_share(size));
}

int64_t elements_of(const BudgetScene& scene, std::optional<ir::ValueId> group) {
  int64_t elements = 0;
  for (const ir::ValueId v : simulate::rounded_values(scene.plan)) {
    if (group && decision_of(scene, v).scale_group != *group) continue;
    const std::optional<ir::Dims> dims = ir::static_dims(scene.sized, v);
    elements += dims ? ir::element_count(*dims) : 1;
  }
  return elements;
}

void explain_widths(const BudgetScene& scene, const ResultChoice& choice,
                    const std::vector<std::vector<double>>& noise, const std::vector<size_t>& picks,
                    plan::QuantPlan& plan) {
  double all = 0;
  for (size_t i = 0; i < choice.items.size(); ++i) all += noise[i][choice.items[i].base];
  const auto elements = static_cast<double>(elements_of(scene));
  for (size_t i = 0; i < choice.items.size(); ++i) {
    const ResultItem& item = choice.items[i];
    if (!item.listed || all <= 0) continue;
    const std::string why = width_reason(format("{} bits", item.bits[picks[i]]), item.bits,
                                         item.bits[item.base], noise[i][item.base] / all,
                                         static_cast<double>(elements_of(scene, item.group)) / elements);
    for (const ir::ValueId v : simulate::rounded_values(scene.plan)) {
      const ir::NodeId maker = ir::value_at(scene.graph, v).producer;
      if (decision_of(scene, v).scale_group != item.group || maker == ir::kNone || listed(scene, v).empty())
        continue;
      for (const ir::NodeId id : {maker, select::speaker_of(scene.graph, scene.target, v)})
        plan.nodes[id].detail = why;
    }
  }
}

std::vector<std::vector<double>> result_noise(const BudgetScene& scene, const ResultChoice& choice,
                                              const plan::QuantizedModel& wide) {
  constexpr int64_t kImages = 8;
  std::vector<simulate::RangeProbe> probes;
  for (const ResultItem& item : choice.items) {
    std::vector<ir::ValueId> members;
    for (const ir::ValueId v : simulate::rounded_values(scene.plan))
      if (decision_of(scene, v).scale_group == item.group) members.push_back(v);
    for (const int bits : item.bits)
      probes.push_back({members, choice.by_width.at(bits).at(item.group).front().params});
  }
  std::vector<std::vector<ir::Tensor>> inputs;
  const int64_t images = scene.config.mixed_precision.images.value_or(kImages);
  for (const int64_t image : correct::spread(scene.answers.calibration, enough_images(scene.source, images)))
    inputs.push_back(scene.source.load(image));
  const auto simulator = simulate::make_simulator(wide, scene.runners, {}, scene.answers.judged);
  const simulate::NoiseRatios ratios =
      simulate::range_noise(*simulator, probes, inputs, scene.answers.judged, scene.threads);
  std::vector<std::vector<double>> noise;
  size_t next = 0;
  for (const ResultItem& item : choice.items) {
    noise.emplace_back();
    for (size_t w = 0; w < item.bits.size(); ++w, ++next) {
      double sum = 0;
      for (const double ratio : ratios[next]) sum += ratio;
      noise.back().push_back(sum);
    }
    // Fewer bits that happened to do better did so on these images.
    for (size_t w = item.bits.size() - 1; w-- > 0;)
      noise.back()[w] = std::max(noise.back()[w], noise.back()[w + 1]);
  }
  return noise;
}

std::optional<budget::MemoryGraph> memory_of(const BudgetScene& scene) {
  std::set<ir::ValueId> packed;  // groups
  for (const ir::ValueId v : simulate::rounded_values(scene.plan))
    if (const target::OpRule* rule = rule_of(scene, v);
        rule && !hands_on(scene, v) && !rule->result_widths.empty())
      packed.insert(decision_of(scene, v).scale_group);
  return memory_of(scene.graph, scene.sized, scene.capabilities, [&](ir::ValueId v) {
    const plan::ValueDecision& decision = decision_of(scene, v);
    if (!decision.quantized) return ir::bits_of(ir::value_at(scene.sized, v).dtype);
    const int bits = decision.params.bits;
    return packed.contains(decision.scale_group) ? bits : bits > 8 ? 16 : 8;
  });
}

void settle_results(BudgetScene& scene, const ResultChoice& choice, const plan::Candidates& weights,
                    const Figures& figures, WidthStudy& study, report::Report& report) {
  const std::vector<std::vector<double>> noise =
      result_noise(scene, choice, quantized_at_full_width(scene, study));
  budget::JointProblem problem = problem_of(scene, choice, noise, weights, figures, study);
  // The best order of the nodes depends on the widths, and they on it: those for both ends are tried.
  std::vector<size_t> narrowest(choice.items.size(), 0);
  std::vector<std::vector<size_t>> orders;
  const plan::QuantPlan base = scene.plan;
  const auto memory = memory_of(scene);
  if (memory && (figures.activations || figures.total)) {
    orders.push_back(budget::schedule(*memory).order);
    scene.plan = plan_with(scene, choice, narrowest);
    orders.push_back(budget::schedule(*memory_of(scene)).order);
    scene.plan = base;
  } else {
    orders.emplace_back();
  }
  std::optional<budget::JointPicks> best;
  for (const std::vector<size_t>& order : orders) {
    if (!order.empty()) problem.moments = moments_of(scene, choice, *memory, order);
    const auto found = budget::solve(problem);
    if (!found || (best && found->cost >= best->cost)) continue;
    best = found;
    if (study.schedule && !order.empty()) study.schedule->order = order;
  }
  const std::vector<size_t> picks = best ? best->groups : narrowest;
  scene.plan = plan_with(scene, choice, picks);
  explain_widths(scene, choice, noise, picks, scene.plan);
  study.result_noise = 0;
  for (size_t i = 0; i < picks.size(); ++i)
    study.result_noise += noise[i][picks[i]] - noise[i][choice.items[i].base];
  report.notes.push_back(format("results within the budget: {}", shares_text(choice, picks)));
}

}  // namespace qc
