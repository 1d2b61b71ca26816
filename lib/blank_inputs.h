// Inputs for a model that nobody has given any: sizes for what it leaves free, on which it really runs.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "config/core_config.h"
#include "images/image_source.h"
#include "ir/graph.h"
#include "run/ort_runner.h"

namespace qc {

struct Sample {
  std::vector<ir::Tensor> inputs;  // in the order of the graph's; none: not even shapes follow from a size
  bool runs = true;                // false: good for shapes alone
  int64_t image = 0;               // whose inputs they are, where there are images
  /// For steps that run the model, and do without where it cannot be run.
  std::vector<ir::Tensor> to_run() const { return runs ? inputs : std::vector<ir::Tensor>{}; }
};

/// Noise in [-1, 1) for inputs of floats and zeros for others; zeros for all where the model does not run on
/// noise. A free dimension gets one size wherever its name stands, and "a + b" the sum of
/// theirs: 1 for names of first dimensions, the preprocessing's size (or 224) for the others; where the
/// runtime refuses to run these, other sizes, from text to sound. Throws Error(kInput) where it cannot even
/// load the model.
Sample blank_inputs(const ir::Graph& graph, const config::CoreConfig& config, run::RunnerFactory& runners,
                    const run::ModelCodec& codec);

/// The inputs of the first image; of one of the next few where a tensor of it is empty, as caches are in the
/// first step: nothing is to be seen in such a run.
Sample first_sample(const images::ImageSource& source);

/// A conversion that measures nothing opens its images all the same, for the sizes of their inputs: a .tflite
/// has sizes of its own, and the model leaves them free.
bool sizes_by_images(const config::CoreConfig& config, const ir::Graph& graph);

/// What a conversion that measures nothing goes by: blank_inputs(), or the inputs of the first image where
/// sizes_by_images(). Warns where a .tflite (`place`) gets one of several sizes, or sizes that were made up.
/// Throws as these do, and Error(kUnsupported) for a .tflite of sizes with which the model does not run.
Sample unmeasured_sample(const ir::Graph& graph, const config::CoreConfig& config,
                         run::RunnerFactory& runners, Diagnostics& diagnostics, int threads,
                         const std::string& place);

/// Where nothing ran: what that means for the files.
std::string unmeasured_note();

}  // namespace qc
