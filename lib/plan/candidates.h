// Paper 2, from threshold to select: for every value that may be quantized, for every width the target
// allows, the parameters that the threshold search chose, their error and their bytes. Nothing is decided
// here.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "quant/quant_params.h"

namespace qc::plan {

struct Candidate {
  quant::QuantParams params;
  double error = 0;   // of the chosen method, mean over the elements; 0 for ranges known beforehand
  int64_t bytes = 0;  // integers + scales + zero points as written; activations: 0
  std::string note;   // "known range of Softmax", "range of the Clip that follows", ... for --explain
};

/// By value, best first (widest, or as chosen by the method); members of a same-scale group hold equal
/// candidates.
using Candidates = std::map<ir::ValueId, std::vector<Candidate>>;

}  // namespace qc::plan
