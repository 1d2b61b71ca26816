// What the rewrites on the ONNX graph share. Inside this room only.
#pragma once

#include <string>
#include <vector>

#include "plan/quantized_model.h"

namespace qc::tflite {

/// The one node that reads the value; kNone if there are others, or if it is an output of the graph.
ir::NodeId only_reader(const plan::QuantizedModel& model, ir::ValueId v);

/// The node computes `op_type` of these inputs from now on; its output and its plan entry stay.
void become(plan::QuantizedModel& model, ir::NodeId id, const char* op_type,
            const std::vector<ir::ValueId>& inputs, std::vector<ir::Attribute> attributes);

/// Channel k of the node's weights and bias along dimension `axis` of the weight is old channel order[k]; the
/// bias moves along with axis 0. Weights that others read as well stay as they are for them.
void permute_weights(plan::QuantizedModel& model, ir::NodeId id, size_t axis,
                     const std::vector<int64_t>& order);

/// Exchanges of channels between groups (ChannelShuffle), with the Splits and Concats around them, become one
/// Split behind each convolution that made channels and one Concat in front of each that reads them: who
/// computes channels makes them in the order in which they leave, who reads them has its weights in the order
/// in which they arrive. Where an order is seen from outside, nothing changes.
void route_channels(plan::QuantizedModel& model);

/// InstanceNormalization between two Reshapes, with the factor and the summand of each channel behind them,
/// is one GroupNormalization.
void join_group_norms(plan::QuantizedModel& model);
/// ConstantOfShape with a known shape is a constant.
void constants_of_shape(plan::QuantizedModel& model);
/// A Concat of one value with zeros is a Pad: no zeros in the file.
void pad_instead_of_concat(plan::QuantizedModel& model);
/// A Slice of a Slice along other axes is one Slice.
void join_slices(plan::QuantizedModel& model);

}  // namespace qc::tflite
