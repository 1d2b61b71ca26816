// What a TFLite file takes when it runs, as far as it says itself: bytes of activations in the order in which
// it has its operators, and operations. Counterpart of model_resources.h.
#pragma once

#include <cstdint>
#include <optional>

#include "report/inspection.h"
#include "tflite/read.h"

namespace qc {

struct TfliteResources {
  report::Resources taken;      // constants: data, scales and zero points
  std::string fullest;          // output of the operator where most activations are alive; "": the inputs
  std::optional<int64_t> macs;  // of layers with weights, batch 1; none where a size is not fixed
};

/// Of the first graph, free dimensions as a runtime begins with them. A result of RESHAPE and the like takes
/// the place of what it reads.
TfliteResources resources_of(const tflite::file::Model& model);

}  // namespace qc
