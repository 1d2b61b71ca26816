// See layer_sensitivity.h. A weight's probes run in two sessions that live while it is measured: all that its
// nodes and those behind them read from before, and these nodes alone, the weight fed as an input. The float
// weight goes first through the same session, so that equal weights are at distance 0.
#include "simulate/layer_sensitivity.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/parallel.h"
#include "base/progress.h"
#include "ir/edit.h"
#include "ir/ops.h"
#include "simulate/fidelity.h"

namespace qc::simulate {
namespace {

using Tensors = std::vector<ir::Tensor>;

bool is_computed(const ir::Graph& graph, ir::ValueId value) {
  return value != ir::kNone && !ir::value_at(graph, value).constant;
}

// --- places

int64_t softmax_axis(const ir::Graph& graph, const ir::Node& node) {
  return ir::int_attribute(node, "axis", ir::opset(graph) >= 13 ? -1 : 1);
}

Distance distance_of(const ir::Node& node) {
  struct Row {
    const char* op_type;
    Distance distance;
  };
  static constexpr Row kRows[] = {{"Softmax", Distance::kKl},
                                  {"Sigmoid", Distance::kCosine},
                                  {"Gemm", Distance::kCosine},
                                  {"MatMul", Distance::kCosine}};
  for (const Row& row : kRows)
    if (ir::standard_op(node, row.op_type)) return row.distance;
  return Distance::kNormalisedMse;
}

MeasuredPlace place_of(const ir::Graph& graph, const ir::Node& node, ir::ValueId value,
                       const LayerMeasure& measure) {
  return {value, measure.everywhere.value_or(distance_of(node)), softmax_axis(graph, node)};
}

// The result that MCT would look at; kNone: none of this node's.
ir::ValueId point_of(const ir::Graph& graph, ir::NodeId id) {
  const ir::Node& node = ir::node_at(graph, id);
  if (ir::weight_traits(graph, node)) {
    const auto bias = ir::bias_place(graph, id);
    return bias ? bias->result : node.outputs[0];
  }
  if (ir::is_one_of(node, {"Sigmoid", "Softmax"})) return node.outputs[0];
  const bool joins = ir::is_one_of(node, {"Add", "Concat"});
  const bool all_computed = std::all_of(node.inputs.begin(), node.inputs.end(),
                                        [&](ir::ValueId input) { return is_computed(graph, input); });
  return joins && all_computed ? node.outputs[0] : ir::kNone;
}

// numpy's round(linspace(0, count - 1, int(factor * count))).
std::vector<MeasuredPlace> spread_share(const std::vector<MeasuredPlace>& all, double factor) {
  if (factor >= 1) return all;
  const auto count = static_cast<size_t>(factor * static_cast<double>(all.size()));
  std::vector<MeasuredPlace> kept;
  for (size_t i = 0; i < count; ++i) {
    const double step = count > 1 ? static_cast<double>(all.size() - 1) / static_cast<double>(count - 1) : 0;
    kept.push_back(all[static_cast<size_t>(std::nearbyint(step * static_cast<double>(i)))]);
  }
  return kept;
}

bool has_value(const std::vector<MeasuredPlace>& places, ir::ValueId value) {
  return std::any_of(places.begin(), places.end(), [&](const auto& place) { return place.value == value; });
}

// --- a network cut before a weight

struct Cut {
  ir::Graph before, behind;           // inputs of behind: `edge`, then the weight
  std::vector<ir::ValueId> edge;      // float or not, none of them a constant
  std::vector<size_t> places;         // that the weight can change, of all
  std::vector<bool> computed_before;  // by place in `edge`; else an input of the graph
};

std::vector<bool> behind_weight(const ir::Graph& graph, const ProbedWeight& weight) {
  std::vector<bool> behind(graph.nodes.size());
  for (const ir::NodeId reader : weight.readers) behind[reader] = true;
  const auto follows = [&](ir::ValueId v) {
    const ir::NodeId maker = v == ir::kNone ? ir::kNone : ir::value_at(graph, v).producer;
    return maker != ir::kNone && behind[maker];
  };
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::Node& node = ir::node_at(graph, id);
    if (std::any_of(node.inputs.begin(), node.inputs.end(), follows) ||
        std::any_of(node.captures.begin(), node.captures.end(), follows))
      behind[id] = true;
  }
  return behind;
}

Cut cut_before(const ir::Graph& graph, const ProbedWeight& weight, const std::vector<MeasuredPlace>& places) {
  const std::vector<bool> behind = behind_weight(graph, weight);
  const auto made_behind = [&](ir::ValueId v) {
    const ir::NodeId maker = ir::value_at(graph, v).producer;
    return maker != ir::kNone && behind[maker];
  };
  Cut cut{graph, graph, {}, {}, {}};
  std::vector<ir::ValueId> ends;
  for (size_t p = 0; p < places.size(); ++p)
    if (made_behind(places[p].value)) {
      cut.places.push_back(p);
      ends.push_back(places[p].value);
    }
  // Only what leads to a place counts.
  const std::vector<ir::NodeId> order = ir::topological_order(graph);
  for (auto id = order.rbegin(); id != order.rend(); ++id)
    if (!behind[*id]) ir::erase_node(cut.behind, *id);
  cut.behind.outputs = ends;
  ir::remove_dead(cut.behind);
  std::set<ir::ValueId> edge;
  for (const ir::Node& node : cut.behind.nodes) {
    if (node.erased) continue;
    for (const auto* list : {&node.inputs, &node.captures})
      for (const ir::ValueId v : *list)
        if (is_computed(graph, v) && !made_behind(v)) edge.insert(v);
  }
  cut.edge.assign(edge.begin(), edge.end());
  cut.behind.inputs = cut.edge;
  cut.behind.inputs.push_back(weight.weight);
  ir::value_at(cut.behind, weight.weight).constant.reset();
  cut.before.outputs.clear();
  for (const ir::ValueId v : cut.edge) {
    cut.computed_before.push_back(!ir::is_input(graph, v));
    if (cut.computed_before.back()) cut.before.outputs.push_back(v);
  }
  ir::remove_dead(cut.before);
  // Observers keep the places alive; what a run returns is copied, so it is one of them.
  if (!ends.empty()) cut.behind.outputs = {ends.back()};
  return cut;
}

// --- measuring

// Inputs of all images, as many as fit kept in memory.
class Images {
 public:
  explicit Images(const MeasuredModel& model)
      : source_(model.source), images_(model.images), kept_(images_.size()) {
    constexpr size_t kKept = size_t{128} << 20;  // bytes
    if (images_.empty()) return;
    kept_[0] = source_.load(images_[0]);
    size_t bytes = 1;
    for (const ir::Tensor& tensor : kept_[0]) bytes += tensor.bytes->size();
    const auto count = static_cast<int64_t>(std::min(images_.size(), kKept / bytes));
    parallel_for(std::max<int64_t>(count - 1, 0), model.threads,
                 [&](int64_t i, int) { kept_[i + 1] = source_.load(images_[i + 1]); });
  }
  Tensors operator[](size_t i) const { return kept_[i].empty() ? source_.load(images_[i]) : kept_[i]; }
  size_t size() const { return images_.size(); }

 private:
  const images::ImageSource& source_;
  const std::vector<int64_t>& images_;
  std::vector<Tensors> kept_;
};

// What one worker has seen of the image it is at: the float values of each place, and how far the last run
// was from them.
struct Seen {
  bool exact = false;
  std::vector<std::vector<float>> values;
  std::vector<double> distances;
};

class WeightProbe {
 public:
  WeightProbe(const ir::Graph& graph, const ProbedWeight& weight, const std::vector<MeasuredPlace>& places,
              run::RunnerFactory& runners, int threads)
      : graph_(graph),
        weight_(*ir::value_at(graph, weight.weight).constant),
        cut_(cut_before(graph, weight, places)),
        all_places_(places.size()),
        seen_(static_cast<size_t>(std::max(threads, 1))) {
    if (cut_.places.empty()) return;
    std::vector<run::Tap> taps;
    for (const size_t p : cut_.places)
      taps.push_back({places[p].value,
                      [this, p, place = places[p]](int64_t slot, std::span<const float> tensor,
                                                   std::span<const int64_t> dims) {
                        Seen& seen = seen_[slot];
                        if (seen.exact)
                          seen.values[p].assign(tensor.begin(), tensor.end());
                        else
                          seen.distances[p] =
                              distance(place.distance, seen.values[p], tensor, dims, place.axis);
                      },
                      {}});
    behind_ = runners.make(cut_.behind, std::move(taps), {});
    if (!cut_.before.outputs.empty()) before_ = runners.make(cut_.before, {}, {});
  }

  // Distances at all places of one image, by width.
  std::vector<std::vector<double>> distances(const Tensors& image, const Tensors& rounded, int worker) {
    std::vector<std::vector<double>> found(rounded.size(), std::vector<double>(all_places_));
    if (cut_.places.empty()) return found;
    Tensors inputs = edge_values(image, worker);
    Seen& seen = seen_[worker];
    seen.values.resize(all_places_);
    const auto run = [&](const ir::Tensor& weight, bool exact) {
      inputs.push_back(weight);
      seen.exact = exact;
      seen.distances.assign(all_places_, 0);
      behind_->run(inputs, worker);
      inputs.pop_back();
    };
    run(weight_, true);
    for (size_t w = 0; w < rounded.size(); ++w) {
      run(rounded[w], false);
      found[w] = seen.distances;
    }
    return found;
  }

 private:
  Tensors edge_values(const Tensors& image, int worker) {
    Tensors made, values;
    if (before_) made = before_->run(image, worker);
    size_t next = 0;
    for (size_t e = 0; e < cut_.edge.size(); ++e) {
      const auto input = std::find(graph_.inputs.begin(), graph_.inputs.end(), cut_.edge[e]);
      values.push_back(cut_.computed_before[e] ? made[next++] : image[input - graph_.inputs.begin()]);
    }
    return values;
  }

  const ir::Graph& graph_;
  const ir::Tensor& weight_;
  Cut cut_;
  size_t all_places_;
  std::vector<Seen> seen_;  // by worker
  std::unique_ptr<run::ModelRunner> before_, behind_;
};

double mean_of(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

// Random signs, the same for the same numbers on every machine.
class Signs {
 public:
  explicit Signs(uint64_t seed) : state_(seed) {}
  float next() {  // splitmix64
    state_ += 0x9E3779B97F4A7C15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (z ^ (z >> 31)) >> 63 ? 1.0f : -1.0f;
  }

 private:
  uint64_t state_;
};

// What one worker moves, and by how much it did.
struct Nudge {
  ir::ValueId value = ir::kNone;  // kNone: nothing
  uint64_t seed = 0;
  double step = 0;
};

void nudge(Nudge& what, std::span<const float> in, std::span<float> out) {
  constexpr double kOfRms = 0.01, kLeast = 1e-4;
  double power = 0;
  for (const float v : in) power += static_cast<double>(v) * v;
  what.step =
      std::max(kLeast, kOfRms * std::sqrt(power / static_cast<double>(std::max<size_t>(in.size(), 1))));
  Signs signs(what.seed);
  for (size_t i = 0; i < in.size(); ++i) out[i] = in[i] + static_cast<float>(what.step) * signs.next();
}

double squared_difference(std::span<const ir::Tensor> a, std::span<const ir::Tensor> b) {
  double sum = 0;
  for (size_t t = 0; t < a.size(); ++t) sum += compare(a[t], b[t], false).noise;
  return sum;
}

}  // namespace

std::vector<MeasuredPlace> interest_points(const ir::Graph& graph, const LayerMeasure& measure,
                                           const std::vector<MeasuredPlace>& outputs) {
  std::vector<MeasuredPlace> all;
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const ir::ValueId value = point_of(graph, id);
    if (value != ir::kNone && ir::is_float(graph, value))
      all.push_back(place_of(graph, ir::node_at(graph, id), value, measure));
  }
  std::vector<MeasuredPlace> kept = spread_share(all, measure.places_factor);
  std::erase_if(kept, [&](const MeasuredPlace& place) { return has_value(outputs, place.value); });
  return kept;
}

std::vector<MeasuredPlace> output_places(const ir::Graph& graph, const std::vector<Judged>& judged,
                                         const LayerMeasure& measure) {
  std::vector<MeasuredPlace> places;
  for (const Judged& one : judged) {
    const ir::ValueId value = one.jump.empty() ? ir::find_value(graph, one.output) : one.value;
    const ir::NodeId maker = value == ir::kNone ? ir::kNone : ir::value_at(graph, value).producer;
    if (maker != ir::kNone && ir::is_float(graph, value) && !has_value(places, value))
      places.push_back(place_of(graph, ir::node_at(graph, maker), value, measure));
  }
  return places;
}

std::vector<double> squared_slopes(const MeasuredModel& model, const std::vector<MeasuredPlace>& places) {
  constexpr uint64_t kDraws = 4;  // an image; MCT draws 100, and images average as well
  std::vector<Nudge> nudges(std::max(model.threads, 1));
  std::vector<run::Tap> taps;
  for (const MeasuredPlace& place : places)
    taps.push_back({place.value,
                    {},
                    [&nudges, value = place.value](int64_t slot, std::span<const float> in,
                                                   std::span<float> out, std::span<const int64_t>) {
                      Nudge& mine = nudges[slot];
                      if (mine.value == value)
                        nudge(mine, in, out);
                      else if (in.data() != out.data())
                        std::copy(in.begin(), in.end(), out.begin());
                    }});
  run::RunnerOptions options;
  for (const Judged& one : model.judged) options.extra_outputs.push_back(one.value);
  const auto runner = model.runners.make(model.graph, std::move(taps), options);
  const auto run = [&](const Tensors& image, int worker) {
    Tensors results = runner->run(image, worker);
    results.erase(results.begin(), results.end() - static_cast<std::ptrdiff_t>(model.judged.size()));
    return results;
  };
  const Images inputs(model);
  std::vector<std::vector<double>> by_image(model.images.size(), std::vector<double>(places.size()));
  Progress progress("probing slopes", static_cast<int64_t>(model.images.size()), "samples");
  parallel_for(static_cast<int64_t>(model.images.size()), model.threads, [&](int64_t i, int worker) {
    const auto at = static_cast<size_t>(i);
    const Tensors image = inputs[at];
    Nudge& mine = nudges[worker];
    mine.value = ir::kNone;
    const Tensors exact = run(image, worker);
    for (size_t p = 0; p < places.size(); ++p)
      for (uint64_t draw = 0; draw < kDraws; ++draw) {
        mine = {places[p].value, (at * places.size() + p) * kDraws + draw, 0};
        by_image[at][p] += squared_difference(exact, run(image, worker)) / (mine.step * mine.step) / kDraws;
      }
    progress.advance();
  });
  std::vector<double> scores(places.size());
  for (const std::vector<double>& image : by_image)
    for (size_t p = 0; p < places.size(); ++p)
      scores[p] += image[p] / static_cast<double>(model.images.size());
  return scores;
}

std::vector<std::vector<double>> layer_sensitivities(
    const MeasuredModel& model, const std::vector<ProbedWeight>& weights, size_t widths,
    const std::function<ir::Tensor(size_t weight, size_t width)>& rounded, const LayerMeasure& measure) {
  const std::vector<MeasuredPlace> outputs = output_places(model.graph, model.judged, measure);
  std::vector<MeasuredPlace> places = interest_points(model.graph, measure, outputs);
  const size_t points = places.size();
  std::vector<double> scores;
  if (measure.weighting == DistanceWeighting::kScores) scores = squared_slopes(model, places);
  places.insert(places.end(), outputs.begin(), outputs.end());
  const Images inputs(model);
  std::vector<std::vector<double>> figures;
  Progress progress("probing", static_cast<int64_t>(weights.size()), "layers");
  for (size_t l = 0; l < weights.size(); ++l) {
    Tensors narrow;
    for (size_t w = 0; w < widths; ++w) narrow.push_back(rounded(l, w));
    WeightProbe probe(model.graph, weights[l], places, model.runners, model.threads);
    std::vector<std::vector<std::vector<double>>> by_image(inputs.size());
    parallel_for(static_cast<int64_t>(inputs.size()), model.threads, [&](int64_t i, int worker) {
      const auto at = static_cast<size_t>(i);
      by_image[at] = probe.distances(inputs[at], narrow, worker);
    });
    figures.emplace_back();
    for (size_t w = 0; w < widths; ++w) {
      std::vector<double> mean(places.size());
      for (const auto& image : by_image)
        for (size_t p = 0; p < mean.size(); ++p) mean[p] += image[w][p] / static_cast<double>(inputs.size());
      const std::span<const double> all(mean);
      figures.back().push_back(combined(all.first(points), measure.weighting, measure.sigma, scores) +
                               mean_of(all.subspan(points)));
    }
    progress.advance();
  }
  scale_metrics(figures, measure.scale);
  return figures;
}

}  // namespace qc::simulate
