// Ops of the tables that need several operators, or index tables: each against ONNX Runtime in LiteRT.
#include <cstring>
#include <functional>

#include "tflite/read.h"
#include "unit/tflite/lowered.h"

namespace qc::tflite {
namespace {

ir::ValueId ints(ir::Graph& g, std::vector<int64_t> values) {
  return tiny::constant_i(g, std::move(values));
}

TEST_CASE("activations that are several operators", "[litert]") {
  ir::Graph g = tiny::graph(20);
  const ir::ValueId x = tiny::input(g, "x", {1, 4, 5, 6});
  for (const char* op : {"Selu", "Celu", "ThresholdedRelu", "Erf", "Shrink"})
    tiny::output(g, tiny::node(g, op, {x}), op);
  tiny::output(g, tiny::node(g, "Elu", {x}, {{"alpha", 0.25f}}), "elu");
  tiny::output(g, tiny::node(g, "Celu", {x}, {{"alpha", 2.0f}}), "celu2");
  tiny::output(g, tiny::node(g, "Selu", {x}, {{"alpha", 0.5f}, {"gamma", 3.0f}}), "selu2");
  tiny::output(g, tiny::node(g, "ThresholdedRelu", {x}, {{"alpha", 0.25f}}), "thresholded");
  tiny::output(g, tiny::node(g, "Shrink", {x}, {{"bias", 0.5f}, {"lambd", 0.25f}}), "shrink");
  check_same(g, 2e-5f, -3, 3);
}

TEST_CASE("what a runtime lacks is spelled out", "[litert]") {
  ir::Graph g = tiny::graph(20);
  const ir::ValueId x = tiny::input(g, "x", {1, 8, 4, 6});
  tiny::output(g, tiny::node(g, "Gelu", {x}), "gelu");
  tiny::output(g, tiny::node(g, "Gelu", {x}, {{"approximate", std::string("tanh")}}), "gelu_tanh");
  tiny::output(g, tiny::node(g, "HardSwish", {x}), "hardswish");
  tiny::output(g, tiny::node(g, "LeakyRelu", {x}, {{"alpha", 0.3f}}), "leaky");
  tiny::output(g, tiny::node(g, "DepthToSpace", {x}, {{"blocksize", int64_t{2}}}), "d2s");
  for (const int64_t groups : {2, 4}) {
    tiny::ConvShape shape;
    shape.groups = groups;
    shape.dilation = groups / 2;
    tiny::output(g, tiny::relu(g, tiny::conv(g, x, 8, shape)), "conv" + std::to_string(groups));
  }
  LowerOptions options = kept();
  options.missing = {Op::kGelu, Op::kHardSwish, Op::kLeakyRelu, Op::kDepthToSpace};
  options.split_groups = true;
  const Model model = lower(float_model(g), {}, options);
  for (const Op op : options.missing) CHECK(count(model, op) == 0);
  check_same(g, 2e-5f, -3, 3, options);
  // There, but not for floats.
  options.missing.clear();
  options.never_float = {Op::kHardSwish};
  CHECK(count(lower(float_model(g), {}, options), Op::kHardSwish) == 0);
  check_same(g, 2e-5f, -3, 3, options);
}

TEST_CASE("transposed convolutions in groups, dilated or padded in any way compute the same in LiteRT",
          "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 4, 6, 5}), signal = tiny::input(g, "signal", {1, 4, 9});
  const auto up = [&](ir::ValueId in, tiny::Dims weight, Attributes attributes, const char* name) {
    const ir::ValueId w = tiny::constant(g, tiny::random_tensor(weight, 3));
    const int64_t groups = [&] {
      for (const ir::Attribute& a : attributes)
        if (a.name == "group") return std::get<int64_t>(a.value);
      return int64_t{1};
    }();
    const ir::ValueId b = tiny::constant(g, tiny::random_tensor({weight[1] * groups}, 4));
    tiny::output(g, tiny::node(g, "ConvTranspose", {in, w, b}, attributes), name);
  };
  const auto list = [](std::vector<int64_t> v) { return v; };
  up(x, {4, 3, 3, 3}, {{"group", int64_t{2}}, {"strides", list({2, 2})}, {"pads", list({1, 1, 1, 1})}},
     "groups");
  up(x, {4, 1, 3, 3}, {{"group", int64_t{4}}, {"strides", list({2, 2})}}, "depthwise");
  up(x, {4, 3, 3, 2}, {{"dilations", list({2, 3})}, {"strides", list({2, 1})}}, "dilated");
  up(x, {4, 3, 3, 3}, {{"dilations", list({2, 2})}, {"pads", list({2, 1, 0, 1})}, {"group", int64_t{2}}},
     "both");
  up(x, {4, 3, 3, 3},
     {{"strides", list({2, 2})}, {"pads", list({1, 1, 1, 1})}, {"output_padding", list({1, 1})}},
     "output_padding");
  up(x, {4, 3, 4, 4}, {{"strides", list({3, 3})}, {"output_padding", list({2, 1})}}, "output_padding_free");
  up(x, {4, 3, 3, 3}, {{"strides", list({2, 2})}, {"auto_pad", std::string("SAME_UPPER")}}, "same_upper");
  up(x, {4, 3, 3, 3}, {{"strides", list({2, 2})}, {"auto_pad", std::string("SAME_LOWER")}}, "same_lower");
  up(x, {4, 3, 3, 3}, {{"strides", list({2, 2})}, {"output_shape", list({12, 10})}}, "output_shape");
  up(signal, {4, 3, 4}, {{"strides", list({2})}, {"pads", list({1, 1})}}, "signal_up");
  check_same(g);
}

TEST_CASE("ops that work by position", "[litert]") {
  ir::Graph g = tiny::graph(20);
  const ir::ValueId x = tiny::input(g, "x", {3, 4, 5});
  const auto table = [&](std::vector<int64_t> values, tiny::Dims dims) {
    return tiny::constant(g, ir::make_tensor(std::span<const int64_t>(values), dims));
  };
  const auto out = [&](ir::ValueId v, const char* name) { tiny::output(g, v, name); };
  out(tiny::node(g, "GatherND", {x, table({0, 1, 2, -1}, {2, 2})}), "gather_nd");
  out(tiny::node(g, "GatherND", {x, table({2, 3, 4, 0, 0, -5}, {2, 3})}), "gather_nd_cells");
  out(tiny::node(g, "GatherElements", {x, table({0, 2, -1, 1, 0, 0}, {1, 2, 3})}, {{"axis", int64_t{2}}}),
      "elements");
  out(tiny::node(g, "ScatterND",
                 {x, table({0, 2, -1, 1}, {2, 2}), tiny::constant(g, tiny::random_tensor({2, 5}, 6))}),
      "scatter_nd");
  for (const int64_t axis : {0, 1, -1}) {
    const ir::ValueId at = tiny::constant(g, ir::scalar(axis));
    out(tiny::node(g, "CumSum", {x, at}), ("cumsum" + std::to_string(axis)).c_str());
    out(tiny::node(g, "CumSum", {x, at}, {{"exclusive", int64_t{1}}, {"reverse", int64_t{1}}}),
        ("cumsum_back" + std::to_string(axis)).c_str());
  }
  for (const int64_t largest : {0, 1}) {
    const auto both = tiny::node_outputs(g, "TopK", {x, ints(g, {3})}, {{"largest", largest}}, 2);
    out(both[0], ("top" + std::to_string(largest)).c_str());
    out(typed(g, both[1], ir::DType::kInt64), ("place" + std::to_string(largest)).c_str());
  }
  for (const int64_t upper : {0, 1}) {
    out(tiny::node(g, "Trilu", {x}, {{"upper", upper}}), ("trilu" + std::to_string(upper)).c_str());
    out(tiny::node(g, "Trilu", {x, tiny::constant(g, ir::scalar(int64_t{1}))}, {{"upper", upper}}),
        ("trilu_off" + std::to_string(upper)).c_str());
  }
  const ir::ValueId best = typed(
      g, tiny::node(g, "ArgMax", {x}, {{"axis", int64_t{2}}, {"keepdims", int64_t{0}}}), ir::DType::kInt64);
  const ir::ValueId on_off = tiny::constant(g, tiny::random_tensor({2}, 9));
  const ir::ValueId depth = tiny::constant(g, ir::scalar(int64_t{5}));
  out(typed(g, tiny::node(g, "OneHot", {best, depth, on_off}), ir::DType::kFloat), "one_hot");
  out(typed(g, tiny::node(g, "OneHot", {best, depth, on_off}, {{"axis", int64_t{1}}}), ir::DType::kFloat),
      "one_hot_inside");
  const ir::ValueId there = typed(g, tiny::node(g, "Unsqueeze", {best, ints(g, {2})}), ir::DType::kInt64);
  out(tiny::node(g, "GatherElements", {x, there}, {{"axis", int64_t{2}}}), "picked");
  out(tiny::node(g, "Mod", {x, tiny::constant(g, 0.3f)}, {{"fmod", int64_t{1}}}), "fmod");
  check_same(g);
}

TEST_CASE("places have 32 bits where the runtime has no more", "[litert]") {
  ir::Graph g = tiny::graph(20);
  const ir::ValueId x = tiny::input(g, "x", {3, 4, 5});
  const auto whole = [&](const char* op, std::vector<ir::ValueId> inputs, Attributes attributes = {}) {
    return typed(g, tiny::node(g, op, std::move(inputs), std::move(attributes)), ir::DType::kInt64);
  };
  const ir::ValueId best = whole("ArgMax", {x}, {{"axis", int64_t{2}}}),
                    least = whole("ArgMin", {x}, {{"axis", int64_t{2}}, {"keepdims", int64_t{0}}}),
                    rounded = whole("Cast", {x}, {{"to", int64_t{7}}}),
                    joined = whole(
                        "Concat",
                        {best, whole("Unsqueeze", {least, ints(g, {2})}), whole("Add", {best, ints(g, {7})})},
                        {{"axis", int64_t{1}}});
  for (const ir::ValueId v : {rounded, whole("Transpose", {joined}), least})
    tiny::output(g, typed(g, tiny::node(g, "Cast", {v}, {{"to", int64_t{1}}}), ir::DType::kFloat),
                 "y" + std::to_string(v));
  tiny::output(g, tiny::node(g, "GatherElements", {x, best}, {{"axis", int64_t{2}}}), "picked");
  LowerOptions options = kept();
  options.narrow_places = true;
  for (const Tensor& tensor : lower(float_model(g), {}, options).tensors) CHECK(tensor.type != Type::kInt64);
  check_same(g, 1e-5f, -3, 3, options);
}

TEST_CASE("normalizations and sums that are several operators", "[litert]") {
  ir::Graph g = tiny::graph(21);
  const ir::ValueId x = tiny::input(g, "x", {1, 6, 5, 4});
  const ir::ValueId scale = tiny::constant(g, tiny::random_tensor({6}, 3, 0.5f, 1.5f)),
                    shift = tiny::constant(g, tiny::random_tensor({6}, 4));
  for (const int64_t groups : {1, 2, 3, 6})
    tiny::output(g, tiny::node(g, "GroupNormalization", {x, scale, shift}, {{"num_groups", groups}}),
                 "groups" + std::to_string(groups));
  for (const int64_t p : {1, 2})
    for (const int64_t axis : {1, -1})
      tiny::output(g, tiny::node(g, "LpNormalization", {x}, {{"p", p}, {"axis", axis}}),
                   "lp" + std::to_string(p * 10 + axis));
  const ir::ValueId positive = tiny::node(g, "Add", {tiny::node(g, "Abs", {x}), tiny::constant(g, 0.5f)});
  for (const int64_t keep : {0, 1}) {
    const ir::ValueId axes = ints(g, {1, -1});
    tiny::output(g, tiny::node(g, "ReduceLogSum", {positive, axes}, {{"keepdims", keep}}),
                 "ls" + std::to_string(keep));
    tiny::output(g, tiny::node(g, "ReduceLogSumExp", {x, axes}, {{"keepdims", keep}}),
                 "lse" + std::to_string(keep));
  }
  check_same(g, 3e-5f);
}

// Wherever the list of tensors happens to be moved.
TEST_CASE("a tensor's shape is read while others are added") {
  for (int tensors = 0; tensors < 40; ++tensors) {
    ir::Graph g = tiny::graph(17);
    ir::ValueId x = tiny::input(g, "x", {1, 3, 4, 5});
    for (int i = 0; i < tensors; ++i) x = tiny::node(g, "Abs", {x});
    std::vector<ir::ValueId> normalized{x};
    for (int i = 0; i < 4; ++i)
      normalized.push_back(tiny::constant(g, tiny::random_tensor({3}, static_cast<unsigned>(i), 0.5f, 1.5f)));
    x = tiny::node(g, "BatchNormalization", normalized);
    tiny::output(g, tiny::node(g, "InstanceNormalization", {x, normalized[1], normalized[2]}), "y");
    const Model model = lower(float_model(g), {}, kept());
    CAPTURE(tensors);
    CHECK(count(model, Op::kAdd) >= 2);
    for (const Operator& op : model.operators) CHECK(model.tensors[op.outputs[0]].shape.size() == 4);
  }
}

TEST_CASE("a mean in front of dimensions of 1 takes them in", "[litert]") {
  ir::Graph g = tiny::graph(21);
  const ir::ValueId x = tiny::input(g, "x", {1, 6, 5, 4});
  const ir::ValueId scale = tiny::constant(g, tiny::random_tensor({6}, 3, 0.5f, 1.5f)),
                    shift = tiny::constant(g, tiny::random_tensor({6}, 4));
  tiny::output(g, tiny::node(g, "GroupNormalization", {x, scale, shift}, {{"num_groups", int64_t{1}}}),
               "group");
  const ir::ValueId flat = tiny::node(g, "Reshape", {x, ints(g, {1, 120, 1})}, {}, tiny::Dims{1, 120, 1});
  for (const int64_t keep : {0, 1})
    tiny::output(g, tiny::node(g, "ReduceMax", {flat, ints(g, {1})}, {{"keepdims", keep}}),
                 "most" + std::to_string(keep));
  tiny::output(g, tiny::node(g, "ReduceMean", {x, ints(g, {1})}, {{"keepdims", int64_t{1}}}), "inside");
  LowerOptions options = kept();
  options.xnnpack = true;
  const Model model = lower(float_model(g), {}, options);
  for (const Operator& op : model.operators) {
    if (op.op != Op::kReduceMax) continue;
    const bool keeps = int_option(op, "keep_dims", 0) != 0;
    CHECK(model.tensors[op.inputs[1]].shape[0] == (keeps ? 2 : 1));
  }
  check_same(g, 3e-5f, -1, 1, options);
}

TEST_CASE("a Softmax over few classes at many places is spelled out for XNNPACK", "[litert]") {
  ir::Graph g = tiny::graph(17);
  for (const int64_t classes : {2, 3, 8, 9}) {
    const ir::ValueId x = tiny::input(g, "x" + std::to_string(classes), {1, classes, 16, 17});
    tiny::output(g, tiny::softmax(g, x, 1), "y" + std::to_string(classes));
  }
  const ir::ValueId rows = tiny::input(g, "rows", {1, 2, 300, 4}), few = tiny::input(g, "few", {1, 50, 2});
  tiny::output(g, tiny::softmax(g, rows, -1), "y_rows");
  tiny::output(g, tiny::softmax(g, tiny::relu(g, rows), 1), "y_inner");
  tiny::output(g, tiny::softmax(g, few, -1), "y_few");
  LowerOptions options = kept();
  CHECK(count(lower(float_model(g), {}, options), Op::kSoftmax) == 7);
  options.xnnpack = true;
  const Model model = lower(float_model(g), {}, options);
  CHECK(count(model, Op::kSoftmax) == 2);  // of 9 classes, and of 50 rows
  CHECK(count(model, Op::kLogistic) == 2);
  CHECK(count(model, Op::kDiv) == 3);
  check_same(g, 1e-5f, -1, 1, options);
  check_same(g, 1e-5f, -300, 300, options);  // e^300 is no float
}

TEST_CASE("GroupNormalization as exporters spell it turns no channels", "[litert]") {
  for (const int64_t groups : {1, 4, 8})
    for (const int64_t batch : {1, 2}) {
      ir::Graph g = tiny::graph(17);
      const ir::ValueId x = tiny::conv(g, tiny::input(g, "x", {batch, 3, 6, 5}), 8);
      const ir::ValueId apart = tiny::reshape(g, x, {batch, groups, 240 / groups});
      const ir::ValueId scale = tiny::constant(g, tiny::random_tensor({groups}, 3, 0.5f, 1.5f)),
                        shift = tiny::constant(g, tiny::random_tensor({groups}, 4));
      const ir::ValueId plain = tiny::node(g, "InstanceNormalization", {apart, scale, shift}, {},
                                           tiny::Dims{batch, groups, 240 / groups});
      const ir::ValueId back = tiny::reshape(g, plain, {batch, 8, 6, 5});
      const ir::ValueId scaled =
          tiny::mul(g, back, tiny::constant(g, tiny::random_tensor({8, 1, 1}, 5, 0.5f, 1.5f)));
      const ir::ValueId normed =
          tiny::relu(g, tiny::add(g, scaled, tiny::constant(g, tiny::random_tensor({1, 8, 1, 1}, 6))));
      tiny::output(g, tiny::conv(g, normed, 4), "y");
      CAPTURE(groups, batch);
      const Model model = lower(float_model(g), {});
      CHECK(count(model, Op::kTranspose) == 0);
      CHECK(count(model, Op::kRelu) == 0);
      int large = 0;
      for (const Operator& op : model.operators)
        large +=
            model.tensors[op.outputs[0]].shape == std::vector<int32_t>{static_cast<int32_t>(batch), 6, 5, 8};
      CHECK(large == 5);  // the convolution, SUB, MUL, MUL and ADD
      check_same(g, 3e-5f);
    }
}

// A convolutional net with a Slice and a Reshape, and `last` behind it.
ir::Graph net_of_rows(const std::function<ir::ValueId(ir::Graph&, ir::ValueId)>& last) {
  ir::Graph g = tiny::graph(17);
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 8, 8});
  const ir::ValueId convolved = tiny::relu(g, tiny::conv(g, x, 8, {.kernel = 3, .pad = 1}));
  const ir::ValueId half = tiny::node(
      g, "Slice", {convolved, ints(g, {0, 0}), ints(g, {1, 4}), ints(g, {0, 1})}, {}, tiny::Dims{1, 4, 8, 8});
  tiny::output(g, last(g, half), "y");
  return g;
}

TEST_CASE("a free batch stays free where every operator keeps its rows apart", "[litert]") {
  LowerOptions options = kept();
  options.free_batch = {true};
  const ir::Graph scores = net_of_rows([](ir::Graph& g, ir::ValueId v) {
    const ir::ValueId flat = tiny::reshape(g, tiny::concat(g, {v, v}, 1), {1, 512});
    return tiny::softmax(g, tiny::gemm(g, flat, 5));
  });
  const Model model = lower(float_model(scores), {}, options);
  CHECK(model.holds_batch.empty());
  const auto tensor = [&](TensorId t) { return model.tensors[t]; };
  CHECK(tensor(model.inputs[0]).batched);
  CHECK(tensor(model.outputs[0]).batched);
  for (const Operator& op : model.operators) {
    if (op.op != Op::kReshape && op.op != Op::kSlice) continue;
    int32_t first = 0;
    std::memcpy(&first, tensor(op.inputs[op.op == Op::kReshape ? 1 : 2]).data->data(), sizeof first);
    CHECK(first == -1);
    CHECK(tensor(op.outputs[0]).batched == (op.op == Op::kSlice));
  }
  check_same(scores, 1e-5f, -1, 1, options);
  const file::Model read = file::parse(serialise(model).bytes, "m");
  CHECK(read.graphs[0].tensors[read.graphs[0].inputs[0]].dims[0] == -1);
}

TEST_CASE("an operator that mixes rows or has their number holds the batch", "[litert]") {
  LowerOptions options = kept();
  options.free_batch = {true};
  const auto holds = [&](const std::function<ir::ValueId(ir::Graph&, ir::ValueId)>& last) {
    const Model model = lower(float_model(net_of_rows(last)), {}, options);
    for (const Tensor& tensor : model.tensors) CHECK(!tensor.batched);
    check_same(net_of_rows(last), 1e-5f, -1, 1, options);
    return model.holds_batch.substr(0, model.holds_batch.find(' '));
  };
  CHECK(holds([](ir::Graph& g, ir::ValueId v) {
          return tiny::node(g, "ReduceMean", {v}, {{"axes", std::vector<int64_t>{0}}});
        }) == "MEAN");
  CHECK(holds([](ir::Graph& g, ir::ValueId v) { return tiny::conv_transpose(g, v, 2); }) == "TRANSPOSE_CONV");
  CHECK(holds([](ir::Graph& g, ir::ValueId v) {
          const ir::ValueId token = tiny::constant(g, tiny::random_tensor({1, 4, 1, 8}, 5));
          return tiny::concat(g, {v, token}, 2);
        }) == "CONCATENATION");
  CHECK(holds([](ir::Graph& g, ir::ValueId v) {
          return tiny::transpose(g, v, {1, 0, 2, 3});
        }) == "Transpose");
}

TEST_CASE("ops of opset 24 are lowered to what computes the same", "[litert]") {
  ir::Graph g = tiny::graph(24);
  const ir::ValueId x = tiny::input(g, "x", {2, 5, 6});
  tiny::output(g, tiny::node(g, "RMSNormalization", {x, tiny::constant(g, tiny::random_tensor({6}, 3))}),
               "rms");
  tiny::output(g, tiny::node(g, "Swish", {x}, {{"alpha", 0.5f}}), "swish");
  check_same(g);
}

TEST_CASE("Einsum of two operands is one product of matrices", "[litert]") {
  ir::Graph g = tiny::graph();
  const ir::ValueId q = tiny::input(g, "q", {2, 3, 4, 5}), k = tiny::input(g, "k", {2, 3, 6, 5});
  const ir::ValueId w = tiny::constant(g, tiny::random_tensor({5, 7}, 3));
  const auto einsum = [&](const char* equation, ir::ValueId a, ir::ValueId b) {
    tiny::output(g, tiny::node(g, "Einsum", {a, b}, {{"equation", std::string(equation)}}),
                 std::string("e_") + std::to_string(g.outputs.size()));
  };
  einsum("bhid,bhjd->bhij", q, k);
  einsum("bhid, bhjd -> bihj", q, k);
  einsum("bhid,de->bhie", q, w);
  einsum("bhid,bhjd->bij", q, k);
  check_same(g, 2e-5f);
}

}  // namespace
}  // namespace qc::tflite
