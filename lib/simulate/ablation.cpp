// See ablation.h.
#include "simulate/ablation.h"

#include <algorithm>
#include <map>

#include "base/parallel.h"
#include "base/progress.h"
#include "ir/ops.h"

namespace qc::simulate {
namespace {

// A constant that is fed: as the float model has it, and as its integers stand for.
struct Fed {
  ir::Tensor exact, rounded;
};

ir::Tensor value_of_integers(const plan::IntegerTensor& tensor, const std::vector<int64_t>& dims) {
  return ir::make_tensor(std::span<const float>(quant::dequantize(tensor.integers, dims, tensor.params)),
                         dims);
}

// The model with its integers as inputs, behind those that it has.
struct FedModel {
  ir::Graph graph;
  std::vector<Fed> fed;
  std::map<ir::ValueId, size_t> weights;  // place in `fed`
  std::map<ir::NodeId, size_t> biases;    // by the layer that they belong to

  FedModel(const ir::Graph& exact, const plan::QuantizedModel& model) : graph(model.graph) {
    for (const auto& [v, tensor] : model.weights) {
      ir::Value& value = ir::value_at(graph, v);
      if (!value.constant || value.consumers.empty()) continue;
      weights[v] = fed.size();
      fed.push_back({*value.constant, value_of_integers(tensor, value.constant->dims)});
      value.constant.reset();
      graph.inputs.push_back(v);
    }
    for (const auto& [id, tensor] : model.biases) {
      const std::vector<int64_t> dims{static_cast<int64_t>(tensor.integers.size())};
      feed_bias(exact, id, {id, 2, ir::kNone}, value_of_integers(tensor, dims));
    }
    // Of a layer in float, or of an Add behind one: a constant that correction has moved.
    for (const ir::NodeId id : ir::topological_order(model.graph)) {
      if (model.biases.contains(id) || !ir::weight_traits(model.graph, ir::node_at(model.graph, id)))
        continue;
      const auto place = ir::bias_place(model.graph, id), before = ir::bias_place(exact, id);
      if (!place || place->slot == ir::kNone) continue;
      const ir::Tensor now = *bias_at(model.graph, *place);
      const ir::Tensor* was = before ? bias_at(exact, *before) : nullptr;
      if (!was || !ir::equal(*was, now)) feed_bias(exact, id, *place, now);
    }
    ir::remove_dead(graph);
  }

 private:
  static const ir::Tensor* bias_at(const ir::Graph& in, const ir::BiasPlace& place) {
    if (place.slot == ir::kNone) return nullptr;
    return ir::constant_input(in, in.nodes[place.node], place.slot);
  }

  // `place`: where the layer's bias stands in `graph`; where the float model had none, it was zero.
  void feed_bias(const ir::Graph& exact, ir::NodeId layer, const ir::BiasPlace& place, ir::Tensor rounded) {
    ir::Tensor was = ir::make_tensor(
        std::span<const float>(std::vector<float>(static_cast<size_t>(rounded.size()), 0.0f)), rounded.dims);
    if (const auto before = ir::bias_place(exact, layer))
      if (const ir::Tensor* bias = bias_at(exact, *before)) was = *bias;
    const ir::ValueId v =
        ir::add_value(graph, ir::node_at(graph, place.node).name + "_bias", ir::DType::kFloat);
    ir::value_at(graph, v).has_shape = true;
    ir::value_at(graph, v).dims = rounded.dims;
    ir::value_at(graph, v).dim_params = {""};
    ir::set_input(graph, place.node, place.slot, v);
    biases[layer] = fed.size();
    fed.push_back({std::move(was), std::move(rounded)});
    graph.inputs.push_back(v);
  }
};

class Probe {
 public:
  Probe(const ir::Graph& graph, const plan::QuantizedModel& model, run::RunnerFactory& runners,
        const std::vector<std::vector<ir::Tensor>>& images, const std::vector<std::vector<ir::Tensor>>& exact,
        const std::vector<Judged>& judged, int threads)
      : fed_model_(graph, model),
        images_(images),
        exact_(exact),
        judged_(judged),
        threads_(threads),
        full_(table_of(model.plan)),
        rounded_(fed_model_.fed.size()) {
    plan::QuantizedModel bare{fed_model_.graph, model.plan, {}, {}, {}};
    bare.plan.nodes.resize(bare.graph.nodes.size());
    bare.plan.values.resize(bare.graph.values.size());
    simulator_ = make_simulator(bare, runners, {}, judged);
  }

  // Everything rounded, or nothing.
  void set_all(bool rounded) {
    simulator_->table = rounded ? full_ : ActivationTable(full_.size());
    simulator_->table.resize(fed_model_.graph.values.size());
    std::fill(rounded_.begin(), rounded_.end(), rounded);
  }

  void set(const Part& part, bool rounded) {
    for (const ir::ValueId v : part.activations) {
      simulator_->table[v].reset();
      if (rounded) simulator_->table[v] = full_[v];
    }
    for (const ir::ValueId v : part.weights)
      if (const auto at = fed_model_.weights.find(v); at != fed_model_.weights.end())
        rounded_[at->second] = rounded;
    for (const ir::NodeId id : part.biases)
      if (const auto at = fed_model_.biases.find(id); at != fed_model_.biases.end())
        rounded_[at->second] = rounded;
  }

  double worst_db() {
    std::vector<std::vector<Power>> powers(images_.size());
    parallel_for(static_cast<int64_t>(images_.size()), threads_, [&](int64_t i, int worker) {
      const auto image = static_cast<size_t>(i);
      std::vector<ir::Tensor> inputs = images_[image];
      for (size_t f = 0; f < rounded_.size(); ++f)
        inputs.push_back(rounded_[f] ? fed_model_.fed[f].rounded : fed_model_.fed[f].exact);
      const std::vector<ir::Tensor> results = simulator_->runner->run(inputs, worker);
      const size_t first = results.size() - judged_.size();
      for (size_t j = 0; j < judged_.size(); ++j)
        powers[image].push_back(compare(exact_[image][j], results[first + j], judged_[j]));
    });
    Fidelity fidelity;
    fidelity.outputs = no_powers(judged_);
    for (const std::vector<Power>& image : powers)
      for (size_t j = 0; j < judged_.size(); ++j) add(fidelity.outputs[j], image[j]);
    return fidelity.worst_db();
  }

 private:
  FedModel fed_model_;
  const std::vector<std::vector<ir::Tensor>>& images_;
  const std::vector<std::vector<ir::Tensor>>& exact_;
  const std::vector<Judged>& judged_;
  int threads_;
  ActivationTable full_;
  std::vector<bool> rounded_;  // by place in `fed`
  std::unique_ptr<Simulator> simulator_;
};

}  // namespace

Ablation ablate(const ir::Graph& graph, const plan::QuantizedModel& model, const std::vector<Part>& parts,
                run::RunnerFactory& runners, const std::vector<std::vector<ir::Tensor>>& images,
                const std::vector<std::vector<ir::Tensor>>& exact, const std::vector<Judged>& judged,
                int threads) {
  Probe probe(graph, model, runners, images, exact, judged, threads);
  Ablation ablation;
  probe.set_all(true);
  ablation.all_db = probe.worst_db();
  Progress progress("diagnosing", 2 * static_cast<int64_t>(parts.size()), "roundings");
  for (const Part& part : parts) {
    probe.set(part, false);
    ablation.parts.push_back({0, probe.worst_db()});
    probe.set(part, true);
    progress.advance();
  }
  probe.set_all(false);
  for (size_t p = 0; p < parts.size(); ++p) {
    probe.set(parts[p], true);
    ablation.parts[p].only_db = probe.worst_db();
    probe.set(parts[p], false);
    progress.advance();
  }
  return ablation;
}

}  // namespace qc::simulate
