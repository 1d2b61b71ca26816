// Where each output of a model is judged. An output that ends in Softmax is judged at its mean-free logits:
// probabilities hide errors that the next network or threshold will see. An output behind an op that jumps
// (ArgMax, TopK, a comparison, rounding) is judged at the last values before it that are continuous: behind
// it, the smallest error is all or nothing, and says nothing about the network. Where a value joins scores
// with values in units of their own, its parts have figures too (parts.h): the whole does not show scores.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "simulate/parts.h"

namespace qc::simulate {

struct Judged {
  ir::ValueId value = ir::kNone;  // float32, or in files of 16 bits float16 or bfloat16
  std::string output;             // the graph output it stands for
  bool mean_free = false;         // logits before a Softmax: the mean of each image is no signal
  std::string jump;  // op type of the first op on the way to the output that jumps; "" where none does
  std::vector<std::string> also;    // further outputs that the same values stand for
  std::vector<OutputPart> parts{};  // of the value, where they are unlike; else none
  bool by_parts = false;            // has each part to reach a goal, or the whole?
};

/// A jump of nothing but numbers of the inputs, such as the Cast of ids that come as floats, is none: they
/// are the same in every file. In the order of the outputs: one entry for each float output without a jump,
/// and as many as there are last continuous float values for each output behind one, whatever its type. Other
/// outputs are left out.
std::vector<Judged> judged_values(const ir::Graph& graph);

/// One score a class, wherever the classes stand: convolutional heads end in [1, classes, 1, 1]. A free batch
/// counts as 1.
bool scores_classes(std::span<const int64_t> dims);

/// May judged_values() go by types that the graph does not state? Files need not state any for values between
/// nodes; run::infer_shapes() fills them in.
bool needs_types(const ir::Graph& graph);

/// A sentence that says where an output behind a jump is judged, for the first of its entries; "" for all
/// others.
std::string describe(const std::vector<Judged>& judged, const ir::Graph& graph, size_t index);

}  // namespace qc::simulate
