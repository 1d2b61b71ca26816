// The graph as every later stage expects it, whether it is converted or only written anew (fix): what the
// rooms onnx_io, run and normalize do for that, in the one order that works.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "ir/graph.h"
#include "normalize/normalize.h"
#include "run/ort_runner.h"

namespace qc {

struct PlainSpelling {
  normalize::Options rewriting;  // its check_inputs also judge whether a raised opset computes the same
  int64_t least_opset = 13;      // what the written file needs: 13 has scales for each channel
  bool for_gelu = false;         // raised further where that makes GELU fast (raise_for_gelu())
};

/// Afterwards types and shapes are known, calls of functions and branches that are always taken are nodes
/// like all others, the opset is high enough (bodies that stay closed are not raised), and every rewrite has
/// been applied: the topology is fixed. Returns what was rewritten, in table order. Throws as
/// raise_opset_checked() and normalize() do.
std::vector<normalize::Applied> spell_plainly(ir::Graph& graph, const PlainSpelling& how,
                                              run::RunnerFactory& runners, const run::ModelCodec& codec,
                                              Diagnostics& diagnostics, std::vector<std::string>& notes);

}  // namespace qc
