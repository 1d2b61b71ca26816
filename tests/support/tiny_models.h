// Small graphs built in code, for tests of every room: a test says in three lines which nodes it wants and
// reads the result by value id. Output shapes are worked out here for the ops below (a shape that follows
// from nothing stays unknown), so that rewrites and rules that need shapes can be tried without a file or a
// runtime.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace qc::tiny {

using Attributes = std::vector<ir::Attribute>;
using Dims = std::vector<int64_t>;

/// An empty graph that imports the standard domain at this version, IR 8.
ir::Graph graph(int64_t opset = 13, std::string name = "tiny");

// --- ends
/// A graph input. Dims of -1 get a dim_param ("d0", "d1", ...).
ir::ValueId input(ir::Graph& g, const std::string& name, Dims dims, ir::DType dtype = ir::DType::kFloat);
/// Appends to the graph's outputs; renames the value when `name` is given.
ir::ValueId output(ir::Graph& g, ir::ValueId value, const std::string& name = "");

// --- constants
/// Uniform in [low, high), the same on every machine for the same seed.
ir::Tensor random_tensor(Dims dims, unsigned seed, float low = -1.0f, float high = 1.0f);
ir::Tensor filled(Dims dims, float value);
ir::ValueId constant(ir::Graph& g, ir::Tensor tensor, const std::string& name = "c");
ir::ValueId constant(ir::Graph& g, float scalar);
ir::ValueId constant_f(ir::Graph& g, std::vector<float> values, Dims dims = {});  // no dims: 1-D
ir::ValueId constant_i(ir::Graph& g, std::vector<int64_t> values);                // 1-D int64

// --- nodes
/// Any node with one output; `dims` is the output's shape, left out: inferred where this file knows how.
ir::ValueId node(ir::Graph& g, const std::string& op_type, std::vector<ir::ValueId> inputs,
                 Attributes attributes = {}, std::optional<Dims> dims = std::nullopt);
/// Any node with `count` outputs of unknown shape (Split, TopK, ...).
std::vector<ir::ValueId> node_outputs(ir::Graph& g, const std::string& op_type,
                                      std::vector<ir::ValueId> inputs, Attributes attributes, size_t count);

struct ConvShape {
  int64_t kernel = 3, stride = 1, pad = 1, dilation = 1, groups = 1;
  bool bias = true;
};
/// Conv with random weights from `seed`; weights in [-1, 1) / sqrt(fan in), biases in [-0.5, 0.5).
ir::ValueId conv(ir::Graph& g, ir::ValueId x, int64_t out_channels, ConvShape shape = {}, unsigned seed = 1);
ir::ValueId conv_transpose(ir::Graph& g, ir::ValueId x, int64_t out_channels, ConvShape shape = {},
                           unsigned seed = 2);
/// BatchNormalization with random parameters (scale and variance in [0.5, 1.5), shift and mean in [-1, 1)).
ir::ValueId batch_norm(ir::Graph& g, ir::ValueId x, unsigned seed = 3);
/// Gemm with transB=1 and random weights, on a rank-2 value.
ir::ValueId gemm(ir::Graph& g, ir::ValueId x, int64_t out_features, unsigned seed = 4);
ir::ValueId relu(ir::Graph& g, ir::ValueId x);
/// Clip in the spelling of the graph's opset (attributes before 11, inputs from 11 on).
ir::ValueId clip(ir::Graph& g, ir::ValueId x, float low, float high);
ir::ValueId add(ir::Graph& g, ir::ValueId a, ir::ValueId b);
ir::ValueId mul(ir::Graph& g, ir::ValueId a, ir::ValueId b);
ir::ValueId sigmoid(ir::Graph& g, ir::ValueId x);
ir::ValueId softmax(ir::Graph& g, ir::ValueId x, int64_t axis = -1);
ir::ValueId max_pool(ir::Graph& g, ir::ValueId x, int64_t kernel = 2, int64_t stride = 2, int64_t pad = 0);
ir::ValueId average_pool(ir::Graph& g, ir::ValueId x, int64_t kernel = 2, int64_t stride = 2,
                         int64_t pad = 0);
ir::ValueId global_average_pool(ir::Graph& g, ir::ValueId x);
ir::ValueId concat(ir::Graph& g, std::vector<ir::ValueId> parts, int64_t axis = 1);
ir::ValueId reshape(ir::Graph& g, ir::ValueId x, Dims target);
ir::ValueId transpose(ir::Graph& g, ir::ValueId x, Dims perm);
ir::ValueId flatten(ir::Graph& g, ir::ValueId x, int64_t axis = 1);
ir::ValueId matmul(ir::Graph& g, ir::ValueId a, ir::ValueId b);

// --- looking at the result
/// Op types of the live nodes in topological order, joined with single spaces: "Conv Relu MaxPool".
std::string ops(const ir::Graph& g);
/// The live node that produces the value (fails the calling code with qc::Error when there is none).
const ir::Node& producer(const ir::Graph& g, ir::ValueId value);
const ir::Value& value(const ir::Graph& g, ir::ValueId id);
/// The one live node of this type; throws when there are none or several.
ir::NodeId only(const ir::Graph& g, const std::string& op_type);

}  // namespace qc::tiny
