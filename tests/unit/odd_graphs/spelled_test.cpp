// What the ONNX file spells in other ops for the runtime, in odd graphs: as fast as meant, and the same to
// the last bit where nothing else is said.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "ir/edit.h"
#include "onnx_io/onnx_io.h"
#include "support/sqnr.h"
#include "support/tiny_models.h"
#include "tflite/read.h"
#include "unit/odd_graphs/odd_graphs.h"
#include "unit/onnx_io/ort_try.h"

namespace qc::odd {
namespace {

using test::sqnr_db;
using tiny::constant;
using tiny::conv;
using tiny::input;
using tiny::node;
using tiny::output;
using tiny::random_tensor;

TEST_CASE("channels are shuffled by a Gather in ONNX files, by TRANSPOSE in .tflite", "[litert]") {
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId split = tiny::reshape(g, tiny::relu(g, conv(g, x, 12)), {1, 3, 4, 12, 10});
    output(g, conv(g, tiny::reshape(g, tiny::transpose(g, split, {0, 2, 1, 3, 4}), {1, 12, 12, 10}), 4), "y");
  };
  check({"both", build, kBoth, 25});
  ir::Graph g = tiny::graph();
  build(g, input(g, "x", {1, 3, 12, 10}));
  const Files files = convert_graph(g, kBoth);
  const ir::Graph read = read_graph(files.onnx);
  CHECK(count_of(read, "Gather") > 0);
  CHECK(count_of(read, "Transpose") == 0);
  CHECK(operators_of(files.tflite, "GATHER") == 0);
}

// The convolution in groups as it was before groups were merged: its weights without the zeros between them.
void split_groups(ir::Graph& g, ir::Node& grouped, int64_t wanted) {
  const int64_t groups = ir::int_attribute(grouped, "group", 1);
  const ir::NodeId unfolds = ir::value_at(g, grouped.inputs[1]).producer;
  ir::Value& weight = ir::value_at(g, ir::node_at(g, unfolds).inputs[0]);
  ir::Tensor narrow = *weight.constant;
  const auto all = weight.constant->as<int8_t>();
  const int64_t outputs = narrow.dims[0], together = wanted / groups,
                each = std::ssize(all) / outputs / together;
  std::vector<int8_t> own;
  int64_t zeros = 0;
  for (int64_t i = 0; i < std::ssize(all); ++i) {
    const int64_t place = i / each % together, group = i / each / together / (outputs / wanted);
    if (place == group % together)
      own.push_back(all[i]);
    else
      zeros += all[i] == 0;
  }
  CHECK(zeros == std::ssize(all) - std::ssize(own));
  narrow.dims[1] /= together;
  weight.dims = narrow.dims;
  weight.constant = ir::make_tensor(std::span<const int8_t>(own), weight.dims);
  ir::set_attribute(grouped, "group", wanted);
}

TEST_CASE("groups of few channels are merged in ONNX files, and compute the same to the last bit",
          "[litert]") {
  const struct {
    int64_t channels, groups, merged;
  } rows[] = {{64, 8, 1}, {128, 16, 4}, {96, 3, 3}, {24, 24, 24}};
  for (const auto& row : rows) {
    CAPTURE(row.channels, row.groups);
    const auto build = [&](ir::Graph& g, ir::ValueId x) {
      const ir::ValueId y = tiny::relu(g, conv(g, x, row.channels, {}, 1));
      const ir::ValueId z = conv(g, y, row.channels, {3, 1, 1, 1, row.groups, true}, 2);
      output(g, conv(g, tiny::relu(g, z), 8, {}, 3), "y");
    };
    check({"both", build, kBoth, 20});
    ir::Graph g = tiny::graph();
    build(g, input(g, "x", {1, 3, 12, 10}));
    const std::string written = convert_graph(g, {"/placement=full"}).onnx;
    ir::Graph graph = read_graph(written);
    std::vector<ir::NodeId> layers = ir::topological_order(graph);
    std::erase_if(layers, [&](ir::NodeId id) { return ir::node_at(graph, id).op_type != "Conv"; });
    ir::Node& grouped = ir::node_at(graph, layers.at(1));
    CHECK(ir::int_attribute(grouped, "group", 1) == row.merged);
    split_groups(graph, grouped, row.groups);
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(written, 90);
    const auto answer = [&](const std::string& file) {
      return *ort_try::run(file, inputs, ort_try::Optimize::kExtended)[0].bytes;
    };
    CHECK(answer(written) == answer(onnx_io::write(graph)));
  }
}

TEST_CASE("GELU between convolutions is one op") {
  const auto halved_first = [](ir::Graph& g, ir::ValueId x) {
    const ir::ValueId u = node(g, "Div", {x, constant(g, static_cast<float>(M_SQRT2))}),
                      curve = tiny::add(g, node(g, "Erf", {u}), constant(g, 1.0f));
    return tiny::mul(g, x, tiny::mul(g, constant(g, 0.5f), curve));
  };
  ir::Graph g = tiny::graph(17);
  output(g, conv(g, halved_first(g, conv(g, input(g, "x", {1, 3, 12, 10}), 6)), 4), "y");
  const std::string model = onnx_io::write(g);
  const std::string written = convert_graph(g, {"/placement=full"}).onnx;
  const ir::Graph read = read_graph(written);
  CHECK(ir::opset(read) == 20);
  CHECK(count_of(read, "Gelu") == 1);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
  CHECK(sqnr_db(ort_try::run(model, inputs)[0], ort_try::run(written, inputs)[0]) > 25);
  // Behind a product of matrices nothing is rounded, and the runtime joins the parts in their usual order.
  ir::Graph matrices = tiny::graph(17);
  const ir::ValueId w = constant(matrices, random_tensor({10, 10}, 12));
  output(matrices,
         tiny::matmul(matrices,
                      halved_first(matrices, tiny::matmul(matrices, input(matrices, "x", {1, 3, 12, 10}), w)),
                      w),
         "y");
  CHECK(ir::opset(read_graph(convert_graph(matrices, {}).onnx)) == 17);
}

TEST_CASE("convolutions whose channels no fast kernel takes get channels of zeros") {
  const auto conv_of = [](ir::Graph& g, ir::ValueId x, int64_t channels, int64_t kernel, int64_t groups,
                          unsigned seed) {
    return conv(g, x, channels, {kernel, 1, kernel / 2, 1, groups, true}, seed);
  };
  // Dense ones: a picture's channels, few results, results that the next layer reads alone.
  ir::Graph dense = tiny::graph();
  const ir::ValueId first = tiny::relu(dense, conv_of(dense, input(dense, "x", {1, 3, 12, 10}), 18, 3, 1, 1));
  output(dense, conv_of(dense, first, 5, 3, 1, 2), "y");
  // By channel, through a gate that is computed from the same channels.
  ir::Graph gated = tiny::graph();
  const ir::ValueId wide = tiny::relu(gated, conv_of(gated, input(gated, "x", {1, 3, 12, 10}), 24, 1, 1, 3));
  const ir::ValueId deep = tiny::relu(gated, conv_of(gated, wide, 24, 5, 24, 4));
  const ir::ValueId gate = tiny::sigmoid(
      gated,
      conv_of(gated, tiny::relu(gated, conv_of(gated, tiny::global_average_pool(gated, deep), 8, 1, 1, 5)),
              24, 1, 1, 6));
  output(gated, conv_of(gated, tiny::mul(gated, deep, gate), 16, 1, 1, 7), "y");
  // An output shows its channels: nothing grows.
  ir::Graph shown = tiny::graph();
  const ir::ValueId before =
      tiny::relu(shown, conv_of(shown, input(shown, "x", {1, 3, 12, 10}), 24, 1, 1, 8));
  output(shown, conv_of(shown, before, 24, 3, 24, 9), "y");

  const struct {
    const ir::Graph& graph;
    const char* layers;  // outputs and inputs of the written convolutions
  } rows[] = {{dense, "20x4 16x20 "}, {gated, "32x3 32x1 8x32 32x8 16x32 "}, {shown, "24x3 24x1 "}};
  for (const auto& row : rows) {
    CAPTURE(row.layers);
    const std::string model = onnx_io::write(row.graph),
                      written = convert_graph(row.graph, {"/placement=full"}).onnx;
    const ir::Graph graph = read_graph(written);
    std::string layers;
    for (const ir::NodeId id : ir::topological_order(graph)) {
      const ir::Node& found = ir::node_at(graph, id);
      if (found.op_type != "Conv") continue;
      const ir::NodeId unfolds = ir::value_at(graph, found.inputs[1]).producer;
      const auto& dims = ir::constant_input(graph, ir::node_at(graph, unfolds), 0)->dims;
      layers += format("{}x{} ", dims[0], dims[1]);
    }
    CHECK(layers == row.layers);
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
    CHECK(sqnr_db(ort_try::run(model, inputs)[0],
                  ort_try::run(written, inputs, ort_try::Optimize::kExtended)[0]) > 27);
  }
}

constexpr const char* kFloatAdd = "/keep_float={\"op_types\":[\"Add\"]}";

// An encoder's layer, [1, 12, 32]: what a product adds to is normalized, at the end twice.
void build_norms(ir::Graph& g, const std::function<ir::ValueId(ir::ValueId)>& norm) {
  const auto product = [&](ir::ValueId v, unsigned seed) {
    return tiny::matmul(g, v, constant(g, random_tensor({32, 32}, seed, -0.3f, 0.3f)));
  };
  const ir::ValueId x = product(input(g, "x", {1, 12, 32}), 1);
  const ir::ValueId biased = tiny::add(g, product(x, 2), constant(g, random_tensor({32}, 3)));
  const ir::ValueId first = norm(tiny::add(g, biased, x));
  const ir::ValueId second = norm(tiny::add(g, first, product(tiny::relu(g, product(first, 4)), 5)));
  output(g, product(second, 6), "y");
}

TEST_CASE("what is added in front of a LayerNorm is a Sum in ONNX files, an ADD in .tflite", "[litert]") {
  const auto layer_norm = [](ir::Graph& g) {
    return [&g](ir::ValueId v) {
      const ir::ValueId scale = constant(g, random_tensor({32}, 7, 0.5f, 1.5f)),
                        shift = constant(g, random_tensor({32}, 8));
      if (ir::opset(g) >= 17) return node(g, "LayerNormalization", {v, scale, shift}, {});
      const auto mean = [&](ir::ValueId of) {
        return node(g, "ReduceMean", {of}, {{"axes", tiny::Dims{-1}}});
      };
      const ir::ValueId centred = node(g, "Sub", {v, mean(v)}),
                        variance = mean(node(g, "Pow", {centred, constant(g, 2.0f)})),
                        deviation = node(g, "Sqrt", {tiny::add(g, variance, constant(g, 1e-5f))});
      return tiny::add(g, tiny::mul(g, node(g, "Div", {centred, deviation}), scale), shift);
    };
  };
  const std::vector<std::string> rows[] = {
      {"/output/formats=[\"onnx\",\"tflite\"]", "/placement=full", kFloatAdd},
      {"/output/onnx/form=qoperator", "/placement=full", kFloatAdd},
      {"/mode=weight_only"},
      {"/mode=float16"},
      {"/mode=dynamic"}};
  for (const int64_t opset : {13, 17})
    for (const std::vector<std::string>& settings : rows) {
      CAPTURE(opset, settings[0]);
      ir::Graph g = tiny::graph(opset);
      build_norms(g, layer_norm(g));
      const std::string model = onnx_io::write(g);
      const Files files = convert_graph(g, settings);
      ir::Graph read = read_graph(files.onnx);
      CHECK(count_of(read, "Sum") == 2);
      const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
      const ir::Tensor expected = ort_try::run(model, inputs)[0], plain = ort_try::run(files.onnx, inputs)[0];
      const ir::Tensor found = ort_try::run(files.onnx, inputs, ort_try::Optimize::kExtended)[0];
      CHECK(sqnr_db(expected, found) > 25);
      CHECK(count_of(optimized_by_runtime(files.onnx, inputs), "SkipLayerNormalization") == 0);
      for (ir::Node& one : read.nodes)
        if (one.op_type == "Sum") one.op_type = "Add";
      const std::string added = onnx_io::write(read);
      CHECK(*ort_try::run(added, inputs)[0].bytes == *plain.bytes);
      CHECK(count_of(optimized_by_runtime(added, inputs), "SkipLayerNormalization") == 2);
      if (!files.tflite.empty()) CHECK(litert_db(expected, files.tflite, inputs) > 25);
    }
}

TEST_CASE("a Softmax that is reported in float runs in float between integers", "[litert]") {
  using Scores = std::function<ir::ValueId(ir::Graph & g, ir::ValueId product)>;
  struct Row {
    const char* name;
    Scores scores;
    size_t floats;  // products that hand out floats
  };
  const auto vector = [](ir::Graph& g) { return constant(g, random_tensor({16}, 5)); };
  const Row rows[] = {
      {"product", [](ir::Graph&, ir::ValueId p) { return p; }, 1},
      {"scaled, and positions are added",
       [](ir::Graph& g, ir::ValueId p) {
         return tiny::add(g, tiny::mul(g, p, constant(g, 0.3f)),
                          constant(g, random_tensor({1, 2, 16, 16}, 6)));
       },
       1},
      {"a vector is added", [&](ir::Graph& g, ir::ValueId p) { return tiny::add(g, p, vector(g)); }, 1},
      {"others read the scores",
       [](ir::Graph& g, ir::ValueId p) {
         output(g, tiny::relu(g, tiny::matmul(g, p, constant(g, random_tensor({16, 4}, 8)))), "beside");
         return p;
       },
       0},
      {"no product",
       [](ir::Graph& g, ir::ValueId p) {
         return tiny::transpose(g, tiny::relu(g, p), {0, 1, 3, 2});
       },
       0}};
  for (const Row& row : rows) {
    CAPTURE(row.name);
    ir::Graph g = tiny::graph();
    const ir::ValueId x = input(g, "x", {1, 2, 16, 8});
    const auto projected = [&](unsigned seed) {
      return tiny::matmul(g, x, constant(g, random_tensor({8, 8}, seed)));
    };
    const ir::ValueId product = tiny::matmul(g, projected(1), tiny::transpose(g, projected(2), {0, 1, 3, 2}));
    const ir::ValueId shares = tiny::softmax(g, row.scores(g, product));
    output(g, tiny::matmul(g, tiny::matmul(g, shares, projected(3)), constant(g, random_tensor({8, 8}, 4))),
           "y");
    const ir::Graph for_converters =
        read_graph(convert_graph(g, {"/placement=full", "/output/onnx/form=fake_quant"}).onnx);
    const ir::NodeId softmax = tiny::only(for_converters, "Softmax");
    CHECK(ir::producer_if(for_converters, ir::node_at(for_converters, softmax).inputs[0],
                          "DequantizeLinear") != ir::kNone);
    const std::string model = onnx_io::write(g);
    const Files files = convert_graph(g, kBoth);
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
    const std::vector<ir::Tensor> expected = ort_try::run(model, inputs),
                                  found = ort_try::run(files.onnx, inputs, ort_try::Optimize::kExtended);
    for (size_t i = 0; i < expected.size(); ++i) CHECK(sqnr_db(expected[i], found[i]) > 18);
    const ir::Graph runs = optimized_by_runtime(files.onnx, inputs);
    CHECK(count_of(runs, "Softmax") == 1);
    CHECK(count_of(runs, "QLinearSoftmax") == 0);
    CHECK(count_of(runs, "MatMulIntegerToFloat") == row.floats);
    CHECK(count_of(runs, "MatMul") + count_of(runs, "Gemm") == 0);
    for (const report::NodeRow& node : files.report.nodes)
      if (node.op_type == "Softmax") CHECK(node.verdict == "Softmax (float)");
    for (const double db : litert_db(expected, files.tflite, inputs)) CHECK(db > 18);
    const tflite::file::Model parsed = tflite::file::parse(files.tflite, "odd.tflite");
    tflite::file::TensorId rounded = tflite::file::kAbsent;
    for (const tflite::file::Operator& op : parsed.graphs[0].operators) {
      if (op.op == "DEQUANTIZE") rounded = op.outputs[0];
      if (op.op == "SOFTMAX") CHECK(op.inputs[0] == rounded);
    }
  }
}

TEST_CASE("the length of what lies last is spelled out in ONNX files") {
  for (const int64_t opset : {13, 18})
    for (const int64_t keepdims : {0, 1}) {
      CAPTURE(opset, keepdims);
      ir::Graph g = tiny::graph(opset);
      const ir::ValueId x = conv(g, input(g, "x", {1, 3, 64, 64}), 4);
      const auto length = [&](ir::ValueId of, tiny::Dims axes) {
        if (opset < 18) return node(g, "ReduceL2", {of}, {{"axes", axes}, {"keepdims", keepdims}});
        return node(g, "ReduceL2", {of, tiny::constant_i(g, axes)}, {{"keepdims", keepdims}});
      };
      output(g, length(x, {2, -1}), "area");
      output(g, length(x, {1}), "channels");  // not what lies last
      output(g, length(tiny::max_pool(g, x, 8, 8), {3}), "of little");
      const std::string model = onnx_io::write(g);
      const Files files = convert_graph(g, {"/placement=full"});
      const ir::Graph read = read_graph(files.onnx);
      CHECK(count_of(read, "ReduceL2") == 2);
      CHECK(count_of(read, "ReduceSum") == 1);
      const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, 90);
      const std::vector<ir::Tensor> expected = ort_try::run(model, inputs),
                                    found = ort_try::run(files.onnx, inputs, ort_try::Optimize::kExtended);
      for (size_t i = 0; i < expected.size(); ++i) CHECK(sqnr_db(expected[i], found[i]) > 35);
    }
}

TEST_CASE("fix spells what is added in front of a LayerNorm as a Sum") {
  ir::Graph g = tiny::graph(17);
  build_norms(g, [&](ir::ValueId v) {
    return node(g, "LayerNormalization", {v, constant(g, random_tensor({32}, 7, 0.5f, 1.5f))}, {});
  });
  const Files files = convert_graph(g, {"/placement=full", kFloatAdd});
  const std::string fixed = fixed_without_images(files.onnx).onnx;
  const ir::Graph read = read_graph(fixed);
  CHECK(count_of(read, "Sum") == 2);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(fixed, 90);
  CHECK(sqnr_db(ort_try::run(files.onnx, inputs)[0], ort_try::run(fixed, inputs)[0]) > 30);
}

// The file with constants of few elements as they were before they were repeated: those of `dims`, in full
// rank, are cut to their first row.
std::string with_rows(const std::string& file, const tiny::Dims& dims, const tiny::Dims& row) {
  ir::Graph g = read_graph(file);
  for (ir::Value& value : g.values) {
    if (!value.constant || value.constant->dims != dims) continue;
    const size_t bytes = value.constant->bytes->size() / static_cast<size_t>(ir::element_count(dims)) *
                         static_cast<size_t>(ir::element_count(row));
    const std::string all = *value.constant->bytes, first = all.substr(0, bytes);
    for (size_t i = 0; i < all.size(); i += bytes) CHECK(all.compare(i, bytes, first) == 0);
    value.constant = ir::make_tensor(value.constant->dtype, first, row);
    value.dims = row;
  }
  return onnx_io::write(g);
}

TEST_CASE("constants of few channels in the last dimension are repeated in ONNX files", "[litert]") {
  // Channels last: a shift and a scale for each of four, between two products; rows of 24 by 24.
  const auto build = [](ir::Graph& g, ir::ValueId x) {
    const auto product = [&](ir::ValueId v, unsigned seed) {
      return tiny::matmul(g, v, constant(g, random_tensor({4, 4}, seed)));
    };
    const ir::ValueId shifted =
        tiny::add(g, tiny::sigmoid(g, product(x, 1)), constant(g, random_tensor({4}, 2)));
    const ir::ValueId wide = tiny::sigmoid(
        g, tiny::mul(g, tiny::sigmoid(g, shifted), constant(g, random_tensor({4}, 3, 0.5f, 1.5f))));
    output(g, product(wide, 4), "y");
  };
  const std::vector<std::string> rows[] = {
      kBoth,
      {"/placement=full", "/output/onnx/form=qoperator"},
      {"/placement=full", "/keep_float={\"op_types\":[\"Add\",\"Mul\"]}"},
      {"/mode=weight_only"},
      {"/mode=float16"},
      {"/mode=dynamic"}};
  for (const std::vector<std::string>& settings : rows) {
    CAPTURE(settings);
    check({"rows of four", build, settings, 25}, {1, 24, 24, 4});
    ir::Graph g = tiny::graph();
    build(g, input(g, "x", {1, 24, 24, 4}));
    const std::string written = convert_graph(g, settings).onnx;
    const ir::Graph read = read_graph(written);
    const auto count = [&](const tiny::Dims& dims) {
      return std::ranges::count_if(read.values, [&](const ir::Value& value) {
        return value.constant && value.constant->dims == dims;
      });
    };
    CHECK(count({1, 1, 24, 4}) == 2);
    const std::string before = with_rows(written, {1, 1, 24, 4}, {4});
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(written, 90);
    for (const auto optimize : {ort_try::Optimize::kNone, ort_try::Optimize::kExtended})
      CHECK(*ort_try::run(written, inputs, optimize)[0].bytes ==
            *ort_try::run(before, inputs, optimize)[0].bytes);
  }
}

TEST_CASE("images grow pixel by pixel in ONNX files, and compute the same to the last bit", "[litert]") {
  for (const char* mode : {"DCR", "CRD"})
    for (const int64_t channels : {8, 3}) {
      CAPTURE(mode, channels);
      const auto build = [&](ir::Graph& g, ir::ValueId x) {
        const ir::ValueId y = tiny::relu(g, conv(g, tiny::relu(g, conv(g, x, 16)), channels * 4, {}, 2));
        const ir::ValueId wide =
            node(g, "DepthToSpace", {y}, {{"blocksize", int64_t{2}}, {"mode", std::string(mode)}},
                 tiny::Dims{1, channels, 24, 20});
        output(g, conv(g, wide, 4, {}, 3), "y");
      };
      const std::string form = "/output/onnx/form=qoperator";
      check({"both", build, kBoth, 25});
      check({"integer ops", build, {"/placement=full", form}, 25});
      ir::Graph g = tiny::graph();
      build(g, input(g, "x", {1, 3, 12, 10}));
      const std::string written = convert_graph(g, {"/placement=full"}).onnx;
      const ir::Graph read = read_graph(written);
      CHECK(count_of(read, "DepthToSpace") == (channels > 3 ? 0 : 1));
      CHECK(count_of(read, "Transpose") == (channels > 3 ? 3 : 0));
      ir::Graph moved = read;  // with one op again
      for (const ir::NodeId id : ir::topological_order(read)) {
        const ir::Node& last = ir::node_at(read, id);
        if (last.op_type != "Transpose" || ir::ints_attribute(last, "perm") != tiny::Dims{0, 3, 1, 2})
          continue;
        ir::NodeId first = id;
        while (ir::ints_attribute(ir::node_at(read, first), "perm") != tiny::Dims{0, 2, 3, 1})
          first = ir::value_at(read, ir::node_at(read, first).inputs[0]).producer;
        ir::become(moved, id, "DepthToSpace", {ir::node_at(read, first).inputs[0]},
                   {{"blocksize", int64_t{2}}});
      }
      ir::remove_dead(moved);
      const std::vector<ir::Tensor> inputs = ort_try::random_inputs(written, 90);
      for (const auto optimize : {ort_try::Optimize::kNone, ort_try::Optimize::kExtended})
        CHECK(*ort_try::run(written, inputs, optimize)[0].bytes ==
              *ort_try::run(onnx_io::write(moved), inputs, optimize)[0].bytes);
    }
}

}  // namespace
}  // namespace qc::odd
