// The last step of the forms of an ONNX file, on the graph that goes into it: how a plan's integers are
// spelled where the reader wants no integers of ours. The writer need not know of them.
#pragma once

#include "config/core_config.h"
#include "plan/quantized_model.h"
#include "target/target.h"

namespace qc {

/// A model in the form of its file, and what stock ONNX Runtime can run in its place: the same, but for mctq.
struct Spelled {
  plan::QuantizedModel file, runnable;
};
Spelled spelled_for(config::OnnxForm form, const target::TargetSpec& target, plan::QuantizedModel model);

/// MCT's export format FAKELY_QUANT: weights and biases as floats on their grids, activations between
/// QuantizeLinear and DequantizeLinear. As large as the float model.
plan::QuantizedModel spell_fake_quant(plan::QuantizedModel model);

/// MCT's form for the IMX500 converter: the same floats behind nodes of the domain mct_quantizers, which hold
/// the parameters; activations behind such nodes too. Stock ONNX Runtime has no kernels for them; what
/// spell_fake_quant() makes of the model computes the same.
plan::QuantizedModel spell_mct_quantizers(plan::QuantizedModel model);

}  // namespace qc
