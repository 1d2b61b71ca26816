// See second_order.h.
#include "correct/second_order.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/parallel.h"
#include "correct/lock_step.h"
#include "correct/solve_layer.h"
#include "ir/ops.h"
#include "simulate/simulate.h"

namespace qc::correct {
namespace {

constexpr int64_t kHeldOutEvery = 4;  // of the images, for the strength of the re-target
// Patches that are enough to tell what a width costs, and for each element of a patch.
constexpr int64_t kQuickPatches = 4096, kQuickPatchesEach = 8;

// Blocks of weights that share a scale stay together: their layers are solved whole or not at all.
int64_t longest_patch(const SecondOrderOptions& options, const quant::QuantParams& params) {
  return params.block_size == 0 ? options.longest_patch : kLongestPatch;
}

// Scales belong to one row alone, so that they may change.
bool own_scales(const Solvable& layer, const quant::QuantParams& params, int64_t longest_patch) {
  return params.per_channel() && params.block_size == 0 && layer.windows.size <= longest_patch &&
         (layer.windows.form != Windows::Form::kTranspose || layer.windows.groups == 1);
}

// Scales that a quantizer of powers of two chose stay such.
bool powers_of_two(const quant::QuantParams& params) {
  return std::ranges::all_of(params.scales, quant::is_power_of_two);
}

// Of a group's results: what rounding leaves in them, and their own.
struct Power {
  double noise = 0, signal = 0;
};

// One image in both networks, and what its statistics are for.
enum class Use : uint64_t { kHeldOut, kFitted, kMirrored };
struct Slot {
  int64_t image = 0;
  Use use = Use::kFitted;
};

// As many of the fitted ones mirrored, first to last, as there is room for.
std::vector<Slot> slots_for(std::span<const int64_t> images, int64_t mirrored) {
  std::vector<Slot> slots;
  for (size_t i = 0; i < images.size(); ++i)
    slots.push_back({images[i], static_cast<int64_t>(i) % kHeldOutEvery == kHeldOutEvery - 1 ? Use::kHeldOut
                                                                                             : Use::kFitted});
  for (size_t i = 0; i < images.size() && mirrored > 0; ++i)
    if (slots[i].use == Use::kFitted) {
      slots.push_back({images[i], Use::kMirrored});
      --mirrored;
    }
  return slots;
}

std::vector<int64_t> numbers_of(const std::vector<Slot>& slots) {
  std::vector<int64_t> numbers;
  for (const Slot& slot : slots) numbers.insert(numbers.end(), {slot.image, static_cast<int64_t>(slot.use)});
  return numbers;
}

// Mirrored pictures stand beside the others where they make the statistics of those more like held-out ones.
void take_turned(Gram& fitted, const Gram& turned, const Gram& held_out) {
  if (turned.samples == 0 || held_out.samples == 0) return;
  Gram both = fitted;
  add(both, turned);
  if (apart(both, held_out) < apart(fitted, held_out)) fitted = std::move(both);
}

// The pass: both networks on all images, which stand still where weighted layers read (arrive()) until these
// are solved (solve_layer(), or take_kept()) and their new results computed (go_on()); each quantized run
// then takes those in place of its own (`before` in solve()).
class Engine {
 public:
  Engine(const plan::QuantizedModel& model, run::RunnerFactory& runners, std::vector<Slot> slots,
         const SecondOrderOptions& options, const Besides& besides, Others* others)
      : model_(model),
        runners_(runners),
        options_(options),
        besides_(besides),
        others_(others),
        pass_(options.kept && !others ? pass_key(model, numbers_of(slots), options, besides) : ""),
        layers_(solvable(model, options.only_narrow)),
        slots_(std::move(slots)),
        steps_(2 * std::ssize(slots_), options.threads),
        pairs_(slots_.size()),
        results_(layers_.size()) {
    keep_known();
    for (size_t l = 0; l < layers_.size(); ++l) {
      by_input_[layers_[l].input].push_back(l);
      by_result_[layers_[l].result] = l;
      if (layers_[l].skip != ir::kNone) skips_[layers_[l].skip].resize(pairs_.size());
    }
    for (std::vector<std::vector<float>>& one : results_) one.resize(pairs_.size());
  }

  SecondOrder solve(const images::ImageSource& source, const std::function<void()>& solved) {
    std::vector<ir::ValueId> tapped;
    for (const Solvable& layer : layers_) tapped.insert(tapped.end(), {layer.input, layer.result});
    for (const auto& [result, layer] : corrected_) tapped.push_back(result);
    for (const auto& [skip, pairs] : skips_) tapped.push_back(skip);
    plan::QuantizedModel exact{model_.graph, model_.plan, {}, {}, {}};
    const auto exact_net = simulate::make_simulator(exact, runners_, tapped, {});
    exact_net->table.assign(exact_net->table.size(), std::nullopt);
    const auto quantized_net = simulate::make_simulator(with_known(), runners_, tapped, {});
    solved_ = solved;
    exact_net->after = [this](ir::ValueId v, int64_t slot, std::span<float> x,
                              std::span<const int64_t> dims) { arrive(v, slot, x, dims, &Pair::exact); };
    quantized_net->after = [this](ir::ValueId v, int64_t slot, std::span<float> x,
                                  std::span<const int64_t> dims) {
      arrive(v, slot, x, dims, &Pair::quantized);
    };
    quantized_net->before = [this](ir::ValueId v, int64_t slot, std::span<float> x,
                                   std::span<const int64_t> dims) {
      const auto at = by_result_.find(v);
      if (at == by_result_.end()) return add_known(v, slot, x, dims);
      const std::vector<float> result = std::exchange(results_[at->second][slot], {});
      std::copy(result.begin(), result.end(), x.begin());
    };
    steps_.go([&](int64_t run) {
      const Slot& slot = slots_[run / 2];
      const std::vector<ir::Tensor> inputs =
          slot.use == Use::kMirrored ? images::load_mirrored(source, slot.image) : source.load(slot.image);
      (run % 2 ? quantized_net : exact_net)->runner->run(inputs, run / 2);
    });
    found_.mirrored =
        std::count_if(slots_.begin(), slots_.end(), [](const Slot& s) { return s.use == Use::kMirrored; });
    found_.images = std::ssize(slots_) - found_.mirrored;
    return std::move(found_);
  }

 private:
  // Layers that are solved already are none to solve; what their biases lack is added as they run.
  void keep_known() {
    if (besides_.known.weights.empty()) return;
    std::vector<Solvable> left;
    std::vector<Layer> corrected;
    for (const Solvable& layer : layers_) {
      if (!besides_.known.weights.contains(layer.weight)) {
        left.push_back(layer);
      } else if (besides_.known.deltas.contains(layer.node)) {
        corrected.push_back(
            {layer.node, layer.result, ir::output_axis(ir::node_at(model_.graph, layer.node))});
        corrected_[layer.result] = corrected.size() - 1;
      }
    }
    layers_ = std::move(left);
    if (!corrected.empty()) add_deltas_ = adding(besides_.known.deltas, corrected);
  }

  plan::QuantizedModel with_known() const {
    plan::QuantizedModel model = model_;
    for (const auto& [value, integers] : besides_.known.weights) model.weights[value] = integers;
    return model;
  }

  void add_known(ir::ValueId v, int64_t slot, std::span<float> x, std::span<const int64_t> dims) const {
    if (corrected_.contains(v)) add_deltas_(v, slot, x, dims);
  }

  void arrive(ir::ValueId value, int64_t slot, std::span<float> tensor, std::span<const int64_t> dims,
              std::span<const float> Pair::*side) {
    if (const auto skip = skips_.find(value); skip != skips_.end()) skip->second[slot].*side = tensor;
    const auto at = by_input_.find(value);
    if (at == by_input_.end()) return;
    Pair& pair = pairs_[slot];
    steps_.meet(
        value,
        [&] {
          pair.*side = tensor;
          pair.dims = dims;
        },
        [&] {
          for (const size_t l : at->second) {
            if (!take_kept(l)) solve_layer(l);
            if (solved_) solved_();
          }
          found_.layers += static_cast<int64_t>(at->second.size());
        });
  }

  RoundOptions rounding_of(const Solvable& layer, const quant::QuantParams& params) const {
    RoundOptions rounding = options_.rounding;
    rounding.scale_search = rounding.scale_search && params.stored_bits() < kFullWidth &&
                            own_scales(layer, params, options_.longest_patch) && !powers_of_two(params);
    rounding.nearest_only = options_.quick && params.stored_bits() >= kFullWidth;
    return rounding;
  }

  // Other positions for each use.
  std::vector<Gram> gather_of(const Windows& windows, Use use) const {
    std::vector<Pair> pairs;
    for (size_t i = 0; i < slots_.size(); ++i)
      if (slots_[i].use == use) pairs.push_back(pairs_[i]);
    if (use == Use::kMirrored && pairs.empty()) return std::vector<Gram>(static_cast<size_t>(windows.groups));
    GatherOptions gathering{options_.seed + static_cast<uint64_t>(use), 0, options_.threads};
    if (options_.quick)
      gathering.most_patches =
          std::max(kQuickPatches, kQuickPatchesEach * windows.size) * std::ssize(pairs) / std::ssize(pairs_);
    return gather(windows, pairs, gathering);
  }

  std::vector<Windows> pieces_of(const Solvable& layer) const {
    return strips_of(layer.windows, longest_patch(options_, model_.weights.at(layer.weight).params));
  }

  // An earlier run has solved this layer, in this very pass?
  bool take_kept(size_t l) {
    if (pass_.empty()) return false;
    const Solvable& layer = layers_[l];
    const auto at = options_.kept->layers.find({pass_, layer.weight});
    if (at == options_.kept->layers.end()) return false;
    const KeptLayer& kept = at->second;
    const auto channels = static_cast<size_t>(layer.bias ? layer.windows.groups * layer.windows.rows : 0);
    std::optional<plan::IntegerTensor> weight = weight_of(kept, model_.weights.at(layer.weight));
    const auto pieces = pieces_of(layer).size() * static_cast<size_t>(layer.windows.groups);
    if (!weight || kept.delta.size() != channels || kept.trusts.size() != pieces) return false;
    found_.trusts[layer.weight] = kept.trusts;
    go_on(l, *weight, kept.delta);
    found_.weights[layer.weight] = std::move(*weight);
    return true;
  }

  // What the layer's result will be added to lies there until it is, if it has been computed before the
  // layer: then the pairs have it, or none has.
  void find_skips(const Solvable& layer) {
    const auto skips = skips_.find(layer.skip);
    const bool in_strips = pieces_of(layer).size() > 1;  // each would make up for all of it
    const auto whole = [&](std::span<const float> tensor, size_t i) {
      return std::ssize(tensor) ==
             positions(layer.windows, pairs_[i].dims) * layer.windows.groups * layer.windows.rows;
    };
    // What wide weights leave behind is chance by and large: following it cost residual networks up to 1 dB.
    const bool narrow = model_.weights.at(layer.weight).params.stored_bits() < kFullWidth;
    bool known = skips != skips_.end() && narrow && !in_strips;
    for (size_t i = 0; i < pairs_.size() && known; ++i)
      known = whole(skips->second[i].exact, i) && whole(skips->second[i].quantized, i);
    for (size_t i = 0; i < pairs_.size(); ++i) {
      pairs_[i].skip_exact = known ? skips->second[i].exact : std::span<const float>();
      pairs_[i].skip_quantized = known ? skips->second[i].quantized : std::span<const float>();
    }
  }

  void solve_layer(size_t l) {
    const Solvable& layer = layers_[l];
    find_skips(layer);
    const auto channels = static_cast<size_t>(layer.windows.groups * layer.windows.rows);
    std::vector<LayerRounding> roundings;  // the model's own, then another width that is asked about
    const auto begin = [&](const plan::IntegerTensor& nearest) {
      roundings.push_back({nearest, nearest.params, std::vector<double>(channels)});
    };
    begin(model_.weights.at(layer.weight));
    if (const auto other = besides_.others.find(layer.weight); other != besides_.others.end())
      begin(other->second);
    std::vector<Trust>& trusts = found_.trusts[layer.weight];
    std::vector<Power> powers;
    for (const Windows& strip : pieces_of(layer)) solve_strip(layer, strip, roundings, trusts, powers);
    if (roundings.size() > 1) note_other(layer, roundings[1], powers);
    LayerRounding& own = roundings[0];
    std::vector<float> delta;
    if (layer.bias) delta.assign(own.shift.begin(), own.shift.end());
    if (!pass_.empty())
      keep(*options_.kept, pass_, layer.weight,
           {own.solved.params.scales, quant::pack(own.solved.integers, own.solved.params), delta, trusts});
    go_on(l, own.solved, std::move(delta));
    found_.weights[layer.weight] = std::move(own.solved);
  }

  // Adds to `trusts` (of the first rounding) and `powers` (of the second) those of the strip's groups.
  void solve_strip(const Solvable& layer, const Windows& windows, std::vector<LayerRounding>& roundings,
                   std::vector<Trust>& trusts, std::vector<Power>& powers) {
    std::vector<Gram> held_out = gather_of(windows, Use::kHeldOut), all = gather_of(windows, Use::kFitted),
                      turned = gather_of(windows, Use::kMirrored);
    const auto known_trusts = besides_.trusts.find(layer.weight);
    const size_t before = trusts.size();
    trusts.resize(before + all.size());
    powers.resize(before + all.size());
    const bool alone = windows.groups == 1;
    const int inner = alone ? options_.threads : 1;
    parallel_for(windows.groups, alone ? 1 : options_.threads, [&](int64_t g, int) {
      const auto of_strip = static_cast<size_t>(g), at = before + of_strip;
      Gram& fitted = all[of_strip];
      take_turned(fitted, turned[of_strip], held_out[of_strip]);
      add(fitted, held_out[of_strip]);
      const GroupStatistics statistics(std::move(fitted), std::move(held_out[of_strip]),
                                       layer.bias.has_value());
      for (size_t t = 0; t < roundings.size(); ++t) {
        const Strip strip{model_, layer, windows, roundings[t]};
        RoundOptions rounding = rounding_of(layer, roundings[t].asked);
        if (known_trusts != besides_.trusts.end()) rounding.trust = known_trusts->second[at];
        const SolvedGroup group = solve_group(strip, statistics, g, rounding, inner);
        if (t == 0)
          trusts[at] = group.trust;
        else
          powers[at] = {group.noise, signal_of(strip, statistics, g)};
      }
    });
  }

  void note_other(const Solvable& layer, LayerRounding& other, const std::vector<Power>& powers) {
    Power sum;
    for (const Power& power : powers) {
      sum.noise += power.noise;
      sum.signal += power.signal;
    }
    others_->noise[layer.weight] = sum.noise / std::max(sum.signal, 1e-300);
    others_->weights[layer.weight] = std::move(other.solved);
    if (layer.bias) others_->deltas[layer.node].assign(other.shift.begin(), other.shift.end());
  }

  // Every image's result with the new weights.
  void go_on(size_t l, const plan::IntegerTensor& weight, std::vector<float> delta) {
    const Solvable& layer = layers_[l];
    std::vector<float> bias;
    if (layer.bias) {
      const ir::Tensor* old = bias_constant(model_, layer);
      for (size_t c = 0; c < delta.size(); ++c) bias.push_back(delta[c] + (old ? old->as<float>()[c] : 0.0f));
      found_.deltas[layer.node] = std::move(delta);
    }
    const auto runner = runners_.make(layer_graph(model_, layer, weight, bias), {}, {});
    parallel_for(static_cast<int64_t>(pairs_.size()), options_.threads, [&](int64_t i, int) {
      const Pair& pair = pairs_[i];
      const ir::Tensor input = ir::make_tensor(pair.quantized, {pair.dims.begin(), pair.dims.end()});
      const std::vector<ir::Tensor> output = runner->run({&input, 1});
      const std::span<const float> y = output[0].as<float>();
      results_[l][i].assign(y.begin(), y.end());
    });
  }

  const plan::QuantizedModel& model_;
  run::RunnerFactory& runners_;
  SecondOrderOptions options_;
  const Besides& besides_;
  Others* others_;
  std::string pass_;                         // empty: nothing is kept
  std::vector<Solvable> layers_;             // those to solve
  std::map<ir::ValueId, size_t> corrected_;  // results of known layers whose biases lack something
  simulate::Hook add_deltas_;                // gives these what they lack
  std::map<ir::ValueId, std::vector<size_t>> by_input_;  // layers_ that read a value
  std::map<ir::ValueId, size_t> by_result_;              // the one of layers_ that makes it
  std::vector<Slot> slots_;
  LockStep steps_;
  std::vector<Pair> pairs_;                         // by image, at the point where all stand
  std::map<ir::ValueId, std::vector<Pair>> skips_;  // what results are added to; by image, once computed
  std::vector<std::vector<std::vector<float>>> results_;  // by layer, by image, until they are put in place
  std::function<void()> solved_;                          // called after each layer; may be empty
  SecondOrder found_;
};

}  // namespace

SecondOrder solve_second_order(const plan::QuantizedModel& model, run::RunnerFactory& runners,
                               const images::ImageSource& source, std::span<const int64_t> images,
                               const SecondOrderOptions& options, const std::function<void()>& solved,
                               const Besides& besides, Others* others) {
  const std::vector<Solvable> layers = solvable(model, options.only_narrow);
  const bool all_known = std::all_of(layers.begin(), layers.end(), [&](const Solvable& layer) {
    return besides.known.weights.contains(layer.weight);
  });
  if (images.empty() || all_known) return {};
  const int64_t mirrored = options.mirror && source.picture() ? options.most_runs - std::ssize(images) : 0;
  Engine engine(model, runners, slots_for(images, mirrored), options, besides, others);
  return engine.solve(source, solved);
}

}  // namespace qc::correct
