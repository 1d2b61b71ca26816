// See compare.h. Outputs are judged where the conversion's own proof judges them (simulate/fidelity.h), so
// that both print the same figures for the same file.
#include "compare.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/text.h"
#include "inspect_tflite.h"
#include "labels.h"
#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "report/table.h"
#include "run/ort_runner.h"
#include "simulate/fidelity.h"
#include "tflite_runner.h"

namespace qc {
namespace {

struct Model {
  std::filesystem::path path;
  ir::Graph graph;
  std::unique_ptr<run::ModelRunner> runner;
  std::vector<size_t> inputs;           // B: which of A's inputs feeds each of its own
  std::unique_ptr<TfliteModel> tflite;  // set: `graph` is its outside, and its arithmetic is modelled
};

// One output of A, its counterpart in B, and where in the results both stand.
struct Pair {
  simulate::Judged a, b;
  size_t result_a = 0, result_b = 0;
};

Error unlike(const char* code, const std::string& cause, const std::string& remedy) {
  return {Exit::kInput, {code, "compare", cause, remedy}};
}

const ir::Value& value_of(const ir::Graph& graph, ir::ValueId id) {
  return graph.values[static_cast<size_t>(id)];
}

bool shapes_may_be_equal(const ir::Value& a, const ir::Value& b) {
  if (!a.has_shape || !b.has_shape) return true;
  if (a.dims.size() != b.dims.size()) return false;
  for (size_t i = 0; i < a.dims.size(); ++i) {
    if (a.dims[i] >= 0 && b.dims[i] >= 0 && a.dims[i] != b.dims[i]) return false;
  }
  return true;
}

std::string list_text(const ir::Graph& graph, const std::vector<ir::ValueId>& values) {
  std::vector<std::string> parts;
  for (const ir::ValueId id : values) {
    const ir::Value& value = value_of(graph, id);
    std::vector<std::string> dims;
    for (const int64_t dim : value.dims) dims.push_back(dim < 0 ? "?" : std::to_string(dim));
    parts.push_back(format("'{}' {} [{}]", value.name, ir::name_of(value.dtype), join(dims, ",")));
  }
  return join(parts, ", ");
}

// For each of B's values the index of A's that it stands for: by name, else by order where all shapes allow
// it.
std::vector<size_t> match(const ir::Graph& a, const std::vector<ir::ValueId>& in_a, const ir::Graph& b,
                          const std::vector<ir::ValueId>& in_b, const char* what) {
  std::vector<size_t> by_name, by_order;
  for (size_t i = 0; i < in_b.size(); ++i) {
    const ir::Value& value = value_of(b, in_b[i]);
    const auto same = [&](ir::ValueId id) {
      return value_of(a, id).name == value.name && shapes_may_be_equal(value_of(a, id), value);
    };
    const auto found = std::find_if(in_a.begin(), in_a.end(), same);
    if (found != in_a.end()) by_name.push_back(static_cast<size_t>(found - in_a.begin()));
    if (i < in_a.size() && shapes_may_be_equal(value_of(a, in_a[i]), value)) by_order.push_back(i);
  }
  if (in_a.size() == in_b.size() && by_name.size() == in_b.size()) return by_name;
  if (in_a.size() == in_b.size() && by_order.size() == in_b.size()) return by_order;
  throw unlike(
      "unlike-models",
      format("the {} do not correspond. A: {}. B: {}", what, list_text(a, in_a), list_text(b, in_b)),
      format("compare models whose {} have the same names, or the same shapes in the same order", what));
}

Model read_model(const std::filesystem::path& path, const config::CoreConfig& config,
                 Diagnostics& diagnostics) {
  if (is_tflite(path))
    throw unlike("tflite-first",
                 format("'{}' is a .tflite file, and A must be ONNX", report::file_name(path.string())),
                 "name the ONNX model that it was made from as A, and the .tflite file as B");
  Model model{path, onnx_io::read(path, diagnostics), nullptr, {}, nullptr};
  apply_input_shapes(model.graph, config);
  return model;
}

// B as a .tflite file, with its inputs and outputs as A has them.
Model read_tflite_model(const std::filesystem::path& path, const ir::Graph& a,
                        std::vector<std::string>& notes) {
  ir::Graph like = a;
  run::infer_shapes(like, onnx_doors());  // outputs of A may be stated without shapes
  Model model{path, {}, nullptr, {}, std::make_unique<TfliteModel>(read_tflite(path, like))};
  model.graph = model.tflite->graph;
  notes.push_back(
      "B is run by a model of TFLite's arithmetic (integers as LiteRT with XNNPACK rounds them), not timed");
  return model;
}

// The float outputs side by side, judged before their Softmax where both have one.
std::vector<Pair> pair_outputs(const Model& a, const Model& b, std::vector<std::string>& notes) {
  const std::vector<size_t> counterpart =
      match(a.graph, a.graph.outputs, b.graph, b.graph.outputs, "outputs");
  const std::vector<simulate::Judged> judged_a = simulate::judged_values(a.graph),
                                      judged_b = simulate::judged_values(b.graph);
  const auto judged = [](const std::vector<simulate::Judged>& all, const std::string& name) {
    return std::find_if(all.begin(), all.end(),
                        [&](const simulate::Judged& one) { return one.output == name; });
  };
  std::vector<Pair> pairs;
  for (size_t out_a = 0; out_a < a.graph.outputs.size(); ++out_a) {
    const size_t out_b =
        static_cast<size_t>(std::find(counterpart.begin(), counterpart.end(), out_a) - counterpart.begin());
    if (out_b == counterpart.size())
      continue;  // two of B's outputs share one of A's; match() allows no such pair
    const ir::ValueId id_a = a.graph.outputs[out_a], id_b = b.graph.outputs[out_b];
    const auto one_a = judged(judged_a, value_of(a.graph, id_a).name),
               one_b = judged(judged_b, value_of(b.graph, id_b).name);
    if (one_a == judged_a.end() || one_b == judged_b.end()) {
      notes.push_back(format("output '{}' is not float32 in both models and was not compared",
                             value_of(a.graph, id_a).name));
      continue;
    }
    Pair pair{*one_a, *one_b, 0, 0};
    if (pair.a.mean_free != pair.b.mean_free)
      pair.a = {id_a, one_a->output, false}, pair.b = {id_b, one_b->output, false};
    pairs.push_back(pair);
  }
  if (pairs.empty())
    throw unlike("unlike-models", "no output is float32 in both models",
                 "compare models with float32 outputs");
  return pairs;
}

// Makes the runner and returns where in its results each judged value stands.
std::vector<size_t> open_runner(Model& model, const std::vector<ir::ValueId>& judged,
                                run::RunnerFactory& runners) {
  run::RunnerOptions options;
  std::vector<size_t> places;
  for (const ir::ValueId id : judged) {
    const std::vector<ir::ValueId>& outputs = model.graph.outputs;
    const auto output = std::find(outputs.begin(), outputs.end(), id);
    if (output != outputs.end()) {
      places.push_back(static_cast<size_t>(output - outputs.begin()));
      continue;
    }
    std::vector<ir::ValueId>& extra = options.extra_outputs;
    const auto known = std::find(extra.begin(), extra.end(), id);
    places.push_back(outputs.size() + static_cast<size_t>(known - extra.begin()));
    if (known == extra.end()) extra.push_back(id);
  }
  model.runner = model.tflite ? run_tflite(*model.tflite, options.extra_outputs)
                              : runners.make(model.graph, {}, options);
  return places;
}

void open_runners(Model& a, Model& b, std::vector<Pair>& pairs, run::RunnerFactory& runners) {
  std::vector<ir::ValueId> in_a, in_b;
  for (const Pair& pair : pairs) in_a.push_back(pair.a.value), in_b.push_back(pair.b.value);
  const std::vector<size_t> places_a = open_runner(a, in_a, runners),
                            places_b = open_runner(b, in_b, runners);
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i].result_a = places_a[i], pairs[i].result_b = places_b[i];
}

std::vector<ir::Tensor> inputs_of_b(const Model& b, const std::vector<ir::Tensor>& inputs) {
  std::vector<ir::Tensor> ordered;
  for (const size_t i : b.inputs) ordered.push_back(inputs[i]);
  return ordered;
}

// --- one image
// ---------------------------------------------------------------------------------------------------------

struct Seen {
  std::vector<simulate::Power> power;  // by pair
  std::vector<double> max_error;
  bool same_class = false;
  int64_t rank_a = -1, rank_b = -1;  // of the label; -1: no label
};

double max_error(std::span<const float> a, std::span<const float> b, bool mean_free) {
  double shift = 0;
  if (mean_free && !a.empty()) {
    for (size_t i = 0; i < a.size(); ++i) shift += static_cast<double>(a[i]) - b[i];
    shift /= static_cast<double>(a.size());
  }
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double error = std::fabs(static_cast<double>(a[i]) - b[i] - shift);
    if (!(error <= largest)) largest = error;  // NaN wins
  }
  return largest;
}

// One score a class, wherever the classes stand: convolutional heads end in [1, classes, 1, 1].
bool is_classifier(const std::vector<Pair>& pairs, const ir::Tensor& scores) {
  return pairs.size() == 1 && scores.size() > 1 &&
         std::count(scores.dims.begin(), scores.dims.end(), int64_t{1}) + 1 ==
             static_cast<std::ptrdiff_t>(scores.dims.size());
}

int64_t best_class(std::span<const float> scores) {
  return std::max_element(scores.begin(), scores.end()) - scores.begin();
}

Seen see(const Model& a, const Model& b, const std::vector<Pair>& pairs,
         const std::vector<ir::Tensor>& inputs, std::optional<int64_t> label) {
  const std::vector<ir::Tensor> out_a = a.runner->run(inputs), out_b = b.runner->run(inputs_of_b(b, inputs));
  Seen seen;
  for (const Pair& pair : pairs) {
    const ir::Tensor &x = out_a[pair.result_a], &y = out_b[pair.result_b];
    if (x.dims != y.dims) {
      throw unlike("unlike-models",
                   format("output '{}' has shape [{}] in A and [{}] in B", pair.a.output,
                          fmt::join(x.dims, ","), fmt::join(y.dims, ",")),
                   "compare models that compute the same outputs");
    }
    seen.power.push_back(simulate::compare(x, y, pair.a.mean_free));
    seen.max_error.push_back(max_error(x.as<float>(), y.as<float>(), pair.a.mean_free));
  }
  const ir::Tensor &scores_a = out_a[pairs[0].result_a], &scores_b = out_b[pairs[0].result_b];
  if (!is_classifier(pairs, scores_a)) return seen;
  seen.same_class = best_class(scores_a.as<float>()) == best_class(scores_b.as<float>());
  if (label) {
    if (*label < 0 || *label >= scores_a.size()) {
      throw Error(Exit::kInput,
                  {"bad-labels", "compare",
                   format("a label leads to class {}, the models have {}", *label, scores_a.size()),
                   "check the labels, or shift them with --label-offset"});
    }
    seen.rank_a = rank_of(scores_a.as<float>(), *label);
    seen.rank_b = rank_of(scores_b.as<float>(), *label);
  }
  return seen;
}

// --- sums
// ----------------------------------------------------------------------------------------------------------------

report::LabelledAccuracy labelled_accuracy(const std::vector<Seen>& all) {
  report::LabelledAccuracy sums;
  int64_t a1 = 0, b1 = 0, a5 = 0, b5 = 0;
  for (const Seen& seen : all) {
    if (seen.rank_a < 0) continue;
    ++sums.images;
    a1 += seen.rank_a == 0, b1 += seen.rank_b == 0;
    a5 += seen.rank_a < 5, b5 += seen.rank_b < 5;
    sums.only_a_right += seen.rank_a == 0 && seen.rank_b != 0;
    sums.only_b_right += seen.rank_b == 0 && seen.rank_a != 0;
  }
  const double n = static_cast<double>(std::max<int64_t>(1, sums.images));
  sums.top1_a = static_cast<double>(a1) / n, sums.top1_b = static_cast<double>(b1) / n;
  sums.top5_a = static_cast<double>(a5) / n, sums.top5_b = static_cast<double>(b5) / n;
  const PairedDifference paired = paired_difference(sums.only_a_right, sums.only_b_right, sums.images);
  sums.difference = paired.difference, sums.difference_low = paired.low, sums.difference_high = paired.high;
  return sums;
}

std::vector<report::ComparedOutput> summed_outputs(const std::vector<Pair>& pairs,
                                                   const std::vector<Seen>& all) {
  std::vector<report::ComparedOutput> outputs;
  for (size_t p = 0; p < pairs.size(); ++p) {
    simulate::Power power;
    double largest = 0;
    for (const Seen& seen : all) {  // in image order: the same figures whatever the thread count
      simulate::add(power, seen.power[p]);
      if (!(seen.max_error[p] <= largest)) largest = seen.max_error[p];
    }
    outputs.push_back({pairs[p].a.output, pairs[p].b.output, power.sqnr_db(), power.mean_cosine(), largest,
                       pairs[p].a.mean_free});
  }
  return outputs;
}

// Labels by image; a note says how many images have none.
std::vector<std::optional<int64_t>> labels_of(const images::ImageSource& source,
                                              const CompareOptions& options,
                                              std::vector<std::string>& notes) {
  std::vector<std::optional<int64_t>> labels(static_cast<size_t>(source.size()));
  if (options.labels.empty()) return labels;
  const Labels table = parse_labels(read_file(options.labels), options.labels);
  int64_t missing = 0;
  std::string first;
  for (int64_t i = 0; i < source.size(); ++i) {
    const std::string name = std::filesystem::path(source.name(i)).filename().string();
    const auto found = table.find(name);
    if (found != table.end()) {
      labels[static_cast<size_t>(i)] = found->second + options.label_offset;
    } else if (missing++ == 0) {
      first = name;
    }
  }
  if (missing == source.size()) {
    throw Error(Exit::kInput, {"bad-labels", options.labels.string(),
                               format("none of the {} images has a label, not even '{}'", missing, first),
                               "the column `file` must hold the names of the image files"});
  }
  if (missing > 0)
    notes.push_back(
        format("{} of {} images have no label, the first is '{}'", missing, source.size(), first));
  return labels;
}

double milliseconds_of(run::ModelRunner& runner, const std::vector<ir::Tensor>& inputs) {
  const auto start = std::chrono::steady_clock::now();
  runner.run(inputs);
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Both files as any user loads them, on one thread, taking turns so that both meet the same mood of the
// machine.
report::Latency latency_of(const Model& a, const Model& b, const std::vector<ir::Tensor>& inputs,
                           int64_t rounds) {
  constexpr int kWarmUp = 3, kFewest = 5;
  constexpr double kMostMilliseconds = 20000;
  const auto runner_a = run::run_file(a.path.string(), 1), runner_b = run::run_file(b.path.string(), 1);
  const std::vector<ir::Tensor> for_b = inputs_of_b(b, inputs);
  for (int i = 0; i < kWarmUp; ++i) runner_a->run(inputs), runner_b->run(for_b);
  std::vector<double> times_a, times_b;
  double spent = 0;
  Progress progress("timing", rounds, "rounds");
  for (int64_t i = 0; i < rounds && (i < kFewest || spent < kMostMilliseconds); ++i) {
    throw_if_interrupted();
    times_a.push_back(milliseconds_of(*runner_a, inputs));
    times_b.push_back(milliseconds_of(*runner_b, for_b));
    spent += times_a.back() + times_b.back();
    progress.advance();
  }
  const double ms_a = median(times_a), ms_b = median(times_b);
  return {static_cast<int64_t>(times_a.size()), ms_a, ms_b, ms_a / std::max(ms_b, 1e-9)};
}

config::CoreConfig load_config(const CompareOptions& options, Diagnostics& diagnostics) {
  ConvertOptions as_convert;
  as_convert.config = options.config;
  as_convert.overrides = options.overrides;
  config::CoreConfig config = load_config(as_convert, diagnostics);
  // The bound in a config is for calibration; a comparison is the better the more images it sees.
  config.representative_dataset.max_images =
      options.max_images > 0 ? options.max_images : std::numeric_limits<int64_t>::max();
  return config;
}

}  // namespace

report::Comparison compare(const CompareOptions& options) {
  const int threads = options.threads > 0 ? options.threads : available_threads();
  Diagnostics diagnostics;
  report::Comparison result;
  const config::CoreConfig config = load_config(options, diagnostics);
  Model a = read_model(options.a, config, diagnostics);
  Model b = is_tflite(options.b) ? read_tflite_model(options.b, a.graph, result.notes)
                                 : read_model(options.b, config, diagnostics);
  b.inputs = match(a.graph, a.graph.inputs, b.graph, b.graph.inputs, "inputs");
  std::vector<Pair> pairs = pair_outputs(a, b, result.notes);
  const std::unique_ptr<images::ImageSource> source = open_images(a.graph, config, diagnostics);
  const std::vector<std::optional<int64_t>> labels = labels_of(*source, options, result.notes);
  run::OrtRunnerFactory runners(onnx_doors());
  open_runners(a, b, pairs, runners);

  std::vector<Seen> all(static_cast<size_t>(source->size()));
  {
    Progress progress("comparing", source->size(), "images");
    parallel_for(source->size(), threads, [&](int64_t i, int) {
      all[static_cast<size_t>(i)] = see(a, b, pairs, source->load(i), labels[static_cast<size_t>(i)]);
      progress.advance();
    });
  }
  const std::vector<ir::Tensor> sample = source->load(0);
  const bool classifier = is_classifier(pairs, a.runner->run(sample)[pairs[0].result_a]);
  a.runner.reset();
  b.runner.reset();

  result.model_a = options.a.string();
  result.model_b = options.b.string();
  result.size_a = a.graph.bytes_on_disk;
  result.size_b = b.graph.bytes_on_disk;
  result.images = source->size();
  result.preprocessing = images::describe(config.representative_dataset.preprocess);
  result.outputs = summed_outputs(pairs, all);
  if (classifier) {
    const int64_t same =
        std::count_if(all.begin(), all.end(), [](const Seen& seen) { return seen.same_class; });
    result.agreement = static_cast<double>(same) / static_cast<double>(all.size());
  }
  if (!options.labels.empty() && classifier) result.labelled = labelled_accuracy(all);
  if (!options.labels.empty() && !classifier)
    result.notes.push_back(
        "the models are no classifiers (one output, one score a class): labels were not used");
  if (options.latency_rounds > 0 && !b.tflite)
    result.latency = latency_of(a, b, sample, options.latency_rounds);
  for (const Problem& warning : diagnostics.warnings)
    result.notes.push_back(warning.place + ": " + warning.cause);
  return result;
}

}  // namespace qc
