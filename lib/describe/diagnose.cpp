// See diagnose.h.
#include "describe/diagnose.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "ir/ops.h"
#include "simulate/ablation.h"

namespace qc {
namespace {

constexpr size_t kImages = 8, kFew = 2;

struct Parts {
  std::vector<simulate::Part> parts;
  std::vector<report::AblationRow> rows;  // figures still to come
};

void add_weights(const plan::QuantizedModel& model, Parts& all) {
  std::map<ir::ValueId, bool> seen;
  for (const ir::NodeId id : ir::topological_order(model.graph)) {
    const ir::Node& node = ir::node_at(model.graph, id);
    simulate::Part part;
    int bits = 0;
    for (const ir::ValueId v : node.inputs) {
      const auto weight = v == ir::kNone ? model.weights.end() : model.weights.find(v);
      if (weight == model.weights.end() || seen[v]) continue;  // a weight of several nodes: the first's
      seen[v] = true;
      part.weights.push_back(v);
      bits = std::max(bits, weight->second.params.stored_bits());
    }
    if (!part.weights.empty() || model.biases.contains(id)) part.biases.push_back(id);
    if (part.biases.empty()) continue;
    all.parts.push_back(std::move(part));
    all.rows.push_back({node.name, node.op_type, "weights", bits, 0, 0});
  }
}

void add_activations(const plan::QuantizedModel& model, Parts& all) {
  std::map<ir::ValueId, simulate::Part> groups;
  for (const ir::ValueId v : simulate::rounded_values(model.plan))
    groups[model.plan.values[v].scale_group].activations.push_back(v);
  for (auto& [group, part] : groups) {
    const ir::Value& first = ir::value_at(model.graph, part.activations.front());
    const bool made = first.producer != ir::kNone;
    const ir::Node* maker = made ? &ir::node_at(model.graph, first.producer) : nullptr;
    const int bits = model.plan.values[part.activations.front()].params.bits;
    all.rows.push_back(
        {made ? maker->name : first.name, made ? maker->op_type : "Input", "activation", bits, 0, 0});
    all.parts.push_back(std::move(part));
  }
}

std::vector<std::vector<ir::Tensor>> first_inputs(const simulate::Reference& held_out,
                                                  const images::ImageSource& source, size_t most) {
  std::vector<std::vector<ir::Tensor>> inputs;
  for (size_t i = 0; i < std::min(most, held_out.images.size()); ++i)
    inputs.push_back(source.load(held_out.images[i]));
  return inputs;
}

// With what was measured of each, the costliest first.
std::vector<report::AblationRow> sorted(std::vector<report::AblationRow> rows,
                                        const simulate::Ablation& measured) {
  for (size_t p = 0; p < rows.size(); ++p) {
    rows[p].only_db = measured.parts[p].only_db;
    rows[p].without_db = measured.parts[p].without_db;
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.only_db < b.only_db; });
  return rows;
}

}  // namespace

report::Ablation diagnose(const ir::Graph& graph, const Attempt& best, const FloatAnswers& answers,
                          run::RunnerFactory& runners, const images::ImageSource& source, int threads) {
  const simulate::Reference& held_out = answers.held_out;
  const std::vector<std::vector<ir::Tensor>> inputs = first_inputs(held_out, source, kImages);
  Parts all;
  add_weights(best.model, all);
  add_activations(best.model, all);
  // Behind the rows: all weights, all activations.
  simulate::Part weights, activations;
  for (const simulate::Part& part : all.parts) {
    weights.weights.insert(weights.weights.end(), part.weights.begin(), part.weights.end());
    weights.biases.insert(weights.biases.end(), part.biases.begin(), part.biases.end());
    activations.activations.insert(activations.activations.end(), part.activations.begin(),
                                   part.activations.end());
  }
  all.parts.insert(all.parts.end(), {weights, activations});
  const simulate::Ablation measured = simulate::ablate(graph, best.model, all.parts, runners, inputs,
                                                       held_out.judged, answers.judged, threads);
  const size_t rows = all.rows.size();
  return {static_cast<int64_t>(inputs.size()), measured.all_db, measured.parts[rows].only_db,
          measured.parts[rows + 1].only_db, sorted(std::move(all.rows), measured)};
}

std::vector<report::AblationRow> weights_alone(const ir::Graph& graph, const Attempt& best,
                                               const FloatAnswers& answers, run::RunnerFactory& runners,
                                               const images::ImageSource& source, int threads) {
  const simulate::Reference& held_out = answers.held_out;
  const std::vector<std::vector<ir::Tensor>> inputs = first_inputs(held_out, source, kFew);
  Parts all;
  add_weights(best.model, all);
  if (all.parts.empty() || inputs.empty()) return {};
  std::vector<report::AblationRow> rows =
      sorted(std::move(all.rows), simulate::ablate(graph, best.model, all.parts, runners, inputs,
                                                   held_out.judged, answers.judged, threads));
  std::erase_if(rows, [](const report::AblationRow& row) { return row.bits == 0; });  // biases by themselves
  return rows;
}

}  // namespace qc
