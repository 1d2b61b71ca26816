// See inspect_tflite.h.
#include "inspect_tflite.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <set>

#include "base/files.h"
#include "base/text.h"
#include "tflite/read.h"
#include "tflite_resources.h"

namespace qc {
namespace {

using tflite::file::Graph;
using tflite::file::Tensor;
using tflite::file::TensorId;

constexpr size_t kLongestMetadata = 80;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string shape_text(const Tensor& tensor) {
  std::vector<std::string> dims;
  for (const int64_t dim : tensor.dims) dims.push_back(dim < 0 ? "?" : std::to_string(dim));
  return "[" + join(dims, ",") + "]";
}

std::string params_text(const Tensor& tensor) {
  if (tensor.other_quantization) return "blockwise or custom";
  if (tensor.scales.empty()) return "";
  if (tensor.scales.size() > 1) return format("{} scales along {}", tensor.scales.size(), tensor.axis);
  return format("scale {:.6g} zero point {}", tensor.scales[0], tensor.zero_points[0]);
}

std::string value_text(const tflite::file::OptionValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
  if (const auto* real = std::get_if<double>(&value)) return format("{:.6g}", *real);
  if (const auto* list = std::get_if<std::vector<int64_t>>(&value))
    return format("[{}]", fmt::join(*list, ","));
  return std::get<std::string>(value);
}

std::string options_text(const tflite::file::Operator& op) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : op.options) parts.push_back(name + " " + value_text(value));
  return join(parts, ", ");
}

std::vector<std::pair<std::string, int64_t>> by_count(const std::map<std::string, int64_t>& counts) {
  std::vector<std::pair<std::string, int64_t>> ordered(counts.begin(), counts.end());
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return ordered;
}

const Tensor& tensor_of(const Graph& graph, TensorId id) {
  return graph.tensors[id];
}

std::vector<std::string> names_of(const Graph& graph, const std::vector<TensorId>& ids) {
  std::vector<std::string> names;
  for (const TensorId id : ids)
    names.push_back(id == tflite::file::kAbsent ? "-" : tensor_of(graph, id).name);
  return names;
}

void add_ports(const Graph& graph, const std::vector<TensorId>& ids, std::vector<report::Port>& ports,
               std::vector<std::string>& params) {
  for (const TensorId id : ids) {
    const Tensor& tensor = tensor_of(graph, id);
    ports.push_back({tensor.name, lower(tensor.type), shape_text(tensor)});
    params.push_back(params_text(tensor));
  }
}

void add_operators(const Graph& graph, report::TfliteInspection& found) {
  std::map<std::string, int64_t> ops, types;
  std::set<uint32_t> seen{0};
  for (const tflite::file::Operator& op : graph.operators) {
    report::TfliteOperator row;
    row.op = op.op;
    row.version = op.version;
    row.options = options_text(op);
    row.inputs = names_of(graph, op.inputs);
    row.outputs = names_of(graph, op.outputs);
    if (!op.outputs.empty()) {
      const Tensor& output = tensor_of(graph, op.outputs[0]);
      row.output_type = lower(output.type);
      row.output_shape = shape_text(output);
      row.output_params = params_text(output);
      ++types[row.output_type];
    }
    for (const TensorId id : op.inputs) {
      if (id == tflite::file::kAbsent || !seen.insert(tensor_of(graph, id).buffer).second) continue;
      row.constant_bytes += static_cast<int64_t>(tensor_of(graph, id).data.size());
    }
    const bool weights = op.inputs.size() > 1 && op.inputs[1] != tflite::file::kAbsent &&
                         !tensor_of(graph, op.inputs[1]).scales.empty() &&
                         !tensor_of(graph, op.inputs[1]).data.empty();
    if (weights) {
      const Tensor& weight = tensor_of(graph, op.inputs[1]);
      row.weight_params = format("{}, {} scale{}", lower(weight.type), weight.scales.size(),
                                 weight.scales.size() == 1 ? "" : "s");
    }
    ++ops[format("{} v{}", op.op, op.version)];
    found.operators.push_back(std::move(row));
  }
  found.ops = by_count(ops);
  found.types = by_count(types);
}

constexpr const char* kData[] = {"weights", "bias", "constants"};

void add_tensors(const tflite::file::Model& model, report::TfliteInspection& found) {
  for (const Tensor& tensor : model.graphs[0].tensors) {
    found.tensors.push_back(
        {tensor.name, lower(tensor.type), shape_text(tensor), "", params_text(tensor), {}, 0});
    found.quantized = found.quantized || !tensor.scales.empty();
    if (!tensor.data.empty()) found.tensors.back().kind = "shares data";  // until its own data is found below
    if (tensor.sparse) found.notes.push_back(format("tensor '{}' is stored sparse", tensor.name));
  }
  std::map<std::string, int64_t> sizes;
  for (const tflite::file::Claim& claim : model.claims) {
    sizes[claim.kind] += claim.bytes;
    if (claim.tensor == tflite::file::kAbsent) {
      found.unowned += claim.bytes;
      continue;
    }
    report::TfliteTensor& tensor = found.tensors[claim.tensor];
    tensor.by_kind.emplace_back(claim.kind, claim.bytes);
    tensor.bytes += claim.bytes;
    if (std::find(std::begin(kData), std::end(kData), claim.kind) != std::end(kData))
      tensor.kind = claim.kind;
  }
  found.sizes = by_count(sizes);
}

std::string metadata_text(std::string_view value) {
  const auto end = value.find_last_not_of('\0');
  const std::string_view text = value.substr(0, end == std::string_view::npos ? 0 : end + 1);
  const bool readable =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isprint(c); });
  if (readable && text.size() <= kLongestMetadata) return std::string(text);
  return format("{} bytes", value.size());
}

}  // namespace

bool is_tflite(const std::filesystem::path& model) {
  std::string start(8, '\0');
  if (is_pipe(model))
    start = read_file(model);
  else if (!std::ifstream(model, std::ios::binary).read(start.data(), 8))
    start.clear();
  if (tflite::file::looks_like_tflite(start)) return true;
  return lower(model.extension().string()) == ".tflite";
}

report::TfliteInspection inspect_tflite(const std::filesystem::path& path) {
  const tflite::file::Model model = tflite::file::read(path);
  const Graph& graph = model.graphs[0];
  report::TfliteInspection found;
  found.model = path.string();
  found.description = model.description;
  found.file_size = static_cast<int64_t>(model.bytes->size());
  found.graphs = static_cast<int64_t>(model.graphs.size());
  add_ports(graph, graph.inputs, found.inputs, found.input_params);
  add_ports(graph, graph.outputs, found.outputs, found.output_params);
  add_operators(graph, found);
  add_tensors(model, found);
  const TfliteResources resources = resources_of(model);
  found.taken = resources.taken;
  found.peak_node = resources.fullest;
  found.macs = resources.macs;
  for (const tflite::file::Signature& signature : model.signatures) found.signatures.push_back(signature.key);
  for (const auto& [name, value] : model.metadata) found.metadata.emplace_back(name, metadata_text(value));
  if (model.graphs.size() > 1)
    found.notes.push_back(
        format("only the first of {} graphs is listed; the others' bytes count as 'graph' and 'constants'",
               model.graphs.size()));
  return found;
}

}  // namespace qc
