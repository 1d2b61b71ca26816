// Constants that are no weights of products take their bytes too: embeddings, recurrent weights, tables of
// positions, masks. In float nodes they are stored in 8 bits and unfolded at load, as weights are.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "plan/quantized_model.h"
#include "run/runner.h"
#include "spell/file_answers.h"

namespace qc {

/// Elements; of fewer, nodes and scales take too much of what is saved.
inline constexpr int64_t kWorthStoring = 512;

/// Signed symmetric integers of so many bits that reach as far as the tensor: a scale for each place along
/// the axis, or one (-1).
plan::IntegerTensor in_integers(const ir::Tensor& tensor, int bits, int axis);

/// `nodes`: float ones whose constants may be stored so; those that others read as well stay, and what only
/// decodes outputs. What the outputs notice on `inputs` (a few runs) is undone: first of what is added and
/// multiplied with, then of the rest; without a run nothing is stored. Returns a sentence on what was done,
/// or nothing.
std::vector<std::string> store_tables(const std::vector<ir::NodeId>& nodes, const Runs& inputs,
                                      run::RunnerFactory& runners, int threads, plan::QuantizedModel& model);

}  // namespace qc
