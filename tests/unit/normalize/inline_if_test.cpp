// If with a fixed condition: which branch comes in, under which names, and what stays closed. Graphs go
// through a file first, so that what bodies read is linked as the reader does it.
#include <catch2/catch.hpp>

#include "ir/edit.h"
#include "normalize/normalize.h"
#include "normalize/rewrites.h"
#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "support/branches.h"
#include "support/tiny_models.h"
#include "unit/normalize/try_rewrite.h"

using namespace qc;
using namespace qc::tiny;

namespace {

/// In rounds, as normalize() does it: types inside a branch are known when it is no branch any more.
int open(ir::Graph& g) {
  for (int count = 0;;) {
    run::infer_shapes(g, onnx_codec());
    const int more = normalize::inline_if(g, opened_bodies());
    count += more;
    if (more == 0) return count;
  }
}

}  // namespace

TEST_CASE("an If with a fixed condition becomes its branch", "[normalize]") {
  for (const bool condition : {true, false}) {
    ir::Graph g = graph();
    const auto x = input(g, "x", {1, 4});
    const auto y = if_node(g, truth(g, condition), unary("Neg", "x", "t"), unary("Abs", "x", "e"));
    output(g, y, "y");
    const auto result = try_rewrite::outcome(through_file(g), open);
    CHECK(result.count == 1);
    CHECK(result.ops == (condition ? "Neg Identity" : "Abs Identity"));
    CHECK(result.change == 0);
    CHECK(ir::find_value(result.graph, condition ? "t" : "e") != ir::kNone);
    CHECK(value(result.graph, x).consumers.size() == 1);
  }
}

TEST_CASE("a condition that a run decides keeps the If, and so does a body that is none", "[normalize]") {
  ir::Graph g = graph();
  input(g, "x", {1, 4});
  const auto flag = input(g, "flag", {}, ir::DType::kBool);
  output(g, if_node(g, flag, unary("Neg", "x", "t"), unary("Abs", "x", "e")));
  ir::Graph read = through_file(g);
  CHECK(open(read) == 0);
  ir::set_input(read, only(read, "If"), 0, truth(read, true));
  ir::node_at(read, only(read, "If")).attributes[0].value = ir::OpaqueAttribute{"no body"};
  CHECK(normalize::inline_if(read, opened_bodies()) == 0);
  CHECK(normalize::inline_if(read, {}) == 0);
  CHECK(ops(read) == "If");
}

TEST_CASE("branches that use the same names come in side by side", "[normalize]") {
  ir::Graph g = graph();
  input(g, "x", {1, 4});
  const auto flag = input(g, "flag", {}, ir::DType::kBool);
  const auto a = if_node(g, truth(g, true), unary("Neg", "x", "r"), unary("Abs", "x", "r"));
  const auto b = if_node(g, truth(g, false), unary("Neg", "x", "r"), unary("Abs", "x", "r"));
  const auto c = if_node(g, flag, unary("Neg", "x", "s"), unary("Abs", "x", "s"));
  const auto d = if_node(g, truth(g, true), unary("Floor", "x", "s"), unary("Abs", "x", "s"));
  for (const auto v : {a, b, c, d}) output(g, v);
  ir::Graph read = through_file(g);
  CHECK(open(read) == 3);
  ir::verify(read);
  CHECK(ops(read) == "If Neg Identity Abs Identity Floor Identity");
  // "s" is a name inside the If that stays: nobody outside may have it.
  CHECK(ir::find_value(read, "s") == ir::kNone);
  CHECK(ir::find_value(read, "s_1") != ir::kNone);
  const std::vector<ir::Tensor> inputs = {filled({1, 4}, -1.5f),
                                          ir::make_tensor(ir::DType::kBool, std::string(1, '\1'), {})};
  CHECK(try_rewrite::largest_change(try_rewrite::run(through_file(g), inputs),
                                    try_rewrite::run(read, inputs)) == 0);
}

TEST_CASE("an If inside a branch follows, unless it asks for a name that is taken", "[normalize]") {
  const auto nested = [](bool outer_has_name) {
    ir::Graph g = graph();
    const auto x = input(g, "x", {1, 4});
    const auto flag = truth(g, true);
    ir::value_at(g, flag).name = "flag";
    ir::ValueId first = x;
    if (outer_has_name) {
      first = node(g, "Abs", {x}, {}, Dims{1, 4});
      ir::value_at(g, first).name = "n";
    }
    const auto y = if_node(
        g, flag,
        [](ir::Graph& b) {
          const auto inner_flag = input(b, "flag", {}, ir::DType::kBool);
          const auto n = node(b, "Neg", {input(b, "x", {1, 4})}, {}, Dims{1, 4});
          ir::value_at(b, n).name = "n";
          output(b, if_node(b, inner_flag, unary("Floor", "n", "f"), unary("Ceil", "n", "ce")), "t");
        },
        unary("Abs", "x", "e"));
    output(g, add(g, y, first), "y");
    return through_file(g);
  };
  const auto result = try_rewrite::outcome(nested(false), open);
  CHECK(result.count == 2);
  CHECK(result.ops == "Neg Floor Identity Identity Add");
  CHECK(result.change == 0);
  // Two branches of different Ifs may have one name; here the outer graph has it, which no runtime takes.
  ir::Graph taken = nested(true);
  ir::value_at(taken, ir::node_at(taken, only(taken, "If")).outputs[0]).dtype = ir::DType::kFloat;
  CHECK(normalize::inline_if(taken, opened_bodies()) == 0);
}

TEST_CASE("a branch may have several results, a constant among them, and be read by name", "[normalize]") {
  ir::Graph g = graph();
  const auto x = input(g, "x", {1, 4});
  const auto flag = input(g, "flag", {}, ir::DType::kBool);
  const auto hand_on = [](ir::Graph& b) {
    const auto read = input(b, "x", {1, 4});
    const auto first = node(b, "Neg", {read}, {}, Dims{1, 4}),
               second = node(b, "Abs", {read}, {}, Dims{1, 4});
    const auto fixed = node(b, "Identity", {constant_f(b, {1, 2, 3, 4}, {1, 4})}, {}, Dims{1, 4});
    for (const auto v : {first, second, fixed}) b.outputs.push_back(v);
  };
  const std::vector<ir::ValueId> results = node_outputs(
      g, "If", {truth(g, true)}, {body("then_branch", hand_on), body("else_branch", hand_on)}, 3);
  const char* const names[] = {"p", "q", "r"};
  for (size_t i = 0; i < 3; ++i) {
    ir::value_at(g, results[i]).dtype = ir::DType::kFloat;
    ir::value_at(g, results[i]).name = names[i];
  }
  const auto last = if_node(g, flag, unary("Floor", "p", "f"), unary("Ceil", "p", "e"));
  output(g, add(g, add(g, last, results[1]), add(g, results[2], x)), "sum");
  output(g, results[0]);
  ir::Graph read = through_file(g);
  const ir::Graph before = read;
  run::OrtRunnerFactory runners(onnx_codec());
  Diagnostics diagnostics;
  normalize::Options options = normalize_options({}, onnx_codec());
  const auto applied = normalize::normalize(read, runners, options, diagnostics);
  CHECK(ops(read).find("Identity") != std::string::npos);  // 'p' is read by name, and an output
  CHECK(ir::find_value(read, "p") != ir::kNone);
  const std::vector<ir::Tensor> inputs = {random_tensor({1, 4}, 7),
                                          ir::make_tensor(ir::DType::kBool, std::string(1, '\1'), {})};
  CHECK(try_rewrite::largest_change(try_rewrite::run(before, inputs), try_rewrite::run(read, inputs)) < 1e-6);
}

TEST_CASE("a condition that known sizes decide opens the If before the opset is raised", "[normalize]") {
  ir::Graph g = graph(11);
  const auto x = input(g, "x", {1, 4});
  const auto axis = node(g, "Gather", {node(g, "Shape", {x}, {}, Dims{2}), constant_i(g, {1})}, {}, Dims{1});
  const auto is_four = node(g, "Equal", {axis, constant_i(g, {4})}, {}, Dims{1});
  for (const auto v : {ir::node_at(g, only(g, "Shape")).outputs[0], axis})
    ir::value_at(g, v).dtype = ir::DType::kInt64;
  ir::value_at(g, is_four).dtype = ir::DType::kBool;
  const auto squeeze = [](ir::Graph& b) {  // another op from opset 13 on
    output(b, node(b, "Squeeze", {input(b, "x", {1, 4})}, {{"axes", Dims{0}}}, Dims{4}), "t");
  };
  output(g, node(g, "Neg", {if_node(g, is_four, squeeze, unary("Abs", "x", "e"), {4})}, {}, Dims{4}), "y");
  ir::Graph read = through_file(g);
  run::OrtRunnerFactory runners(onnx_codec());
  Diagnostics diagnostics;
  const auto options = normalize_options({filled({1, 4}, 2)}, onnx_codec());
  ir::Graph closed = read;
  CHECK_FALSE(onnx_io::raise_opset(closed, 13, diagnostics));
  const auto applied = normalize::open_bodies(read, runners, options, diagnostics);
  CHECK(onnx_io::raise_opset(read, 13, diagnostics));
  CHECK(applied.back().rewrite == "inline_if");
  const auto all = normalize::sum_of(applied, normalize::normalize(read, runners, options, diagnostics));
  CHECK(ops(read) == "Squeeze Neg");
  CHECK(std::count_if(all.begin(), all.end(), [](const auto& one) { return one.rewrite == "inline_if"; }) ==
        1);
}

TEST_CASE("without an If that opens nothing is done in front of the opset", "[normalize]") {
  ir::Graph g = graph();
  input(g, "x", {1, 4});
  const auto flag = input(g, "flag", {}, ir::DType::kBool);
  const auto three = add(g, constant(g, 1.0f), constant(g, 2.0f));
  output(g, add(g, if_node(g, flag, unary("Neg", "x", "t"), unary("Abs", "x", "e")), three), "y");
  ir::Graph read = through_file(g);
  const std::string before = ir::dump(read);
  run::OrtRunnerFactory runners(onnx_codec());
  Diagnostics diagnostics;
  CHECK(normalize::open_bodies(read, runners, normalize_options({}, onnx_codec()), diagnostics).empty());
  CHECK(ir::dump(read) == before);
}
