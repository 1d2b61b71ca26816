// Every real model before and after normalization, on ONNX Runtime: the same outputs, fewer nodes. Prints
// what was done. The models are those of $QCONVERT_TEST_DATA/models; without the variable there is nothing to
// do.
#include <catch2/catch.hpp>
#include <filesystem>
#include <iostream>
#include <map>

#include "base/files.h"
#include "base/text.h"
#include "normalize/idioms.h"
#include "normalize/normalize.h"
#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "run/ort_runner.h"
#include "support/tiny_models.h"
#include "unit/onnx_io/ort_try.h"

using namespace qc;

namespace {

int64_t live_nodes(const ir::Graph& graph) {
  return static_cast<int64_t>(ir::topological_order(graph).size());
}

bool has_op(const ir::Graph& graph, const std::string& op) {
  for (const ir::NodeId id : ir::topological_order(graph))
    if (ir::node_at(graph, id).op_type == op) return true;
  return false;
}

std::string done_text(const std::vector<normalize::Applied>& applied) {
  std::vector<std::string> parts;
  for (const auto& one : applied) parts.push_back(format("{} {}", one.rewrite, one.count));
  return join(parts, ", ");
}

std::string idioms_text(const ir::Graph& graph) {
  std::map<std::string, int> counts;
  for (const plan::Idiom& idiom : normalize::recognise(graph)) ++counts[plan::name_of(idiom.kind)];
  std::vector<std::string> parts;
  for (const auto& [name, count] : counts) parts.push_back(format("{} x {}", count, name));
  return join(parts, ", ");
}

std::vector<std::string> names_of(const ir::Graph& graph, const std::vector<ir::ValueId>& values) {
  std::vector<std::string> names;
  for (const ir::ValueId v : values) names.push_back(tiny::value(graph, v).name);
  return names;
}

/// Float values that live in both graphs under one name, at most `most`, spread over the graph.
std::vector<std::string> common_values(const ir::Graph& a, const ir::Graph& b, size_t most) {
  std::vector<std::string> names;
  for (const ir::NodeId id : ir::topological_order(b))
    for (const ir::ValueId v : b.nodes[id].outputs) {
      if (v == ir::kNone || tiny::value(b, v).dtype != ir::DType::kFloat) continue;
      const ir::ValueId other = ir::find_value(a, tiny::value(b, v).name);
      if (other != ir::kNone && tiny::value(a, other).producer != ir::kNone)
        names.push_back(tiny::value(b, v).name);
    }
  std::vector<std::string> chosen;
  for (size_t i = 0; i < std::min(most, names.size()); ++i) chosen.push_back(names[i * names.size() / most]);
  return chosen;
}

std::vector<ir::Tensor> values_inside(const ir::Graph& graph, const std::vector<std::string>& names,
                                      const std::vector<ir::Tensor>& inputs) {
  run::RunnerOptions options;
  options.optimize = false;
  for (const std::string& name : names) options.extra_outputs.push_back(ir::find_value(graph, name));
  auto all = run::OrtRunnerFactory(onnx_codec()).make(graph, {}, options)->run(inputs);
  return {all.begin() + static_cast<std::ptrdiff_t>(graph.outputs.size()), all.end()};
}

/// What must hold for a model as it was read, or raised to the opset that the pipeline works at.
void check_model(const std::string& path, const ir::Graph& original) {
  const std::string file = read_file(path);
  run::OrtRunnerFactory runners(onnx_codec());
  normalize::Options options;
  options.check_inputs = ort_try::random_inputs(file);
  options.infer_shapes = [](ir::Graph& graph) { run::infer_shapes(graph, onnx_codec()); };
  Diagnostics diagnostics;
  ir::Graph graph = original;
  const auto applied = normalize::normalize(graph, runners, options, diagnostics);

  CHECK(names_of(graph, graph.inputs) == names_of(original, original.inputs));
  CHECK(names_of(graph, graph.outputs) == names_of(original, original.outputs));
  CHECK(live_nodes(graph) <= live_nodes(original));
  for (const auto& one : applied) {
    INFO(one.rewrite << " changes the output by " << one.change);
    CHECK_FALSE(one.undone);
  }
  for (const char* op : {"BatchNormalization", "Identity", "Dropout", "Flatten", "Constant", "Shape"})
    CHECK_FALSE(has_op(graph, op));

  ir::Graph again = graph;
  CHECK(normalize::normalize(again, runners, {{}, 1e-3, options.infer_shapes}, diagnostics).empty());

  // A value that kept its name means what it meant in the file.
  const std::vector<std::string> names = common_values(original, graph, 40);
  const auto meant = values_inside(original, names, options.check_inputs);
  const auto means = values_inside(graph, names, options.check_inputs);
  for (size_t i = 0; i < names.size(); ++i) {
    INFO(names[i]);
    CHECK(ort_try::max_relative_error(meant[i], means[i]) < 1e-3);
  }

  // Judged from outside, on other numbers than the check inside saw.
  const auto inputs = ort_try::random_inputs(file, 7, 0, 1);
  const auto expected = ort_try::run(file, inputs);
  const auto got = ort_try::run(onnx_io::write(graph), inputs);
  REQUIRE(got.size() == expected.size());
  double change = 0;
  for (size_t i = 0; i < got.size(); ++i)
    change = std::max(change, ort_try::max_relative_error(expected[i], got[i]));
  CHECK(change < 1e-3);
  std::cout << format("{} (opset {}): {} -> {} nodes, outputs within {:.1e}\n  {}\n  {}\n",
                      std::filesystem::path(path).stem().string(), ir::opset(graph), live_nodes(original),
                      live_nodes(graph), change, done_text(applied), idioms_text(graph));
}

}  // namespace

TEST_CASE("real models keep their outputs through normalization", "[normalize][real]") {
  for (const std::string& path : ort_try::real_models()) {
    INFO(path);
    Diagnostics diagnostics;
    ir::Graph graph = onnx_io::read(path, diagnostics);
    check_model(path, graph);
    if (ir::opset(graph) >= 13) continue;
    run::infer_shapes(graph, onnx_codec());  // Softmax is raised without detours where its rank is known
    REQUIRE(onnx_io::raise_opset(graph, 13, diagnostics));
    check_model(path, graph);
  }
}
