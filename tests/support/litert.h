// LiteRT as the judge of written files: tests/litert/run.mjs in Node, on raw tensors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ir/tensor.h"

namespace qc::litert {

/// Bytes of every output for one run. Throws std::runtime_error with LiteRT's words when it refuses the file,
/// logs an error, or is not installed (scripts/setup.sh tests does that).
struct Result {
  std::vector<std::string> outputs;
  bool fully_accelerated = false;  // XNNPACK took every operator
};
Result run(std::string_view file, const std::vector<ir::Tensor>& inputs);

}  // namespace qc::litert
