// Integer forms against float: small graphs planned as the targets allow, their ranges those of the test's
// own input, run by LiteRT.
#include <cmath>
#include <map>

#include "normalize/idioms.h"
#include "onnx_io/onnx_io.h"
#include "quantize/quantize.h"
#include "select/capability.h"
#include "select/decide.h"
#include "support/sqnr.h"
#include "tflite/execute.h"
#include "threshold/candidates.h"
#include "unit/tflite/lowered.h"

namespace qc::tflite {
namespace {

using test::sqnr_db;

// Everything the target has on integers, its ranges as `inputs` make them.
plan::QuantizedModel integer_model(ir::Graph g, const std::vector<ir::Tensor>& inputs,
                                   target::TargetSpec target) {
  for (auto& [op_type, rule] : target.ops) rule.float_output = false;
  forget_shapes(g);
  run::infer_shapes(g, onnx_codec());
  ir::Graph watched = g;
  watched.outputs.clear();
  for (size_t v = 0; v < g.values.size(); ++v)
    if (g.values[v].producer != ir::kNone && g.values[v].dtype == ir::DType::kFloat)
      watched.outputs.push_back(static_cast<ir::ValueId>(v));
  const std::vector<ir::Tensor> seen = ort_try::run(onnx_io::write(watched), inputs);

  const auto capabilities = select::capabilities(g, target, {});
  std::vector<bool> integer;
  for (const select::Capability& c : capabilities)
    integer.push_back(c.ability != select::Ability::kFloatOnly);
  plan::QuantPlan plan =
      select::outline(g, target, capabilities, integer, std::vector<plan::NodeDecision>(g.nodes.size()));

  std::map<ir::ValueId, std::pair<double, double>> ranges;
  const auto note = [&](ir::ValueId v, const ir::Tensor& tensor) {
    const plan::ValueDecision& value = plan.values[v];
    if (!value.quantized) return;
    const auto [low, high] = std::minmax_element(tensor.as<float>().begin(), tensor.as<float>().end());
    auto& range = ranges[value.scale_group];
    range = {std::min<double>(range.first, *low), std::max<double>(range.second, *high)};
    const ir::NodeId maker = ir::value_at(g, v).producer;
    const auto known = maker == ir::kNone ? target.known_ranges.end()
                                          : target.known_ranges.find(ir::node_at(g, maker).op_type);
    if (known != target.known_ranges.end()) range = known->second;
  };
  for (size_t i = 0; i < inputs.size(); ++i) note(g.inputs[i], inputs[i]);
  for (size_t i = 0; i < seen.size(); ++i) note(watched.outputs[i], seen[i]);
  for (plan::ValueDecision& value : plan.values) {
    if (!value.quantized) continue;
    const auto [low, high] = ranges.at(value.scale_group);
    const double largest = std::max({-low, high, 1e-6});
    value.params = target.activations.symmetric ? quant::symmetric_params(largest, 16, true, largest != 1)
                                                : quant::asymmetric_params(low, high, 8, false);
  }
  quantize::Guards ignored;
  return quantize::quantize(g, plan, threshold::weight_candidates(g, plan, target, {}, {}, 1), {}, ignored);
}

// The model of the arithmetic makes of the file what LiteRT makes of it: every output's integers are at most
// `steps` apart. Outputs are floats behind a DEQUANTIZE, but for the few that are computed in float.
void check_own_arithmetic(const std::string& bytes, const std::vector<ir::Tensor>& inputs,
                          const std::vector<std::string>& theirs, double steps) {
  constexpr double kFloatStep = 1e-5;
  const file::Model model = file::parse(bytes, "test");
  const file::Graph& graph = model.graphs[0];
  const std::vector<ir::Tensor> ours = execute(model, inputs, kernels::Rounding::kSingle, "test");
  for (size_t i = 0; i < ours.size(); ++i) {
    const auto maker = std::find_if(graph.operators.begin(), graph.operators.end(),
                                    [&](const auto& op) { return op.outputs[0] == graph.outputs[i]; });
    CAPTURE(graph.tensors[graph.outputs[i]].name);
    const std::vector<float>& scales = graph.tensors[maker->inputs[0]].scales;
    const double step = scales.empty() ? kFloatStep : double{scales[0]};
    const ir::Tensor their = ir::make_tensor(ir::DType::kFloat, theirs[i], ours[i].dims);
    double largest = 0;
    for (size_t k = 0; k < their.as<float>().size(); ++k)
      largest = std::max(largest, std::fabs(double{their.as<float>()[k]} - double{ours[i].as<float>()[k]}));
    CHECK(largest / step < steps + 0.01);
  }
}

struct Bounds {
  double weighted, plain;  // dB; outputs named "w..." are computed with 8-bit weights
  double steps;            // between LiteRT and the model of its arithmetic
};

void check_integers(const ir::Graph& g, const target::TargetSpec& target, const Bounds& bounds,
                    const std::vector<Op>& wanted, Type type) {
  const std::string onnx = onnx_io::write(g);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(onnx, 11, -3, 3);
  const std::vector<ir::Tensor> expected = ort_try::run(onnx, inputs);
  LowerOptions options = kept();
  options.io_type = IoType::kFloat32;
  const Model model = lower(integer_model(g, inputs, target), {}, options);
  for (const Op op : wanted) {
    CAPTURE(info_of(op).name);
    const auto found = std::find_if(model.operators.begin(), model.operators.end(), [&](const Operator& o) {
      return o.op == op && model.tensors[o.outputs[0]].type == type;
    });
    CHECK(found != model.operators.end());
  }
  const std::string written = serialise(model).bytes;
  const litert::Result ran = litert::run(written, inputs);
  check_own_arithmetic(written, inputs, ran.outputs, bounds.steps);
  for (size_t i = 0; i < expected.size(); ++i) {
    const std::string& name = tiny::value(g, g.outputs[i]).name;
    CAPTURE(name);
    const double db =
        sqnr_db(expected[i], ir::make_tensor(ir::DType::kFloat, ran.outputs[i], expected[i].dims));
    CHECK(db > (name[0] == 'w' ? bounds.weighted : bounds.plain));
  }
}

ir::Graph every_kind() {
  ir::Graph g = tiny::graph(14);
  const ir::ValueId x = tiny::input(g, "x", {1, 8, 9, 10}), y = tiny::input(g, "y", {1, 8, 9, 10});
  const auto out = [&](ir::ValueId v, const char* name) { tiny::output(g, v, name); };
  const auto ints = [&](std::vector<int64_t> v) { return tiny::constant_i(g, std::move(v)); };
  out(tiny::relu(g, tiny::conv(g, x, 6)), "w_conv_relu");
  out(tiny::clip(g, tiny::conv(g, x, 8, {3, 2, 1, 1, 8}), 0, 6), "w_depthwise_relu6");
  out(tiny::conv(g, x, 8, {3, 1, 1, 1, 2}), "w_grouped");
  const ir::ValueId up = tiny::constant(g, tiny::random_tensor({8, 3, 2, 2}, 7)),
                    shift = tiny::constant(g, tiny::random_tensor({3}, 8));
  for (const int64_t dilation : {1, 2})
    out(tiny::node(g, "ConvTranspose", {x, up, shift},
                   {{"strides", std::vector<int64_t>{2, 2}},
                    {"dilations", std::vector<int64_t>{dilation, dilation}},
                    {"pads", std::vector<int64_t>{1, 0, 0, 1}}}),
        dilation == 1 ? "w_up" : "w_up_dilated");
  out(tiny::gemm(g, tiny::flatten(g, x), 12), "w_gemm");
  out(tiny::gemm(g, tiny::flatten(g, tiny::relu(g, tiny::conv(g, x, 6))), 12), "w_gemm_of_channels_last");
  out(tiny::relu(g, tiny::add(g, x, y)), "add_relu");
  out(tiny::mul(g, x, y), "mul");
  out(tiny::node(g, "Sub", {x, y}), "sub");
  out(tiny::node(g, "Add", {x, tiny::constant(g, tiny::random_tensor({8, 1, 1}, 9))}), "add_constant");
  for (const char* op : {"Sigmoid", "Tanh", "HardSigmoid", "LeakyRelu"}) out(tiny::node(g, op, {x}), op);
  out(tiny::node(g, "HardSigmoid", {x}, {{"alpha", 1.0f / 6}}), "hardsigmoid6");
  out(tiny::node(g, "HardSwish", {x}), "hardswish");
  out(tiny::softmax(g, x, 3), "softmax");
  out(tiny::softmax(g, x, 1), "softmax_channels");
  out(tiny::concat(g, {x, tiny::node(g, "Tanh", {y})}, 1), "concat");
  out(tiny::node(g, "MaxPool", {x},
                 {{"kernel_shape", std::vector<int64_t>{3, 3}},
                  {"pads", std::vector<int64_t>{1, 1, 1, 1}},
                  {"strides", std::vector<int64_t>{2, 2}}}),
      "max_pool");
  out(tiny::node(g, "AveragePool", {x}, {{"kernel_shape", std::vector<int64_t>{2, 2}}}), "average_pool");
  out(tiny::global_average_pool(g, tiny::relu(g, tiny::add(g, x, y))), "mean");
  out(tiny::node(g, "Slice", {x, ints({1, 2}), ints({3, 100}), ints({1, 3})}), "slice");
  out(tiny::node(g, "Pad", {x, ints({0, 1, 2, 0, 0, 0, 1, 3}), tiny::constant(g, 1.5f)}), "pad");
  out(tiny::transpose(g, tiny::reshape(g, x, {1, 8, 90}), {0, 2, 1}), "tokens");
  return g;
}

TEST_CASE("int8: every kind of op is near float", "[litert]") {
  check_integers(every_kind(), target::load("litert"), {30, 28, 1},
                 {Op::kConv2d, Op::kDepthwiseConv2d, Op::kTransposeConv, Op::kFullyConnected, Op::kHardSwish,
                  Op::kLogistic, Op::kTanh, Op::kMaxPool2d},
                 Type::kInt8);
}

// Mean distance, in steps of the first output, between the ONNX file in ONNX Runtime and the .tflite in
// LiteRT of one plan: lowered for XNNPACK, or with TFLite's own operators. `spelled` is what there are then
// none of.
struct Apart {
  double for_xnnpack = 0, own = 0;
};
Apart steps_apart(const ir::Graph& g, Op spelled) {
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(onnx_io::write(g), 11, -5, 5);
  const plan::QuantizedModel model = integer_model(g, inputs, target::load("litert"));
  const std::vector<ir::Tensor> theirs = ort_try::run(onnx_io::write_qdq(model, {}).bytes, inputs);
  const std::span<const float> exact = theirs[0].as<float>();
  const float step = model.plan.values[model.graph.outputs[0]].params.scales[0];
  const auto apart = [&](bool xnnpack) {
    LowerOptions options = kept();
    options.io_type = IoType::kFloat32;
    options.xnnpack = xnnpack;
    const Model lowered = lower(model, normalize::recognise(model.graph), options);
    const bool there = std::any_of(lowered.operators.begin(), lowered.operators.end(), [&](const auto& op) {
      return op.op == spelled && lowered.tensors[op.inputs[0]].type == Type::kInt8;
    });
    CHECK(there != xnnpack);
    const std::string written = serialise(lowered).bytes;
    const litert::Result ran = litert::run(written, inputs);
    check_own_arithmetic(written, inputs, ran.outputs, 2);
    const ir::Tensor found = ir::make_tensor(ir::DType::kFloat, ran.outputs[0], theirs[0].dims);
    double sum = 0;
    for (size_t i = 0; i < exact.size(); ++i)
      sum += std::round(std::fabs(double{found.as<float>()[i]} - double{exact[i]}) / double{step});
    return sum / static_cast<double>(exact.size());
  };
  return {apart(true), apart(false)};
}

TEST_CASE("int8: HardSwish for XNNPACK rounds as the ONNX file of the same plan", "[litert]") {
  ir::Graph g = tiny::graph(14);
  const ir::ValueId x = tiny::input(g, "x", {1, 8, 9, 10});
  const ir::ValueId gate = tiny::node(g, "HardSigmoid", {x}, {{"alpha", 1.0f / 6}});
  tiny::output(g, tiny::mul(g, x, gate), "hardswish");
  const Apart apart = steps_apart(g, Op::kHardSwish);
  CAPTURE(apart.for_xnnpack, apart.own);
  CHECK(apart.for_xnnpack < 0.01);
  CHECK(apart.for_xnnpack < apart.own / 4);
}

TEST_CASE("int8: LeakyRelu for XNNPACK rounds as the ONNX file of the same plan", "[litert]") {
  for (const float alpha : {0.01f, 0.1f, 0.3f}) {
    ir::Graph g = tiny::graph(14);
    const ir::ValueId x = tiny::input(g, "x", {1, 8, 9, 10});
    tiny::output(g, tiny::node(g, "LeakyRelu", {x}, {{"alpha", alpha}}), "leaky");
    const Apart apart = steps_apart(g, Op::kLeakyRelu);
    CAPTURE(alpha, apart.for_xnnpack, apart.own);
    CHECK(apart.for_xnnpack == 0);
    CHECK(apart.own > 0.005);
  }
}

TEST_CASE("int8: other numbers for XNNPACK round as the ONNX file of the same plan", "[litert]") {
  ir::Graph g = tiny::graph(14);
  const ir::ValueId x = tiny::input(g, "x", {1, 8, 9, 10});
  const ir::ValueId half = tiny::node(g, "LeakyRelu", {x}, {{"alpha", 0.37f}});
  tiny::output(g, tiny::concat(g, {x, half}, 1), "concat");
  const Apart apart = steps_apart(g, Op::kQuantize);
  CAPTURE(apart.for_xnnpack, apart.own);
  CHECK(apart.for_xnnpack == 0);
  CHECK(apart.own > 0.005);
}

TEST_CASE("int8: ELU and SELU stay integers, whatever their slopes", "[litert]") {
  ir::Graph g = tiny::graph(14);
  const ir::ValueId x = tiny::input(g, "x", {1, 4, 5, 6});
  for (const char* op : {"Elu", "Selu"}) tiny::output(g, tiny::node(g, op, {x}), op);
  tiny::output(g, tiny::node(g, "Elu", {x}, {{"alpha", 0.5f}}), "elu_half");
  check_integers(g, target::load("litert"), {30, 30, 1}, {Op::kElu, Op::kLeakyRelu}, Type::kInt8);
}

TEST_CASE("int16x8: activations have 16 bits, weights 8, biases 64", "[litert]") {
  const target::TargetSpec target = target::with_int16_activations(target::load("litert"));
  check_integers(every_kind(), target, {38, 60, 2},
                 {Op::kConv2d, Op::kDepthwiseConv2d, Op::kTransposeConv, Op::kFullyConnected, Op::kLogistic,
                  Op::kTanh, Op::kMaxPool2d, Op::kSoftmax, Op::kMean, Op::kConcatenation},
                 Type::kInt16);
}

TEST_CASE("int16x8: what finds the largest reads floats", "[litert]") {
  ir::Graph g = tiny::graph(14);
  const ir::ValueId conv = tiny::conv(g, tiny::input(g, "x", {1, 3, 6, 7}), 4);
  const ir::ValueId found = tiny::node(g, "ArgMax", {conv}, {{"axis", int64_t{1}}});
  ir::value_at(g, found).dtype = ir::DType::kInt64;
  tiny::output(g, found, "class");
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(onnx_io::write(g), 3, -3, 3);
  const target::TargetSpec target = target::with_int16_activations(target::load("litert"));
  const Model model = lower(integer_model(g, inputs, target), {}, kept());
  const auto arg = std::ranges::find(model.operators, Op::kArgMax, &Operator::op);
  REQUIRE(arg != model.operators.end());
  CHECK(model.tensors[arg->inputs[0]].type == Type::kFloat32);
  CHECK(litert::run(serialise(model).bytes, inputs).outputs.size() == 1);
}

TEST_CASE("int16x8: what has no kernel for it stays in float, and some targets have none at all") {
  const target::TargetSpec target = target::with_int16_activations(target::load("litert"));
  CHECK(target::rule_for(target, "Elu").kind == target::OpKind::kFloat);
  CHECK(target::rule_for(target, "DepthToSpace").kind == target::OpKind::kFloat);
  CHECK(target::rule_for(target, "Conv").kind == target::OpKind::kWeighted);
  for (const char* name : {"int8", "edgetpu"}) {
    try {
      target::with_int16_activations(target::load(name));
      FAIL("nothing was refused");
    } catch (const Error& error) {
      CHECK(error.exit == Exit::kUnsupported);
    }
  }
}

TEST_CASE("weights of 4 bits are stored in 4 where TFLite has them", "[litert]") {
  ir::Graph g = tiny::graph(14);
  const ir::ValueId x = tiny::input(g, "x", {1, 7, 9, 10});
  tiny::output(g, tiny::relu(g, tiny::conv(g, x, 5)), "w_conv");
  tiny::output(g, tiny::conv(g, x, 7, {3, 1, 1, 1, 7}), "w_depthwise");
  tiny::output(g, tiny::gemm(g, tiny::flatten(g, x), 3), "w_gemm");
  target::TargetSpec target = target::load("litert");
  target.weights.bits = 4;
  const std::string onnx = onnx_io::write(g);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(onnx, 11, -3, 3);
  LowerOptions options = kept();
  options.io_type = IoType::kFloat32;
  const plan::QuantizedModel planned = integer_model(g, inputs, target);
  const Model packed = lower(planned, {}, options);
  options.int4 = false;
  const Model whole = lower(planned, {}, options);
  const auto nibbles = [](const Model& model) {
    return std::ranges::count(model.tensors, Type::kInt4, &Tensor::type);
  };
  for (const Tensor& tensor : packed.tensors) {
    if (tensor.type != Type::kInt4) continue;
    int64_t elements = 1;
    for (const int32_t dim : tensor.shape) elements *= dim;
    CHECK(static_cast<int64_t>(tensor.data->size()) == (elements + 1) / 2);
  }
  CHECK(nibbles(packed) == 3);
  options.int4 = true;
  options.int4_rows = false;
  CHECK(nibbles(lower(planned, {}, options)) == 2);
  CHECK(serialise(packed).bytes.size() < serialise(whole).bytes.size());
  check_own_arithmetic(serialise(packed).bytes, inputs, litert::run(serialise(packed).bytes, inputs).outputs,
                       1);
  // The same integers, so the same results to a step.
  const litert::Result a = litert::run(serialise(packed).bytes, inputs),
                       b = litert::run(serialise(whole).bytes, inputs);
  for (size_t i = 0; i < a.outputs.size(); ++i) {
    const std::vector<int64_t> dims{static_cast<int64_t>(a.outputs[i].size() / 4)};
    CHECK(sqnr_db(ir::make_tensor(ir::DType::kFloat, b.outputs[i], dims),
                  ir::make_tensor(ir::DType::kFloat, a.outputs[i], dims)) > 40);
  }
}

}  // namespace
}  // namespace qc::tflite
