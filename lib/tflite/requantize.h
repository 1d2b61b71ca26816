// From the 32 bit sum of a layer to the 8 bits of its output. Private to this room.
#pragma once

#include <cstdint>
#include <vector>

#include "tflite/kernels.h"

namespace qc::tflite::kernels {

struct Requantizer {
  std::vector<Multiplier> multipliers;  // one, or one a channel
  std::vector<float> scales;            // the same numbers in float32
  std::vector<int32_t> bias;            // empty, or one a channel
  int32_t zero_point = 0;
  Bounds bounds;
  Rounding rounding = Rounding::kDouble;

  int32_t operator()(int32_t sum, int64_t channel) const;
};

/// Of a layer with weights and (or null) an int32 bias; checks their types and sizes.
Requantizer weighted_requantizer(const Call& call, const Value& x, const Value& weights, const Value* bias,
                                 int64_t channels);

}  // namespace qc::tflite::kernels
