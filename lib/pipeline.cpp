// The corridor: what happens to a model, in order. Each line says what holds from there on; the rooms do the
// work.
#include "pipeline.h"

#include <algorithm>
#include <chrono>

#include "assemble_report.h"
#include "base/files.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/text.h"
#include "calibrate/calibrate.h"
#include "correct/bias_correction.h"
#include "images/image_source.h"
#include "normalize/normalize.h"
#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "proof/verdict.h"
#include "quantize/quantize.h"
#include "run/ort_runner.h"
#include "select/capability.h"
#include "select/costs.h"
#include "select/decide.h"
#include "select/placement.h"
#include "simulate/fidelity.h"
#include "simulate/local_error.h"
#include "simulate/simulate.h"
#include "threshold/candidates.h"
#include "version.h"

namespace qc {
namespace {

constexpr int64_t kCorrectionImages = 16;
constexpr int64_t kErrorImages = 2;  // for the error at each layer

using Clock = std::chrono::steady_clock;

// Where the time goes, for -v and the text report.
class Stopwatch {
 public:
  void lap(const char* stage) {
    const Clock::time_point now = Clock::now();
    timings_.push_back({stage, std::chrono::duration<double>(now - last_).count()});
    last_ = now;
  }
  const std::vector<report::Timing>& timings() const { return timings_; }

 private:
  Clock::time_point last_ = Clock::now();
  std::vector<report::Timing> timings_;
};

bool wants(const ConvertOptions& options, const char* stage) {
  return std::find(options.dump.begin(), options.dump.end(), stage) != options.dump.end();
}

}  // namespace

const std::vector<std::string>& dump_stages() {
  static const std::vector<std::string> stages{"read", "normalize", "stats", "candidates", "plan"};
  return stages;
}

ConvertResult convert(const ConvertOptions& options) {
  Stopwatch watch;
  Diagnostics diagnostics;
  ConvertResult result;
  const int threads = options.threads > 0 ? options.threads : available_threads();
  const run::Doors doors = onnx_doors();
  run::OrtRunnerFactory runners(doors);

  // From here the config is complete and every key in it means something.
  const config::CoreConfig config = load_config(options, diagnostics);
  const target::TargetSpec target = target::load(config.target);
  const OutputPaths outputs = plan_outputs(options, config);

  // From here the model is a graph of nodes and values, float, with known types and shapes, at an opset that
  // can say per-channel; nothing else of the file is needed again.
  ir::Graph graph = onnx_io::read(options.model, diagnostics);
  onnx_io::check_convertible(graph, options.model);
  result.report = begin_report(options, config, target, graph);
  apply_input_shapes(graph, config);
  if (wants(options, "read")) result.dumped += ir::dump(graph);
  watch.lap("read");

  // From here images are known to exist and to fit the model.
  const auto source = open_images(graph, config, diagnostics, threads);
  const calibrate::Split split = calibrate::split_images(source->size(), config.verify_images);
  std::vector<ir::Tensor> sample = source->load(0);
  raise_opset_checked(graph, 13, runners, sample, diagnostics);

  // From here the graph is in its plainest spelling and its topology is fixed.
  const auto applied = normalize::normalize(graph, runners, normalize_options(sample, doors), diagnostics);
  run::infer_shapes(graph, doors);
  if (wants(options, "normalize")) result.dumped += ir::dump(graph);
  watch.lap("normalize");

  // From here every node has its place: integers where the target has a kernel and they pay.
  const std::vector<select::Capability> capabilities = select::capabilities(graph, target, config.keep_float);
  const ir::Graph sized = with_shapes_of(graph, sample, doors);
  const std::vector<bool> integer =
      select::place(graph, capabilities, select::time_costs(sized, capabilities, target));
  plan::QuantPlan plan = select::outline(graph, target, capabilities, integer,
                                         std::vector<plan::NodeDecision>(graph.nodes.size()));
  watch.lap("place");
  if (options.dry_run) {
    describe_plan(result.report, graph, plan);
    return result;
  }

  // From here every value that will be rounded has exact statistics.
  const auto requests = select::requests(graph, plan);
  const plan::StatsTable stats = calibrate::calibrate(graph, runners, *source, split.calibration, requests,
                                                      {threads, batch_size(graph, config)});
  if (wants(options, "stats")) result.dumped += dump(stats, graph);
  watch.lap("calibrate");

  // From here every rounded value and every weight has parameters; the plan is complete.
  const plan::Candidates activations =
      threshold::activation_candidates(graph, plan, stats, target, config.quantization);
  const plan::Candidates weights =
      threshold::weight_candidates(graph, plan, target, config.quantization, threads);
  if (wants(options, "candidates")) result.dumped += dump(activations, graph) + dump(weights, graph);
  select::decide(plan, graph, activations);
  if (wants(options, "plan")) result.dumped += plan::dump(plan, graph);
  watch.lap("thresholds");

  // From here weights are integers.
  quantize::Guards guards;
  plan::QuantizedModel model = quantize::quantize(graph, plan, weights, {config.saturation_guard}, guards);
  watch.lap("quantize");

  // From here biases make up for what rounding shifted, where that brought the outputs closer on held-out
  // images.
  const std::vector<simulate::Judged> judged = simulate::judged_values(graph);
  const std::vector<correct::Layer> layers = config.quantization.weights_bias_correction
                                                 ? correct::correctable_layers(model)
                                                 : std::vector<correct::Layer>{};
  std::vector<ir::ValueId> results;
  for (const correct::Layer& layer : layers) results.push_back(layer.result);
  const std::vector<ir::ValueId> rounded = simulate::rounded_values(plan);
  std::vector<ir::ValueId> observed = rounded;
  observed.insert(observed.end(), results.begin(), results.end());
  const auto float_model = simulate::make_float_model(graph, runners, observed, judged);
  const auto simulator = simulate::make_simulator(model, runners, results, judged);
  const simulate::Reference reference =
      simulate::reference_of(*float_model->runner, *source, split.held_out, judged.size(), threads);
  simulate::Fidelity simulated =
      simulate::fidelity_of(*simulator->runner, *source, reference, judged, threads);
  if (!layers.empty()) {
    const auto expected = correct::float_means(
        *float_model, layers, *source, correct::spread(split.calibration, kCorrectionImages), threads);
    const auto deltas =
        correct::measure_bias_deltas(*simulator, layers, expected, *source, int64_t{64} << 20);
    simulator->before = correct::adding(deltas, layers);
    const simulate::Fidelity corrected =
        simulate::fidelity_of(*simulator->runner, *source, reference, judged, threads);
    const bool better = corrected.worst_db() > simulated.worst_db();
    result.report.corrections.push_back(
        {"sequential bias correction", better, simulated.worst_db(), corrected.worst_db()});
    if (better) {
      quantize::add_to_biases(model, deltas);
      simulated = corrected;
    } else {
      simulator->before = {};
    }
  }
  watch.lap("correct");

  // From here the error at every layer is known.
  simulate::Samples float_samples, rounded_samples;
  float_model->hook = simulate::sampling(float_samples);
  simulator->after = simulate::sampling(rounded_samples);
  for (int64_t i = 0; i < std::min<int64_t>(kErrorImages, static_cast<int64_t>(reference.images.size()));
       ++i) {
    const auto inputs = source->load(reference.images[static_cast<size_t>(i)]);
    float_model->runner->run(inputs, i);
    simulator->runner->run(inputs, i);
  }
  const auto local_error = simulate::local_sqnr_db(float_samples, rounded_samples);
  float_model->runner.reset();
  simulator->runner.reset();
  watch.lap("error by layer");

  // From here the file exists, in memory, and stock ONNX Runtime has had its say about it.
  const plan::Written written = onnx_io::write_qdq(model, metadata_of(config));
  const ir::Graph kernels = run::optimized_graph(written.bytes, doors);
  const std::vector<proof::Verdict> verdicts = proof::verdicts(model, kernels);
  const simulate::Fidelity integer_kernels =
      fidelity_of_file(written.bytes, runners, *source, reference, threads);
  watch.lap("prove");

  // From here nothing is decided any more: numbers, then files.
  describe_plan(result.report, model.graph, model.plan);
  describe_proof(result.report, model, verdicts, local_error);
  describe_accuracy(result.report, judged, simulated, integer_kernels);
  describe_files(result.report, outputs, written);
  finish_report(result.report, applied, guards, config, split, diagnostics, watch.timings());
  result.explained = explain(result.report, options.explain);
  result.gates_hold = gates_hold(config.gates, result.report);
  write_file_atomically(outputs.onnx, written.bytes);
  if (!written.external_bytes.empty())
    write_file_atomically(outputs.onnx.parent_path() / written.external_name, written.external_bytes);
  write_file_atomically(outputs.report, report::to_json(result.report));
  result.written = {outputs.onnx, outputs.report};
  return result;
}

}  // namespace qc
