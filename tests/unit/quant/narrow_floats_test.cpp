// float16 and bfloat16: every bit pattern survives, and what lies between goes to the nearer one.
#include "quant/narrow_floats.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

using namespace qc;

TEST_CASE("every finite float16 and bfloat16 comes back as itself", "[quant]") {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float half = quant::from_float16(static_cast<uint16_t>(bits)),
                brain = quant::from_bfloat16(static_cast<uint16_t>(bits));
    if (std::isfinite(half)) REQUIRE(quant::to_float16(half) == bits);
    if (std::isfinite(brain)) REQUIRE(quant::to_bfloat16(brain) == bits);
  }
}

TEST_CASE("numbers go to the nearest, ties to even", "[quant]") {
  struct Row {
    float value, half, brain;
  };
  const Row rows[] = {
      {1.0f + 0x1p-11f, 1.0f, 1.0f},                // between 1 and 1 + 2^-10: 1 is even
      {1.0f + 3 * 0x1p-11f, 1.0f + 0x1p-9f, 1.0f},  //
      {1.0f + 0x1p-8f, 1.0f + 0x1p-8f, 1.0f},       // between two bfloat16
      {1.0f + 3 * 0x1p-8f, 1.0f + 3 * 0x1p-8f, 1.0f + 0x1p-6f},
      {0x1p-24f, 0x1p-24f, 0x1p-24f},  // the least float16
      {0x1p-25f, 0.0f, 0x1p-25f},      // half of it: to 0, which is even
      {0x1.8p-25f, 0x1p-24f, 0x1.8p-25f},
      {0x1.ff8p-15f, 0x1.ff8p-15f, 0x1p-14f},  // a float16 below its normal ones
      {65504.0f, 65504.0f, 65536.0f},
      {1e30f, 65504.0f, quant::from_bfloat16(quant::to_bfloat16(1e30f))},
      {-0.0f, -0.0f, -0.0f},
  };
  for (const Row& row : rows) {
    CAPTURE(row.value);
    for (const float sign : {1.0f, -1.0f}) {
      CHECK(quant::from_float16(quant::to_float16(sign * row.value)) == sign * row.half);
      CHECK(quant::from_bfloat16(quant::to_bfloat16(sign * row.value)) == sign * row.brain);
    }
  }
  CHECK(std::isfinite(quant::from_bfloat16(quant::to_bfloat16(3.4e38f))));
}

TEST_CASE("no other number is nearer", "[quant]") {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 0.1f);
  for (int i = 0; i < 20000; ++i) {
    const float x = normal(random);
    const uint16_t half = quant::to_float16(x), brain = quant::to_bfloat16(x);
    const auto error = [&](float y) { return std::fabs(static_cast<double>(x) - y); };
    for (const int step : {-1, 1}) {
      REQUIRE(error(quant::from_float16(half)) <=
              error(quant::from_float16(static_cast<uint16_t>(half + step))));
      REQUIRE(error(quant::from_bfloat16(brain)) <=
              error(quant::from_bfloat16(static_cast<uint16_t>(brain + step))));
    }
  }
}
