// Steps of the corridor that join two or three rooms and decide nothing: the config, the ONNX codec
// of the runtime, images for a graph, shapes of a real run. Beside pipeline.cpp because only the corridor
// sees all rooms.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "config/core_config.h"
#include "deliver/output_paths.h"
#include "images/image_source.h"
#include "ir/graph.h"
#include "normalize/normalize.h"
#include "onnx_io/onnx_io.h"
#include "pipeline.h"
#include "plan/candidates.h"
#include "plan/quantized_model.h"
#include "plan/tensor_stats.h"
#include "proof/verdict.h"
#include "run/ort_runner.h"
#include "simulate/fidelity.h"
#include "target/target.h"

namespace qc {

/// ONNX bytes in and out for the runtime's sessions.
run::ModelCodec onnx_codec();

/// The config file with the command line's overrides; with neither, the defaults.
config::CoreConfig load_config(const ConvertOptions& options, Diagnostics& diagnostics);

/// Fixes dynamic dimensions that the config's input_shapes names; -1 leaves one as the model has it. Throws
/// Error(kUsage) for unknown inputs and for dimensions that contradict the model, all at once.
void apply_input_shapes(ir::Graph& graph, const config::CoreConfig& config);

/// The calibration folder, checked against the model's inputs.
std::unique_ptr<images::ImageSource> open_images(const ir::Graph& graph, const config::CoreConfig& config,
                                                 Diagnostics& diagnostics, int threads = 1);

/// Does the model leave the first dimension of this input of its free? Also behind fix_batch().
bool leaves_batch_free(const ir::Value& input);

/// A free first dimension of the inputs becomes 1, and those that have its name: what a .tflite has. Sizes
/// that exporters compute from it are constants then.
void fix_batch(ir::Graph& graph);

/// How rewrites look into bodies.
normalize::Bodies opened_bodies();

/// Rewrites are checked on this sample; shapes are the runtime's.
normalize::Options normalize_options(const std::vector<ir::Tensor>& sample, const run::ModelCodec& codec);

/// Which ConvTranspose become a convolution and DepthToSpace, for ONNX Runtime or XNNPACK; none for a target
/// that is neither, or where the config says something of that op type.
normalize::SubPixel sub_pixel_of(const config::CoreConfig& config, const target::TargetSpec& target);

/// Images joined into one inference: the config's batch_size where the model's batch is free, else 1.
int64_t batch_size(const ir::Graph& graph, const config::CoreConfig& config);

/// Throws Error(kInput) for an opset newer than the runtime knows.
void check_opset_known(const ir::Graph& graph, const run::ModelCodec& codec,
                       const std::filesystem::path& model);

/// The graph with the shapes it has when it runs on `sample`: for costs, never for decisions about
/// correctness.
ir::Graph with_shapes_of(const ir::Graph& graph, const std::vector<ir::Tensor>& sample,
                         const run::ModelCodec& codec);

/// A written file as a graph again, with the types that simulate::judged_values() goes by.
ir::Graph graph_of_file(const plan::Written& file);

/// The written file, in stock ONNX Runtime with all optimizations, against the float reference, judged `as`
/// the float model is.
simulate::Fidelity fidelity_of_file(const plan::Written& file, run::RunnerFactory& runners,
                                    const images::ImageSource& source, const simulate::Reference& reference,
                                    const std::vector<simulate::Judged>& as, int threads);

/// How the model is written for this config; the data file is named after the model.
onnx_io::QdqOptions qdq_options(const OutputPaths& outputs, const config::CoreConfig& config);

/// What stock ONNX Runtime makes of each node of the written file. Judged on a twin in which every node has a
/// name: names change nothing else, and nodes could not be told apart without.
std::vector<proof::Verdict> verdicts_of(const plan::QuantizedModel& model, onnx_io::QdqOptions options,
                                        const run::ModelCodec& codec);

/// What goes into the written model's metadata_props beside the model's own: version and config hash.
std::vector<std::pair<std::string, std::string>> metadata_of(const config::CoreConfig& config);

/// --dump stats, --dump candidates: stable text.
std::string dump(const plan::StatsTable& stats, const ir::Graph& graph);
std::string dump(const plan::Candidates& candidates, const ir::Graph& graph);

}  // namespace qc
