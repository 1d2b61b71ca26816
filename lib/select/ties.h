// The same sums in every runtime: scales between which no integer result lies half way.
#pragma once

#include "ir/graph.h"
#include "plan/quant_plan.h"
#include "target/target.h"

namespace qc::select {

/// Moves the scales of values that an integer Add reads, by at most 1 part in 128 and mostly 1 in 2000, to
/// output scale * p / 1023. Sums of integers are then whole multiples of 1/1023 of a step, and as 1023 is odd
/// none is half a step: the nearest integer is 1/2046 away from being another one. Rounding to even (ONNX
/// Runtime, in float) and rounding up with multipliers of 20 bits (XNNPACK) err by less than half of that, so
/// both give the same integer. What follows an Add that differed in one value of ten thousand differs in most
/// after thirty layers. Scales of 8 bit activations only; values of one scale group move together; scales
/// that an op insists on (known ranges) stay.
///
/// Then the scales around an integer Mul or LeakyRelu, as far as no Add has placed them, by at most 1 part in
/// 600, until no result of any two integers lies so near half a step that a float's last bits decide it.
/// Before all that, what a Concat joins gets one scale where ranges are near (near_grids.h): what is not
/// rescaled is not rounded, and the two files rescale in other places.
///
/// Where the target asks for ranges that are powers of two, as many as one sum in two is half a step, and
/// what XNNPACK rounds up and others do not adds up along a residual stream. Nothing moves there unless
/// `near` is true: then the scales that Adds read do, and no others, by at most 1 part in 128 from their
/// powers.
void avoid_ties(plan::QuantPlan& plan, const ir::Graph& graph, const target::TargetSpec& target,
                bool near = false);

}  // namespace qc::select
