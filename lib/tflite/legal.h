// Whether a target runs a lowered graph: its rules (configs/targets/*.json, "tflite") held against every
// operator as it will stand in the file.
#pragma once

#include <string>
#include <vector>

#include "target/target.h"
#include "tflite/dialect.h"

namespace qc::tflite {

/// One operator that breaks the rules, and the first rule that it breaks.
struct Violation {
  std::string node;     // the ONNX node it came from; "" for what stands between nodes
  std::string op;       // TFLite's name
  std::string why;      // half a sentence: "GELU is not there"
  std::string remedy;   // one that works
  bool strict = false;  // nothing else takes the operator as it is
};

/// In the order of execution. `name`: the target's, for the remedies.
std::vector<Violation> violations(const Model& model, const target::TfliteRules& rules,
                                  const std::string& name);

/// Operators of the table that the rules do not know: the lowering spells them out where it can.
std::vector<Op> missing_ops(const target::TfliteRules& rules);
/// Those that may not stand in a file on floats.
std::vector<Op> never_float_ops(const target::TfliteRules& rules);

}  // namespace qc::tflite
