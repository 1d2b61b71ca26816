// The words of this room. It speaks of nothing but graphs, so its sources take those of `ir` as their own;
// the surgery itself is ir/edit.h and ir/linear.h, which other rooms that rewrite graphs share.
#pragma once

#include "ir/edit.h"
#include "ir/linear.h"

namespace qc::normalize {

using ir::Channels;
using ir::Dims;
using ir::float_tensor;
using ir::Graph;
using ir::int_tensor;
using ir::kNone;
using ir::Linear;
using ir::Node;
using ir::NodeId;
using ir::rewrite_all;
using ir::ScaleShift;
using ir::unpadded;
using ir::ValueId;

}  // namespace qc::normalize
