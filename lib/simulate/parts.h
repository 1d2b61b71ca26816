// Parts of one value that say unlike things: detectors join coordinates in pixels with scores below 1 in one
// output, and whoever looks at the whole sees the coordinates alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace qc::simulate {

/// A range along one axis of a tensor.
struct OutputPart {
  size_t axis = 0;
  int64_t first = 0, last = 0;  // the last one is not in it
};

/// The parts that a Concat behind `value` (looked for through ops that only move elements) made it of, where
/// some are scores that a function bounds (Sigmoid, Softmax, Tanh) and others are not; neighbours of one kind
/// are one part, and levels joined along another axis do not count. Empty: the value is all of one kind, or
/// the graph does not state the shapes.
std::vector<OutputPart> unlike_parts(const ir::Graph& graph, ir::ValueId value);

/// May unlike_parts() of an output go by shapes that the graph does not state? run::infer_shapes() fills them
/// in.
bool needs_shapes(const ir::Graph& graph);

/// "[:, 0:4]", as NumPy has it.
std::string spell(const OutputPart& part);

}  // namespace qc::simulate
