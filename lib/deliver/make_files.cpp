// See make_files.h.
#include "deliver/make_files.h"

#include <utility>

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

void describe_files(const FileScene& scene, const plan::QuantizedModel& described, const ModelFiles& files,
                    const std::map<ir::ValueId, double>& local_error, report::Report& report) {
  describe_plan(report, described.graph, described.plan);
  describe_proof(report, described, files.verdicts, local_error);
  if (config::writes(scene.config, "onnx")) describe_file(report, scene.outputs.onnx, "onnx", files.onnx);
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
