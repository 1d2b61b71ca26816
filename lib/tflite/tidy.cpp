// What met its inverse cancels: TRANSPOSE behind TRANSPOSE and RESHAPE behind RESHAPE become one or none;
// then whatever nobody reads goes. Rules run until nothing changes.
#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <set>

#include "tflite/lowering.h"

namespace qc::tflite {
namespace {

struct Links {
  std::vector<int> maker;    // by tensor: the operator that makes it, -1
  std::vector<int> readers;  // by tensor: how many read it, outputs of the graph included
};

Links links_of(const Model& model) {
  Links links{std::vector<int>(model.tensors.size(), -1), std::vector<int>(model.tensors.size(), 0)};
  for (size_t i = 0; i < model.operators.size(); ++i) {
    for (const TensorId t : model.operators[i].outputs) links.maker[t] = static_cast<int>(i);
    for (const TensorId t : model.operators[i].inputs)
      if (t != kAbsent) ++links.readers[t];
  }
  for (const TensorId t : model.outputs) ++links.readers[t];
  return links;
}

const Tensor& at(const Model& model, TensorId id) {
  return model.tensors[id];
}

std::vector<int32_t> ints_of(const Tensor& tensor) {
  std::vector<int32_t> values(tensor.data->size() / sizeof(int32_t));
  std::memcpy(values.data(), tensor.data->data(), tensor.data->size());
  return values;
}

TensorId add_ints(Model& model, const std::vector<int32_t>& values, const std::string& node) {
  Tensor tensor;
  tensor.name = "c" + std::to_string(model.tensors.size());
  tensor.type = Type::kInt32;
  tensor.shape = {static_cast<int32_t>(values.size())};
  tensor.data = std::make_shared<const std::string>(reinterpret_cast<const char*>(values.data()),
                                                    values.size() * sizeof(int32_t));
  tensor.kind = "constants";
  tensor.node = node;
  model.tensors.push_back(std::move(tensor));
  return static_cast<TensorId>(model.tensors.size()) - 1;
}

// Readers of `from` read `to`; false where `from` is an output, whose tensor must stay.
bool replace(Model& model, TensorId from, TensorId to) {
  if (std::find(model.outputs.begin(), model.outputs.end(), from) != model.outputs.end()) return false;
  for (Operator& op : model.operators) std::replace(op.inputs.begin(), op.inputs.end(), from, to);
  return true;
}

bool identity(const std::vector<int32_t>& order) {
  for (size_t i = 0; i < order.size(); ++i)
    if (order[i] != static_cast<int32_t>(i)) return false;
  return true;
}

// An op that hands on its input as it is.
bool skip_no_ops(Model& model) {
  for (const Operator& op : model.operators) {
    const bool reshape =
        op.op == Op::kReshape && at(model, op.inputs[0]).shape == at(model, op.outputs[0]).shape;
    const bool transpose = op.op == Op::kTranspose && identity(ints_of(at(model, op.inputs[1])));
    const bool requantize = op.op == Op::kQuantize &&
                            at(model, op.inputs[0]).type == at(model, op.outputs[0]).type &&
                            at(model, op.inputs[0]).quantization == at(model, op.outputs[0]).quantization;
    const TensorId from = op.outputs[0], to = op.inputs[0];
    if (!(reshape || transpose || requantize) || links_of(model).readers[from] == 0) continue;
    if (replace(model, from, to)) return true;
  }
  return false;
}

bool merge_pairs(Model& model) {
  const Links links = links_of(model);
  for (Operator& second : model.operators) {
    if (second.op != Op::kReshape && second.op != Op::kTranspose) continue;
    const int maker = links.maker[second.inputs[0]];
    if (maker < 0 || model.operators[maker].op != second.op) continue;
    const Operator& first = model.operators[maker];
    if (second.op == Op::kReshape) {
      second.inputs[0] = first.inputs[0];
      return true;
    }
    const std::vector<int32_t> a = ints_of(at(model, first.inputs[1])),
                               b = ints_of(at(model, second.inputs[1]));
    std::vector<int32_t> both;
    for (const int32_t d : b) both.push_back(a[d]);
    second.inputs[0] = first.inputs[0];
    second.inputs[1] = add_ints(model, both, second.node);
    return true;
  }
  return false;
}

void drop_unread(Model& model) {
  for (bool changed = true; changed;) {
    const Links links = links_of(model);
    const size_t before = model.operators.size();
    std::erase_if(model.operators, [&](const Operator& op) {
      return std::all_of(op.outputs.begin(), op.outputs.end(),
                         [&](TensorId t) { return links.readers[t] == 0; });
    });
    changed = model.operators.size() != before;
  }
  std::vector<bool> used(model.tensors.size());
  const auto use = [&](const std::vector<TensorId>& list) {
    for (const TensorId t : list)
      if (t != kAbsent) used[t] = true;
  };
  use(model.inputs);
  use(model.outputs);
  for (const Operator& op : model.operators) use(op.inputs), use(op.outputs);
  std::vector<TensorId> moved(model.tensors.size(), kAbsent);
  std::deque<Tensor> kept;
  for (size_t t = 0; t < model.tensors.size(); ++t) {
    if (!used[t]) continue;
    moved[t] = static_cast<TensorId>(kept.size());
    kept.push_back(std::move(model.tensors[t]));
  }
  model.tensors = std::move(kept);
  const auto renumber = [&](std::vector<TensorId>& list) {
    for (TensorId& t : list)
      if (t != kAbsent) t = moved[t];
  };
  renumber(model.inputs);
  renumber(model.outputs);
  for (Operator& op : model.operators) renumber(op.inputs), renumber(op.outputs);
}

}  // namespace

void tidy(Model& model) {
  while (merge_pairs(model) || skip_no_ops(model)) {
  }
  drop_unread(model);
}

void reduce_to_the_end(Model& model) {
  constexpr Op kReductions[] = {Op::kMean, Op::kSum, Op::kReduceMax, Op::kReduceMin};
  for (Operator& op : model.operators) {
    if (std::ranges::find(kReductions, op.op) == std::end(kReductions) ||
        int_option(op, "keep_dims", 0) == 0 || at(model, op.inputs[0]).type != Type::kFloat32 ||
        !at(model, op.inputs[1]).data)
      continue;
    std::vector<int32_t> axes = ints_of(at(model, op.inputs[1]));
    const std::vector<int32_t>& shape = at(model, op.inputs[0]).shape;
    const auto rank = static_cast<int32_t>(shape.size());
    for (int32_t& axis : axes) axis += axis < 0 ? rank : 0;
    const size_t before = axes.size();
    for (int32_t d = axes.empty() ? rank : *std::ranges::max_element(axes) + 1; d < rank; ++d)
      axes.push_back(d);
    const bool ones = std::all_of(axes.begin() + static_cast<std::ptrdiff_t>(before), axes.end(),
                                  [&](int32_t d) { return shape[d] == 1; });
    if (ones && axes.size() > before) op.inputs[1] = add_ints(model, axes, op.node);
  }
}

void name_apart(Model& model) {
  std::set<std::string> taken;
  std::vector<bool> fixed(model.tensors.size());
  for (const std::vector<TensorId>* ports : {&model.inputs, &model.outputs})
    for (const TensorId t : *ports) {
      fixed[t] = true;
      taken.insert(at(model, t).name);
    }
  for (size_t t = 0; t < model.tensors.size(); ++t) {
    if (fixed[t]) continue;
    std::string& name = model.tensors[t].name;
    const std::string base = name;
    for (int k = 2; !taken.insert(name).second; ++k) name = base + "_" + std::to_string(k);
  }
}

}  // namespace qc::tflite
