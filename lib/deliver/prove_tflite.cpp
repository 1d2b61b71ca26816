// See prove_tflite.h.
#include "deliver/prove_tflite.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "compare/tflite_runner.h"
#include "deliver/write_tflite.h"
#include "ir/ops.h"
#include "prepare.h"
#include "simulate/fidelity.h"
#include "simulate/simulate.h"

namespace qc {
namespace {

constexpr double kFurtherDb = 6;  // two kernels that round differently are not so far apart
constexpr double kCloseDb = 30;   // what is as near as this less kFurtherDb is right
constexpr const char* kRemedy = "do not use this file; write ONNX, and please report this with the model";
constexpr const char* kOnnxInstead =
    "write ONNX alone (--format onnx), and please report this with the model";
constexpr int64_t kMostMacs = 1'500'000'000;  // about a second

int64_t macs_of(const ir::Graph& graph) {
  int64_t sum = 0;
  for (const ir::Node& node : graph.nodes)
    if (!node.erased) sum += ir::macs(graph, node);
  return sum;
}

size_t place_of(const ir::Graph& graph, const std::string& output) {
  return static_cast<size_t>(
      std::find_if(graph.outputs.begin(), graph.outputs.end(),
                   [&](ir::ValueId v) { return ir::value_at(graph, v).name == output; }) -
      graph.outputs.begin());
}

}  // namespace

std::optional<Problem> unlike_its_plan(const std::string& tflite, const std::string& place,
                                       const ir::Graph& graph, const plan::QuantizedModel& planned,
                                       const std::vector<simulate::Judged>& judged,
                                       const std::vector<ir::Tensor>& inputs, run::RunnerFactory& runners) {
  if (macs_of(graph) > kMostMacs) return std::nullopt;
  std::optional<TfliteModel> file;
  std::vector<ir::Tensor> found;
  try {
    file = parse_tflite(tflite, place, graph);
    found = run_tflite(*file, {})->run(inputs, 0);
  } catch (const Error& error) {
    if (error.exit == Exit::kUnsupported) return std::nullopt;
    throw Error(Exit::kUnsupported,
                {"tflite-cannot", place, "it would not run: " + error.problems[0].cause, kOnnxInstead});
  }
  const std::vector<ir::Tensor>
      exact = simulate::make_float_model(graph, runners, {}, {})->runner->run(inputs, 0),
      simulated = simulate::make_simulator(planned, runners, {}, {})->runner->run(inputs, 0);
  for (const simulate::Judged& one : judged) {
    const size_t at = place_of(graph, one.output), in_file = place_of(file->graph, one.output),
                 in_plan = place_of(planned.graph, one.output);
    if (!one.jump.empty() || at >= exact.size() || in_file >= found.size() || in_plan >= simulated.size() ||
        exact[at].dtype != ir::DType::kFloat || found[in_file].dtype != ir::DType::kFloat)
      continue;
    // A .tflite may spell a shape otherwise, with as many elements.
    const auto db = [&](const ir::Tensor& tensor) {
      return tensor.size() == exact[at].size()
                 ? simulate::compare(exact[at], ir::make_tensor(tensor.dtype, *tensor.bytes, exact[at].dims),
                                     false)
                       .sqnr_db()
                 : -HUGE_VAL;
    };
    const double is = db(found[in_file]), should = db(simulated[in_plan]);
    if (is < std::min(should, kCloseDb) - kFurtherDb)
      return Problem{"unlike-its-plan", place,
                     format("its output '{}' is at {:.1f} dB on a held-out picture, and the plan's at {:.1f}",
                            one.output, is, should),
                     kRemedy};
  }
  return std::nullopt;
}

OfItsSizes of_its_sizes(const ir::Graph& graph, const images::ImageSource& source,
                        std::span<const int64_t> held_out, const Sample& sample, const std::string& place) {
  OfItsSizes found{sample.inputs, std::nullopt};
  bool alike = false;
  for (const int64_t image : held_out) {
    std::vector<ir::Tensor> inputs = source.load(image);
    const auto other =
        std::mismatch(inputs.begin(), inputs.end(), sample.inputs.begin(),
                      [](const ir::Tensor& a, const ir::Tensor& b) { return a.dims == b.dims; });
    if (other.first == inputs.end()) {
      if (!alike) found.inputs = std::move(inputs);
      alike = true;
    } else if (!found.taken) {
      const ir::Value& input = ir::value_at(graph, graph.inputs[other.first - inputs.begin()]);
      found.taken = Problem{
          "sizes-taken", place,
          format(
              "its input '{}' is [{}], as in '{}', though the model leaves sizes free and '{}' has [{}]: a "
              ".tflite has sizes of its own",
              input.name, fmt::join(other.second->dims, ","), source.name(sample.image), source.name(image),
              fmt::join(other.first->dims, ",")),
          format("set /input_shapes/{} to the size that it is to have, and give files of it", input.name)};
    }
    if (alike && (found.taken || source.picture())) break;
  }
  return found;
}

void prove_tflite(const Scene& scene, const ir::Graph& graph, const Sample& at_hand,
                  const FloatAnswers& answers, const plan::QuantizedModel& planned, const std::string& tflite,
                  const std::filesystem::path& path, Diagnostics& diagnostics) {
  const std::string place = path.filename().string();
  if (const auto slow = slow_kernels(scene.config, scene.target, place)) diagnostics.warning(*slow);
  const OfItsSizes sized = of_its_sizes(graph, scene.source, answers.held_out.images, at_hand, place);
  if (sized.taken) diagnostics.warning(*sized.taken);
  if (const auto unlike = unlike_its_plan(tflite, place, with_shapes_of(graph, at_hand.inputs, scene.codec),
                                          planned, answers.judged, sized.inputs, scene.runners))
    diagnostics.warning(*unlike);
}

}  // namespace qc
