// Rows of a float table that are rounded right behind the GATHER: the table itself may be rounded, to the
// same integers in a quarter of the bytes.
#include <algorithm>

#include "quant/quant_params.h"
#include "tflite/lowering.h"

namespace qc::tflite {
namespace {

constexpr size_t kNone = static_cast<size_t>(-1);

struct Links {
  std::vector<size_t> made_by;  // index into operators, by TensorId
  std::vector<int> readers;     // those outside the file among them
};

Links links_of(const Model& model) {
  Links links{std::vector<size_t>(model.tensors.size(), kNone), std::vector<int>(model.tensors.size())};
  const auto read = [&](TensorId t) {
    if (t != kAbsent) ++links.readers[t];
  };
  for (size_t i = 0; i < model.operators.size(); ++i) {
    for (const TensorId t : model.operators[i].outputs) links.made_by[t] = i;
    std::ranges::for_each(model.operators[i].inputs, read);
  }
  std::ranges::for_each(model.outputs, read);
  return links;
}

Tensor& at(Model& model, TensorId t) {
  return model.tensors[t];
}

// The operators from a GATHER of a float table to the tensor `t`, the last one first, all of which move
// numbers that nothing else reads; empty: there is no such table.
std::vector<size_t> moves_from_table(Model& model, const Links& links, TensorId t) {
  constexpr Op kMoves[] = {Op::kReshape, Op::kTranspose};
  std::vector<size_t> moves;
  for (;;) {
    const size_t maker = links.made_by[t];
    if (maker == kNone || links.readers[t] != 1) return {};
    moves.push_back(maker);
    const Operator& op = model.operators[maker];
    t = op.inputs[0];
    if (op.op == Op::kGather) break;
    if (std::ranges::find(kMoves, op.op) == std::end(kMoves)) return {};
  }
  const Tensor& table = at(model, t);
  return table.data && table.type == Type::kFloat32 && links.readers[t] == 1 ? moves : std::vector<size_t>{};
}

void round_table(Tensor& table, const Quantization& numbers) {
  quant::QuantParams params;
  params.bits = 8;
  params.is_signed = true;
  params.scales = numbers.scales;
  params.zero_points.assign(numbers.zero_points.begin(), numbers.zero_points.end());
  const std::span<const float> values{reinterpret_cast<const float*>(table.data->data()),
                                      table.data->size() / sizeof(float)};
  const std::vector<int64_t> dims(table.shape.begin(), table.shape.end());
  std::string bytes;
  for (const int32_t q : quant::quantize(values, dims, params)) bytes += static_cast<char>(q);
  table.data = std::make_shared<const std::string>(std::move(bytes));
}

}  // namespace

void round_tables(Model& model) {
  const Links links = links_of(model);
  std::vector<bool> gone(model.operators.size());
  for (size_t i = 0; i < model.operators.size(); ++i) {
    const Operator& op = model.operators[i];
    if (op.op != Op::kQuantize || at(model, op.outputs[0]).type != Type::kInt8 ||
        at(model, op.inputs[0]).type != Type::kFloat32)
      continue;
    const std::vector<size_t> moves = moves_from_table(model, links, op.inputs[0]);
    if (moves.empty()) continue;
    const Quantization numbers = at(model, op.outputs[0]).quantization;
    round_table(at(model, model.operators[moves.back()].inputs[0]), numbers);
    for (const size_t move : moves) {
      Tensor& source = at(model, model.operators[move].inputs[0]);
      source.type = Type::kInt8;
      source.quantization = numbers;
    }
    model.operators[moves.front()].outputs[0] = op.outputs[0];
    gone[i] = true;
  }
  std::vector<Operator> kept;
  for (size_t i = 0; i < model.operators.size(); ++i)
    if (!gone[i]) kept.push_back(std::move(model.operators[i]));
  model.operators = std::move(kept);
}

}  // namespace qc::tflite
