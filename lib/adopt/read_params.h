// Scale and zero point of a Q, a DQ or a QLinear* op, as the file has them. Private to adopt.
#pragma once

#include <optional>
#include <vector>

#include "base/error.h"
#include "ir/graph.h"
#include "quant/quant_params.h"

namespace qc::adopt {

/// Nothing, and a problem in `diagnostics`, if they are not constants or no numbers one can divide by.
/// `type`: of the integers; slots: of the node's inputs (zero point left out: 0). `axis`: along which there
/// is a scale each, where there are several. A single scale counts for the whole tensor whatever its shape.
std::optional<quant::QuantParams> read_params(const ir::Graph& graph, const ir::Node& node, size_t scale_slot,
                                              size_t zero_slot, ir::DType type, int64_t axis,
                                              Diagnostics& diagnostics);

/// Equal scales and zero points of all channels are one.
void join_equal(quant::QuantParams& params);

/// The type of the integers that a Q makes or a DQ reads.
ir::DType integer_type(const ir::Graph& graph, const ir::Node& node);

/// "node 'conv1_q' (QuantizeLinear)", for problems.
std::string place_of(const ir::Node& node);

/// Integers of a constant, and the parameters with uint8 and uint4 moved to signed.
std::vector<int32_t> integers_of(const ir::Tensor& tensor, const quant::QuantParams& params);
void make_signed(std::vector<int32_t>& integers, quant::QuantParams& params);

}  // namespace qc::adopt
