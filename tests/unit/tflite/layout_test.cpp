// The layout assignment on graphs whose best answer is known.
#include "tflite/layout.h"

#include <catch2/catch.hpp>

#include "ir/graph.h"
#include "support/tiny_models.h"

namespace qc::tflite {
namespace {

constexpr NodeSides kConv{Side::kLast, Side::kLast, true};
constexpr NodeSides kAny{Side::kFree, Side::kFree, true};
constexpr NodeSides kOnnx{};

std::vector<NodeSides> sides(const ir::Graph& g, const std::map<std::string, NodeSides>& by_op) {
  std::vector<NodeSides> list;
  for (const ir::Node& node : g.nodes) list.push_back(by_op.at(node.op_type));
  return list;
}

// Of the values that must exist in both orders.
int64_t transposed_bytes(const ir::Graph& g, const Layouts& layouts, const LayoutOptions& options) {
  int64_t bytes = 0;
  for (size_t v = 0; v < g.values.size(); ++v) {
    const ir::Value& value = g.values[v];
    if (value.constant || value.dims.size() < 3) continue;
    const bool last = layouts.value[v];
    bool both =
        ir::is_output(g, static_cast<ir::ValueId>(v)) && (options.keep_io || value.dims.size() != 4) && last;
    for (const ir::NodeId reader : value.consumers) both = both || layouts.node_in[reader] != last;
    if (both && !moves_nothing(value.dims, channels_last(value.dims.size())))
      bytes += ir::element_count(value.dims) * (v < options.width.size() ? options.width[v] : 4);
  }
  return bytes;
}

TEST_CASE("channels last is 0, 2, ..., rank-1, 1, and nothing below rank 3") {
  CHECK(channels_last(2) == std::vector<int>{0, 1});
  CHECK(channels_last(3) == std::vector<int>{0, 2, 1});
  CHECK(channels_last(4) == std::vector<int>{0, 2, 3, 1});
  CHECK(channels_last(5) == std::vector<int>{0, 2, 3, 4, 1});
}

TEST_CASE("a permutation moves nothing when only dimensions of size 1 change places") {
  const std::vector<int> last = channels_last(4);
  const std::vector<int64_t> pooled{1, 64, 1, 1}, gray{1, 1, 28, 28}, image{1, 3, 8, 8};
  CHECK(moves_nothing(pooled, last));
  CHECK(moves_nothing(gray, last));
  CHECK_FALSE(moves_nothing(image, last));
}

TEST_CASE("transposed moves every element to where the order says") {
  std::vector<float> values(2 * 3 * 4 * 5);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const ir::Tensor from = ir::make_tensor(std::span<const float>(values), {2, 3, 4, 5});
  const ir::Tensor to = transposed(from, channels_last(4));
  REQUIRE(to.dims == std::vector<int64_t>{2, 4, 5, 3});
  for (size_t n = 0; n < 2; ++n)
    for (size_t c = 0; c < 3; ++c)
      for (size_t y = 0; y < 4; ++y)
        for (size_t x = 0; x < 5; ++x)
          REQUIRE(to.as<float>()[((n * 4 + y) * 5 + x) * 3 + c] == values[((n * 3 + c) * 4 + y) * 5 + x]);
}

TEST_CASE("a chain of convolutions with something free between them transposes nothing") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 8, 8});
  const ir::ValueId a = tiny::relu(g, tiny::conv(g, x, 4));
  tiny::output(g, tiny::add(g, a, tiny::conv(g, a, 4)));
  const auto wanted = sides(g, {{"Conv", kConv}, {"Relu", kAny}, {"Add", kAny}});
  const Layouts layouts = assign_layouts(g, wanted, {});
  CHECK(transposed_bytes(g, layouts, {}) == 0);
  CHECK(layouts.value[x]);
  CHECK(std::all_of(layouts.node_in.begin(), layouts.node_in.end(), [](bool last) { return last; }));
}

TEST_CASE("a picture of one channel has it last on both sides") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 1, 8, 8});
  const ir::ValueId y = tiny::output(g, tiny::relu(g, tiny::conv(g, tiny::conv(g, x, 4), 1)));
  const auto wanted = sides(g, {{"Conv", kConv}, {"Relu", kAny}});
  const Layouts layouts = assign_layouts(g, wanted, {});
  CHECK(layouts.value[x]);
  CHECK(layouts.value[y]);
  LayoutOptions keep;
  keep.keep_io = true;
  CHECK_FALSE(assign_layouts(g, wanted, keep).value[x]);
}

TEST_CASE("kept inputs and outputs cost one transpose each") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 8, 8});
  tiny::output(g, tiny::relu(g, tiny::conv(g, x, 4)));
  LayoutOptions keep;
  keep.keep_io = true;
  const Layouts layouts = assign_layouts(g, sides(g, {{"Conv", kConv}, {"Relu", kAny}}), keep);
  CHECK_FALSE(layouts.value[x]);
  CHECK(transposed_bytes(g, layouts, keep) == (3 + 4) * 64 * 4);
}

TEST_CASE("the cut lies where the fewest bytes cross") {
  // conv (large) -> pool (small) -> something that wants ONNX's order: behind the pool, not in front of it.
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 16, 16});
  const ir::ValueId pooled = tiny::max_pool(g, tiny::conv(g, x, 4), 4, 4);
  tiny::output(g, tiny::reshape(g, tiny::relu(g, pooled), {4, 16}));
  const auto wanted = sides(g, {{"Conv", kConv}, {"MaxPool", kAny}, {"Relu", kAny}, {"Reshape", kOnnx}});
  const Layouts layouts = assign_layouts(g, wanted, {});
  CHECK(transposed_bytes(g, layouts, {}) == 4 * 16 * 4);
  CHECK(layouts.value[pooled]);
}

TEST_CASE("two readers of one value share its transpose") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 8, 8});
  const ir::ValueId a = tiny::conv(g, x, 4);
  tiny::output(g, tiny::reshape(g, a, {4, 64}));
  tiny::output(g, tiny::reshape(g, a, {64, 4}));
  const Layouts layouts = assign_layouts(g, sides(g, {{"Conv", kConv}, {"Reshape", kOnnx}}), {});
  CHECK(transposed_bytes(g, layouts, {}) == 4 * 64 * 4);
}

TEST_CASE("an integer value is worth a quarter of a float one") {
  ir::Graph g = tiny::graph();
  const ir::ValueId x = tiny::input(g, "x", {1, 3, 8, 8});
  const ir::ValueId a = tiny::conv(g, x, 4), b = tiny::relu(g, a);
  tiny::output(g, tiny::reshape(g, b, {4, 64}));
  LayoutOptions options;
  options.width.assign(g.values.size(), 4);
  options.width[a] = 1;
  const Layouts layouts =
      assign_layouts(g, sides(g, {{"Conv", kConv}, {"Relu", kAny}, {"Reshape", kOnnx}}), options);
  CHECK_FALSE(layouts.node_in[1]);  // the Relu stands behind the transpose of the narrow value
  CHECK(transposed_bytes(g, layouts, options) == 4 * 64);
}

}  // namespace
}  // namespace qc::tflite
