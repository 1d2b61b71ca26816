// What the quantized file does without: long names of values inside, where they are a lot of the file, and
// attributes that say what the standard takes for granted. Stock ONNX Runtime computes the same.
#include <catch2/catch.hpp>

#include "base/text.h"
#include "ir/edit.h"
#include "ir/ops.h"
#include "onnx_io/default_attributes.h"
#include "onnx_io/onnx_io.h"
#include "support/tiny_models.h"
#include "unit/onnx_io/ort_try.h"

using namespace qc;
using ir::ValueId;

namespace {

// A chain of Relus behind a Conv, every value inside with a name of so many letters.
plan::QuantizedModel chain(int count, size_t letters) {
  plan::QuantizedModel model;
  ir::Graph& g = model.graph = tiny::graph();
  ValueId v = tiny::conv(g, tiny::input(g, "x", {1, 2, 6, 6}), 4);
  for (int i = 0; i < count; ++i) v = tiny::relu(g, v);
  tiny::output(g, v, "y");
  for (size_t i = 0; i < g.values.size(); ++i) {
    const auto id = static_cast<ValueId>(i);
    if (!ir::is_input(g, id) && !ir::is_output(g, id))
      g.values[i].name = format("{:03}", i) + std::string(letters, 'n');
  }
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    g.nodes[i].name = "node" + std::to_string(i);
    g.nodes[i].named_in_file = true;
  }
  model.plan.nodes.resize(g.nodes.size());
  model.plan.values.resize(g.values.size());
  return model;
}

ir::Graph parsed(const plan::Written& file) {
  Diagnostics ignored;
  return onnx_io::parse(file, ignored);
}

plan::Written written(const plan::QuantizedModel& model, std::optional<bool> short_names) {
  onnx_io::QdqOptions options;
  options.short_names = short_names;
  return onnx_io::write_qdq(model, {}, options);
}

size_t longest_inside(const ir::Graph& graph) {
  size_t longest = 0;
  for (const ir::Value& value : graph.values) longest = std::max(longest, value.name.size());
  return longest;
}

}  // namespace

TEST_CASE("values inside get short names, and everyone else keeps theirs", "[onnx_io][qdq]") {
  const plan::QuantizedModel model = chain(3, 20);
  const plan::Written kept = written(model, false), shortened = written(model, true);
  const ir::Graph graph = parsed(shortened);
  CHECK(longest_inside(parsed(kept)) == 23);
  CHECK(longest_inside(graph) <= 3);
  CHECK(shortened.bytes.size() < kept.bytes.size());
  CHECK(ir::value_at(graph, graph.inputs[0]).name == "x");
  CHECK(ir::value_at(graph, graph.outputs[0]).name == "y");
  for (size_t n = 0; n < model.graph.nodes.size(); ++n)
    CHECK(graph.nodes[n].name == model.graph.nodes[n].name);

  CHECK(kept.value_names.empty());
  CHECK(shortened.value_names.size() == model.graph.values.size() - 2);
  for (const auto& [in_file, own] : shortened.value_names) {
    CAPTURE(in_file, own);
    const auto has = [](const ir::Graph& g, const std::string& name) {
      return std::any_of(g.values.begin(), g.values.end(),
                         [&](const ir::Value& v) { return v.name == name; });
    };
    CHECK(has(graph, in_file));
    CHECK(has(model.graph, own));
  }
  int64_t claimed = 0;
  for (const plan::Piece& piece : shortened.pieces) claimed += piece.bytes;
  CHECK(claimed <= static_cast<int64_t>(shortened.bytes.size()));

  const auto inputs = ort_try::random_inputs(kept.bytes, 3);
  CHECK(ort_try::max_relative_error(ort_try::run(kept.bytes, inputs)[0],
                                    ort_try::run(shortened.bytes, inputs)[0]) == 0);
}

TEST_CASE("unasked, names are shortened where they are a lot of the file", "[onnx_io][qdq]") {
  CHECK(written(chain(20, 300), std::nullopt).bytes == written(chain(20, 300), true).bytes);
  CHECK(written(chain(20, 100), std::nullopt).bytes ==
        written(chain(20, 100), false).bytes);  // 4 kB of names
  CHECK(longest_inside(parsed(written(chain(20, 300), false))) == 303);
}

TEST_CASE("what bodies read by name keeps it, and new names do not meet theirs", "[onnx_io][qdq]") {
  plan::QuantizedModel model = chain(2, 20);
  ir::Graph& g = model.graph;
  const ValueId inner = g.nodes[1].outputs[0];
  g.nodes[2].captures.push_back(inner);
  ir::value_at(g, inner).consumers.push_back(2);
  ir::value_at(g, inner).name = "v0";
  const ir::Graph graph = parsed(written(model, true));
  CHECK(std::count_if(graph.values.begin(), graph.values.end(),
                      [](const ir::Value& v) { return v.name == "v0"; }) == 1);
  CHECK(ir::value_at(graph, graph.nodes[1].outputs[0]).name == "v0");
}

TEST_CASE("attributes that say the default are left out, others are not", "[onnx_io][qdq]") {
  const auto left_out = [](const char* op, ir::Attribute attribute) {
    ir::Node node;
    node.op_type = op;
    return onnx_io::says_the_default(node, attribute);
  };
  using Ints = std::vector<int64_t>;
  CHECK(left_out("Conv", {"strides", Ints{1, 1}}));
  CHECK(left_out("Conv", {"pads", Ints{0, 0, 0, 0}}));
  CHECK(left_out("Conv", {"group", int64_t{1}}));
  CHECK(left_out("Conv", {"auto_pad", std::string("NOTSET")}));
  CHECK(left_out("Gemm", {"alpha", 1.0f}));
  CHECK(left_out("Gemm", {"transB", int64_t{0}}));
  CHECK(left_out("MaxPool", {"ceil_mode", int64_t{0}}));
  CHECK_FALSE(left_out("Conv", {"strides", Ints{1, 2}}));
  CHECK_FALSE(left_out("Conv", {"pads", Ints{0, 0, 1, 0}}));
  CHECK_FALSE(left_out("Conv", {"kernel_shape", Ints{1, 1}}));
  CHECK_FALSE(left_out("Conv", {"auto_pad", std::string("SAME_UPPER")}));
  CHECK_FALSE(left_out("Conv", {"alpha", 1.0f}));
  CHECK_FALSE(left_out("Gemm", {"alpha", 0.5f}));
  CHECK_FALSE(left_out("Gemm", {"transB", int64_t{1}}));
  CHECK_FALSE(left_out("Slice", {"strides", Ints{1, 1}}));
}

TEST_CASE("without its defaults a node computes the same", "[onnx_io][qdq]") {
  plan::QuantizedModel model;
  ir::Graph& g = model.graph = tiny::graph();
  const ValueId x = tiny::input(g, "x", {1, 4, 9, 9});
  const ValueId c = tiny::conv(g, x, 4, {.stride = 2, .groups = 2});
  const ValueId d = tiny::conv(g, c, 6, {.kernel = 1, .pad = 0}, 5);
  tiny::output(g, tiny::max_pool(g, d), "y");
  model.plan.nodes.resize(g.nodes.size());
  model.plan.values.resize(g.values.size());
  const std::string all = onnx_io::write(g), bytes = written(model, false).bytes;
  const auto attributes = [](const ir::Graph& graph) {
    size_t count = 0;
    for (const ir::Node& node : graph.nodes) count += node.attributes.size();
    return count;
  };
  Diagnostics ignored;
  CHECK(attributes(onnx_io::parse(bytes, {}, ignored)) < attributes(onnx_io::parse(all, {}, ignored)));
  const auto inputs = ort_try::random_inputs(all, 3);
  CHECK(ort_try::max_relative_error(ort_try::run(all, inputs)[0], ort_try::run(bytes, inputs)[0]) == 0);
}
