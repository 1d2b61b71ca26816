// See make_files.h.
#include "deliver/make_files.h"

#include <utility>

#include "base/text.h"
#include "deliver/lowered_verdicts.h"
#include "describe/assemble_report.h"
#include "onnx_io/onnx_io.h"
#include "prepare.h"

namespace qc {

void make_onnx(const FileScene& scene, const Spelled& model, ModelFiles& files) {
  if (!config::writes(scene.config, "onnx")) return;
  const onnx_io::QdqOptions form = qdq_options(scene.outputs, scene.config);
  files.onnx = onnx_io::write_qdq(model.file, metadata_of(scene.config), form);
  files.verdicts = verdicts_of(model.runnable, form, scene.codec);
}

tflite::Model make_tflite(const FileScene& scene, const plan::QuantizedModel& model,
                          const ir::Graph& described, ModelFiles& files, report::Report& report) {
  if (!config::writes(scene.config, "tflite")) return {};
  tflite::Model lowered = tflite_graph(scene, model);
  files.tflite = tflite::serialise(lowered);
  if (!config::writes(scene.config, "onnx")) files.verdicts = verdicts_of(described, lowered);
  for (std::string& note : tflite_notes(lowered, model, scene.target))
    report.notes.push_back(std::move(note));
  return lowered;
}

namespace {

// What stock ONNX Runtime makes of a file for another runtime says nothing about that one, which may well
// have kernels that the first lacks (int8 activations without zero point in front of a Relu, float biases):
// there the plan counts.
std::vector<proof::Verdict> planned_verdicts(const plan::QuantPlan& plan,
                                             std::vector<proof::Verdict> verdicts, const std::string& target,
                                             report::Report& report) {
  int64_t others = 0;
  for (size_t n = 0; n < verdicts.size(); ++n) {
    proof::Verdict& verdict = verdicts[n];
    if (plan.nodes[n].compute != plan::Compute::kInteger || verdict.integer) continue;
    verdict = {true, verdict.gone, "integers by the plan, " + verdict.kernel + " in ONNX Runtime"};
    ++others;
  }
  if (others > 0)
    report.notes.push_back(
        format("integer kernels are counted as planned for the target {}: ONNX Runtime on this processor, "
               "which the accuracy was measured with, computes {} of these nodes in float",
               target, others));
  return verdicts;
}

}  // namespace

bool runs_elsewhere(const target::TargetSpec& target) {
  return target.costs.empty();
}

void describe_files(const FileScene& scene, const plan::QuantizedModel& described, const ModelFiles& files,
                    const std::map<ir::ValueId, double>& local_error, report::Report& report) {
  describe_plan(report, described.graph, described.plan);
  const bool onnx = config::writes(scene.config, "onnx");
  describe_proof(report, described,
                 onnx && runs_elsewhere(scene.target)
                     ? planned_verdicts(described.plan, files.verdicts, scene.target.name, report)
                     : files.verdicts,
                 local_error);
  if (onnx) describe_file(report, scene.outputs.onnx, "onnx", files.onnx);
  if (config::writes(scene.config, "tflite"))
    describe_file(report, scene.outputs.tflite, "tflite", files.tflite);
}

plan::Written judged_file(const FileScene& scene, const Spelled& model) {
  onnx_io::QdqOptions form = qdq_options(scene.outputs, scene.config);
  form.float_softmax = true;
  return onnx_io::write_qdq(model.runnable, {}, form);
}

std::vector<plan::Written> files_in_memory(
    const FileScene& scene, const plan::QuantizedModel& model,
    const std::function<plan::QuantizedModel(const plan::QuantizedModel&)>& stored) {
  std::vector<plan::Written> files;
  if (config::writes(scene.config, "onnx")) {
    const Spelled spelled = spelled_for(config::OnnxForm::kQdq, scene.target, stored(model));
    files.push_back(onnx_io::write_qdq(spelled.file, metadata_of(scene.config),
                                       qdq_options(scene.outputs, scene.config)));
  }
  if (config::writes(scene.config, "tflite")) files.push_back(tflite::serialise(tflite_graph(scene, model)));
  return files;
}

}  // namespace qc
