// See rewrite.h: simpler spellings of ops that only move numbers.
#include <algorithm>
#include <numeric>
#include <set>

#include "ir/edit.h"
#include "tflite/rewrite.h"

namespace qc::tflite {
namespace {

std::optional<std::vector<int64_t>> int64s(const plan::QuantizedModel& model, const ir::Node& node,
                                           size_t slot) {
  const ir::Tensor* tensor = ir::constant_input(model.graph, node, slot);
  if (!tensor || tensor->dtype != ir::DType::kInt64) return std::nullopt;
  return std::vector<int64_t>(tensor->as<int64_t>().begin(), tensor->as<int64_t>().end());
}

ir::ValueId add_int64s(plan::QuantizedModel& model, const std::string& name,
                       const std::vector<int64_t>& values) {
  const ir::ValueId v = ir::add_constant(
      model.graph, name,
      ir::make_tensor(std::span<const int64_t>(values), {static_cast<int64_t>(values.size())}));
  model.plan.values.resize(model.graph.values.size());
  return v;
}

struct Cuts {
  std::vector<int64_t> starts, ends, axes, steps;
};

std::optional<Cuts> cuts_of(const plan::QuantizedModel& model, const ir::Node& node) {
  const auto starts = int64s(model, node, 1), ends = int64s(model, node, 2);
  if (!starts || !ends) return std::nullopt;
  Cuts cuts{*starts, *ends, {}, {}};
  const auto given = [&](size_t slot) { return node.inputs.size() > slot && node.inputs[slot] != ir::kNone; };
  cuts.axes.resize(starts->size());
  std::iota(cuts.axes.begin(), cuts.axes.end(), 0);
  cuts.steps.assign(starts->size(), 1);
  for (const auto& [slot, list] : {std::pair{size_t{3}, &cuts.axes}, std::pair{size_t{4}, &cuts.steps}}) {
    if (!given(slot)) continue;
    const auto said = int64s(model, node, slot);
    if (!said) return std::nullopt;
    *list = *said;
  }
  const auto rank = static_cast<int64_t>(ir::value_at(model.graph, node.inputs[0]).dims.size());
  for (int64_t& axis : cuts.axes) axis += axis < 0 ? rank : 0;
  return cuts;
}

}  // namespace

void constants_of_shape(plan::QuantizedModel& model) {
  for (ir::NodeId id = 0; id < static_cast<ir::NodeId>(model.graph.nodes.size()); ++id) {
    const ir::Node& node = ir::node_at(model.graph, id);
    if (node.erased || !ir::standard_op(node, "ConstantOfShape")) continue;
    const ir::Value& out = ir::value_at(model.graph, node.outputs[0]);
    const ir::Attribute* attribute = ir::find_attribute(node, "value");
    const ir::Tensor* value = attribute ? std::get_if<ir::Tensor>(&attribute->value) : nullptr;
    if (ir::is_output(model.graph, node.outputs[0]) || (value && value->dtype != ir::DType::kFloat)) continue;
    const std::vector<float> numbers(ir::element_count(out.dims), value ? value->as<float>()[0] : 0.0f);
    const ir::ValueId from = node.outputs[0];
    const ir::ValueId constant =
        ir::add_constant(model.graph, out.name, ir::make_tensor(std::span<const float>(numbers), out.dims));
    model.plan.values.resize(model.graph.values.size());
    ir::replace_uses(model.graph, from, constant);
  }
}

void pad_instead_of_concat(plan::QuantizedModel& model) {
  for (ir::NodeId id = 0; id < static_cast<ir::NodeId>(model.graph.nodes.size()); ++id) {
    const ir::Node& node = ir::node_at(model.graph, id);
    if (node.erased || !ir::standard_op(node, "Concat") || node.inputs.size() < 2) continue;
    const std::vector<int64_t>& dims = ir::value_at(model.graph, node.outputs[0]).dims;
    const auto rank = static_cast<int64_t>(dims.size());
    int64_t axis = ir::int_attribute(node, "axis", 0);
    axis += axis < 0 ? rank : 0;
    ir::ValueId kept = ir::kNone;
    int64_t around[2] = {0, 0};
    bool zeros = true, one = true;
    for (const ir::ValueId v : node.inputs) {
      const ir::Value& value = ir::value_at(model.graph, v);
      if (!value.constant) {
        one = one && kept == ir::kNone;
        kept = v;
        continue;
      }
      zeros = zeros && value.constant->dtype == ir::DType::kFloat &&
              std::all_of(value.constant->as<float>().begin(), value.constant->as<float>().end(),
                          [](float f) { return f == 0; });
      around[kept == ir::kNone ? 0 : 1] += value.constant->dims[axis];
    }
    if (!one || !zeros || kept == ir::kNone || around[0] + around[1] == 0 || rank > 4) continue;
    std::vector<int64_t> pads(2 * rank, 0);
    pads[axis] = around[0];
    pads[rank + axis] = around[1];
    become(model, id, "Pad", {kept, add_int64s(model, node.name + "/pads", pads)}, {});
  }
}

void join_slices(plan::QuantizedModel& model) {
  for (ir::NodeId id = 0; id < static_cast<ir::NodeId>(model.graph.nodes.size()); ++id) {
    const ir::Node& node = ir::node_at(model.graph, id);
    if (node.erased || !ir::standard_op(node, "Slice")) continue;
    const ir::NodeId first = ir::value_at(model.graph, node.inputs[0]).producer;
    if (first == ir::kNone || !ir::standard_op(ir::node_at(model.graph, first), "Slice") ||
        only_reader(model, node.inputs[0]) != id)
      continue;
    const auto a = cuts_of(model, ir::node_at(model.graph, first)), b = cuts_of(model, node);
    if (!a || !b) continue;
    std::set<int64_t> axes(a->axes.begin(), a->axes.end());
    axes.insert(b->axes.begin(), b->axes.end());
    if (axes.size() != a->axes.size() + b->axes.size()) continue;  // one cuts what the other left
    const std::string name = node.name;
    std::vector<ir::ValueId> inputs{ir::node_at(model.graph, first).inputs[0]};
    for (const auto list : {&Cuts::starts, &Cuts::ends, &Cuts::axes, &Cuts::steps}) {
      std::vector<int64_t> both = (*a).*list;
      both.insert(both.end(), ((*b).*list).begin(), ((*b).*list).end());
      inputs.push_back(add_int64s(model, name + "/cuts", both));
    }
    become(model, id, "Slice", inputs, {});
  }
}

}  // namespace qc::tflite
