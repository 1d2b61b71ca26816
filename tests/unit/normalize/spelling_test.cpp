// One spelling for each activation, and functions recognised in every order of their nodes.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "base/files.h"
#include "normalize/idioms.h"
#include "normalize/rewrites.h"
#include "onnx_io/onnx_io.h"
#include "support/tiny_models.h"
#include "unit/normalize/try_rewrite.h"
#include "unit/onnx_io/ort_try.h"

using namespace qc;
using namespace qc::tiny;
using try_rewrite::image;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Apart from ValueId, which is an integer as well.
struct Number {
  double v;
};
constexpr Number operator""_n(unsigned long long v) {
  return {static_cast<double>(v)};
}
constexpr Number operator""_n(long double v) {
  return {static_cast<double>(v)};
}
constexpr Number operator-(Number n) {
  return {-n.v};
}

ir::ValueId number(ir::Graph& g, double v) {
  return constant(g, static_cast<float>(v));
}
ir::ValueId op(ir::Graph& g, const char* type, ir::ValueId a, ir::ValueId b) {
  return node(g, type, {a, b});
}
ir::ValueId op(ir::Graph& g, const char* type, ir::ValueId a, Number b) {
  return node(g, type, {a, number(g, b.v)});
}
ir::ValueId op(ir::Graph& g, const char* type, Number a, ir::ValueId b) {
  return node(g, type, {number(g, a.v), b});
}
ir::ValueId fn(ir::Graph& g, const char* type, ir::ValueId a) {
  return node(g, type, {a});
}

using Build = std::function<ir::ValueId(ir::Graph&, ir::ValueId)>;
struct Spelling {
  const char* how;
  Build build;
};

const std::vector<Spelling> kHardSwish = {
    {"x * clip(x+3,0,6) / 6",
     [](ir::Graph& g, ir::ValueId x) {
       return op(g, "Div", op(g, "Mul", x, clip(g, op(g, "Add", x, 3_n), 0, 6)), 6_n);
     }},
    {"clip(3+x,0,6) * x * (1/6)",
     [](ir::Graph& g, ir::ValueId x) {
       return op(g, "Mul", op(g, "Mul", clip(g, op(g, "Add", 3_n, x), 0, 6), x), Number{1.0 / 6});
     }},
    {"x * (clip(x+3,0,6) / 6)",
     [](ir::Graph& g, ir::ValueId x) {
       return op(g, "Mul", x, op(g, "Div", clip(g, op(g, "Add", x, 3_n), 0, 6), 6_n));
     }},
    {"(1/6 * clip(x+3,0,6)) * x",
     [](ir::Graph& g, ir::ValueId x) {
       return op(g, "Mul", op(g, "Mul", Number{1.0 / 6}, clip(g, op(g, "Add", x, 3_n), 0, 6)), x);
     }},
    {"x/6 * clip(x+3,0,6)",
     [](ir::Graph& g, ir::ValueId x) {
       return op(g, "Mul", op(g, "Div", x, 6_n), clip(g, op(g, "Add", x, 3_n), 0, 6));
     }},
    {"x * clip(x/6 + 0.5, 0, 1)",
     [](ir::Graph& g, ir::ValueId x) {
       return op(g, "Mul", x, clip(g, op(g, "Add", op(g, "Div", x, 6_n), 0.5_n), 0, 1));
     }},
    {"x * clip(x - -3, 0, 6) / 6",
     [](ir::Graph& g, ir::ValueId x) {
       return op(g, "Div", op(g, "Mul", x, clip(g, op(g, "Sub", x, -3_n), 0, 6)), 6_n);
     }},
    {"HardSigmoid * x",
     [](ir::Graph& g, ir::ValueId x) {
       return op(g, "Mul", node(g, "HardSigmoid", {x}, {{"alpha", 1.0f / 6}, {"beta", 0.5f}}), x);
     }},
};

const std::vector<Spelling> kGelu = {
    {"x * (erf(x/sqrt2) + 1) * 0.5",
     [](ir::Graph& g, ir::ValueId x) {
       return op(g, "Mul", op(g, "Mul", x, op(g, "Add", fn(g, "Erf", op(g, "Div", x, Number{M_SQRT2})), 1_n)),
                 0.5_n);
     }},
    {"0.5 * x * (1 + erf(x * sqrt(1/2)))",
     [](ir::Graph& g, ir::ValueId x) {
       return op(g, "Mul", op(g, "Mul", 0.5_n, x),
                 op(g, "Add", 1_n, fn(g, "Erf", op(g, "Mul", x, Number{M_SQRT1_2}))));
     }},
    {"x * (0.5 * (1 + erf))",
     [](ir::Graph& g, ir::ValueId x) {
       return op(g, "Mul", x,
                 op(g, "Mul", 0.5_n, op(g, "Add", 1_n, fn(g, "Erf", op(g, "Div", x, Number{M_SQRT2})))));
     }},
    {"(0.5 * erf + 0.5) * x",
     [](ir::Graph& g, ir::ValueId x) {
       return op(g, "Mul",
                 op(g, "Add", op(g, "Mul", fn(g, "Erf", op(g, "Div", x, Number{M_SQRT2})), 0.5_n), 0.5_n), x);
     }},
    {"x * (erf + 1) / 2",
     [](ir::Graph& g, ir::ValueId x) {
       return op(g, "Div",
                 op(g, "Mul", op(g, "Add", fn(g, "Erf", op(g, "Mul", x, Number{M_SQRT1_2})), 1_n), x), 2_n);
     }},
};

const double kSlope = std::sqrt(2 / M_PI);
const std::vector<Spelling> kGeluTanh = {
    {"x^3 by Pow",
     [](ir::Graph& g, ir::ValueId x) {
       const auto cube = op(g, "Mul", 0.044715_n, op(g, "Pow", x, 3_n));
       const auto t = fn(g, "Tanh", op(g, "Mul", Number{kSlope}, op(g, "Add", x, cube)));
       return op(g, "Mul", op(g, "Mul", 0.5_n, x), op(g, "Add", 1_n, t));
     }},
    {"x^3 by Mul, factored",
     [](ir::Graph& g, ir::ValueId x) {
       const auto inner = op(g, "Add", op(g, "Mul", op(g, "Mul", x, x), 0.044715_n), 1_n);
       const auto t = fn(g, "Tanh", op(g, "Mul", op(g, "Mul", x, Number{kSlope}), inner));
       return op(g, "Mul", op(g, "Mul", x, op(g, "Add", t, 1_n)), 0.5_n);
     }},
};

const std::vector<Spelling> kSilu = {
    {"x * sigmoid(x)", [](ir::Graph& g, ir::ValueId x) { return op(g, "Mul", x, fn(g, "Sigmoid", x)); }},
    {"sigmoid(x) * x", [](ir::Graph& g, ir::ValueId x) { return op(g, "Mul", fn(g, "Sigmoid", x), x); }},
    {"x / (1 + exp(-x))",
     [](ir::Graph& g, ir::ValueId x) {
       return op(g, "Div", x, op(g, "Add", 1_n, fn(g, "Exp", fn(g, "Neg", x))));
     }},
    {"x * (1 / (exp(-1 * x) + 1))",
     [](ir::Graph& g, ir::ValueId x) {
       return op(g, "Mul", x, op(g, "Div", 1_n, op(g, "Add", fn(g, "Exp", op(g, "Mul", x, -1_n)), 1_n)));
     }},
};

ir::ValueId reduce_mean(ir::Graph& g, ir::ValueId x) {
  return node(g, "ReduceMean", {x}, {{"axes", Dims{-1}}});
}
ir::ValueId layer_norm(ir::Graph& g, ir::ValueId x, bool pow, bool shared, bool reciprocal) {
  const auto d = op(g, "Sub", x, reduce_mean(g, x));
  const auto e = shared ? d : op(g, "Sub", x, reduce_mean(g, x));
  const auto variance = reduce_mean(g, pow ? op(g, "Pow", e, 2_n) : op(g, "Mul", e, e));
  const auto deviation = fn(g, "Sqrt", op(g, "Add", variance, Number{1e-5}));
  return reciprocal ? op(g, "Mul", d, fn(g, "Reciprocal", deviation)) : op(g, "Div", d, deviation);
}
ir::ValueId scaled(ir::Graph& g, ir::ValueId y) {
  y = op(g, "Mul", y, constant(g, random_tensor({8}, 4)));
  return op(g, "Add", constant(g, random_tensor({1, 1, 8}, 5)), y);
}
const std::vector<Spelling> kLayerNorm = {
    {"Pow and Div",
     [](ir::Graph& g, ir::ValueId x) { return scaled(g, layer_norm(g, x, true, true, false)); }},
    {"Mul and Div",
     [](ir::Graph& g, ir::ValueId x) { return scaled(g, layer_norm(g, x, false, true, false)); }},
    {"the difference taken twice",
     [](ir::Graph& g, ir::ValueId x) { return scaled(g, layer_norm(g, x, true, false, false)); }},
    {"Reciprocal", [](ir::Graph& g, ir::ValueId x) { return scaled(g, layer_norm(g, x, true, true, true)); }},
    {"without scale and shift",
     [](ir::Graph& g, ir::ValueId x) { return relu(g, layer_norm(g, x, true, true, false)); }},
};

/// Each spelling is recognised as one idiom of this kind from x to the output's producer.
void check_recognised(const std::vector<Spelling>& spellings, plan::IdiomKind kind, Dims x_dims,
                      int64_t opset = 13) {
  for (const Spelling& s : spellings) {
    INFO(s.how);
    ir::Graph g = graph(opset);
    const auto x = relu(g, input(g, "x", x_dims));
    const auto y = output(g, s.build(g, x));
    const auto found = normalize::recognise(g);
    REQUIRE(found.size() == 1);
    CHECK(found[0].kind == kind);
    CHECK(found[0].inputs == std::vector<ir::ValueId>{x});
    CHECK((found[0].output == y || producer(g, y).op_type == "Relu"));
    const size_t outside = producer(g, y).op_type == "Relu" ? 2 : 1;
    CHECK(found[0].nodes.size() + outside == g.nodes.size());
  }
}

void check_rewritten(const std::vector<Spelling>& spellings, int (*rewrite)(ir::Graph&),
                     const std::string& ops, Dims x_dims, int64_t opset = 13) {
  for (const Spelling& s : spellings) {
    INFO(s.how);
    ir::Graph g = graph(opset);
    output(g, s.build(g, input(g, "x", x_dims)), "result");
    const auto result = try_rewrite::outcome(g, [&](ir::Graph& changed) {
      int count = 0;
      while (const int n = rewrite(changed)) {
        count += n;
        ir::remove_dead(changed);
      }
      return count;
    });
    CHECK(result.ops.starts_with(ops));
    CHECK(result.change < 1e-4);
  }
}

}  // namespace

TEST_CASE("ranges are spelled Relu or Clip", "[normalize]") {
  const auto clip_open = [](ir::Graph& g, ir::ValueId x, float low, float high) {
    return node(
        g, "Clip",
        {x, low == -kInfinity ? ir::kNone : number(g, low), high == kInfinity ? ir::kNone : number(g, high)},
        {}, value(g, x).dims);
  };
  try_rewrite::check(
      {
          {"Clip from 0 up", [&](ir::Graph& g) { output(g, clip_open(g, image(g), 0, kInfinity)); }, 1,
           "Relu"},
          {"Clip from 0 to the largest float",
           [](ir::Graph& g) { output(g, clip(g, image(g), 0, std::numeric_limits<float>::max())); }, 1,
           "Relu"},
          {"Clip from 0 up, as attributes",
           [](ir::Graph& g) {
             output(g, node(g, "Clip", {image(g)}, {{"min", 0.0f}}));
           },
           1, "Relu", 9},
          {"Clip without ends",
           [&](ir::Graph& g) { output(g, relu(g, clip_open(g, image(g), -kInfinity, kInfinity))); }, 1,
           "Relu"},
          {"Relu, then Clip to 6", [](ir::Graph& g) { output(g, clip(g, relu(g, image(g)), 0, 6)); }, 1,
           "Clip"},
          {"Relu, then only a largest value",
           [&](ir::Graph& g) { output(g, clip_open(g, relu(g, image(g)), -kInfinity, 6)); }, 1, "Clip"},
          {"Relu, then Clip, before opset 11",
           [](ir::Graph& g) { output(g, clip(g, relu(g, image(g)), -1, 6)); }, 1, "Clip", 9},
          {"Clip, then Relu", [](ir::Graph& g) { output(g, relu(g, clip(g, image(g), -1, 6))); }, 1, "Clip"},
          {"Clip, then a Relu that does nothing",
           [](ir::Graph& g) { output(g, relu(g, clip(g, image(g), 0, 6))); }, 1, "Clip"},
          {"Relu twice", [](ir::Graph& g) { output(g, relu(g, relu(g, image(g)))); }, 1, "Relu"},
          {"Max with 0",
           [](ir::Graph& g) {
             output(g, node(g, "Max", {image(g), number(g, 0)}));
           },
           1, "Relu"},
          {"Min of Max", [](ir::Graph& g) { output(g, op(g, "Min", op(g, "Max", image(g), -1_n), 2_n)); }, 2,
           "Clip"},
          {"a difference of two Relus",
           [](ir::Graph& g) {
             const auto x = image(g);
             output(g, op(g, "Sub", relu(g, x), relu(g, op(g, "Sub", x, 1_n))));
           },
           1, "Clip"},
          {"PRelu with one slope",
           [](ir::Graph& g) {
             output(g,
                    node(g, "PRelu", {image(g), constant(g, filled({4, 1, 1}, 0.3f))}, {}, Dims{2, 4, 6, 5}));
           },
           1, "LeakyRelu"},
          {"not: PRelu with a slope for each channel",
           [](ir::Graph& g) {
             output(g, node(g, "PRelu", {image(g), constant(g, random_tensor({4, 1, 1}, 2))}, {},
                            Dims{2, 4, 6, 5}));
           },
           0, "PRelu"},
          {"not: Max of two values",
           [](ir::Graph& g) {
             output(g, node(g, "Max", {image(g), input(g, "y", {5})}));
           },
           0, "Max"},
          {"not: the Relu is a graph output",
           [](ir::Graph& g) { output(g, clip(g, output(g, relu(g, image(g))), -1, 6)); }, 0, "Relu Clip"},
          {"not: a difference of Relus of other values",
           [](ir::Graph& g) {
             const auto x = image(g);
             const auto whole = relu(g, x);
             output(g, op(g, "Sub", whole, relu(g, op(g, "Add", x, 1_n))));
           },
           0, "Relu Add Relu Sub"},
          {"not: Clip to 6", [](ir::Graph& g) { output(g, clip(g, image(g), 0, 6)); }, 0, "Clip"},
      },
      normalize::plain_activations);
}

TEST_CASE("HardSwish is recognised in every spelling", "[normalize]") {
  check_recognised(kHardSwish, plan::IdiomKind::kHardSwish, {2, 4, 6, 5});
  check_recognised({kHardSwish[0]}, plan::IdiomKind::kHardSwish, {2, 4, 6, 5}, 9);
}

TEST_CASE("HardSwish becomes HardSigmoid and Mul in every spelling", "[normalize]") {
  check_rewritten(kHardSwish, normalize::spell_hard_swish, "HardSigmoid Mul", {2, 4, 6, 5});
  check_rewritten({{"the op", [](ir::Graph& g, ir::ValueId x) { return fn(g, "HardSwish", x); }}},
                  normalize::spell_hard_swish, "HardSigmoid Mul", {2, 4, 6, 5}, 14);
}

TEST_CASE("HardSigmoid alone is spelled as one node", "[normalize]") {
  try_rewrite::check(
      {
          {"clip(x+3,0,6) / 6",
           [](ir::Graph& g) { output(g, op(g, "Div", clip(g, op(g, "Add", image(g), 3_n), 0, 6), 6_n)); }, 1,
           "HardSigmoid"},
          {"clip(0.2x + 0.5, 0, 1)",
           [](ir::Graph& g) { output(g, clip(g, op(g, "Add", op(g, "Mul", image(g), 0.2_n), 0.5_n), 0, 1)); },
           1, "HardSigmoid"},
          {"not: a Clip of x itself", [](ir::Graph& g) { output(g, clip(g, image(g), 0, 1)); }, 0, "Clip"},
          {"not: another factor",
           [](ir::Graph& g) { output(g, op(g, "Div", clip(g, op(g, "Add", image(g), 3_n), 0, 6), 5_n)); }, 0,
           "Add Clip Div"},
          {"not: another lower end",
           [](ir::Graph& g) { output(g, op(g, "Div", clip(g, op(g, "Add", image(g), 3_n), 1, 6), 6_n)); }, 0,
           "Add Clip Div"},
          {"not: a falling line",
           [](ir::Graph& g) { output(g, clip(g, op(g, "Sub", 0.5_n, image(g)), 0, 1)); }, 0, "Sub Clip"},
          {"not: HardSwish of another value",
           [](ir::Graph& g) {
             const auto x = image(g);
             const auto other = relu(g, x);
             output(g, op(g, "Mul", other, clip(g, op(g, "Add", x, 3_n), 0, 6)));
           },
           0, "Relu Add Clip Mul"},
          {"not: the clipped sum is read elsewhere",
           [](ir::Graph& g) {
             output(g, op(g, "Div", output(g, clip(g, op(g, "Add", image(g), 3_n), 0, 6)), 6_n));
           },
           0, "Add Clip Div"},
      },
      normalize::spell_hard_swish);
}

TEST_CASE("SiLU is recognised in every spelling", "[normalize]") {
  check_recognised(kSilu, plan::IdiomKind::kSilu, {2, 4, 6, 5});
  check_rewritten({kSilu[2], kSilu[3]}, normalize::spell_sigmoid, "Sigmoid Mul", {2, 4, 6, 5});
}

TEST_CASE("1 / (1 + exp(-x)) becomes Sigmoid, and nothing else does", "[normalize]") {
  const auto denominator = [](ir::Graph& g, double one, double minus) {
    return op(g, "Add", fn(g, "Exp", op(g, "Mul", image(g), Number{minus})), Number{one});
  };
  try_rewrite::check(
      {
          {"Reciprocal", [&](ir::Graph& g) { output(g, fn(g, "Reciprocal", denominator(g, 1, -1))); }, 1,
           "Sigmoid"},
          {"Div", [&](ir::Graph& g) { output(g, op(g, "Div", 1_n, denominator(g, 1, -1))); }, 1, "Sigmoid"},
          {"of another numerator", [&](ir::Graph& g) { output(g, op(g, "Div", 3_n, denominator(g, 1, -1))); },
           1, "Sigmoid Mul"},
          {"not: 2 + exp(-x)", [&](ir::Graph& g) { output(g, fn(g, "Reciprocal", denominator(g, 2, -1))); },
           0, "Mul Exp Add Reciprocal"},
          {"not: 1 + exp(-2x)", [&](ir::Graph& g) { output(g, fn(g, "Reciprocal", denominator(g, 1, -2))); },
           0, "Mul Exp Add Reciprocal"},
      },
      normalize::spell_sigmoid);
}

TEST_CASE("GELU is recognised in every spelling", "[normalize]") {
  check_recognised(kGelu, plan::IdiomKind::kGelu, {2, 3, 8});
  check_recognised(kGeluTanh, plan::IdiomKind::kGeluTanh, {2, 3, 8});
}

TEST_CASE("GELU becomes Gelu from opset 20 on", "[normalize]") {
  check_rewritten(kGelu, normalize::spell_gelu, "Gelu", {2, 3, 8}, 20);
  check_rewritten(kGeluTanh, normalize::spell_gelu, "Gelu", {2, 3, 8}, 20);
}

TEST_CASE("GELU of older opsets comes in the order that ONNX Runtime joins", "[normalize]") {
  const std::vector<Spelling> others(kGelu.begin() + 1, kGelu.end());
  check_rewritten(others, normalize::spell_gelu, "Div Erf Add Mul Mul", {2, 3, 8}, 17);
  for (const Spelling& s : kGelu) {
    INFO(s.how);
    ir::Graph g = graph(17);
    const ir::ValueId w = constant_f(g, std::vector<float>(64, 0.1f), {8, 8});
    output(g, op(g, "MatMul", s.build(g, op(g, "MatMul", input(g, "x", {2, 3, 8}), w)), w), "result");
    CHECK(normalize::spell_gelu(g) == (s.how == kGelu[0].how ? 0 : 1));
    ir::remove_dead(g);
    CHECK(normalize::spell_gelu(g) == 0);
    const std::string model = onnx_io::write(g);
    const TemporaryFile optimized(".onnx");
    ort_try::run(model, ort_try::random_inputs(model, 1), ort_try::Optimize::kExtended,
                 optimized.path().string());
    Diagnostics ignored;
    std::string ops;
    for (const ir::Node& n : onnx_io::read(optimized.path(), ignored).nodes) ops += n.op_type + " ";
    CHECK(ops == "MatMul Gelu MatMul ");
  }
  ir::Graph tanh = graph(17);
  output(tanh, kGeluTanh[0].build(tanh, input(tanh, "x", {2, 3, 8})));
  CHECK(normalize::spell_gelu(tanh) == 0);
}

TEST_CASE("LayerNorm is recognised in every spelling", "[normalize]") {
  check_recognised(kLayerNorm, plan::IdiomKind::kLayerNorm, {2, 3, 8});
}

TEST_CASE("the means of a LayerNorm over tokens are not taken for means over space", "[normalize]") {
  for (const Spelling& spelling : kLayerNorm) {
    ir::Graph g = graph();
    output(g, spelling.build(g, input(g, "x", {2, 3, 8})));
    CHECK(normalize::pool_globally(g) == 0);
  }
}

TEST_CASE("LayerNorm becomes LayerNormalization from opset 17 on", "[normalize]") {
  check_rewritten(kLayerNorm, normalize::spell_layer_norm, "LayerNormalization", {2, 3, 8}, 17);
  ir::Graph g = graph(16);
  output(g, kLayerNorm[0].build(g, input(g, "x", {2, 3, 8})));
  CHECK(normalize::spell_layer_norm(g) == 0);
}

TEST_CASE("LayerNorm over channels in the middle works on channels that lie last", "[normalize]") {
  const auto norm = [](ir::Graph& g, int64_t axis, Dims parameter) {
    const auto x = input(g, "x", {2, 8, 3, 5});
    const auto mean = [&](ir::ValueId of) { return node(g, "ReduceMean", {of}, {{"axes", Dims{axis}}}); };
    const auto d = op(g, "Sub", x, mean(x));
    const auto deviation = fn(g, "Sqrt", op(g, "Add", mean(op(g, "Pow", d, 2_n)), Number{1e-6}));
    const auto y = op(g, "Mul", op(g, "Div", d, deviation), constant(g, random_tensor(parameter, 4)));
    output(g, op(g, "Add", y, constant(g, random_tensor(parameter, 5))));
  };
  for (const int64_t axis : {1, -3})
    for (const Dims& parameter : {Dims{8, 1, 1}, Dims{1, 8, 1, 1}}) {
      ir::Graph g = graph(17);
      norm(g, axis, parameter);
      CHECK(normalize::recognise(g).empty());
      const auto outcome = try_rewrite::outcome(g, normalize::spell_layer_norm);
      CHECK(outcome.count == 1);
      CHECK(outcome.ops == "Transpose LayerNormalization Transpose");
      CHECK(outcome.change < 1e-5);
    }
  ir::Graph rows = graph(17);
  norm(rows, 2, {1, 3, 1});
  CHECK(normalize::spell_layer_norm(rows) == 0);
}

TEST_CASE("LayerNorm that takes its mean off last comes in the usual order", "[normalize]") {
  for (const int64_t opset : {13, 18})
    for (const bool pools : {false, true})
      for (const bool negated : {false, true})
        for (const bool gamma : {false, true}) {
          CAPTURE(opset, pools, negated, gamma);
          ir::Graph g = graph(opset);
          const ir::ValueId x = relu(g, input(g, "x", {2, 3, 8}));
          const auto mean = [&](ir::ValueId of) {
            if (pools) return node(g, "GlobalAveragePool", {of}, {}, Dims{2, 3, 1});
            if (opset < 18) return node(g, "ReduceMean", {of}, {{"axes", Dims{-1}}}, Dims{2, 3, 1});
            return node(g, "ReduceMean", {of, constant_i(g, {-1})}, {}, Dims{2, 3, 1});
          };
          const ir::ValueId average = mean(x), d = op(g, "Sub", x, average);
          const ir::ValueId deviates = fn(g, "Sqrt", op(g, "Add", mean(op(g, "Mul", d, d)), Number{1e-4}));
          ir::ValueId scale = negated ? fn(g, "Reciprocal", deviates) : op(g, "Div", 1_n, deviates);
          if (gamma) scale = op(g, "Mul", scale, constant(g, random_tensor({1, 1, 8}, 5)));
          const ir::ValueId beta = constant(g, random_tensor({8}, 6));
          const ir::ValueId shift = negated ? op(g, "Add", beta, op(g, "Mul", fn(g, "Neg", average), scale))
                                            : op(g, "Sub", beta, op(g, "Mul", scale, average));
          output(g, op(g, "Add", op(g, "Mul", x, scale), shift));
          const try_rewrite::Outcome outcome = try_rewrite::outcome(g, normalize::spell_moments);
          CHECK(outcome.count == 1);
          CHECK(outcome.change < 1e-5);
          const auto found = normalize::recognise(outcome.graph);
          REQUIRE(found.size() == 1);
          CHECK(found[0].kind == plan::IdiomKind::kLayerNorm);
          // Another mean than that of x is another function.
          ir::Graph other = graph(13);
          const ir::ValueId y = input(other, "x", {2, 3, 8});
          const ir::ValueId of = node(other, "ReduceMean", {y}, {{"axes", Dims{1}}}, Dims{2, 1, 8});
          const ir::ValueId r = fn(other, "Reciprocal", fn(other, "Sqrt", op(other, "Add", of, 1_n)));
          output(other,
                 op(other, "Add", op(other, "Mul", y, r),
                    op(other, "Sub", constant(other, random_tensor({8}, 6)), op(other, "Mul", of, r))));
          CHECK(normalize::spell_moments(other) == 0);
        }
}

TEST_CASE("a variance as the mean of squares less the squared mean is that of what is centred",
          "[normalize]") {
  for (const int64_t opset : {13, 18})
    for (const char* cut : {"", "Max", "Relu"})
      for (const bool by_pow : {false, true}) {
        CAPTURE(opset, cut, by_pow);
        const auto norm = [&](ir::Graph& g, int64_t axis) {
          const ir::ValueId x = relu(g, input(g, "x", {2, 8, 8}));
          const auto mean = [&](ir::ValueId of, int64_t along) {
            if (opset < 18) return node(g, "ReduceMean", {of}, {{"axes", Dims{along}}});
            return node(g, "ReduceMean", {of, constant_i(g, {along})});
          };
          const auto square = [&](ir::ValueId of) {
            return by_pow ? op(g, "Pow", of, 2_n) : op(g, "Mul", of, of);
          };
          const ir::ValueId average = mean(x, -1);
          ir::ValueId variance = op(g, "Sub", mean(square(x), axis), square(average));
          if (cut == std::string("Max")) variance = op(g, "Max", 0_n, variance);
          if (cut == std::string("Relu")) variance = relu(g, variance);
          const ir::ValueId deviates = fn(g, "Sqrt", op(g, "Add", variance, Number{1e-3}));
          const ir::ValueId normal = op(g, "Div", op(g, "Sub", x, average), deviates);
          output(g, op(g, "Mul", normal, constant(g, random_tensor({8}, 5))));
        };
        ir::Graph g = graph(opset);
        norm(g, -1);
        CHECK(normalize::recognise(g).empty());
        const try_rewrite::Outcome outcome = try_rewrite::outcome(g, normalize::spell_variance);
        CHECK(outcome.count == 1);
        CHECK(outcome.ops == "Relu ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul");
        CHECK(outcome.change < 1e-5);
        const auto found = normalize::recognise(outcome.graph);
        REQUIRE(found.size() == 1);
        CHECK(found[0].kind == plan::IdiomKind::kLayerNorm);
        ir::Graph other = graph(opset);  // squares along another axis are no part of a variance
        norm(other, 1);
        CHECK(normalize::spell_variance(other) == 0);
      }
}

TEST_CASE("near misses of idioms are not recognised", "[normalize]") {
  const std::vector<Spelling> misses = {
      {"x * sigmoid(y)",
       [](ir::Graph& g, ir::ValueId x) { return op(g, "Mul", x, fn(g, "Sigmoid", fn(g, "Neg", x))); }},
      {"2 * x * sigmoid(x)",
       [](ir::Graph& g, ir::ValueId x) { return op(g, "Mul", op(g, "Mul", x, 2_n), fn(g, "Sigmoid", x)); }},
      {"erf of x",
       [](ir::Graph& g, ir::ValueId x) {
         return op(g, "Mul", op(g, "Mul", x, op(g, "Add", fn(g, "Erf", x), 1_n)), 0.5_n);
       }},
      {"clip to 5",
       [](ir::Graph& g, ir::ValueId x) {
         return op(g, "Div", op(g, "Mul", x, clip(g, op(g, "Add", x, 3_n), 0, 5)), 6_n);
       }},
      {"mean over rows",
       [](ir::Graph& g, ir::ValueId x) {
         const auto d = op(g, "Sub", x, node(g, "ReduceMean", {x}, {{"axes", Dims{1}}}));
         return op(g, "Div", d,
                   fn(g, "Sqrt", op(g, "Add", reduce_mean(g, op(g, "Mul", d, d)), Number{1e-5})));
       }},
  };
  for (const Spelling& s : misses) {
    INFO(s.how);
    ir::Graph g = graph();
    output(g, s.build(g, relu(g, input(g, "x", {2, 3, 8}))));
    CHECK(normalize::recognise(g).empty());
  }
}

TEST_CASE("attention is recognised with scale and mask", "[normalize]") {
  for (const bool mask : {false, true}) {
    ir::Graph g = graph();
    const auto q = input(g, "q", {1, 2, 5, 4}), k = input(g, "k", {1, 2, 4, 5}),
               v = input(g, "v", {1, 2, 5, 4});
    auto scores = op(g, "Div", matmul(g, q, k), 2_n);
    if (mask) scores = op(g, "Add", scores, constant(g, random_tensor({1, 1, 5, 5}, 3)));
    const auto y = output(g, matmul(g, softmax(g, scores), v));
    const auto found = normalize::recognise(g);
    REQUIRE(found.size() == 1);
    CHECK(found[0].kind == plan::IdiomKind::kAttention);
    CHECK(found[0].inputs == std::vector<ir::ValueId>{q, k, v});
    CHECK(found[0].output == y);
    CHECK(found[0].nodes.size() == g.nodes.size());
  }
}
