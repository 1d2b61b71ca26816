// See prepare.h.
#include "prepare.h"

#include <algorithm>
#include <set>
#include <system_error>

#include "base/log.h"
#include "base/text.h"
#include "onnx_io/bodies.h"
#include "onnx_io/functions.h"
#include "onnx_io/onnx_io.h"
#include "version.h"

namespace qc {
run::ModelCodec onnx_codec() {
  return {[](const ir::Graph& graph, std::span<const ir::ValueId> outside) {
            return onnx_io::write(graph, true, outside);
          },
          [](std::string_view bytes, const std::filesystem::path& folder) {
            Diagnostics ignored;
            return onnx_io::parse(bytes, folder, ignored);
          }};
}

config::CoreConfig load_config(const ConvertOptions& options, Diagnostics& diagnostics) {
  if (!options.config.empty()) return config::load(options.config, options.overrides, diagnostics);
  return config::parse("{}", std::filesystem::current_path() / "(no config file)", options.overrides,
                       diagnostics);
}

void apply_input_shapes(ir::Graph& graph, const config::CoreConfig& config) {
  Diagnostics diagnostics;
  std::vector<std::string> names;
  for (const ir::ValueId v : graph.inputs) names.push_back(ir::value_at(graph, v).name);
  for (const auto& [name, dims] : config.input_shapes) {
    const std::string place = "/input_shapes/" + name;
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end()) {
      diagnostics.error({"unknown-input", place, "the model has no input of that name",
                         "its inputs are: " + join(names, ", ")});
      continue;
    }
    ir::Value& value = ir::value_at(graph, graph.inputs[at - names.begin()]);
    bool fits = !value.has_shape || value.dims.size() == dims.size();
    for (size_t d = 0; fits && value.has_shape && d < dims.size(); ++d)
      fits = dims[d] == -1 || (dims[d] > 0 && (value.dims[d] < 0 || value.dims[d] == dims[d]));
    if (!fits) {
      diagnostics.error(
          {"shape-mismatch", place,
           format("[{}] does not fit the model's [{}]", fmt::join(dims, ","), fmt::join(value.dims, ",")),
           "give as many dimensions as the model has, and its own where they are fixed"});
      continue;
    }
    value.has_shape = true;
    value.dims.resize(dims.size(), -1);
    value.dim_params.resize(dims.size());
    for (size_t d = 0; d < dims.size(); ++d) {
      if (dims[d] < 0) continue;
      value.dims[d] = dims[d];
      value.dim_params[d].clear();
    }
  }
  diagnostics.throw_if_errors(Exit::kUsage);
}

std::unique_ptr<images::ImageSource> open_images(const ir::Graph& graph, const config::CoreConfig& config,
                                                 Diagnostics& diagnostics, int threads) {
  const config::RepresentativeDataset& dataset = config.representative_dataset;
  if (dataset.path.empty())
    throw Error(Exit::kUsage, {"no-images", "/representative_dataset/path",
                               "calibration needs a folder of images and none is named",
                               "add it to the config or give --images DIR"});
  std::vector<images::InputSpec> inputs;
  for (const ir::ValueId v : graph.inputs) {
    const ir::Value& value = ir::value_at(graph, v);
    inputs.push_back({value.name, value.dtype, value.dims,
                      !value.consumers.empty() || ir::is_output(graph, v), leaves_batch_free(value)});
  }
  images::SourceOptions options;
  options.folder = dataset.path;
  options.max_images = dataset.max_images;
  options.skip_bad = dataset.skip_bad_images;
  options.preprocess = dataset.preprocess;
  options.image_input = dataset.input;
  options.other_inputs = dataset.other_inputs;
  options.threads = threads;
  return images::open_folder(options, inputs, diagnostics);
}

namespace {

// The name of a dimension that fix_batch() has given a size; no file names one that has a size.
constexpr const char* kFreeBatch = "free batch";

}  // namespace

bool leaves_batch_free(const ir::Value& input) {
  if (!input.has_shape || input.dims.empty()) return false;
  return input.dims[0] < 0 || (!input.dim_params.empty() && input.dim_params[0] == kFreeBatch);
}

void fix_batch(ir::Graph& graph) {
  std::set<std::string> batch;  // the names of the free dimensions
  for (const ir::ValueId v : graph.inputs) {
    ir::Value& value = ir::value_at(graph, v);
    if (!value.has_shape || value.dims.empty() || value.dims[0] >= 0) continue;
    if (!value.dim_params.empty()) batch.insert(value.dim_params[0]);
    value.dims[0] = 1;
    value.dim_params.resize(value.dims.size());
    value.dim_params[0] = kFreeBatch;
  }
  batch.erase("");
  for (ir::Value& value : graph.values)
    for (size_t d = 0; d < value.dim_params.size() && d < value.dims.size(); ++d)
      if (value.dims[d] < 0 && batch.contains(value.dim_params[d])) {
        value.dims[d] = 1;
        value.dim_params[d].clear();
      }
}

normalize::Bodies opened_bodies() {
  return {onnx_io::read_body, onnx_io::names_in_bodies, onnx_io::body_of_call,
          onnx_io::drop_uncalled_functions};
}

normalize::Options normalize_options(const std::vector<ir::Tensor>& sample, const run::ModelCodec& codec) {
  normalize::Options options;
  options.check_inputs = sample;
  options.infer_shapes = [codec](ir::Graph& graph) { run::infer_shapes(graph, codec); };
  options.bodies = opened_bodies();
  return options;
}

namespace {

bool names_type(const config::Filter& filter, const std::string& op_type) {
  const auto in = [&](const std::vector<config::Filter>& parts) {
    return std::any_of(parts.begin(), parts.end(),
                       [&](const config::Filter& part) { return names_type(part, op_type); });
  };
  return std::find(filter.op_types.begin(), filter.op_types.end(), op_type) != filter.op_types.end() ||
         in(filter.all_of) || in(filter.any_of) || in(filter.none_of);
}

// Does the config say something of nodes of this type?
bool names_type(const config::CoreConfig& config, const std::string& op_type) {
  const auto in = [&](const auto& rules) {
    return std::any_of(rules.begin(), rules.end(),
                       [&](const auto& rule) { return names_type(rule.filter, op_type); });
  };
  const std::vector<std::string>& kept = config.keep_float.op_types;
  return std::find(kept.begin(), kept.end(), op_type) != kept.end() || in(config.bit_width_config) ||
         in(config.network_editor) || in(config.placement_rules);
}

}  // namespace

normalize::SubPixel sub_pixel_of(const config::CoreConfig& config, const target::TargetSpec& target) {
  using normalize::SubPixel;
  // Times were measured of these runtimes alone, and what moves numbers must move integers.
  const bool moves = target::rule_for(target, "DepthToSpace").kind == target::OpKind::kMove;
  if (target.tflite || target.costs.empty() || !moves || names_type(config, "ConvTranspose"))
    return SubPixel::kNever;
  if (config::writes(config, "tflite")) return SubPixel::kAlways;
  return config::rounds_activations(config) ? SubPixel::kOnnxRuntime : SubPixel::kNever;
}

int64_t batch_size(const ir::Graph& graph, const config::CoreConfig& config) {
  const bool free_batch = std::all_of(graph.inputs.begin(), graph.inputs.end(), [&](ir::ValueId v) {
    const ir::Value& value = ir::value_at(graph, v);
    return value.has_shape && !value.dims.empty() && value.dims[0] < 0;
  });
  return free_batch ? config.representative_dataset.batch_size : 1;
}

void check_opset_known(const ir::Graph& graph, const run::ModelCodec& codec,
                       const std::filesystem::path& model) {
  constexpr int64_t kSurelyKnown = 17;
  const int64_t opset = ir::opset(graph);
  if (opset <= kSurelyKnown) return;
  const int64_t newest = run::newest_opset(codec);
  if (opset > newest)
    throw Error(Exit::kInput,
                {"new-opset", model.string(),
                 format("it uses opset {}; ONNX Runtime {} knows opsets up to {}", opset,
                        run::runtime_version(), newest),
                 format("export it for opset {}, or build qconvert with a newer ONNX Runtime", newest)});
}

ir::Graph with_shapes_of(const ir::Graph& graph, const std::vector<ir::Tensor>& sample,
                         const run::ModelCodec& codec) {
  ir::Graph sized = graph;
  bool known = true;
  for (size_t i = 0; i < sample.size(); ++i) {
    ir::Value& input = ir::value_at(sized, sized.inputs[i]);
    known = known && input.has_shape && input.dims == sample[i].dims;
    input.has_shape = true;
    input.dims = sample[i].dims;
    input.dim_params.clear();
  }
  if (known) return sized;
  // Outputs declare the model's free dimensions; they would contradict the sizes of the sample.
  for (const ir::ValueId v : sized.outputs) {
    ir::Value& output = ir::value_at(sized, v);
    output.has_shape = false;
    output.dims.clear();
    output.dim_params.clear();
  }
  run::infer_shapes(sized, codec);
  return sized;
}

ir::Graph graph_of_file(const plan::Written& file) {
  Diagnostics ignored;
  ir::Graph graph = onnx_io::parse(file, ignored);
  if (simulate::needs_types(graph)) run::infer_shapes(graph, onnx_codec());
  return graph;
}

simulate::Fidelity fidelity_of_file(const plan::Written& file, run::RunnerFactory& runners,
                                    const images::ImageSource& source, const simulate::Reference& reference,
                                    const std::vector<simulate::Judged>& as, int threads) {
  ir::Graph graph = graph_of_file(file);
  std::vector<simulate::Judged> judged = simulate::judged_values(graph);
  const auto alike = [](const simulate::Judged& a, const simulate::Judged& b) {
    return a.jump == b.jump && a.mean_free == b.mean_free;
  };
  if (!std::equal(judged.begin(), judged.end(), as.begin(), as.end(), alike))
    throw Error(Exit::kBug, {"judged-elsewhere", "the written file",
                             "its outputs are judged at other places than those of the float model",
                             "please report this with the model"});
  for (size_t j = 0; j < judged.size(); ++j) {
    judged[j].parts = as[j].parts;
    judged[j].by_parts = as[j].by_parts;
  }
  run::RunnerOptions options;
  for (const simulate::Judged& one : judged) options.extra_outputs.push_back(one.value);
  const auto runner = runners.make(graph, {}, options);
  graph = {};  // its constants are in the session now
  return simulate::fidelity_of(*runner, source, reference, judged, threads);
}

onnx_io::QdqOptions qdq_options(const OutputPaths& outputs, const config::CoreConfig& config) {
  onnx_io::QdqOptions options;
  options.external_name = outputs.onnx_data().filename().string();
  options.qoperator = config.output.onnx_form == config::OnnxForm::kQOperator;
  options.standard_ops_only = config.output.standard_ops_only;
  options.short_names = config.output.short_names;
  options.external_above = config.output.external_data_above.value_or(options.external_above);
  return options;
}

std::vector<proof::Verdict> verdicts_of(const plan::QuantizedModel& model, onnx_io::QdqOptions options,
                                        const run::ModelCodec& codec) {
  options.name_all_nodes = true;
  const plan::Written named = onnx_io::write_qdq(model, {}, options);
  const ir::Graph kernels =
      run::optimized_graph({named.bytes, named.external_name, named.external_bytes}, codec);
  Diagnostics ignored;
  return proof::verdicts(model, onnx_io::parse(named, ignored), kernels);
}

std::vector<std::pair<std::string, std::string>> metadata_of(const config::CoreConfig& config) {
  return {{onnx_io::kVersionKey, qconvert_version()}, {onnx_io::kConfigKey, config::hash(config)}};
}

std::string dump(const plan::StatsTable& stats, const ir::Graph& graph) {
  std::string text = stats.empty() ? "stats none: no value is rounded\n" : "";
  for (const auto& [value, s] : stats)
    text +=
        format("stats {}: count {} min {:.9g} max {:.9g} bins {} of 2^{}\n", ir::value_at(graph, value).name,
               s.count, s.min, s.max, s.histogram.counts.size(), s.histogram.exponent);
  return text;
}

std::string dump(const plan::Candidates& candidates, const ir::Graph& graph) {
  std::string text;
  for (const auto& [value, list] : candidates)
    for (const plan::Candidate& c : list)
      text += format("candidate {}: {}{} scale {:.9g}{} error {:.6g} bytes {} {}\n",
                     ir::value_at(graph, value).name, c.params.is_signed ? "int" : "uint", c.params.bits,
                     c.params.scales.at(0), c.params.per_channel() ? " (first of many)" : "", c.error,
                     c.bytes, c.note);
  return text;
}

}  // namespace qc
