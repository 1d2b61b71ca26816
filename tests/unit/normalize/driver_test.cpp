// The driver: order, rounds, checking, undoing. The runtime is a fake whose answers depend on what is in the
// graph, so that a "wrong" rewrite can be staged.
#include <catch2/catch.hpp>

#include "normalize/normalize.h"
#include "support/tiny_models.h"
#include "unit/normalize/try_rewrite.h"

using namespace qc;
using namespace qc::tiny;

namespace {

using Answer = std::function<float(const std::string& ops)>;

/// Runs nothing: the one output is `answer` of the graph's ops.
class FakeRunners : public run::RunnerFactory {
 public:
  explicit FakeRunners(Answer answer) : answer_(std::move(answer)) {}
  std::unique_ptr<run::ModelRunner> make(const ir::Graph& graph, std::vector<run::Tap>,
                                         const run::RunnerOptions&) override {
    struct Runner : run::ModelRunner {
      std::vector<ir::Tensor> run(std::span<const ir::Tensor>, int64_t) override { return outputs; }
      std::vector<ir::Tensor> outputs;
    };
    ++sessions;
    auto runner = std::make_unique<Runner>();
    runner->outputs.assign(graph.outputs.size(), filled({1}, answer_(ops(graph))));
    return runner;
  }
  int sessions = 0;

 private:
  Answer answer_;
};

ir::Graph block() {
  ir::Graph g = graph();
  const auto y = batch_norm(g, conv(g, input(g, "x", {1, 4, 8, 8}), 4));
  output(g, flatten(g, node(g, "Identity", {clip(g, relu(g, y), 0, 6)})), "result");
  return g;
}

normalize::Options checked() {
  normalize::Options options;
  options.check_inputs = {filled({1, 4, 8, 8}, 1)};
  return options;
}

const normalize::Applied* find(const std::vector<normalize::Applied>& applied, const std::string& name) {
  for (const auto& one : applied)
    if (one.rewrite == name) return &one;
  return nullptr;
}

}  // namespace

TEST_CASE("rewrites enable each other until nothing changes", "[normalize]") {
  ir::Graph g = block();
  FakeRunners runners([](const std::string&) { return 1.0f; });
  Diagnostics diagnostics;
  const auto applied = normalize::normalize(g, runners, {}, diagnostics);
  CHECK(ops(g) == "Conv Clip Reshape");
  CHECK(find(applied, "fold_batch_norm")->count == 1);
  CHECK(find(applied, "plain_activations")->count == 1);
  CHECK(value(g, g.outputs[0]).name == "result");
  CHECK(normalize::normalize(g, runners, {}, diagnostics).empty());
}

TEST_CASE("a ConvTranspose becomes a convolution where that is asked for, when all is folded",
          "[normalize]") {
  const auto build = [] {
    ir::Graph g = graph();
    const auto y = conv_transpose(g, input(g, "x", {1, 4, 8, 8}), 4, {.kernel = 2, .stride = 2, .pad = 0});
    output(g, clip(g, relu(g, batch_norm(g, y)), 0, 6));
    return g;
  };
  FakeRunners runners([](const std::string&) { return 1.0f; });
  Diagnostics diagnostics;
  ir::Graph g = build(), kept = build();
  normalize::Options options;
  options.sub_pixel = normalize::SubPixel::kAlways;
  const auto applied = normalize::normalize(g, runners, options, diagnostics);
  CHECK(ops(g) == "Conv Clip DepthToSpace");
  CHECK(find(applied, "sub_pixel")->count == 1);
  normalize::normalize(kept, runners, {}, diagnostics);
  CHECK(ops(kept) == "ConvTranspose Clip");
}

TEST_CASE("checking a good run costs two sessions", "[normalize]") {
  ir::Graph g = block();
  FakeRunners runners([](const std::string&) { return 1.0f; });
  Diagnostics diagnostics;
  const auto applied = normalize::normalize(g, runners, checked(), diagnostics);
  CHECK(runners.sessions == 2);
  CHECK(applied.front().change == 0);
  CHECK(diagnostics.warnings.empty());
}

TEST_CASE("a rewrite that changes an output is undone and named, the others stay", "[normalize]") {
  ir::Graph g = block();
  FakeRunners runners([](const std::string& names) {
    return names.find("BatchNormalization") == std::string::npos ? 1.5f : 1.0f;
  });
  Diagnostics diagnostics;
  const auto applied = normalize::normalize(g, runners, checked(), diagnostics);
  CHECK(ops(g) == "Conv BatchNormalization Clip Reshape");
  CHECK(find(applied, "fold_batch_norm")->undone);
  CHECK(find(applied, "fold_batch_norm")->change == Approx(0.5));
  CHECK_FALSE(find(applied, "flatten_to_reshape")->undone);
  REQUIRE(diagnostics.warnings.size() == 1);
  CHECK(diagnostics.warnings[0].cause.find("fold_batch_norm") != std::string::npos);
}

TEST_CASE("a rewritten graph that the runtime refuses is undone as well", "[normalize]") {
  ir::Graph g = block();
  FakeRunners runners([](const std::string& names) {
    if (names.find("Flatten") == std::string::npos)
      throw Error(Exit::kInput, {"refused", "graph", "no Flatten", "none"});
    return 1.0f;
  });
  Diagnostics diagnostics;
  const auto applied = normalize::normalize(g, runners, checked(), diagnostics);
  CHECK(ops(g) == "Conv Clip Flatten");
  CHECK(find(applied, "flatten_to_reshape")->undone);
}

TEST_CASE("a graph that makes random numbers is not compared with itself", "[normalize]") {
  ir::Graph g = graph();
  const auto noise = node(g, "RandomNormalLike", {input(g, "x", {1, 4, 8, 8})}, {}, Dims{1, 4, 8, 8});
  output(g, batch_norm(g, conv(g, noise, 4)));
  float answer = 0;
  FakeRunners runners([&](const std::string&) { return answer += 1; });
  Diagnostics diagnostics;
  const auto applied = normalize::normalize(g, runners, checked(), diagnostics);
  CHECK(ops(g) == "RandomNormalLike Conv");
  CHECK(runners.sessions == 0);
  CHECK(applied.size() == 1);
}

TEST_CASE("shapes are asked for again before every round", "[normalize]") {
  ir::Graph g = block();
  FakeRunners runners([](const std::string&) { return 1.0f; });
  Diagnostics diagnostics;
  normalize::Options options;
  int asked = 0;
  options.infer_shapes = [&](ir::Graph&) { ++asked; };
  normalize::normalize(g, runners, options, diagnostics);
  CHECK(asked == 2);  // one round of changes, one that finds nothing
}

TEST_CASE("a node that nobody understands rides along", "[normalize]") {
  ir::Graph g = graph();
  const auto a = batch_norm(g, conv(g, input(g, "x", {1, 4, 8, 8}), 4));
  const auto b = node(g, "Gadget", {a}, {{"secret", ir::OpaqueAttribute{"bytes"}}});
  g.nodes.back().domain = "somebody.else";
  const auto inner = relu(g, a);
  ir::node_at(g, value(g, b).producer).captures = {inner};
  ir::value_at(g, inner).consumers.push_back(value(g, b).producer);
  output(g, node(g, "Identity", {b}), "result");
  FakeRunners runners([](const std::string&) { return 1.0f; });
  Diagnostics diagnostics;
  normalize::normalize(g, runners, {}, diagnostics);
  CHECK(ops(g) == "Conv Relu Gadget");
  CHECK(value(g, producer(g, g.outputs[0]).captures[0]).name == value(g, inner).name);
}

TEST_CASE("nodes with too few inputs are named, all at once", "[normalize]") {
  ir::Graph g = graph();
  const auto x = input(g, "x", {1, 4, 8, 8});
  output(g, node(g, "Sub", {x}, {}, Dims{1, 4, 8, 8}));
  output(g, node(g, "Relu", {}, {}, Dims{1, 4, 8, 8}));
  FakeRunners runners([](const std::string&) { return 1.0f; });
  Diagnostics diagnostics;
  try {
    normalize::normalize(g, runners, {}, diagnostics);
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kInput);
    CHECK(error.problems.size() == 2);
    CHECK(error.problems[0].place == "node 'Sub' (Sub)");
  }
}

TEST_CASE("every rewrite has a name of its own and a sentence", "[normalize]") {
  std::vector<std::string_view> names;
  for (const auto& info : normalize::rewrites()) {
    CHECK(std::find(names.begin(), names.end(), info.name) == names.end());
    CHECK(info.what.ends_with("."));
    names.push_back(info.name);
  }
  CHECK(names.size() == 41);
}
