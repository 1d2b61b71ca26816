// See fix.h. The corridor of pipeline.cpp with the search for scales left out: what the file says goes first.
#include "fix.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "adopt/adopt.h"
#include "adopt/run_time.h"
#include "adopt/unfold.h"
#include "adopted.h"
#include "base/parallel.h"
#include "base/text.h"
#include "blank_inputs.h"
#include "calibrate/calibrate.h"
#include "config/open_widths.h"
#include "deliver/deliver.h"
#include "deliver/make_files.h"
#include "describe/assemble_report.h"
#include "normalize/idioms.h"
#include "normalize/normalize.h"
#include "normalize/rewrites.h"
#include "onnx_io/onnx_io.h"
#include "plain_spelling.h"
#include "prepare.h"
#include "quantize/quantize.h"
#include "run/ort_runner.h"
#include "search/attempt.h"
#include "search/places.h"
#include "select/capability.h"
#include "select/costs.h"
#include "select/decide.h"
#include "select/placement.h"
#include "select/rules.h"
#include "select/ties.h"
#include "simulate/fidelity.h"
#include "simulate/simulate.h"
#include "spell/sums.h"
#include "target_of.h"
#include "threshold/candidates.h"

namespace qc {
namespace {

void check_quantized(const ir::Graph& graph, const std::filesystem::path& model) {
  if (adopt::carries_quantization(graph)) return;
  onnx_io::check_convertible(graph, model);  // integers that it cannot read
  if (adopt::unreadable_weights(graph) > 0)
    throw Error{
        Exit::kInput,
        {"not-quantized", model.string(),
         "its weights are stored in fewer bits, but it rounds no activation, so that it has no scales to "
         "write anew",
         "quantize it with: qconvert MODEL --config CFG.json, which reads such weights; fix --strip "
         "gives the float model"}};
  throw Error{
      Exit::kInput,
      {"not-quantized", model.string(), "it carries no QuantizeLinear, DequantizeLinear or QLinear op",
       "quantize it with: qconvert MODEL --config CFG.json"}};
}

void note_clamps(report::Report& report, const adopt::FileGrids& found) {
  if (found.clamped > 0)
    report.notes.push_back(format(
        "{} values that the file bounds by its zero points alone have a Relu or Clip again", found.clamped));
}

// Integers of weights that nodes look up in codebooks or unpack: afterwards they are constants.
void unpack_integers(ir::Graph& graph, run::RunnerFactory& runners) {
  normalize::fold_constants(graph, runners, {"QuantizeLinear", "DequantizeLinear"});
  ir::remove_dead(graph);
}

// Weights that adopt::strip() cannot read as floats. Returns how many.
int64_t unfold_weights(ir::Graph& graph, run::RunnerFactory& runners) {
  const int64_t before = adopt::unreadable_weights(graph);
  if (before == 0) return 0;
  adopt::unfold_matmuls(graph);
  normalize::fold_constants(graph, runners);
  ir::remove_dead(graph);
  for (const ir::Node& node : graph.nodes)
    if (!node.erased && node.op_type == "MatMulNBits")
      throw Error{
          Exit::kInput,
          {"bad-scale", format("node '{}' ({})", node.name, node.op_type),
           "its weight is stored in a way that is not read here: scales that are not float32, columns in "
           "an order of their own, or sizes that contradict each other",
           "give the float32 model that this one was made from"}};
  return before - adopt::unreadable_weights(graph);
}

// What is left would not be the float model.
void refuse_rounding_left(const ir::Graph& graph, const std::filesystem::path& model) {
  constexpr size_t kNamed = 3;
  std::vector<std::string> names = adopt::rounding_at_run_time(graph);
  if (names.empty()) return;
  const size_t count = names.size();
  names.resize(std::min(count, kNamed));
  throw Error{Exit::kInput,
              {"not-stripped", model.string(),
               format("nodes in it round at run time in a way that is not read here: {}{}", join(names, ", "),
                      count > kNamed ? format(" and {} more", count - kNamed) : ""),
               "give the float32 model that this one was made from"}};
}

// The float model under the name of the output, and a note of what was taken out.
void write_stripped(ConvertResult& result, const ir::Graph& graph, const adopt::FileGrids& found,
                    int64_t unfolded, const config::CoreConfig& config, const OutputPaths& outputs,
                    ModelFiles& files) {
  plan::QuantizedModel model;  // nothing in it is rounded
  model.graph = graph;
  std::erase_if(model.graph.metadata, [](const auto& entry) {  // it is no conversion's any longer
    return entry.first == onnx_io::kVersionKey || entry.first == onnx_io::kConfigKey;
  });
  model.plan.nodes.resize(graph.nodes.size());
  model.plan.values.resize(graph.values.size());
  onnx_io::QdqOptions form = qdq_options(outputs, config);
  form.qoperator = false;
  form.short_names = form.short_names.value_or(false);
  files.onnx = onnx_io::write_qdq(model, {}, form);
  result.report.target = "float32";  // no hardware is asked what it can do
  result.report.notes.push_back(
      format("the float model behind {} rounded values and {} weights; weights stay on the "
             "grids of the file",
             found.activations.size() - static_cast<size_t>(found.clamped),
             static_cast<int64_t>(found.weights.size()) + unfolded));
  describe_file(result.report, outputs.onnx, "onnx", files.onnx);
}

// Everything that a plan of the file's scales depends on.
struct AdoptedScene {
  ir::Graph& graph;
  const target::TargetSpec& target;
  const config::CoreConfig& config;
  const adopt::FileGrids& found;
  const select::ResolvedRules& rules;
  std::vector<select::Capability> capabilities;
  select::PlacementCosts time;
  bool full = false;
};

plan::QuantPlan outlined(const AdoptedScene& scene) {
  const std::vector<bool> integer = scene.full ? wherever_possible(scene.capabilities)
                                               : select::place(scene.graph, scene.capabilities, scene.time);
  return select::outline(scene.graph, scene.target, scene.capabilities, integer,
                         reasons_in_float(integer, integer));
}

struct Pictures {
  const images::ImageSource& source;
  const calibrate::Split& split;
};

// What is to be written, and what to say of it.
struct Planned {
  plan::QuantizedModel model;
  quantize::Guards guards;
  size_t floated = 0, calibrated = 0;  // values without a grid in the file: left in float; given one
  std::vector<std::string> notes;
};

// A plan in which every rounded value has a grid: the file's, one from images, or none and floats around it.
plan::QuantPlan complete_plan(AdoptedScene& scene, const Pictures* pictures, run::RunnerFactory& runners,
                              int threads, Planned& made) {
  plan::QuantPlan plan = outlined(scene);
  plan::Candidates known = found_activations(scene.graph, plan, scene.found, scene.target);
  std::vector<ir::ValueId> unknown = unknown_values(plan, known);
  while (!pictures && !unknown.empty()) {
    made.floated += unknown.size();
    keep_float_around(scene.graph, unknown, scene.target, scene.capabilities);
    plan = outlined(scene);
    known = found_activations(scene.graph, plan, scene.found, scene.target);
    unknown = unknown_values(plan, known);
  }
  plan::StatsTable stats;
  if (!unknown.empty()) {
    std::vector<plan::StatRequest> requests;
    for (const ir::ValueId v : unknown) requests.push_back({v, true, false, 1});
    stats = calibrate::calibrate(scene.graph, runners, pictures->source, pictures->split.calibration,
                                 requests, {threads, batch_size(scene.graph, scene.config)});
    made.calibrated = unknown.size();
  }
  plan::QuantPlan rest = plan;  // what the file knows needs no search
  for (plan::ValueDecision& value : rest.values)
    if (value.quantized && known.contains(value.scale_group)) value.quantized = false;
  plan::Candidates candidates = threshold::activation_candidates(
      scene.graph, rest, stats, scene.target, scene.config.quantization, scene.rules.nodes);
  candidates.insert(known.begin(), known.end());
  select::decide(plan, scene.graph, scene.target, candidates);
  made.notes.push_back(format("{} grids of activations are the file's", known.size()));
  if (scene.found.covered > 0)
    made.notes.push_back(
        format("{} activations have a scale for each channel in the file, which no kernel takes: one scale "
               "covers them all, and their values change",
               scene.found.covered));
  return plan;
}

// Weights are the file's integers again, and biases follow from the scales around them.
void quantize_all(const AdoptedScene& scene, const plan::QuantPlan& plan, int threads, Planned& made) {
  plan::Candidates weights = threshold::weight_candidates(
      scene.graph, plan, scene.target, scene.config.quantization, scene.rules.nodes, threads);
  const bool onnx_alone = !config::writes(scene.config, "tflite");
  const int64_t used = use_found_weights(scene.graph, scene.found, scene.target, onnx_alone, weights);
  made.notes.push_back(format("{} of {} weights keep the file's integers", used, weights.size()));
  made.model = quantize::quantize(scene.graph, plan, weights, {}, made.guards);
  if (const int64_t tables = onnx_alone ? store_found_tables(scene.found, made.model) : 0; tables > 0)
    made.notes.push_back(format("{} tables of nodes in float keep the file's integers", tables));
}

// `pictures`: where values get grids that the file has not; null: these stay in float.
Planned planned(AdoptedScene scene, const Pictures* pictures, run::RunnerFactory& runners, int threads) {
  Planned made;
  const plan::QuantPlan plan = complete_plan(scene, pictures, runners, threads, made);
  quantize_all(scene, plan, threads, made);
  return made;
}

// The worst output of the worst of a few pictures, in dB; those that were not calibrated on where there are.
double worst_db(const plan::QuantizedModel& model, const ir::Graph& graph, const Pictures& pictures,
                run::RunnerFactory& runners) {
  constexpr size_t kLooked = 8;
  const calibrate::Split& split = pictures.split;
  const std::vector<int64_t>& images = split.held_out.empty() ? split.calibration : split.held_out;
  const auto exact = simulate::make_float_model(graph, runners, {}, {});
  const auto simulator = simulate::make_simulator(model, runners, {}, {});
  double worst = HUGE_VAL;
  for (size_t i = 0; i < std::min(kLooked, images.size()); ++i) {
    const std::vector<ir::Tensor> inputs = pictures.source.load(images[i]);
    const std::vector<ir::Tensor> wanted = exact->runner->run(inputs, 0),
                                  found = simulator->runner->run(inputs, 0);
    for (size_t o = 0; o < graph.outputs.size(); ++o)
      if (wanted[o].dtype == ir::DType::kFloat && wanted[o].dims == found[o].dims)
        worst = std::min(worst, simulate::compare(wanted[o], found[o], false).sqnr_db());
  }
  return worst;
}

// What the file has in float had a reason for it, perhaps: images put it on integers where that costs little,
// or where the config asks for them.
Planned planned_with(const AdoptedScene& scene, const Pictures& pictures, run::RunnerFactory& runners,
                     int threads, Diagnostics& diagnostics, const std::string& place) {
  // An output at kGoodDb is fit for use (the goal of a conversion is 20); 3 dB are twice the noise.
  constexpr double kGoodDb = 25, kFurtherDb = 3;
  Planned all = planned(scene, &pictures, runners, threads);
  if (all.calibrated == 0) return all;
  Planned known = planned(scene, nullptr, runners, threads);
  const double all_db = worst_db(all.model, scene.graph, pictures, runners),
               known_db = worst_db(known.model, scene.graph, pictures, runners);
  const bool costs = all_db < kGoodDb && all_db < known_db - kFurtherDb;
  const std::string figures = format(
      "values without a scale in the file: an output is at {:.1f} dB with them on integers, and at {:.1f} dB "
      "with them in float",
      all_db, known_db);
  if (costs && scene.config.placement == config::Placement::kUnset && scene.target.float_islands) {
    known.notes.push_back(figures + ", where they stay; --set /placement=full puts them on integers");
    return known;
  }
  all.notes.push_back(format("{} values had no scale in the file and were calibrated", all.calibrated));
  if (costs)
    diagnostics.warning({"float-is-closer", place, figures,
                         "leave /placement out, or name the layers that shall stay in float in /keep_float"});
  return all;
}

bool is_for_converters(config::OnnxForm form) {
  return form == config::OnnxForm::kMctq || form == config::OnnxForm::kFakeQuant;
}

// What a conversion does and fix, which keeps the file's integers, does not.
void refuse_without_use(const ConvertOptions& options, const config::CoreConfig& config, bool strip) {
  const config::PlacementGoals& goals = config.goals;
  const std::tuple<const char*, bool, const char*> kUnused[] = {
      {"--diagnose", options.diagnose, "convert the float model"},
      {"--dump", !options.dump.empty(), "look at the file: qconvert inspect FILE"},
      {"--resume", options.resume, "leave it out"},
      {"--explain", strip && !options.explain.empty(), "leave out --strip, or --explain"},
      {"/output/onnx/form", is_for_converters(config.output.onnx_form), "use \"qdq\" or \"qoperator\""},
      {"/bit_width_config", !config.bit_width_config.empty(), "convert the float model"},
      {"/mode", config.mode != config::Mode::kStatic && !strip, "convert the float model"},
      {"/target_resource_utilization", config.budget.any(), "convert the float model"},
      {"/saturation_guard", config.saturation_guard.value_or(false), "convert the float model"},
      {"/gptq_config/method", config.correction.method == config::CorrectionMethod::kSecondOrder,
       "convert the float model"},
      {"/placement/min_sqnr_db", goals.min_sqnr_db.has_value(), "convert the float model"},
      {"/gates/min_sqnr_db", config.gates.min_sqnr_db.has_value(),
       "judge the written file: qconvert compare FLOAT.onnx WRITTEN.onnx --images DIR --gate 'sqnr_db >= "
       "...'"},
      {"/gates/min_agreement", config.gates.min_agreement.has_value(),
       "judge the written file: qconvert compare FLOAT.onnx WRITTEN.onnx --images DIR --gate 'agreement >= "
       "...'"},
  };
  Diagnostics problems;
  constexpr const char* kWhy = "fix keeps the integers that the file has, and measures nothing";
  for (const auto& [rule, at] : config::rules_with_widths(config))
    if (at.starts_with("/debug_config"))
      problems.error({"no-use", at, kWhy, "write one width, or convert the float model"});
  for (const auto& [key, asked, remedy] : kUnused)
    if (asked) problems.error({"no-use", key, kWhy, remedy});
  problems.throw_if_errors(Exit::kUsage);
}

}  // namespace

ConvertResult fix(const ConvertOptions& options, bool strip) {
  Diagnostics diagnostics;
  ConvertResult result;
  const int threads = options.threads > 0 ? options.threads : available_threads();
  const run::ModelCodec codec = onnx_codec();
  const config::CoreConfig config = load_config(options, diagnostics);
  refuse_without_use(options, config, strip);
  target::TargetSpec target = target_of(config);
  target.bias_in_products = false;  // the file says where it rounds
  // What the file has on integers stays there, whatever it costs, unless the config says otherwise.
  const bool full = config.placement == config::Placement::kUnset || is_full(config, target);
  run::OrtRunnerFactory runners(codec, config.output.external_data_above.value_or(run::kOnePart));
  const OutputPaths outputs = plan_outputs(options, config);

  // From here the model is float, and what the file says about rounding stands beside it.
  ir::Graph graph = onnx_io::read(options.model, diagnostics);
  check_opset_known(graph, codec, options.model);
  check_inputs_stay(options, config, graph, outputs);
  const int64_t unfolded = strip ? adopt::float_run_time_layers(graph) + unfold_weights(graph, runners) : 0;
  if (unfolded == 0) check_quantized(graph, options.model);
  if (!strip) unpack_integers(graph, runners);
  result.report = begin_report(options, config, target, graph);
  apply_input_shapes(graph, config);
  const adopt::FileGrids found = adopt::strip(graph);
  note_clamps(result.report, found);
  ModelFiles files;
  if (strip) {
    refuse_rounding_left(graph, options.model);
    write_stripped(result, graph, found, unfolded, config, outputs, files);
    finish_report(result.report, {}, {}, config, {}, diagnostics, {});
    deliver(result, files, options, config, outputs, graph);
    return result;
  }

  // From here the graph is in its plainest spelling.
  std::unique_ptr<images::ImageSource> source;
  if (!config.representative_dataset.path.empty() && !options.dry_run)
    source = open_images(graph, config, diagnostics, threads);
  const calibrate::Split split =
      source ? calibrate::split_images(source->size(), config.verify_images) : calibrate::Split{};
  const Sample at_hand = source ? first_sample(*source)
                                : unmeasured_sample(graph, config, runners, diagnostics, threads,
                                                    outputs.tflite.filename().string());
  const std::vector<ir::Tensor>& sample = at_hand.inputs;
  if (!at_hand.runs) result.report.notes.push_back(unmeasured_note());
  PlainSpelling plain{normalize_options(at_hand.to_run(), codec)};
  plain.rewriting.has_grids = true;
  const auto applied = spell_plainly(graph, plain, runners, codec, diagnostics, result.report.notes);
  check_explained(result.report, graph, options.explain);

  // From here every rounded value has a grid and the plan is complete.
  const select::ResolvedRules rules = select::resolve_rules(graph, config);
  std::vector<select::Capability> capabilities =
      select::capabilities(graph, target, config.keep_float, normalize::recognise(graph), rules.nodes);
  const ir::Graph sized = with_shapes_of(graph, sample, codec);
  select::leave_empty(sized, target, capabilities);
  const select::PlacementCosts time = costs_by(config, target, sized, capabilities).time;
  const AdoptedScene scene{graph, target, config, found, rules, std::move(capabilities), time, full};
  const Planned made = source ? planned_with(scene, {*source, split}, runners, threads, diagnostics,
                                             options.model.filename().string())
                              : planned(scene, nullptr, runners, threads);
  result.report.notes.insert(result.report.notes.end(), made.notes.begin(), made.notes.end());
  if (!source && made.floated > 0)
    result.report.notes.push_back(
        format("{} values without a scale in the file stay in float; --images DIR finds scales for them",
               made.floated));

  // From here the files exist, in memory.
  const FileScene files_scene{config, target, outputs, codec, sample};
  plan::QuantizedModel stored = made.model;
  if (config::writes(config, "onnx")) spell_sums(stored);
  make_onnx(files_scene, {stored, stored}, files);
  make_tflite(files_scene, made.model, stored.graph, files, result.report);
  describe_files(files_scene, stored, files, {}, result.report);
  finish_report(result.report, applied, made.guards, config, split, diagnostics, {});
  deliver(result, files, options, config, outputs, graph);
  return result;
}

}  // namespace qc
