// The TFLite door: a QuantizedModel becomes a flatbuffer that LiteRT runs. Nothing else in the house knows
// flatbuffers. Three steps: lower() rewrites the ONNX graph until it is a TFLite graph (dialect.h), following
// the plan; tidy() cancels what met its inverse; serialise() writes it down without a decision.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "plan/idioms.h"
#include "plan/quantized_model.h"
#include "tflite/dialect.h"

namespace qc::tflite {

/// What the numbers in the file are.
enum class Form {
  kInt8,          // as the plan says (int8, or int16 x int8): integers where it places them
  kFloat32,       // the float model; integers of the plan are ignored
  kDynamicRange,  // float activations, int8 weights; the runtime rounds activations as it goes
  kFloat16,       // float activations, weights stored in half precision
};
/// Type of quantized inputs and outputs.
enum class IoType { kInt8, kUint8, kFloat32 };

struct LowerOptions {
  Form form = Form::kInt8;
  IoType io_type = IoType::kInt8;
  std::vector<Op> missing;      // what the target's runtime lacks: spelled out where that can be done
  std::vector<Op> never_float;  // what the file may not hold on floats
  bool int4 = true;             // weights of up to 4 bits are stored in 4
  bool int4_rows = true;        // those of FULLY_CONNECTED, too, with a scale for each row
  bool split_groups = false;    // grouped convolutions become one for each group
  bool narrow_places = false;   // ARG_MAX gives int32, and so are all integers of 64 bits made from it
  // The file runs on XNNPACK, whose int8 QUANTIZE and LEAKY_RELU multiply by 8 bits and which has no
  // HARD_SWISH: ADD and MUL say the same, round as the plan does and take no longer (HARD_SWISH: a third of
  // its time).
  bool xnnpack = false;
  std::vector<bool> free_batch;  // by input: rows of any number are wanted, and 1 are there; empty: of none
  bool keep_nchw_io = false;     // inputs and outputs of rank 4 keep ONNX's order, by a TRANSPOSE
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// The TFLite graph of a model whose values all have static shapes. `idioms` are groups of nodes that the
/// caller has recognised; GELU has no spelled-out form here. Throws Error(kUnsupported) naming every node
/// that TFLite cannot express, with the reason and a remedy.
Model lower(const plan::QuantizedModel& model, const std::vector<plan::Idiom>& idioms,
            const LowerOptions& options = {});

/// The file: pieces cover every byte. Deterministic. Throws Error(kUnsupported) above 2 GB (flatbuffer
/// offsets are 32 bits wide) and Error(kBug) if the flatbuffers verifier refuses what was written.
plan::Written serialise(const Model& model);

}  // namespace qc::tflite
