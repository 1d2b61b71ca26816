// See inspection.h.
#include "report/inspection.h"

#include <algorithm>

#include "base/text.h"
#include "report/inspection_values.h"
#include "report/json_values.h"
#include "report/page.h"
#include "report/table.h"

namespace qc::report {
namespace {

using inspection::bytes_text;
using inspection::count_text;
using inspection::optional_value;
using nlohmann::json;

constexpr size_t kNameWidth = 44, kReasonWidth = 72, kOpTypes = 12;
constexpr int64_t kReasons = 8;

struct Sums {
  int64_t parameters = 0, could_be_integer = 0;
  int64_t working = 0, on_integer_kernels = 0;  // nodes but for Quantize, Dequantize and what unpacks weights
};

Sums sums_of(const Inspection& inspection) {
  Sums sums;
  for (const InspectedNode& node : inspection.nodes) {
    sums.parameters += node.parameters;
    sums.could_be_integer += node.could_be_integer;
    if (node.unpacks || node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear") continue;
    ++sums.working;
    sums.on_integer_kernels += node.integer_kernel;
  }
  return sums;
}

std::string head(const Inspection& found) {
  std::string text = format("{}   {}, opset {}, IR {}", file_name(found.model), bytes_text(found.file_size),
                            found.opset, found.ir_version);
  if (!found.producer.empty()) text += ", by " + found.producer;
  text += found.weights_alone ? ", weights in fewer bits\n" : found.quantized ? ", quantized\n" : "\n";
  std::vector<Row> rows;
  for (const Port& port : found.inputs) rows.push_back({"input", port.name, port.type, port.shape});
  for (const Port& port : found.outputs) rows.push_back({"output", port.name, port.type, port.shape});
  text += columns(rows, "llll");
  std::vector<std::string> ops;
  for (const auto& [op, count] : found.ops) ops.push_back(format("{} {}", count, op));
  if (ops.size() > kOpTypes) {
    const size_t left = ops.size() - kOpTypes;
    ops.resize(kOpTypes);
    ops.push_back(counted(static_cast<int64_t>(left), "other op") + " (all in --report json)");
  }
  return text +
         format("  {}: {}\n", counted(static_cast<int64_t>(found.nodes.size()), "node"), join(ops, ", "));
}

std::string sizes(const Inspection& found) {
  const Sums sums = sums_of(found);
  const Resources& stored = found.as_stored;
  std::vector<Row> rows{{"size", found.quantized ? "as stored" : "float"},
                        {"  weights", bytes_text(stored.constants)},
                        {"  activations alive at once", bytes_text(stored.activations)},
                        {"  both together", bytes_text(stored.total())},
                        {"bit operations", count_text(stored.bops)}};
  if (!found.quantized) {
    const Resources& quantized = found.on_target;
    const std::string cells[] = {found.target, bytes_text(quantized.constants),
                                 bytes_text(quantized.activations), bytes_text(quantized.total()),
                                 count_text(quantized.bops)};
    for (size_t i = 0; i < rows.size(); ++i) rows[i].push_back(cells[i]);
  }
  std::string text = "\n" + columns(rows, "lrr", 0);
  if (!found.peak_node.empty()) text += format("  (the peak is at {})\n", found.peak_node);
  if (!found.largest.empty()) {
    std::vector<std::string> parts;
    for (const Activation& value : found.largest)
      parts.push_back(format("{} {} {}", value.node.empty() ? "input" : shorten(value.node, kNameWidth),
                             value.shape, bytes_text(value.bytes)));
    text += format("  largest activations: {}\n", join(parts, ", "));
  }
  text += format("  {} parameters", count_text(static_cast<double>(sums.parameters)));
  return text + format(", {} multiply-accumulates\n", count_text(found.macs));
}

bool kernels_known(const Inspection& found) {
  return std::any_of(found.nodes.begin(), found.nodes.end(),
                     [](const InspectedNode& node) { return !node.kernel.empty(); });
}

std::string abilities(const Inspection& found) {
  if (found.quantized && kernels_known(found)) {
    const Sums sums = sums_of(found);
    return format("\ninteger kernels: {} of {} nodes (Quantize and Dequantize left out)\n",
                  sums.on_integer_kernels, sums.working);
  }
  if (found.quantized || found.target.empty()) return "";
  std::vector<std::pair<std::string, std::vector<const InspectedNode*>>> reasons;
  for (const InspectedNode& node : found.nodes) {
    if (node.could_be_integer) continue;
    const auto same = [&](const auto& entry) { return entry.first == node.reason; };
    auto entry = std::find_if(reasons.begin(), reasons.end(), same);
    if (entry == reasons.end()) entry = reasons.insert(reasons.end(), {node.reason, {}});
    entry->second.push_back(&node);
  }
  const auto larger = [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); };
  std::stable_sort(reasons.begin(), reasons.end(), larger);
  std::string text = format("\ntarget {}: {} of {} nodes can run on integers\n", found.target,
                            sums_of(found).could_be_integer, found.nodes.size());
  int64_t shown = 0;
  for (const auto& [reason, nodes] : reasons) {
    if (++shown > kReasons) break;
    const std::string example = shorten(nodes.front()->node, kNameWidth);
    text += format("  {} not: {} ({} {}{})\n", nodes.size(), reason, nodes.front()->op_type, example,
                   nodes.size() > 1 ? ", ..." : "");
  }
  const int64_t hidden = static_cast<int64_t>(reasons.size()) - kReasons;
  return hidden > 0
             ? text + format("  and {} (--report json has everything)\n", counted(hidden, "more reason"))
             : text;
}

std::string layers(const Inspection& found, bool verbose) {
  std::vector<Row> rows{{"layers", "op", "output", "parameters", "MACs", "bytes"}};
  if (found.quantized) {
    rows[0].insert(rows[0].end(), {"weights", "output values", "kernel"});
  } else {
    rows[0].insert(rows[0].end(), {"integers", ""});
  }
  for (const InspectedNode& node : found.nodes) {
    if (!verbose && node.parameters == 0 && !node.macs) continue;
    rows.push_back({"  " + shorten(node.node, kNameWidth), node.op_type,
                    node.output_shape.empty() ? "?" : node.output_shape,
                    node.parameters ? count_text(static_cast<double>(node.parameters)) : "",
                    node.macs ? count_text(node.macs) : "",
                    node.constant_bytes ? bytes_text(node.constant_bytes) : ""});
    if (found.quantized) {
      rows.back().insert(rows.back().end(), {node.weight_params, node.output_params, node.kernel});
    } else {
      rows.back().insert(rows.back().end(),
                         {node.could_be_integer ? "yes" : "no", shorten(node.reason, kReasonWidth)});
    }
  }
  const std::string hidden = rows.size() <= found.nodes.size() ? "  (nodes without weights: -v)\n" : "";
  return "\n" + columns(rows, "lllrrrlll", 0) + hidden;
}

json port_value(const Port& port) {
  return {{"name", port.name}, {"type", port.type}, {"shape", port.shape}};
}

json node_value(const InspectedNode& node, bool quantized) {
  json value = {{"node", node.node},
                {"op_type", node.op_type},
                {"output_shape", node.output_shape.empty() ? json(nullptr) : json(node.output_shape)},
                {"macs", optional_value(node.macs)},
                {"parameters", node.parameters},
                {"constant_bytes", node.constant_bytes}};
  if (quantized) {
    value["weight_params"] = node.weight_params;
    value["output_params"] = node.output_params;
    value["kernel"] = node.kernel;
    value["integer_kernel"] = node.integer_kernel;
  } else {
    value["quantized_bytes"] = node.quantized_bytes;
    value["could_be_integer"] = node.could_be_integer;
    value["reason"] = node.reason;
  }
  return value;
}

}  // namespace

std::string to_text(const Inspection& found, bool verbose) {
  std::string text = head(found) + sizes(found) + abilities(found) + layers(found, verbose);
  if (!found.notes.empty()) text += "\nnotes\n";
  for (const std::string& note : found.notes) text += format("  {}\n", note);
  return text;
}

namespace {

json to_document(const Inspection& found) {
  const Sums sums = sums_of(found);
  json inputs = json::array(), outputs = json::array(), nodes = json::array(), ops = json::object();
  json largest = json::array();
  for (const Activation& value : found.largest)
    largest.push_back({{"node", value.node},
                       {"shape", value.shape},
                       {"bytes", value.bytes},
                       {"quantized_bytes", value.quantized_bytes}});
  for (const Port& port : found.inputs) inputs.push_back(port_value(port));
  for (const Port& port : found.outputs) outputs.push_back(port_value(port));
  for (const auto& [op, count] : found.ops) ops[op] = count;
  for (const InspectedNode& node : found.nodes) nodes.push_back(node_value(node, found.quantized));
  json document = {{"schema_version", 1},
                   {"model", {{"file", file_name(found.model)}, {"size", found.file_size}}},
                   {"opset", found.opset},
                   {"ir_version", found.ir_version},
                   {"producer", found.producer},
                   {"quantized", found.quantized},
                   {"inputs", inputs},
                   {"outputs", outputs},
                   {"ops", ops},
                   {"parameters", sums.parameters},
                   {"macs", optional_value(found.macs)},
                   {"constant_bytes", found.as_stored.constants},
                   {"peak_activation_bytes", optional_value(found.as_stored.activations)},
                   {"total_bytes", optional_value(found.as_stored.total())},
                   {"bops", optional_value(found.as_stored.bops)},
                   {"peak_node", found.peak_node},
                   {"largest_activations", largest},
                   {"nodes", nodes},
                   {"notes", found.notes}};
  if (found.quantized) {
    document["weights_alone"] = found.weights_alone;
    document["working_nodes"] = sums.working;
    document["on_integer_kernels"] = kernels_known(found) ? json(sums.on_integer_kernels) : json(nullptr);
  } else {
    document["target"] = found.target;
    document["could_be_integer"] = sums.could_be_integer;
    document["quantized_constant_bytes"] = found.on_target.constants;
    document["quantized_peak_activation_bytes"] = optional_value(found.on_target.activations);
    document["quantized_total_bytes"] = optional_value(found.on_target.total());
    document["quantized_bops"] = optional_value(found.on_target.bops);
  }
  return document;
}

}  // namespace

std::string to_json(const Inspection& found) {
  return print(to_document(found));
}

std::string to_html(const Inspection& found) {
  return page("inspection", file_name(found.model), to_document(found), nullptr);
}

}  // namespace qc::report
