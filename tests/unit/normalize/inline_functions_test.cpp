// Calls of model-local functions: what comes in, under which names, and what stays a call. The messages of
// functions are written here, as an exporter writes them.
#include <onnx/onnx_pb.h>
#include <catch2/catch.hpp>

#include "ir/edit.h"
#include "normalize/normalize.h"
#include "normalize/rewrites.h"
#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "run/ort_runner.h"
#include "support/branches.h"
#include "support/tiny_models.h"
#include "unit/normalize/try_rewrite.h"

using namespace qc;
using namespace qc::tiny;

namespace {

onnx::FunctionProto function(const std::string& name, const std::vector<std::string>& inputs,
                             const std::vector<std::string>& outputs, int64_t opset = 18) {
  onnx::FunctionProto made;
  made.set_domain("mine");
  made.set_name(name);
  for (const std::string& input : inputs) made.add_input(input);
  for (const std::string& output : outputs) made.add_output(output);
  made.add_opset_import()->set_version(opset);
  auto* own = made.add_opset_import();
  own->set_domain("mine");
  own->set_version(1);
  return made;
}

onnx::NodeProto* inner(onnx::FunctionProto& made, const std::string& op,
                       const std::vector<std::string>& inputs, const std::string& output) {
  onnx::NodeProto* node = made.add_node();
  node->set_op_type(op);
  for (const std::string& input : inputs) node->add_input(input);
  node->add_output(output);
  return node;
}

onnx::NodeProto* call(onnx::FunctionProto& made, const std::string& name,
                      const std::vector<std::string>& inputs, const std::string& output) {
  onnx::NodeProto* node = inner(made, name, inputs, output);
  node->set_domain("mine");
  return node;
}

void refer(onnx::NodeProto* node, const std::string& name, onnx::AttributeProto::AttributeType type) {
  auto* attribute = node->add_attribute();
  attribute->set_name(name);
  attribute->set_ref_attr_name(name);
  attribute->set_type(type);
}

/// x * sigmoid(x)
onnx::FunctionProto gate() {
  onnx::FunctionProto made = function("Gate", {"x"}, {"y"});
  inner(made, "Sigmoid", {"x"}, "s");
  inner(made, "Mul", {"x", "s"}, "y");
  return made;
}

ir::Graph calling(std::initializer_list<onnx::FunctionProto> functions, int64_t opset = 18) {
  ir::Graph g = graph(opset);
  g.ir_version = 8;
  g.opset_imports.emplace_back("mine", 1);
  for (const auto& one : functions) g.functions.push_back(one.SerializeAsString());
  return g;
}

ir::ValueId call_node(ir::Graph& g, const std::string& name, std::vector<ir::ValueId> inputs,
                      std::vector<ir::Attribute> attributes = {}) {
  const auto y = node(g, name, std::move(inputs), std::move(attributes), Dims{1, 4});
  g.nodes.back().domain = "mine";
  return y;
}

int open(ir::Graph& g) {
  return normalize::inline_functions(g, opened_bodies());
}

}  // namespace

TEST_CASE("a call becomes the function's nodes, those of functions that it calls too", "[normalize]") {
  onnx::FunctionProto twice = function("Twice", {"a"}, {"b"});
  call(twice, "Gate", {"a"}, "s");  // 's' is a name inside Gate as well
  call(twice, "Gate", {"s"}, "b");
  ir::Graph g = calling({gate(), twice});
  const auto x = input(g, "x", {1, 4});
  output(g, call_node(g, "Gate", {call_node(g, "Twice", {x})}), "y");
  const auto result = try_rewrite::outcome(through_file(g), open);
  CHECK(result.count == 4);
  CHECK(result.ops.find("Twice") == std::string::npos);
  CHECK(std::count_if(result.graph.nodes.begin(), result.graph.nodes.end(),
                      [](const ir::Node& node) { return !node.erased && node.op_type == "Sigmoid"; }) == 3);
  CHECK(result.change == 0);
  CHECK(result.graph.functions.empty());
  for (const ir::Node& node : result.graph.nodes)
    if (!node.erased) CHECK(node.origin.size() == 1);  // filters by the call's name find them
}

TEST_CASE("attributes of the call stand where the function refers to them; others are left out",
          "[normalize]") {
  onnx::FunctionProto leaky = function("Leaky", {"x", "unused"}, {"y"});
  refer(inner(leaky, "LeakyRelu", {"x"}, "t"), "alpha", onnx::AttributeProto::FLOAT);
  refer(inner(leaky, "Elu", {"t"}, "y"), "beta", onnx::AttributeProto::FLOAT);
  *leaky.add_attribute() = "alpha";
  ir::Graph g = calling({leaky});
  const auto x = input(g, "x", {1, 4});
  output(g, call_node(g, "Leaky", {x}, {{"alpha", 0.25f}}), "y");
  const ir::Graph read = through_file(g);
  ir::Graph opened = read;
  REQUIRE(open(opened) == 1);
  const ir::Node& first = ir::node_at(opened, only(opened, "LeakyRelu"));
  CHECK(ir::float_attribute(first, "alpha", 0) == 0.25f);
  CHECK(ir::node_at(opened, only(opened, "Elu")).attributes.empty());
}

TEST_CASE("an attribute's value in the function is what calls without it mean", "[normalize]") {
  onnx::FunctionProto leaky = function("Leaky", {"x"}, {"y"});
  refer(inner(leaky, "LeakyRelu", {"x"}, "y"), "alpha", onnx::AttributeProto::FLOAT);
  onnx::AttributeProto fallback;
  fallback.set_name("alpha");
  fallback.set_type(onnx::AttributeProto::FLOAT);
  fallback.set_f(0.5f);
  // FunctionProto.attribute_proto, field 11 of messages newer than the library's.
  std::string bytes = leaky.SerializeAsString() + '\x5a' + static_cast<char>(fallback.ByteSizeLong()) +
                      fallback.SerializeAsString();
  ir::Graph g = calling({});
  g.functions.push_back(bytes);
  const auto x = input(g, "x", {1, 4});
  const auto y = call_node(g, "Leaky", {call_node(g, "Leaky", {x}, {{"alpha", 0.125f}})});
  output(g, y, "y");
  const auto result = try_rewrite::outcome(through_file(g), open);
  CHECK(result.count == 2);
  CHECK(result.change == 0);
}

TEST_CASE("bodies inside a function read its values by their new names", "[normalize]") {
  onnx::FunctionProto choose = function("Choose", {"x", "flag"}, {"y"});
  inner(choose, "Neg", {"x"}, "n");
  onnx::NodeProto* fork = inner(choose, "If", {"flag"}, "y");
  for (const char* const branch : {"then_branch", "else_branch"}) {
    auto* attribute = fork->add_attribute();
    attribute->set_name(branch);
    attribute->set_type(onnx::AttributeProto::GRAPH);
    onnx::GraphProto& body = *attribute->mutable_g();
    body.set_name(branch);
    auto* node = body.add_node();
    node->set_op_type(branch == std::string("then_branch") ? "Abs" : "Exp");
    node->add_input("n");
    node->add_output("inside");
    auto* result = body.add_output();
    result->set_name("inside");
    result->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  }
  ir::Graph g = calling({choose});
  const auto x = input(g, "x", {1, 4});
  const auto flag = input(g, "flag", {}, ir::DType::kBool);
  output(g, add(g, call_node(g, "Choose", {x, flag}), call_node(g, "Choose", {x, flag})), "y");
  const ir::Graph before = through_file(g);
  ir::Graph after = before;
  REQUIRE(open(after) == 2);
  ir::verify(after);
  for (const char flag_byte : {'\0', '\1'}) {
    const std::vector<ir::Tensor> inputs = {random_tensor({1, 4}, 7),
                                            ir::make_tensor(ir::DType::kBool, std::string(1, flag_byte), {})};
    CHECK(try_rewrite::largest_change(try_rewrite::run(before, inputs), try_rewrite::run(after, inputs)) ==
          0);
  }
}

TEST_CASE("calls that cannot be taken apart stay, and so do their functions", "[normalize]") {
  const auto stays = [](ir::Graph g, const std::string& name) {
    const auto x = input(g, "x", {1, 4});
    output(g, call_node(g, name, {x}), "y");
    const std::vector<std::string> functions = g.functions;
    const std::string before = ir::dump(g);
    return open(g) == 0 && ir::dump(g) == before && g.functions == functions;
  };
  CHECK(stays(calling({gate()}, 17), "Gate"));      // another opset
  CHECK(stays(calling({gate(), gate()}), "Gate"));  // overloads
  CHECK(stays(calling({gate()}), "Elsewhere"));     // no function
  onnx::FunctionProto broken = function("Broken", {"x"}, {"y"});
  inner(broken, "Neg", {"nobody"}, "y");
  CHECK(stays(calling({broken}), "Broken"));
  CHECK(normalize::inline_functions(*std::make_unique<ir::Graph>(calling({gate()})), {}) == 0);
}

TEST_CASE("a function that calls itself ends", "[normalize]") {
  onnx::FunctionProto endless = function("Endless", {"x"}, {"y"});
  call(endless, "Endless", {"x"}, "y");
  ir::Graph g = calling({endless});
  output(g, call_node(g, "Endless", {input(g, "x", {1, 4})}), "y");
  CHECK(open(g) < 100);
}

TEST_CASE("functions that call each other twice at every level stay a graph that fits in memory",
          "[normalize]") {
  constexpr int kMostCalls = 10'000;  // of inline_functions()
  const auto twice = [](const std::string& name, const std::string& called) {
    onnx::FunctionProto made = function(name, {"x"}, {"y"});
    call(made, called, {"x"}, "s");
    call(made, called, {"s"}, "y");
    return made;
  };
  ir::Graph g = calling({twice("Doubling", "Doubling")});  // 2^33 calls down to the depth that is looked at
  output(g, call_node(g, "Doubling", {input(g, "x", {1, 4})}), "y");
  CHECK(open(g) == kMostCalls);
  ir::verify(g);
  CHECK(g.functions.size() == 1);  // the calls that stay need it
}

TEST_CASE("layers that are functions come apart before the opset is raised, and are seen by all rewrites",
          "[normalize]") {
  onnx::FunctionProto layer = function("Layer", {"x", "w"}, {"y"}, 12);
  inner(layer, "MatMul", {"x", "w"}, "m");
  refer(inner(layer, "Softmax", {"m"}, "y"), "axis", onnx::AttributeProto::INT);
  ir::Graph g = calling({layer}, 12);
  const auto x = input(g, "x", {1, 4});
  output(g, call_node(g, "Layer", {x, constant(g, filled({4, 4}, 0.5f))}, {{"axis", int64_t{1}}}), "y");
  ir::Graph read = through_file(g);
  run::OrtRunnerFactory runners(onnx_codec());
  Diagnostics diagnostics;
  ir::Graph closed = read;
  CHECK_FALSE(onnx_io::raise_opset(closed, 13, diagnostics));
  const auto options = normalize_options({filled({1, 4}, 2)}, onnx_codec());
  const auto applied = normalize::open_bodies(read, runners, options, diagnostics);
  REQUIRE_FALSE(applied.empty());
  CHECK(applied.front().rewrite == "inline_functions");
  CHECK(applied.front().change == 0);
  CHECK(onnx_io::raise_opset(read, 13, diagnostics));
  CHECK(ops(read).find("MatMul Softmax") != std::string::npos);
}
