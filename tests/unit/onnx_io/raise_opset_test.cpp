// Raised models against the originals, both run by ONNX Runtime: one small model for each rule, then the real
// ones.
#include <onnx/onnx_pb.h>

#include <catch2/catch.hpp>
#include <functional>

#include "base/files.h"
#include "onnx_io/onnx_io.h"
#include "support/tiny_models.h"
#include "unit/onnx_io/ort_try.h"

using namespace qc;
using ir::DType;
using ir::Graph;
using ir::ValueId;

namespace {

using Ints = std::vector<int64_t>;
using Floats = std::vector<float>;

struct Case {
  const char* name;
  int64_t from, to;
  std::function<ValueId(Graph&, ValueId)> build;  // from the input to the output
  std::string ops;                                // after raising
  Ints dims = {2, 3, 4, 5};
};

void forget_shape(Graph& g, ValueId v) {
  ir::Value& value = ir::value_at(g, v);
  value.has_shape = false;
  value.dims.clear();
}

ValueId one(Graph& g, const char* op, std::vector<ValueId> inputs, tiny::Attributes attributes = {}) {
  const ValueId y = tiny::node(g, op, std::move(inputs), std::move(attributes), std::nullopt);
  forget_shape(g, y);
  return y;
}

// The same op on a value whose shape the file does not state.
ValueId unshaped(Graph& g, const char* op, ValueId x, tiny::Attributes attributes = {}) {
  const ValueId hidden = tiny::relu(g, x);
  forget_shape(g, hidden);
  return one(g, op, {hidden}, std::move(attributes));
}

const Case kCases[] = {
    {"BatchNormalization drops spatial", 8, 13,
     [](Graph& g, ValueId x) {
       const ValueId y = tiny::batch_norm(g, x);
       ir::set_attribute(g.nodes[0], "spatial", int64_t{1});
       return y;
     },
     "BatchNormalization"},
    {"BatchNormalization with outputs of training that nobody reads", 9, 15,
     [](Graph& g, ValueId x) {
       const ValueId y = tiny::batch_norm(g, x);
       for (size_t i = 1; i < 5; ++i) ir::set_output(g, 0, i, ir::add_value(g, "m", DType::kFloat));
       return tiny::relu(g, y);
     },
     "BatchNormalization Relu"},
    {"Upsample with scales as an attribute, nearest", 8, 13,
     [](Graph& g, ValueId x) {
       return one(g, "Upsample", {x}, {{"mode", std::string("nearest")}, {"scales", Floats{1, 1, 2, 3}}});
     },
     "Resize"},
    {"Upsample with scales as an input, linear", 9, 17,
     [](Graph& g, ValueId x) {
       return one(g, "Upsample", {x, tiny::constant_f(g, {1, 1, 2, 1.6f})},
                  {{"mode", std::string("linear")}});
     },
     "Resize"},
    {"Resize 10 enlarges to the pixel below", 10, 13,
     [](Graph& g, ValueId x) {
       return one(g, "Resize", {x, tiny::constant_f(g, {1, 1, 1.5f, 2.5f})});
     },
     "Resize"},
    {"Resize 10 shrinks to the pixel above", 10, 13,
     [](Graph& g, ValueId x) {
       return one(g, "Resize", {x, tiny::constant_f(g, {1, 1, 0.5f, 0.6f})});
     },
     "Resize"},
    {"Resize 10 linear", 10, 21,
     [](Graph& g, ValueId x) {
       return one(g, "Resize", {x, tiny::constant_f(g, {1, 1, 0.5f, 1.7f})},
                  {{"mode", std::string("linear")}});
     },
     "Resize"},
    {"Resize 11 keeps its empty inputs", 11, 13,
     [](Graph& g, ValueId x) {
       const ValueId none = tiny::constant_f(g, {}, {0});
       const ValueId sizes = tiny::constant_i(g, {2, 3, 7, 9});
       return one(g, "Resize", {x, none, tiny::constant_f(g, {}, {0}), sizes});
     },
     "Resize"},
    {"Dropout with a mask that nobody reads", 7, 13,
     [](Graph& g, ValueId x) {
       const ValueId y = one(g, "Dropout", {x}, {{"ratio", 0.3f}});
       ir::set_output(g, 0, 1, ir::add_value(g, "mask", DType::kFloat));
       return tiny::relu(g, y);
     },
     "Dropout Relu"},
    {"Slice takes its numbers as inputs", 9, 13,
     [](Graph& g, ValueId x) {
       return one(g, "Slice", {x}, {{"axes", Ints{1, 3}}, {"starts", Ints{1, 0}}, {"ends", Ints{9, -1}}});
     },
     "Slice"},
    {"Slice without axes", 9, 13,
     [](Graph& g, ValueId x) {
       return one(g, "Slice", {x}, {{"starts", Ints{0, 1}}, {"ends", Ints{2, 3}}});
     },
     "Slice"},
    {"TopK takes k as an input", 9, 13,
     [](Graph& g, ValueId x) {
       return tiny::node_outputs(g, "TopK", {x}, {{"axis", int64_t{-1}}, {"k", int64_t{2}}}, 2)[0];
     },
     "TopK"},
    {"Clip takes both bounds as inputs", 7, 13,
     [](Graph& g, ValueId x) {
       return one(g, "Clip", {x}, {{"min", -0.5f}, {"max", 0.25f}});
     },
     "Clip"},
    {"Clip with one bound", 10, 13,
     [](Graph& g, ValueId x) {
       return one(g, "Clip", {x}, {{"max", 0.25f}});
     },
     "Clip"},
    {"Pad takes pads and value as inputs", 9, 13,
     [](Graph& g, ValueId x) {
       return one(g, "Pad", {x}, {{"pads", Ints{0, 0, 1, 2, 0, 0, 2, 1}}, {"value", 1.5f}});
     },
     "Pad"},
    {"Pad reflects", 10, 19,
     [](Graph& g, ValueId x) {
       return one(g, "Pad", {x}, {{"mode", std::string("reflect")}, {"pads", Ints{0, 0, 1, 2, 0, 0, 2, 1}}});
     },
     "Pad"},
    {"Scatter becomes ScatterElements", 9, 13,
     [](Graph& g, ValueId x) {
       const ValueId where = tiny::constant(g, ir::make_tensor(Ints{1, 0}, {1, 1, 1, 2}));
       return one(g, "Scatter", {x, where, tiny::constant_f(g, {7, 8}, {1, 1, 1, 2})},
                  {{"axis", int64_t{2}}});
     },
     "ScatterElements"},
    {"Softmax of the last axis", 12, 13,
     [](Graph& g, ValueId x) {
       return one(g, "Softmax", {x}, {{"axis", int64_t{3}}});
     },
     "Softmax"},
    {"Softmax by default over a matrix",
     9,
     13,
     [](Graph& g, ValueId x) { return one(g, "Softmax", {x}); },
     "Softmax",
     {3, 7}},
    {"Softmax over channels of a pooled map",
     9,
     13,
     [](Graph& g, ValueId x) { return one(g, "Softmax", {x}); },
     "Softmax",
     {2, 6, 1, 1}},
    {"Softmax over several dimensions", 11, 13,
     [](Graph& g, ValueId x) {
       return one(g, "Softmax", {x}, {{"axis", int64_t{-3}}});
     },
     "Flatten Softmax Reshape"},
    {"Softmax by default over more than one dimension", 9, 13,
     [](Graph& g, ValueId x) { return one(g, "Softmax", {x}); }, "Flatten Softmax Reshape"},
    {"Softmax of rows without elements in them", 9, 13,
     [](Graph& g, ValueId x) {
       return one(g, "Softmax", {x}, {{"axis", int64_t{0}}});
     },
     "Flatten Softmax Reshape"},
    {"LogSoftmax of unknown rank", 9, 13, [](Graph& g, ValueId x) { return unshaped(g, "LogSoftmax", x); },
     "Relu Shape Flatten LogSoftmax Reshape"},
    {"Softmax of unknown rank along the last axis", 11, 13,
     [](Graph& g, ValueId x) {
       return unshaped(g, "Softmax", x, {{"axis", int64_t{-1}}});
     },
     "Relu Softmax"},
    {"Hardmax", 12, 13,
     [](Graph& g, ValueId x) {
       return one(g, "Hardmax", {x}, {{"axis", int64_t{2}}});
     },
     "Flatten Hardmax Reshape"},
    {"Squeeze and Unsqueeze take axes as inputs", 8, 13,
     [](Graph& g, ValueId x) {
       return one(g, "Squeeze", {one(g, "Unsqueeze", {x}, {{"axes", Ints{0, 3}}})}, {{"axes", Ints{3}}});
     },
     "Unsqueeze Squeeze"},
    {"Squeeze without axes",
     8,
     13,
     [](Graph& g, ValueId x) { return one(g, "Squeeze", {x}); },
     "Squeeze",
     {1, 3, 1, 2}},
    {"Split takes its parts as an input", 9, 18,
     [](Graph& g, ValueId x) {
       return tiny::node_outputs(g, "Split", {x}, {{"axis", int64_t{3}}, {"split", Ints{2, 3}}}, 2)[1];
     },
     "Split"},
    {"Split in equal parts names their number", 9, 18,
     [](Graph& g, ValueId x) {
       return tiny::node_outputs(g, "Split", {x}, {{"axis", int64_t{2}}}, 2)[1];
     },
     "Split"},
    {"ReduceSum takes axes as an input", 8, 13,
     [](Graph& g, ValueId x) {
       return one(g, "ReduceSum", {x}, {{"axes", Ints{1, 2}}, {"keepdims", int64_t{0}}});
     },
     "ReduceSum"},
    {"ReduceSum of everything", 11, 13, [](Graph& g, ValueId x) { return one(g, "ReduceSum", {x}); },
     "ReduceSum"},
    {"ReduceMean takes axes as an input at 18", 11, 18,
     [](Graph& g, ValueId x) {
       return one(g, "ReduceMean", {x}, {{"axes", Ints{2, 3}}});
     },
     "ReduceMean"},
    {"ReduceMean keeps the attribute before", 11, 17,
     [](Graph& g, ValueId x) {
       return one(g, "ReduceMean", {x}, {{"axes", Ints{2, 3}}});
     },
     "ReduceMean"},
    {"RoiAlign keeps its coordinates", 10, 16,
     [](Graph& g, ValueId x) {
       const ValueId boxes = tiny::constant_f(g, {0, 0, 3, 3, 1, 1, 4, 3}, {2, 4});
       const tiny::Attributes size = {{"output_height", int64_t{2}}, {"output_width", int64_t{2}}};
       return one(g, "RoiAlign", {x, boxes, tiny::constant_i(g, {0, 1})}, size);
     },
     "RoiAlign"},
    {"GridSample renames its modes", 16, 20,
     [](Graph& g, ValueId x) {
       const ValueId grid = tiny::constant(g, tiny::random_tensor({2, 3, 3, 2}, 4));
       return one(g, "GridSample", {x, grid}, {{"mode", std::string("bicubic")}});
     },
     "GridSample"},
    {"ops that did not change", 7, 21,
     [](Graph& g, ValueId x) {
       const ValueId y = tiny::max_pool(g, tiny::relu(g, tiny::conv(g, x, 4)), 2, 1);
       const ValueId z = tiny::node(g, "PRelu", {y, tiny::constant_f(g, {0.1f})}, {}, Ints{2, 4, 3, 4});
       const ValueId pooled = tiny::global_average_pool(g, tiny::concat(g, {y, z}));
       return tiny::gemm(g, tiny::flatten(g, pooled), 8);
     },
     "Conv Relu MaxPool PRelu Concat GlobalAveragePool Flatten Gemm"},
};

}  // namespace

TEST_CASE("a raised model computes what the original computes", "[onnx_io][opset]") {
  for (const Case& c : kCases) {
    DYNAMIC_SECTION(c.name) {
      Graph g = tiny::graph(c.from);
      const ValueId x = tiny::input(g, "x", c.dims);
      const ValueId y = c.build(g, x);
      g.outputs = {y};
      ir::verify(g);
      const std::string before = onnx_io::write(g);
      Diagnostics diagnostics;
      CHECK(onnx_io::raise_opset(g, c.to, diagnostics));
      for (const auto& warning : diagnostics.warnings) UNSCOPED_INFO(to_text(warning, "warning"));
      ir::verify(g);
      CHECK(ir::opset(g) == c.to);
      CHECK(tiny::ops(g) == c.ops);
      const auto inputs = ort_try::random_inputs(before);
      const auto expected = ort_try::run(before, inputs), got = ort_try::run(onnx_io::write(g), inputs);
      CHECK(ort_try::max_relative_error(expected.at(0), got.at(0)) <= 1e-6);
    }
  }
}

TEST_CASE("what cannot be raised is left as it is, with a warning that names it", "[onnx_io][opset]") {
  struct Refused {
    const char* why;
    int64_t from, to;
    std::function<void(Graph&, ValueId)> build;
  };
  const Refused cases[] = {
      {"spatial=0", 7, 13,
       [](Graph& g, ValueId x) {
         tiny::output(g, tiny::batch_norm(g, x));
         ir::set_attribute(g.nodes[0], "spatial", int64_t{0});
       }},
      {"statistics of the batch are used", 9, 14,
       [](Graph& g, ValueId x) {
         tiny::output(g, tiny::batch_norm(g, x));
         for (size_t i = 1; i < 5; ++i) ir::set_output(g, 0, i, ir::add_value(g, "m", DType::kFloat));
         tiny::output(g, g.nodes[0].outputs[2]);
       }},
      {"its mask is used", 9, 13,
       [](Graph& g, ValueId x) {
         for (const ValueId y : tiny::node_outputs(g, "Dropout", {x}, {}, 2)) tiny::output(g, y);
       }},
      {"shrinks one dimension and enlarges another", 10, 11,
       [](Graph& g, ValueId x) {
         tiny::output(g, one(g, "Resize", {x, tiny::constant_f(g, {1, 1, 2, 0.5f})}));
       }},
      {"tf_half_pixel_for_nn", 11, 13,
       [](Graph& g, ValueId x) {
         const tiny::Attributes mode = {
             {"coordinate_transformation_mode", std::string("tf_half_pixel_for_nn")}};
         tiny::output(
             g, one(g, "Resize", {x, tiny::constant_f(g, {}, {0}), tiny::constant_f(g, {1, 1, 2, 2})}, mode));
       }},
      {"not known how this op changed", 9, 13,
       [](Graph& g, ValueId x) { tiny::output(g, one(g, "Telepathy", {x})); }},
      {"rules end at opset 21", 13, 22, [](Graph& g, ValueId x) { tiny::output(g, tiny::relu(g, x)); }},
      {"GroupNormalization", 18, 21,
       [](Graph& g, ValueId x) { tiny::output(g, one(g, "GroupNormalization", {x})); }},
      {"of type float16", 9, 13,
       [](Graph& g, ValueId x) {
         ir::value_at(g, x).dtype = DType::kFloat16;
         tiny::output(g, one(g, "Clip", {x}, {{"max", 0.25f}}));
       }},
      {"its body holds Softmax", 11, 13,
       [](Graph& g, ValueId x) {
         tiny::output(g, one(g, "If", {x}));
         onnx::AttributeProto branch;
         branch.set_name("then_branch");
         branch.set_type(onnx::AttributeProto::GRAPH);
         branch.mutable_g()->add_node()->set_op_type("Softmax");
         g.nodes[0].attributes.push_back({"then_branch", ir::OpaqueAttribute{branch.SerializeAsString()}});
       }},
  };
  for (const Refused& c : cases) {
    INFO(c.why);
    Graph g = tiny::graph(c.from);
    const ValueId x = tiny::input(g, "x", {1, 3, 4, 4});
    c.build(g, x);
    const ValueId clip = one(g, "Upsample", {x}, {{"scales", Floats{1, 1, 2, 2}}});  // would change by rule
    tiny::output(g, clip);
    if (c.from > 9) ir::erase_node(g, ir::value_at(g, clip).producer), g.outputs.pop_back();
    const std::string before = ir::dump(g);
    Diagnostics diagnostics;
    CHECK_FALSE(onnx_io::raise_opset(g, c.to, diagnostics));
    CHECK(ir::dump(g) == before);
    REQUIRE(diagnostics.warnings.size() == 1);
    CHECK_THAT(to_text(diagnostics.warnings[0], "warning"), Catch::Contains(c.why));
  }
}

TEST_CASE("ops outside the standard domain are nobody's business here", "[onnx_io][opset]") {
  Graph g = tiny::graph(9);
  tiny::output(g, one(g, "Telepathy", {tiny::input(g, "x", {1})}));
  g.nodes[0].domain = "com.example";
  Diagnostics diagnostics;
  CHECK(onnx_io::raise_opset(g, 13, diagnostics));
  CHECK(ir::opset(g) == 13);
}

TEST_CASE("functions are raised with the model as long as their ops did not change", "[onnx_io][opset]") {
  const auto with_function = [](const std::string& op) {
    Graph g = tiny::graph(12);
    g.opset_imports.emplace_back("mine", 1);
    const ValueId y = one(g, "Wrapped", {tiny::input(g, "x", {2, 6})});
    g.nodes.back().domain = "mine";
    tiny::output(g, y, "y");
    onnx::FunctionProto function;
    function.set_domain("mine");
    function.set_name("Wrapped");
    function.add_input("a");
    function.add_output("b");
    auto* import = function.add_opset_import();
    import->set_version(12);
    auto* node = function.add_node();
    node->set_op_type(op);
    node->add_input("a");
    node->add_output("b");
    g.functions.push_back(function.SerializeAsString());
    return g;
  };
  Graph g = with_function("Sigmoid");
  const auto inputs = ort_try::random_inputs(onnx_io::write(g));
  const auto expected = ort_try::run(onnx_io::write(g), inputs);
  Diagnostics diagnostics;
  REQUIRE(onnx_io::raise_opset(g, 13, diagnostics));
  onnx::FunctionProto raised;
  REQUIRE(raised.ParseFromString(g.functions[0]));
  CHECK(raised.opset_import(0).version() == 13);
  CHECK(ir::equal(ort_try::run(onnx_io::write(g), inputs)[0], expected[0]));

  Graph changed = with_function("Softmax");
  const std::vector<std::string> before = changed.functions;
  CHECK_FALSE(onnx_io::raise_opset(changed, 13, diagnostics));
  CHECK(changed.functions == before);
  REQUIRE(diagnostics.warnings.size() == 1);
  CHECK(diagnostics.warnings[0].place == "function 'mine.Wrapped'");
  CHECK_THAT(diagnostics.warnings[0].cause, Catch::Contains("Softmax"));
}

TEST_CASE("real models raised to 13, 17 and 21 compute what they did", "[onnx_io][opset][real]") {
  for (const std::string& path : ort_try::real_models()) {
    Diagnostics diagnostics;
    const Graph graph = onnx_io::read(path, diagnostics);
    const std::string original = read_file(path);
    const auto inputs = ort_try::random_inputs(original);
    const auto expected = ort_try::run(original, inputs);
    for (const int64_t version : {13, 17, 21}) {
      INFO(path << " to " << version);
      if (ir::opset(graph) >= version) continue;
      Graph raised = graph;
      REQUIRE(onnx_io::raise_opset(raised, version, diagnostics));
      ir::verify(raised);
      const auto got = ort_try::run(onnx_io::write(raised), inputs);
      for (size_t i = 0; i < got.size(); ++i) CHECK(ort_try::max_relative_error(expected[i], got[i]) <= 1e-6);
    }
  }
}
