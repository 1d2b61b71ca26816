// Every rewrite, each in the file of its name. All return how many matches they rewrote; 0 means that the
// graph is as it was. They may leave nodes that nobody reads: the driver removes those. The order is in
// normalize.cpp.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "normalize/normalize.h"
#include "run/runner.h"

namespace qc::normalize {

// --- what is known before any image is seen
int fold_shapes(ir::Graph& graph);
/// But for what nodes of the op types `left` make, and what is made from that.
int fold_constants(ir::Graph& graph, run::RunnerFactory& runners, const std::vector<std::string>& left = {});
int inline_functions(ir::Graph& graph, const Bodies& bodies);
int inline_if(ir::Graph& graph, const Bodies& bodies);
int remove_no_ops(ir::Graph& graph);
int drop_empty(ir::Graph& graph);
int merge_transposes(ir::Graph& graph);
int merge_reshapes(ir::Graph& graph);

// --- one spelling for each idea
int explicit_pads(ir::Graph& graph);
int split_fused(ir::Graph& graph);
int ceil_pads(ir::Graph& graph);
int pad_behind(ir::Graph& graph);
int fold_pad(ir::Graph& graph);
int flatten_to_reshape(ir::Graph& graph);
int pool_globally(ir::Graph& graph);
int softmax_in_place(ir::Graph& graph);
int softmax_last(ir::Graph& graph);
int softmax_of_one(ir::Graph& graph);
int plain_activations(ir::Graph& graph);
int spell_sigmoid(ir::Graph& graph);
int spell_hard_swish(ir::Graph& graph);
int spell_moments(ir::Graph& graph);
int spell_variance(ir::Graph& graph);
int spell_layer_norm(ir::Graph& graph);
int spell_gelu(ir::Graph& graph);
int plain_gemm(ir::Graph& graph);
int matmul_to_gemm(ir::Graph& graph);
int one_axis(ir::Graph& graph);
int own_parameters(ir::Graph& graph);
int factor_out(ir::Graph& graph);
int all_axes(ir::Graph& graph);

// --- scales and shifts into weights
int fold_batch_norm(ir::Graph& graph);
int merge_branches(ir::Graph& graph);
int fold_focus(ir::Graph& graph);
int fold_affine(ir::Graph& graph);
int fold_hard_sigmoid(ir::Graph& graph);
int fold_forward(ir::Graph& graph);
int plain_arithmetic(ir::Graph& graph);

// --- what runs faster, once nothing else is left to do
int slice_early(ir::Graph& graph);
int sub_pixel(ir::Graph& graph, SubPixel which);
int flush_subnormals(ir::Graph& graph);

}  // namespace qc::normalize
