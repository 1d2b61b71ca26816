// See deliver.h.
#include "deliver/deliver.h"

#include "base/files.h"
#include "deliver/depfile.h"
#include "deliver/measured_gates.h"
#include "describe/assemble_report.h"

namespace qc {
namespace {

std::vector<FileToWrite> files_to_write(const ModelFiles& files, const config::CoreConfig& config,
                                        const OutputPaths& outputs, const std::vector<ReportFile>& reports) {
  std::vector<FileToWrite> list;
  if (config::writes(config, "onnx")) {
    if (!files.onnx.external_name.empty())
      list.push_back({outputs.onnx.parent_path() / files.onnx.external_name, files.onnx.external_bytes});
    list.push_back({outputs.onnx, files.onnx.bytes});
  }
  if (config::writes(config, "tflite")) list.push_back({outputs.tflite, files.tflite.bytes});
  for (const ReportFile& file : reports) list.push_back({file.path, file.text});
  return list;
}

}  // namespace

void deliver(ConvertResult& result, const ModelFiles& files, const ConvertOptions& options,
             const config::CoreConfig& config, const OutputPaths& outputs, const ir::Graph& graph) {
  result.explained = explain(result.report, options.explain);
  if (options.dry_run) return;
  const bool hold = gates_hold(config.gates, result.report);
  result.gates_hold = measured_gates_hold(options, config, files.onnx, files.tflite, result.report) && hold;
  const std::vector<ReportFile> reports = report_files(result.report, outputs);
  if (!result.gates_hold && !config.gates.keep_rejected) return;
  std::vector<FileToWrite> list = files_to_write(files, config, outputs, reports);
  if (!result.gates_hold)
    for (FileToWrite& file : list) file.path += ".rejected";
  const std::vector<bool> fresh = write_files_atomically(list);
  for (size_t i = 0; i < list.size(); ++i) {
    result.written.push_back(list[i].path);
    if (!fresh[i]) result.unchanged.push_back(list[i].path);
  }
  if (result.gates_hold) write_depfile(options, config, graph, result.written);
}

}  // namespace qc
