// See difference.h.
#include "report/difference.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "report/json_values.h"
#include "report/page.h"
#include "report/table.h"

namespace qc::report {
namespace {

using nlohmann::json;

constexpr size_t kNameWidth = 44, kFieldWidth = 40, kLayers = 30;

// What both kinds of inspection say of a layer: figures and words under the same names.
struct Layer {
  std::string name, op;
  int64_t bytes = 0;
  std::vector<std::pair<std::string, std::string>> fields;
};

std::vector<Layer> layers_of(const Inspection& found) {
  std::vector<Layer> layers;
  for (const InspectedNode& node : found.nodes)
    layers.push_back({node.node,
                      node.op_type,
                      node.constant_bytes,
                      {{"op", node.op_type},
                       {"output", node.output_shape},
                       {"parameters", format("{}", node.parameters)},
                       {"constant bytes", format("{}", node.constant_bytes)},
                       {"MACs", node.macs ? format("{}", *node.macs) : ""},
                       {"weights", node.weight_params},
                       {"output values", node.output_params},
                       {"kernel", node.kernel}}});
  return layers;
}

std::vector<Layer> layers_of(const TfliteInspection& found) {
  std::vector<Layer> layers;
  for (const TfliteOperator& op : found.operators)
    layers.push_back({op.outputs.empty() ? "" : op.outputs[0],
                      op.op,
                      op.constant_bytes,
                      {{"op", op.op},
                       {"version", format("{}", op.version)},
                       {"options", op.options},
                       {"output", op.output_shape},
                       {"type", op.output_type},
                       {"output values", op.output_params},
                       {"weights", op.weight_params},
                       {"constant bytes", format("{}", op.constant_bytes)}}});
  return layers;
}

void compare_layers(const std::vector<Layer>& a, const std::vector<Layer>& b, Difference& found) {
  std::map<std::string, const Layer*> in_b, in_a;
  for (const Layer& layer : b) in_b.emplace(layer.name, &layer);
  for (const Layer& layer : a) in_a.emplace(layer.name, &layer);
  for (const Layer& layer : a) {
    const auto twin = in_b.find(layer.name);
    if (twin == in_b.end()) {
      found.layers.push_back({layer.name, layer.op, "removed", {}, layer.bytes, 0});
      continue;
    }
    LayerChange change{layer.name, twin->second->op, "changed", {}, layer.bytes, twin->second->bytes};
    for (size_t i = 0; i < layer.fields.size(); ++i)
      if (layer.fields[i].second != twin->second->fields[i].second)
        change.fields.push_back(
            {layer.fields[i].first, layer.fields[i].second, twin->second->fields[i].second});
    if (change.fields.empty()) {
      ++found.same;
    } else {
      found.layers.push_back(std::move(change));
    }
  }
  for (const Layer& layer : b)
    if (!in_a.contains(layer.name))
      found.layers.push_back({layer.name, layer.op, "added", {}, 0, layer.bytes});
}

template <typename Sum>
int64_t sum_of(const std::vector<InspectedNode>& nodes, const Sum& sum) {
  int64_t total = 0;
  for (const InspectedNode& node : nodes) total += sum(node);
  return total;
}

std::optional<int64_t> whole(const std::optional<double>& number) {
  return number ? std::optional(static_cast<int64_t>(*number)) : std::nullopt;
}

std::string total_text(const Total& total, const std::optional<int64_t>& value) {
  if (!value) return "?";
  return total.bytes ? human_bytes(static_cast<double>(*value)) : format("{}", *value);
}

json to_document(const Difference& found) {
  json totals = json::array(), layers = json::array();
  const auto optional_value = [](const std::optional<int64_t>& value) {
    return value ? json(*value) : json(nullptr);
  };
  for (const Total& total : found.totals)
    totals.push_back({{"what", total.what},
                      {"a", optional_value(total.a)},
                      {"b", optional_value(total.b)},
                      {"bytes", total.bytes}});
  for (const LayerChange& layer : found.layers) {
    json fields = json::array();
    for (const ChangedField& field : layer.fields)
      fields.push_back({{"field", field.field}, {"a", field.a}, {"b", field.b}});
    layers.push_back({{"layer", layer.layer},
                      {"op", layer.op},
                      {"change", layer.change},
                      {"fields", fields},
                      {"a_bytes", layer.a_bytes},
                      {"b_bytes", layer.b_bytes}});
  }
  const std::vector<std::string> names = file_names({found.model_a, found.model_b});
  return {{"schema_version", 1}, {"a", names[0]},    {"b", names[1]},
          {"totals", totals},    {"layers", layers}, {"same_layers", found.same}};
}

}  // namespace

Difference difference(const Inspection& a, const Inspection& b) {
  Difference found{a.model, b.model, {}, {}, 0};
  const auto add = [&](const char* what, std::optional<int64_t> in_a, std::optional<int64_t> in_b,
                       bool bytes) {
    found.totals.push_back({what, in_a, in_b, bytes});
  };
  const auto parameters = [](const InspectedNode& node) { return node.parameters; };
  add("file", a.file_size, b.file_size, true);
  add("weights", a.as_stored.constants, b.as_stored.constants, true);
  add("activations alive at once", a.as_stored.activations, b.as_stored.activations, true);
  add("both together", a.as_stored.total(), b.as_stored.total(), true);
  add("bit operations", whole(a.as_stored.bops), whole(b.as_stored.bops), false);
  add("nodes", static_cast<int64_t>(a.nodes.size()), static_cast<int64_t>(b.nodes.size()), false);
  add("parameters", sum_of(a.nodes, parameters), sum_of(b.nodes, parameters), false);
  add("multiply-accumulates", a.macs, b.macs, false);
  add("opset", a.opset, b.opset, false);
  compare_layers(layers_of(a), layers_of(b), found);
  return found;
}

Difference difference(const TfliteInspection& a, const TfliteInspection& b) {
  Difference found{a.model, b.model, {}, {}, 0};
  found.totals.push_back({"file", a.file_size, b.file_size, true});
  std::map<std::string, Total> kinds;
  for (const auto& [kind, bytes] : a.sizes)
    kinds.emplace(kind, Total{kind, 0, 0, true}).first->second.a = bytes;
  for (const auto& [kind, bytes] : b.sizes)
    kinds.emplace(kind, Total{kind, 0, 0, true}).first->second.b = bytes;
  for (const auto& [kind, total] : kinds) found.totals.push_back(total);
  found.totals.push_back({"activations alive at once", a.taken.activations, b.taken.activations, true});
  found.totals.push_back({"multiply-accumulates", a.macs, b.macs, false});
  found.totals.push_back({"bit operations", whole(a.taken.bops), whole(b.taken.bops), false});
  found.totals.push_back({"operators", static_cast<int64_t>(a.operators.size()),
                          static_cast<int64_t>(b.operators.size()), false});
  compare_layers(layers_of(a), layers_of(b), found);
  return found;
}

std::string to_text(const Difference& found, bool verbose) {
  const std::vector<std::string> names = file_names({found.model_a, found.model_b});
  std::vector<Row> rows{{"", names[0], names[1]}};
  for (const Total& total : found.totals)
    rows.push_back({"  " + total.what, total_text(total, total.a), total_text(total, total.b)});
  std::string text = columns(rows, "lrr", 0);
  if (found.layers.empty()) return text + format("\nno layer differs ({})\n", counted(found.same, "layer"));
  text += format("\n{} differ, {} are the same\n",
                 counted(static_cast<int64_t>(found.layers.size()), "layer"), found.same);
  const size_t shown = verbose ? found.layers.size() : std::min(found.layers.size(), kLayers);
  rows.clear();
  for (size_t i = 0; i < shown; ++i) {
    const LayerChange& layer = found.layers[i];
    std::vector<std::string> parts;
    for (const ChangedField& field : layer.fields)
      parts.push_back(format("{} {} -> {}", field.field,
                             field.a.empty() ? "-" : shorten(field.a, kFieldWidth),
                             field.b.empty() ? "-" : shorten(field.b, kFieldWidth)));
    rows.push_back({layer.change, shorten(layer.layer, kNameWidth), layer.op, join(parts, "; ")});
  }
  text += columns(rows, "llll");
  if (shown < found.layers.size())
    text += format("  and {} more (-v shows all)\n", found.layers.size() - shown);
  return text;
}

std::string to_json(const Difference& found) {
  return print(to_document(found));
}

std::string to_html(const Difference& found) {
  const std::vector<std::string> names = file_names({found.model_a, found.model_b});
  return page("difference", names[0] + " against " + names[1], to_document(found), nullptr);
}

}  // namespace qc::report
