// See tflite_inspection.h.
#include "report/tflite_inspection.h"

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

constexpr size_t kNameWidth = 44, kOptionsWidth = 60;

std::string counts_text(const std::vector<std::pair<std::string, int64_t>>& counts) {
  std::vector<std::string> parts;
  for (const auto& [what, count] : counts) parts.push_back(format("{} {}", count, what));
  return join(parts, ", ");
}

std::string head(const TfliteInspection& found) {
  std::string text = format("{}   {}, TFLite{}\n", file_name(found.model), bytes_text(found.file_size),
                            found.quantized ? ", quantized" : "");
  if (!found.description.empty()) text += format("  {}\n", found.description);
  std::vector<Row> rows;
  for (size_t i = 0; i < found.inputs.size(); ++i)
    rows.push_back(
        {"input", found.inputs[i].name, found.inputs[i].type, found.inputs[i].shape, found.input_params[i]});
  for (size_t i = 0; i < found.outputs.size(); ++i)
    rows.push_back({"output", found.outputs[i].name, found.outputs[i].type, found.outputs[i].shape,
                    found.output_params[i]});
  text += columns(rows, "lllll");
  text += format("  {}: {}\n", counted(static_cast<int64_t>(found.operators.size()), "operator"),
                 counts_text(found.ops));
  text += format("  values computed: {}\n", counts_text(found.types));
  if (!found.signatures.empty()) text += format("  signatures: {}\n", join(found.signatures, ", "));
  for (const auto& [name, value] : found.metadata) text += format("  {}: {}\n", name, value);
  return text;
}

std::string sizes(const TfliteInspection& found) {
  std::vector<Row> rows{{"size", "bytes", "share"}};
  int64_t sum = 0;
  for (const auto& [kind, bytes] : found.sizes) {
    sum += bytes;
    const double share = static_cast<double>(bytes) / static_cast<double>(found.file_size);
    rows.push_back({"  " + kind, format("{}", bytes), human_share(share)});
  }
  rows.push_back({"  the file", format("{}", sum), ""});
  return "\n" + columns(rows, "lrr", 0);
}

std::string resources(const TfliteInspection& found) {
  const std::vector<Row> rows{{"when it runs", ""},
                              {"  weights", bytes_text(found.taken.constants)},
                              {"  activations alive at once", bytes_text(found.taken.activations)},
                              {"  both together", bytes_text(found.taken.total())},
                              {"multiply-accumulates", count_text(found.macs)},
                              {"bit operations", count_text(found.taken.bops)}};
  std::string text = "\n" + columns(rows, "lr", 0);
  if (!found.peak_node.empty()) text += format("  (the peak is at {})\n", found.peak_node);
  return text;
}

std::string operators(const TfliteInspection& found) {
  std::vector<Row> rows{
      {"operators", "version", "output", "", "output values", "weights", "constants", "options"}};
  for (const TfliteOperator& op : found.operators)
    rows.push_back({"  " + op.op, format("{}", op.version), op.output_type, op.output_shape, op.output_params,
                    op.weight_params, op.constant_bytes ? bytes_text(op.constant_bytes) : "",
                    shorten(op.options, kOptionsWidth)});
  return "\n" + columns(rows, "lrllllrl", 0);
}

std::string tensors(const TfliteInspection& found) {
  std::vector<Row> rows{{"tensors", "type", "shape", "what", "bytes", "values"}};
  for (const TfliteTensor& tensor : found.tensors)
    rows.push_back({"  " + shorten(tensor.name, kNameWidth), tensor.type, tensor.shape, tensor.kind,
                    format("{}", tensor.bytes), tensor.params});
  rows.push_back({"  (no tensor)", "", "", "", format("{}", found.unowned)});
  return "\n" + columns(rows, "llllrl", 0);
}

json pairs_value(const std::vector<std::pair<std::string, int64_t>>& pairs) {
  json value = json::object();
  for (const auto& [name, count] : pairs) value[name] = count;
  return value;
}

json ports_value(const std::vector<Port>& ports, const std::vector<std::string>& params) {
  json values = json::array();
  for (size_t i = 0; i < ports.size(); ++i)
    values.push_back(
        {{"name", ports[i].name}, {"type", ports[i].type}, {"shape", ports[i].shape}, {"params", params[i]}});
  return values;
}

json operator_value(const TfliteOperator& op) {
  return {{"op", op.op},
          {"version", op.version},
          {"options", op.options},
          {"inputs", op.inputs},
          {"outputs", op.outputs},
          {"output_type", op.output_type},
          {"output_shape", op.output_shape},
          {"output_params", op.output_params},
          {"weight_params", op.weight_params},
          {"constant_bytes", op.constant_bytes}};
}

json tensor_value(const TfliteTensor& tensor) {
  return {{"name", tensor.name},  {"type", tensor.type},     {"shape", tensor.shape},
          {"kind", tensor.kind},  {"params", tensor.params}, {"by_kind", pairs_value(tensor.by_kind)},
          {"bytes", tensor.bytes}};
}

}  // namespace

std::string to_text(const TfliteInspection& found, bool verbose) {
  std::string text = head(found) + sizes(found) + resources(found) + operators(found);
  text += verbose ? tensors(found) : "  (tensors with their bytes: -v)\n";
  if (!found.notes.empty()) text += "\nnotes\n";
  for (const std::string& note : found.notes) text += format("  {}\n", note);
  return text;
}

namespace {

json to_document(const TfliteInspection& found) {
  json ops = json::array(), all = json::array(), metadata = json::object();
  for (const TfliteOperator& op : found.operators) ops.push_back(operator_value(op));
  for (const TfliteTensor& tensor : found.tensors) all.push_back(tensor_value(tensor));
  for (const auto& [name, value] : found.metadata) metadata[name] = value;
  return {{"schema_version", 1},
          {"format", "tflite"},
          {"model", {{"file", file_name(found.model)}, {"size", found.file_size}}},
          {"description", found.description},
          {"graphs", found.graphs},
          {"quantized", found.quantized},
          {"inputs", ports_value(found.inputs, found.input_params)},
          {"outputs", ports_value(found.outputs, found.output_params)},
          {"ops", pairs_value(found.ops)},
          {"types", pairs_value(found.types)},
          {"bytes", pairs_value(found.sizes)},
          {"bytes_of_no_tensor", found.unowned},
          {"constant_bytes", found.taken.constants},
          {"peak_activation_bytes", optional_value(found.taken.activations)},
          {"peak_node", found.peak_node},
          {"total_bytes", optional_value(found.taken.total())},
          {"macs", optional_value(found.macs)},
          {"bops", optional_value(found.taken.bops)},
          {"operators", ops},
          {"tensors", all},
          {"signatures", found.signatures},
          {"metadata", metadata},
          {"notes", found.notes}};
}

}  // namespace

std::string to_json(const TfliteInspection& found) {
  return print(to_document(found));
}

std::string to_html(const TfliteInspection& found) {
  return page("tflite", file_name(found.model), to_document(found), nullptr);
}

}  // namespace qc::report
