// See compare_models.h.
#include "compare/compare_models.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"
#include "inspect_tflite.h"
#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "run/ort_runner.h"

namespace qc {
namespace {

constexpr size_t kMostModels = 26;

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
    const ir::Value& value = ir::value_at(graph, id);
    std::vector<std::string> dims;
    for (const int64_t dim : value.dims) dims.push_back(dim < 0 ? "?" : std::to_string(dim));
    parts.push_back(format("'{}' {} [{}]", value.name, ir::name_of(value.dtype), join(dims, ",")));
  }
  return join(parts, ", ");
}

// For each of the model's values the index of A's that it stands for: by name, else by order where all shapes
// allow it.
std::vector<size_t> match(const ComparedFile& a, const std::vector<ir::ValueId>& in_a, const ComparedFile& b,
                          const std::vector<ir::ValueId>& in_b, const char* what) {
  std::vector<size_t> by_name, by_order;
  for (size_t i = 0; i < in_b.size(); ++i) {
    const ir::Value& value = ir::value_at(b.graph, in_b[i]);
    const auto same = [&](ir::ValueId id) {
      return ir::value_at(a.graph, id).name == value.name &&
             shapes_may_be_equal(ir::value_at(a.graph, id), value);
    };
    const auto found = std::find_if(in_a.begin(), in_a.end(), same);
    if (found != in_a.end()) by_name.push_back(static_cast<size_t>(found - in_a.begin()));
    if (i < in_a.size() && shapes_may_be_equal(ir::value_at(a.graph, in_a[i]), value)) by_order.push_back(i);
  }
  if (in_a.size() == in_b.size() && by_name.size() == in_b.size()) return by_name;
  if (in_a.size() == in_b.size() && by_order.size() == in_b.size()) return by_order;
  throw unlike(
      format("the {} do not correspond. A: {}. {}: {}", what, list_text(a.graph, in_a), b.letter,
             list_text(b.graph, in_b)),
      format("compare models whose {} have the same names, or the same shapes in the same order", what));
}

std::vector<simulate::Judged> of_output(const std::vector<simulate::Judged>& all, const std::string& name) {
  std::vector<simulate::Judged> found;
  std::copy_if(all.begin(), all.end(), std::back_inserter(found),
               [&](const simulate::Judged& one) { return one.output == name; });
  return found;
}

// Is the output judged at the same values as one before it?
bool covered(const std::vector<simulate::Judged>& all, const std::string& name) {
  return std::any_of(all.begin(), all.end(), [&](const simulate::Judged& one) {
    return std::find(one.also.begin(), one.also.end(), name) != one.also.end();
  });
}

// Do both files judge the output at the same kind of place?
bool correspond(const ComparedFile& a, const std::vector<simulate::Judged>& in_a, const ComparedFile& model,
                const std::vector<simulate::Judged>& own) {
  if (in_a.size() != own.size()) return false;
  for (size_t i = 0; i < own.size(); ++i)
    if (in_a[i].mean_free != own[i].mean_free || in_a[i].jump != own[i].jump ||
        !shapes_may_be_equal(ir::value_at(a.graph, in_a[i].value), ir::value_at(model.graph, own[i].value)))
      return false;
  return true;
}

// Runners give all of these as float32.
bool floats(const ir::Value& value) {
  return value.dtype == ir::DType::kFloat || ir::is_half(value.dtype);
}

// One output side by side, at the last continuous values where both files have these, else as it is.
void pair_output(const ComparedFile& a, ir::ValueId id_a, const std::vector<simulate::Judged>& judged_a,
                 const ComparedFile& model, ir::ValueId id_own,
                 const std::vector<simulate::Judged>& judged_own, std::vector<OutputPair>& pairs,
                 std::vector<std::string>& notes) {
  const ir::Value &out_a = ir::value_at(a.graph, id_a), &out_own = ir::value_at(model.graph, id_own);
  const auto in_a = of_output(judged_a, out_a.name), own = of_output(judged_own, out_own.name);
  if (in_a.empty() && own.empty() && covered(judged_a, out_a.name) && covered(judged_own, out_own.name))
    return;
  if (!in_a.empty() && correspond(a, in_a, model, own)) {
    for (size_t i = 0; i < own.size(); ++i) pairs.push_back({in_a[i], own[i], 0, 0});
    return;
  }
  if (!floats(out_a) || !floats(out_own)) {
    notes.push_back(
        format("output '{}' is not float in both A and {} and was not compared", out_a.name, model.letter));
    return;
  }
  if (!in_a.empty() && !in_a[0].jump.empty())
    notes.push_back(
        format("output '{}' lies behind {}, and {} does not show the values before: a jump "
               "counts as an error here",
               out_a.name, in_a[0].jump, model.letter));
  pairs.push_back({{id_a, out_a.name, false, {}, {}}, {id_own, out_own.name, false, {}, {}}, 0, 0});
}

// The float outputs side by side.
std::vector<OutputPair> pair_outputs(const ComparedFile& a, const ComparedFile& model,
                                     std::vector<std::string>& notes) {
  const std::vector<size_t> counterpart = match(a, a.graph.outputs, model, model.graph.outputs, "outputs");
  const std::vector<simulate::Judged> judged_a = simulate::judged_values(a.graph),
                                      judged_own = simulate::judged_values(model.graph);
  std::vector<OutputPair> pairs;
  for (size_t out_a = 0; out_a < a.graph.outputs.size(); ++out_a) {
    const size_t own =
        static_cast<size_t>(std::find(counterpart.begin(), counterpart.end(), out_a) - counterpart.begin());
    if (own == counterpart.size())
      continue;  // two of the model's outputs share one of A's; match() allows no such pair
    pair_output(a, a.graph.outputs[out_a], judged_a, model, model.graph.outputs[own], judged_own, pairs,
                notes);
  }
  if (pairs.empty())
    throw unlike(format("no output is float32 in both A and {}", model.letter),
                 "compare models with float32 outputs");
  return pairs;
}

// Makes the runner and returns where in its results each judged value stands.
std::vector<size_t> open_runner(ComparedFile& model, const std::vector<ir::ValueId>& judged,
                                run::RunnerFactory& runners) {
  run::RunnerOptions options;
  options.keep_memory = true;
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

// The ONNX model that says in which order .tflite files have their dimensions; an empty one if there is none.
ir::Graph order_of_dimensions(const std::vector<ComparedFile>& models) {
  const auto onnx = std::find_if(models.begin(), models.end(),
                                 [](const ComparedFile& model) { return !model.graph.outputs.empty(); });
  if (onnx == models.end()) return {};
  ir::Graph like = onnx->graph;
  run::infer_shapes(like, onnx_codec());  // its outputs may be stated without shapes
  return like;
}

}  // namespace

Error unlike(const std::string& cause, const std::string& remedy) {
  return {Exit::kInput, {"unlike-models", "compare", cause, remedy}};
}

std::vector<ComparedFile> read_models(const std::vector<std::filesystem::path>& paths,
                                      const config::CoreConfig& config, Diagnostics& diagnostics) {
  if (paths.size() > kMostModels)
    throw Error(Exit::kUsage, {"too-many-models", "compare",
                               format("{} models, and there are letters for {}", paths.size(), kMostModels),
                               "compare fewer at a time, each time with the same first one"});
  std::vector<ComparedFile> models;
  Diagnostics unreadable;
  for (size_t i = 0; i < paths.size(); ++i) {
    models.push_back({std::string(1, static_cast<char>('A' + i)), paths[i], {}, nullptr, nullptr, {}, {}});
    if (is_tflite(paths[i])) continue;
    try {
      models.back().graph = onnx_io::read(paths[i], diagnostics);
    } catch (const Error& error) {
      if (error.exit != Exit::kInput) throw;
      for (const Problem& problem : error.problems) unreadable.error(problem);
    }
  }
  unreadable.throw_if_errors(Exit::kInput);
  for (ComparedFile& model : models) {
    if (model.graph.outputs.empty()) continue;
    apply_input_shapes(model.graph, config);
    if (simulate::needs_types(model.graph)) run::infer_shapes(model.graph, onnx_codec());
  }
  const ir::Graph like = order_of_dimensions(models);
  for (ComparedFile& model : models) {
    if (!is_tflite(model.path)) continue;
    model.tflite = std::make_unique<TfliteModel>(read_tflite(model.path, like));
    model.graph = model.tflite->graph;
  }
  return models;
}

void match_with_first(std::vector<ComparedFile>& models, std::vector<std::string>& notes) {
  const ComparedFile& a = models[0];
  const std::vector<simulate::Judged> judged = simulate::judged_values(a.graph);
  for (ComparedFile& model : models) {
    model.inputs = match(a, a.graph.inputs, model, model.graph.inputs, "inputs");
    if (&model != &a) model.pairs = pair_outputs(a, model, notes);
  }
  const auto used = [&](const simulate::Judged& one) {
    return std::any_of(models.begin(), models.end(), [&](const ComparedFile& model) {
      return std::any_of(model.pairs.begin(), model.pairs.end(), [&](const OutputPair& pair) {
        return pair.a.value == one.value && pair.a.jump == one.jump;
      });
    });
  };
  for (size_t i = 0; i < judged.size(); ++i)
    if (const std::string where = simulate::describe(judged, a.graph, i); !where.empty() && used(judged[i]))
      notes.push_back(where);
}

void open_runners(std::vector<ComparedFile>& models) {
  run::OrtRunnerFactory runners(onnx_codec());
  std::vector<ir::ValueId> in_a;
  for (const ComparedFile& model : models)
    for (const OutputPair& pair : model.pairs) in_a.push_back(pair.a.value);
  const std::vector<size_t> places_a = open_runner(models[0], in_a, runners);
  size_t next = 0;
  for (size_t i = 1; i < models.size(); ++i) {
    std::vector<ir::ValueId> own;
    for (const OutputPair& pair : models[i].pairs) own.push_back(pair.own.value);
    const std::vector<size_t> places = open_runner(models[i], own, runners);
    for (size_t p = 0; p < places.size(); ++p) {
      models[i].pairs[p].result_a = places_a[next++];
      models[i].pairs[p].result = places[p];
    }
  }
}

std::vector<ir::Tensor> inputs_for(const ComparedFile& model, const std::vector<ir::Tensor>& inputs) {
  std::vector<ir::Tensor> ordered;
  for (const size_t i : model.inputs) ordered.push_back(inputs[i]);
  return ordered;
}

}  // namespace qc
