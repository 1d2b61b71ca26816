// See store_tables.h.
#include "spell/store_tables.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/text.h"
#include "ir/edit.h"
#include "report/table.h"
#include "spell/modes.h"

namespace qc {
namespace {

constexpr int64_t kLongEnough = 32;  // elements that a scale of their own is worth
constexpr int kBits = 8;
constexpr float kLargest = 1e30f;  // masks of the largest float would leave its range
// What rounding these constants alone does to the outputs is this far below what the file does to them
// anyway (10 dB add a tenth to the noise: 0.4 dB), or next to nothing.
constexpr double kBelowDb = 10, kNothingDb = 50;

// What is added to every place costs now and then what a few runs do not tell (a vision transformer's
// positions: 1 dB over 300 pictures, nothing over two), so that it has to save this share of the constants'
// bytes.
constexpr double kWorthRisking = 0.05;

constexpr std::array kElementwise{"Add", "Sub", "Mul", "Where"};

bool calculates_by_element(const ir::Node& node) {
  return std::any_of(kElementwise.begin(), kElementwise.end(),
                     [&](const char* op) { return ir::standard_op(node, op); });
}

// What stands behind the last layers is arithmetic of the outputs themselves (the anchors of boxes, say),
// which nothing behind it forgives. Embeddings on a stream that layers add to and that ends as an output are
// not.
bool decodes_outputs(const ir::Graph& graph, ir::NodeId first) {
  constexpr std::array kLayers{"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN"};
  std::set<ir::NodeId> seen{first};
  std::vector<ir::NodeId> open{first};
  while (!open.empty()) {
    const ir::Node& node = ir::node_at(graph, open.back());
    open.pop_back();
    for (const ir::ValueId v : node.outputs) {
      if (v == ir::kNone) continue;
      for (const ir::NodeId reader : ir::value_at(graph, v).consumers) {
        if (std::any_of(kLayers.begin(), kLayers.end(),
                        [&](const char* op) { return ir::standard_op(ir::node_at(graph, reader), op); }))
          return false;
        if (seen.insert(reader).second) open.push_back(reader);
      }
    }
  }
  return true;
}

// What is added to a product of matrices: of another shape than it has, the runtime would make a float Gemm
// of both, on integers as well. It does so where the second factor is one matrix, and not where several are
// multiplied with several, as in attention.
bool is_bias(const ir::Graph& graph, const ir::Node& node) {
  if (!ir::standard_op(node, "Add")) return false;
  return std::any_of(node.inputs.begin(), node.inputs.end(), [&](ir::ValueId v) {
    const ir::NodeId maker = ir::value_at(graph, v).producer;
    if (maker == ir::kNone || !ir::standard_op(ir::node_at(graph, maker), "MatMul")) return false;
    const int64_t rank = ir::rank_of(graph, ir::node_at(graph, maker).inputs[1]);
    return rank < 0 || rank == 2;
  });
}

bool is_worth_storing(const plan::QuantizedModel& model, ir::ValueId v, const std::vector<bool>& may) {
  const ir::Value& value = ir::value_at(model.graph, v);
  if (!ir::is_read_float(value) || value.constant->size() < kWorthStoring || ir::is_output(model.graph, v) ||
      model.weights.contains(v) || model.narrow.contains(v))
    return false;
  const std::span<const float> all = value.constant->as<float>();
  return std::all_of(all.begin(), all.end(), [](float x) { return std::fabs(x) < kLargest; }) &&
         std::all_of(value.consumers.begin(), value.consumers.end(), [&](ir::NodeId id) {
           return static_cast<size_t>(id) < may.size() && may[id] &&
                  calculates_by_element(ir::node_at(model.graph, id)) &&
                  !is_bias(model.graph, ir::node_at(model.graph, id));
         });
}

// The first dimension that is one, where many elements share each of its places; else -1.
int axis_of_scales(const ir::Tensor& tensor) {
  const auto first = std::find_if(tensor.dims.begin(), tensor.dims.end(), [](int64_t d) { return d > 1; });
  const bool long_enough = first != tensor.dims.end() && tensor.size() / *first >= kLongEnough;
  return long_enough ? static_cast<int>(first - tensor.dims.begin()) : -1;
}

double stored_bytes(const plan::QuantizedModel& model) {
  double bytes = 0;
  for (size_t v = 0; v < model.graph.values.size(); ++v) {
    const ir::Value& value = model.graph.values[v];
    if (!value.constant || value.consumers.empty()) continue;
    const auto integers = model.weights.find(static_cast<ir::ValueId>(v));
    const int bits = integers == model.weights.end() ? ir::bits_of(value.constant->dtype)
                                                     : integers->second.params.stored_bits();
    bytes += static_cast<double>(value.constant->size()) * bits / 8;
  }
  return bytes;
}

int64_t store_elementwise(const std::vector<ir::NodeId>& nodes, plan::QuantizedModel& model) {
  std::vector<bool> may(model.graph.nodes.size(), false);
  for (const ir::NodeId id : nodes) may[id] = true;
  int64_t count = 0;
  for (size_t v = 0; v < model.graph.values.size(); ++v) {
    const auto id = static_cast<ir::ValueId>(v);
    if (!is_worth_storing(model, id, may)) continue;
    const ir::Tensor& table = *ir::value_at(model.graph, id).constant;
    model.weights[id] = in_integers(table, kBits, axis_of_scales(table));
    ++count;
  }
  return count;
}

}  // namespace

plan::IntegerTensor in_integers(const ir::Tensor& tensor, int bits, int axis) {
  plan::IntegerTensor stored;
  stored.params = {bits, true, true, axis, {}, {}};
  const quant::ChannelLayout layout =
      axis < 0 ? quant::ChannelLayout{1, 1, tensor.size()} : quant::channel_layout(tensor.dims, axis);
  std::vector<float> largest(layout.channels, 0);
  const std::span<const float> all = tensor.as<float>();
  for (size_t i = 0; i < all.size(); ++i) {
    float& most = largest[i / static_cast<size_t>(layout.inner) % static_cast<size_t>(layout.channels)];
    most = std::max(most, std::fabs(all[i]));
  }
  for (const float most : largest) {
    stored.params.scales.push_back(quant::symmetric_params(most > 0 ? most : 1, bits, true, true).scales[0]);
    stored.params.zero_points.push_back(0);
  }
  stored.integers = quant::quantize(all, tensor.dims, stored.params);
  return stored;
}

std::vector<std::string> store_tables(const std::vector<ir::NodeId>& nodes, const Runs& inputs,
                                      run::RunnerFactory& runners, int threads, plan::QuantizedModel& model) {
  std::vector<ir::NodeId> operands, inside;
  for (const ir::NodeId id : nodes) {
    const bool operand = has_stored_operands(model.graph, ir::node_at(model.graph, id));
    if (!operand && !calculates_by_element(ir::node_at(model.graph, id))) continue;
    if (!decodes_outputs(model.graph, id)) (operand ? operands : inside).push_back(id);
  }
  plan::QuantizedModel some = model;
  if (!operands.empty()) store_operands(operands, some, threads);
  plan::QuantizedModel all = some;
  int64_t elementwise = store_elementwise(inside, all);
  if (const double before = stored_bytes(some); before - stored_bytes(all) < kWorthRisking * before) {
    elementwise = 0;
    all = some;
  }
  if (inputs.empty() || (operands.empty() && elementwise == 0)) return {};
  const auto note = [](int64_t tables, const char* what) {
    return std::vector<std::string>{
        format("8 bits for constants of {} in float that are no weights of products{}",
               report::counted(tables, "node"), what)};
  };
  const auto count = std::ssize(operands);
  const Runs exact = answers(model.graph, inputs, runners);
  const double before_db = sqnr_db(exact, answers(model, inputs, runners));
  const auto unnoticed = [&](const plan::QuantizedModel& changed) {
    plan::QuantizedModel alone{changed.graph, {}, {}, {}, {}};
    alone.plan.nodes.resize(changed.graph.nodes.size());
    alone.plan.values.resize(changed.graph.values.size());
    for (const auto& [v, integers] : changed.weights)
      if (!model.weights.contains(v)) alone.weights[v] = integers;
    return sqnr_db(exact, answers(alone, inputs, runners)) >= std::min(before_db + kBelowDb, kNothingDb);
  };
  if (elementwise > 0 && unnoticed(all)) {
    model = std::move(all);
    return note(count + elementwise, "");
  }
  if (operands.empty() || !unnoticed(some)) return {};
  model = std::move(some);
  return note(count, elementwise > 0 ? "; what is added stays float32: the outputs would notice" : "");
}

}  // namespace qc
