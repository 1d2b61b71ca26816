// The end that every conversion has, whether it measured anything or not, and fix too: files in memory, what
// stock ONNX Runtime makes of them, and their part of the report. deliver() then judges and writes them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "config/core_config.h"
#include "deliver/deliver.h"
#include "deliver/write_tflite.h"
#include "ir/graph.h"
#include "plan/quantized_model.h"
#include "report/report.h"
#include "spell/forms.h"

namespace qc {

/// Makes the ONNX file, and asks the runtime what it computes how. Nothing where none is asked for.
void make_onnx(const FileScene& scene, const Spelled& model, ModelFiles& files);

/// Makes the .tflite, with notes for those who will run it. Where no ONNX file is asked for, the verdicts are
/// those of its operators, by NodeId of `described`. Returns the lowered graph, for --dump; an empty one
/// where no .tflite is asked for. Throws as tflite_graph() does.
tflite::Model make_tflite(const FileScene& scene, const plan::QuantizedModel& model,
                          const ir::Graph& described, ModelFiles& files, report::Report& report);

/// Does another runtime than ONNX Runtime's kernels for processors run the target's ONNX files? Such a target
/// has no costs: nobody has measured it here. What ONNX Runtime makes of a file, and how fast it is there,
/// says nothing of it.
bool runs_elsewhere(const target::TargetSpec& target);

/// One row a node (place, reason, what runs, bytes, error) and one a piece of each file. `described`: the
/// model whose nodes are the rows, that of the verdicts; `local_error`: dB by value of its graph.
void describe_files(const FileScene& scene, const plan::QuantizedModel& described, const ModelFiles& files,
                    const std::map<ir::ValueId, double>& local_error, report::Report& report);

/// The ONNX file as the integer kernels are measured by: what the runtime can run of `model`, with a Softmax
/// in float wherever the runtime's joined kernels leave a choice.
plan::Written judged_file(const FileScene& scene, const Spelled& model);

/// The model as it would be written, in every format that is asked for: for the search, which goes by sizes.
/// `stored`: gives it the spelling that the ONNX file has. Forms for converters, which are as large as
/// floats, stand for nothing: the file is of the form qdq.
std::vector<plan::Written> files_in_memory(
    const FileScene& scene, const plan::QuantizedModel& model,
    const std::function<plan::QuantizedModel(const plan::QuantizedModel&)>& stored);

}  // namespace qc
