// See raise_opset.h.
#include "raise_opset.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "ir/edit.h"
#include "normalize/idioms.h"
#include "onnx_io/onnx_io.h"

namespace qc {
namespace {

// Of the largest output: raising the opset must not change the function.
constexpr double kSameOutputs = 1e-4;

// max |a - b| / max |a| over the float outputs; infinite when shapes or types differ.
double output_change(const std::vector<ir::Tensor>& a, const std::vector<ir::Tensor>& b) {
  if (a.size() != b.size()) return INFINITY;
  double change = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].dtype != b[i].dtype || a[i].dims != b[i].dims) return INFINITY;
    if (a[i].dtype != ir::DType::kFloat) {
      if (!ir::equal(a[i], b[i])) return INFINITY;
      continue;
    }
    double largest = 0, difference = 0;
    for (size_t k = 0; k < a[i].as<float>().size(); ++k) {
      largest = std::max(largest, std::fabs(static_cast<double>(a[i].as<float>()[k])));
      difference =
          std::max(difference, std::fabs(static_cast<double>(a[i].as<float>()[k]) - b[i].as<float>()[k]));
    }
    change = std::max(change, difference / std::max(largest, 1e-30));
  }
  return change;
}

bool can_run(const ir::Graph& graph, const std::vector<ir::Tensor>& sample) {
  return sample.size() == graph.inputs.size();
}

// How far the outputs are apart that both graphs give, nothing rewritten by the runtime.
double change_of(const ir::Graph& graph, const ir::Graph& raised, run::RunnerFactory& runners,
                 const std::vector<ir::Tensor>& sample) {
  run::RunnerOptions plain;
  plain.optimize = false;
  return output_change(runners.make(graph, {}, plain)->run(sample),
                       runners.make(raised, {}, plain)->run(sample));
}

// A GELU in parts that a convolution hands its result to, rounded if it computes on integers: every part that
// reads it then gets a DequantizeLinear of its own from the runtime, which joins them no more.
bool has_gelu_behind_convolution(const ir::Graph& graph) {
  for (const ir::NodeId id : ir::topological_order(graph)) {
    const auto idiom = normalize::gelu_at(graph, id);
    if (!idiom || idiom->nodes.size() == 1) continue;
    ir::NodeId maker = ir::value_at(graph, idiom->inputs[0]).producer;
    if (maker != ir::kNone && ir::standard_op(ir::node_at(graph, maker), "BatchNormalization"))
      maker = ir::value_at(graph, ir::node_at(graph, maker).inputs[0]).producer;
    if (maker != ir::kNone && ir::standard_op(ir::node_at(graph, maker), "Conv")) return true;
  }
  return false;
}

}  // namespace

void raise_for_gelu(ir::Graph& graph, run::RunnerFactory& runners, const std::vector<ir::Tensor>& sample,
                    std::vector<std::string>& notes) {
  const int64_t before = ir::opset(graph);
  if (before == 0 || before >= normalize::kGeluOpset || !can_run(graph, sample) ||
      !has_gelu_behind_convolution(graph))
    return;
  ir::Graph raised = graph;
  Diagnostics ignored;  // the file is right as it is, too
  if (!onnx_io::raise_opset(raised, normalize::kGeluOpset, ignored) ||
      change_of(graph, raised, runners, sample) > kSameOutputs)
    return;
  graph = std::move(raised);
  notes.push_back(
      format("opset {} raised to {}, where GELU is one op: its parts would stay apart behind "
             "convolutions on integers",
             before, normalize::kGeluOpset));
}

void raise_opset_checked(ir::Graph& graph, int64_t version, run::RunnerFactory& runners,
                         const std::vector<ir::Tensor>& sample, Diagnostics& diagnostics) {
  const int64_t before = ir::opset(graph);
  if (before >= version || before == 0) return;
  ir::Graph raised = graph;
  Diagnostics refused;
  if (!onnx_io::raise_opset(raised, version, refused))
    throw Error(Exit::kUnsupported,
                {"opset", refused.warnings.at(0).place,
                 format("{} need opset {}: {}", version > 13 ? "blocks" : "per-channel weights", version,
                        refused.warnings.at(0).cause),
                 format("export the model again with opset {} or newer", version)});
  diagnostics.warnings.insert(diagnostics.warnings.end(), refused.warnings.begin(), refused.warnings.end());
  const double change = can_run(graph, sample) ? change_of(graph, raised, runners, sample) : 0;
  if (change > kSameOutputs)
    throw Error(Exit::kUnsupported, {"opset", format("opset {} raised to {}", before, version),
                                     format("the outputs change by {:.2g} of their range", change),
                                     format("export the model again with opset {} or newer", version)});
  graph = std::move(raised);
}

}  // namespace qc
