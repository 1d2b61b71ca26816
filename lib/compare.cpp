// See compare.h. Outputs are judged where the conversion's own proof judges them (simulate/fidelity.h), so
// that both print the same figures for the same file.
#include "compare.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "base/deflate.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/text.h"
#include "compare/compare_models.h"
#include "compare/compare_speed.h"
#include "compare/labels.h"
#include "describe/assemble_report.h"
#include "prepare.h"
#include "report/comparison_gates.h"
#include "report/table.h"
#include "simulate/fidelity.h"

namespace qc {
namespace {

// --- one image

// What one image says about one model.
struct Seen {
  std::vector<simulate::Power> power;  // by pair
  std::vector<double> max_error;
  bool classifier = false, same_class = false;
  std::optional<int64_t> label;
  int64_t classes = 0;
  int64_t rank_a = -1, rank = -1;  // of the label; -1: no label
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

bool is_classifier(const ComparedFile& model, const std::vector<ir::Tensor>& results_a) {
  const ir::Tensor& scores = results_a[model.pairs[0].result_a];
  return model.pairs.size() == 1 && scores.size() > 1 && simulate::scores_classes(scores.dims);
}

int64_t best_class(std::span<const float> scores) {
  return std::max_element(scores.begin(), scores.end()) - scores.begin();
}

Seen see(const ComparedFile& model, const std::vector<ir::Tensor>& out_a, const std::vector<ir::Tensor>& out,
         std::optional<int64_t> label) {
  Seen seen;
  for (const OutputPair& pair : model.pairs) {
    const ir::Tensor &x = out_a[pair.result_a], &y = out[pair.result];
    if (x.dims != y.dims)
      throw unlike(format("output '{}' has shape [{}] in A and [{}] in {}", pair.a.output,
                          fmt::join(x.dims, ","), fmt::join(y.dims, ","), model.letter),
                   "compare models that compute the same outputs");
    seen.power.push_back(simulate::compare(x, y, pair.a));
    seen.max_error.push_back(max_error(x.as<float>(), y.as<float>(), pair.a.mean_free));
  }
  seen.classifier = is_classifier(model, out_a);
  if (!seen.classifier) return seen;
  const std::span<const float> scores_a = out_a[model.pairs[0].result_a].as<float>(),
                               scores = out[model.pairs[0].result].as<float>();
  seen.same_class = best_class(scores_a) == best_class(scores);
  if (!label || *label >= static_cast<int64_t>(scores_a.size())) return seen;
  seen.label = label;
  seen.classes = static_cast<int64_t>(scores_a.size());
  seen.rank_a = rank_of(scores_a, *label);
  seen.rank = rank_of(scores, *label);
  return seen;
}

// --- sums over the images of one model, in image order: the same figures whatever the thread count

using AllSeen = std::vector<Seen>;

report::LabelledAccuracy labelled_accuracy(const AllSeen& all) {
  report::LabelledAccuracy sums;
  int64_t a1 = 0, own1 = 0, a5 = 0, own5 = 0;
  for (const Seen& seen : all) {
    if (!seen.label) continue;
    ++sums.images;
    sums.classes = seen.classes;
    a1 += seen.rank_a == 0, own1 += seen.rank == 0;
    a5 += seen.rank_a < 5, own5 += seen.rank < 5;
    sums.only_a_right += seen.rank_a == 0 && seen.rank != 0;
    sums.only_this_right += seen.rank == 0 && seen.rank_a != 0;
  }
  const double n = static_cast<double>(std::max<int64_t>(1, sums.images));
  sums.top1_a = static_cast<double>(a1) / n, sums.top1 = static_cast<double>(own1) / n;
  sums.top5_a = static_cast<double>(a5) / n, sums.top5 = static_cast<double>(own5) / n;
  const PairedDifference paired = paired_difference(sums.only_a_right, sums.only_this_right, sums.images);
  sums.difference = paired.difference, sums.difference_low = paired.low, sums.difference_high = paired.high;
  return sums;
}

std::vector<report::ClassAccuracy> accuracy_by_class(const AllSeen& all) {
  std::map<int64_t, report::ClassAccuracy> classes;
  for (const Seen& seen : all) {
    if (!seen.label) continue;
    report::ClassAccuracy& one = classes[*seen.label];
    one.class_index = *seen.label;
    ++one.images;
    one.right_a += seen.rank_a == 0;
    one.right += seen.rank == 0;
  }
  std::vector<report::ClassAccuracy> listed;
  for (const auto& [index, one] : classes) listed.push_back(one);
  return listed;
}

std::vector<report::ComparedOutput> summed_outputs(const std::vector<OutputPair>& pairs, const AllSeen& all) {
  std::vector<report::ComparedOutput> outputs;
  for (size_t p = 0; p < pairs.size(); ++p) {
    simulate::Power power = simulate::no_powers({pairs[p].a})[0];
    double largest = 0;
    for (const Seen& seen : all) {
      simulate::add(power, seen.power[p]);
      if (!(seen.max_error[p] <= largest)) largest = seen.max_error[p];
    }
    outputs.push_back({pairs[p].a.output,
                       pairs[p].own.output,
                       power.sqnr_db(),
                       power.mean_cosine(),
                       largest,
                       pairs[p].a.mean_free,
                       pairs[p].a.jump,
                       {},
                       parts_of(pairs[p].a, power)});
  }
  return outputs;
}

void describe_accuracy(report::ComparedModel& row, const ir::Graph& a, const ComparedFile& model,
                       const AllSeen& all, const CompareOptions& options) {
  row.outputs = summed_outputs(model.pairs, all);
  for (size_t p = 0; p < model.pairs.size(); ++p)
    row.outputs[p].judged_at = a.values[model.pairs[p].a.value].name;
  if (!all[0].classifier) return;
  const int64_t same =
      std::count_if(all.begin(), all.end(), [](const Seen& seen) { return seen.same_class; });
  row.agreement = static_cast<double>(same) / static_cast<double>(all.size());
  if (!options.labels.empty()) row.labelled = labelled_accuracy(all);
  if (options.per_class) row.classes = accuracy_by_class(all);
}

// --- labels, sizes, costs

std::vector<std::string> names_of(const images::ImageSource& source) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < source.size(); ++i) names.push_back(source.name(i));
  return names;
}

std::vector<std::optional<int64_t>> labels_for(const images::ImageSource& source,
                                               const CompareOptions& options,
                                               std::vector<std::string>& notes) {
  if (options.labels.empty()) return std::vector<std::optional<int64_t>>(static_cast<size_t>(source.size()));
  return labels_of(names_of(source), options.labels, options.label_offset, options.max_images == 0, notes);
}

// One inference says how many classes there are, before all images are run.
void check_labels(const std::vector<ComparedFile>& models, const std::vector<ir::Tensor>& sample,
                  const images::ImageSource& source, const CompareOptions& options,
                  const std::vector<std::optional<int64_t>>& labels) {
  if (options.labels.empty()) return;
  const std::vector<ir::Tensor> results = models[0].runner->run(inputs_for(models[0], sample));
  if (!is_classifier(models[1], results)) return;
  check_classes(labels, names_of(source), results[models[1].pairs[0].result_a].size(), options.labels);
}

std::vector<std::filesystem::path> files_of(const ComparedFile& model) {
  std::vector<std::filesystem::path> files{model.path};
  for (const std::string& name : model.graph.external_files) files.push_back(model.path.parent_path() / name);
  return files;
}

int64_t compressed_size_of(const ComparedFile& model) {
  int64_t size = 0;
  for (const std::filesystem::path& file : files_of(model)) size += deflated_size(file);
  return size;
}

// The ONNX files among the models with inputs to run them on, and their rows.
struct Timed {
  std::vector<TimedFile> files;
  std::vector<size_t> rows;
};

Timed files_to_time(const std::vector<ComparedFile>& models, const std::vector<ir::Tensor>& sample) {
  Timed timed;
  for (size_t i = 0; i < models.size(); ++i) {
    if (models[i].tflite) continue;
    timed.files.push_back({models[i].path, inputs_for(models[i], sample)});
    timed.rows.push_back(i);
  }
  return timed;
}

void describe_speed(report::Comparison& result, const Timed& timed, int threads,
                    std::optional<int64_t> rounds,
                    std::optional<report::Latency> report::ComparedModel::*which) {
  const std::vector<report::Latency> latencies = latencies_of(timed.files, threads, rounds);
  const bool first_timed = timed.rows[0] == 0;
  for (size_t i = 0; i < latencies.size(); ++i) {
    report::Latency latency = latencies[i];
    if (first_timed) latency.speedup = latencies[0].median_ms / std::max(latency.median_ms, 1e-9);
    result.models[timed.rows[i]].*which = latency;
  }
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

std::vector<report::Bound> gates_of(const CompareOptions& options) {
  return report::parse_gates(options.gates, !options.labels.empty(), options.latency_rounds != 0);
}

report::Comparison begin_comparison(const std::vector<ComparedFile>& models) {
  report::Comparison result;
  for (const ComparedFile& model : models) {
    report::ComparedModel row;
    row.letter = model.letter;
    row.file = model.path.string();
    row.size = model.graph.bytes_on_disk;
    result.models.push_back(std::move(row));
    if (model.tflite)
      result.notes.push_back(
          format("{} is run by a model of TFLite's arithmetic (integers as LiteRT with "
                 "XNNPACK rounds them): no time, no memory",
                 model.letter));
  }
  return result;
}

}  // namespace

void check_asked(const CompareOptions& options) {
  Diagnostics problems, ignored;
  if (options.per_class && options.labels.empty())
    problems.error({"not-measured", "--per-class", "accuracy by class needs labelled images",
                    "add --labels CSV, with the columns file and class_index"});
  const auto collect = [&](const auto& step) {
    try {
      step();
    } catch (const Error& error) {
      if (error.exit != Exit::kUsage) throw;
      problems.errors.insert(problems.errors.end(), error.problems.begin(), error.problems.end());
    }
  };
  collect([&] { gates_of(options); });
  collect([&] { load_config(options, ignored); });
  problems.throw_if_errors(Exit::kUsage);
}

void check_comparable(const CompareOptions& options) {
  Diagnostics ignored;
  std::vector<std::string> notes;
  const config::CoreConfig config = load_config(options, ignored);
  const std::vector<ComparedFile> models = read_models({options.models.at(0)}, config, ignored);
  labels_for(*open_images(models[0].graph, config, ignored), options, notes);
}

CompareResult compare(const CompareOptions& options) {
  const int threads = options.threads > 0 ? options.threads : available_threads();
  Diagnostics diagnostics;
  check_asked(options);
  const std::vector<report::Bound> gates = gates_of(options);
  const config::CoreConfig config = load_config(options, diagnostics);
  std::vector<ComparedFile> models = read_models(options.models, config, diagnostics);
  report::Comparison result = begin_comparison(models);
  match_with_first(models, result.notes);
  const std::unique_ptr<images::ImageSource> source = open_images(models[0].graph, config, diagnostics);
  const std::vector<std::optional<int64_t>> labels = labels_for(*source, options, result.notes);
  const std::vector<ir::Tensor> sample = source->load(0);
  const Timed timed = files_to_time(models, sample);
  const bool time = options.latency_rounds != 0 && !timed.files.empty();
  if (time)  // first, while this process is small and has one thread
    for (size_t i = 0; i < timed.files.size(); ++i)
      result.models[timed.rows[i]].peak_memory = peak_memory_of(timed.files[i]);

  open_runners(models);
  check_labels(models, sample, *source, options, labels);
  std::vector<AllSeen> all(models.size(), AllSeen(static_cast<size_t>(source->size())));
  {
    Progress progress("comparing", source->size(), images::unit_of(*source) + "s");
    const int64_t files = static_cast<int64_t>(models.size());
    // Files are packed beside, first, as one of them takes longer than an image.
    parallel_for(files + source->size(), threads, [&](int64_t task, int) {
      if (task < files) {
        const size_t m = static_cast<size_t>(task);
        result.models[m].compressed_size = compressed_size_of(models[m]);
        return;
      }
      const int64_t i = task - files;
      const std::vector<ir::Tensor> inputs = i == 0 ? sample : source->load(i);
      const std::vector<ir::Tensor> out_a = models[0].runner->run(inputs_for(models[0], inputs));
      for (size_t m = 1; m < models.size(); ++m)
        all[m][i] = see(models[m], out_a, models[m].runner->run(inputs_for(models[m], inputs)), labels[i]);
      progress.advance();
    });
  }
  for (ComparedFile& model : models) model.runner.reset();

  result.images = source->size();
  result.unit = images::unit_of(*source);
  result.preprocessing = source->description();
  for (size_t m = 1; m < models.size(); ++m)
    describe_accuracy(result.models[m], models[0].graph, models[m], all[m], options);
  if (time) describe_speed(result, timed, 1, options.latency_rounds, &report::ComparedModel::one_thread);
  if (time && threads > 1)
    describe_speed(result, timed, threads, options.latency_rounds, &report::ComparedModel::all_threads);
  if (!options.labels.empty() && !all[1][0].classifier)
    result.notes.push_back(
        "the models are no classifiers (one output, one score a class): labels were not used");
  if (all[1].at(0).classifier && result.models[1].labelled)
    if (const std::string doubt = report::doubt_of(*result.models[1].labelled); !doubt.empty())
      result.notes.push_back(doubt);
  for (const Problem& warning : diagnostics.warnings)
    result.notes.push_back(warning.place + ": " + warning.cause);
  const bool hold = report::judge(result, gates);
  return {std::move(result), hold};
}

}  // namespace qc
