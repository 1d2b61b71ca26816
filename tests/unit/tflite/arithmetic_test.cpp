// The primitives of TFLite's integer arithmetic, on the cases where the ways of rounding part.
#include "tflite/arithmetic.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <random>

#include "base/error.h"
#include "support/tiny_tflite.h"
#include "tflite/execute.h"

namespace qc {
namespace {

using namespace tflite::kernels;

TEST_CASE("a real multiplier becomes 31 bits and a shift", "[tflite]") {
  CHECK(multiplier_of(0).mantissa == 0);
  CHECK(multiplier_of(0.5).mantissa == 1 << 30);
  CHECK(multiplier_of(0.5).shift == 0);
  CHECK(multiplier_of(1.0).shift == 1);
  CHECK(multiplier_of(std::nextafter(1.0, 0.0)).mantissa == 1 << 30);  // rounds up to 2^31, which is halved
  CHECK(multiplier_of(std::nextafter(1.0, 0.0)).shift == 1);
  CHECK(multiplier_of(1e-12).mantissa == 0);
}

TEST_CASE("products are rounded half away from zero, and saturate where they must", "[tflite]") {
  constexpr int32_t kLowest = std::numeric_limits<int32_t>::min();
  CHECK(high_product(kLowest, kLowest) == std::numeric_limits<int32_t>::max());
  CHECK(high_product(1 << 30, 3) == 2);    // 1.5
  CHECK(high_product(1 << 30, -3) == -1);  // -1.5: the nudge of gemmlowp rounds it up
  CHECK(shift_right_rounded(5, 1) == 3);
  CHECK(shift_right_rounded(-5, 1) == -3);
  CHECK(shift_right_rounded(-6, 2) == -2);
  CHECK(shift_right_rounded(7, 0) == 7);
}

TEST_CASE("both roundings are within one step of the exact product", "[tflite]") {
  std::mt19937 engine(3);
  int64_t different = 0;
  for (int i = 0; i < 20000; ++i) {
    const auto x = static_cast<int32_t>(engine()) >> (engine() % 20 + 4);
    const double real =
        std::ldexp(1.0 + static_cast<double>(engine()) / 4294967296.0, -static_cast<int>(engine() % 14));
    const Multiplier by = multiplier_of(real);
    const int32_t once = multiply(x, by, Rounding::kSingle), twice = multiply(x, by, Rounding::kDouble);
    CHECK(std::fabs(once - x * real) <= 0.5 + 1e-3);
    CHECK(std::fabs(twice - x * real) <= 1.0);
    different += once != twice;
  }
  CHECK(different > 0);
  CHECK(different < 2000);
}

TEST_CASE("XNNPACK's formulas round halves to even, and multipliers to eight bits behind the point",
          "[tflite]") {
  CHECK(multiply_float(5, 0.5f) == 2);
  CHECK(multiply_float(7, 0.5f) == 4);
  CHECK(multiply_float(-5, 0.5f) == -2);
  CHECK(multiply_float(2000000000, 100.0f) == 1000000000);
  CHECK(multiply_short(5, 0.5) == 3);
  CHECK(multiply_short(-5, 0.5) == -2);
  CHECK(multiply_short(100, 0.625) == 63);     // 62.5
  CHECK(multiply_short(100, 1.0 / 512) == 0);  // the multiplier itself is rounded to even: 0
}

TEST_CASE("a file is run as its operators say", "[tflite]") {
  const tflite::file::Model model =
      tflite::file::parse(tiny_tflite::write(tiny_tflite::classifier()), "x.tflite");
  const std::vector<int8_t> zeros(192, 0);
  const std::vector<ir::Tensor> in{ir::make_tensor(zeros, {1, 8, 8, 3})};
  const std::vector<tflite::file::TensorId> also{3, 4};
  const std::vector<ir::Tensor> out = tflite::execute(model, in, Rounding::kDouble, "x.tflite", also);
  REQUIRE(out.size() == 3);
  // With zeros in, the conv gives its bias: 100, -200, 3000, 0 times s_in * s_w over 6 / 255, clipped to
  // 0..6.
  const std::span<const int8_t> conv = out[1].as<int8_t>();
  CHECK(conv[0] == -128 + 0);  // 100 * 0.01 / 128 = 0.0078: 0.33 steps
  CHECK(conv[1] == -128);      // negative: RELU6
  CHECK(conv[2] == -128 + 8);  // 3000 * 0.008 / 128 = 0.1875: 7.97 steps
  CHECK(conv[3] == -128);
  CHECK(out[2].as<int8_t>()[2] == -128 + 8);
  int64_t sum = 0;
  for (const int8_t score : out[0].as<int8_t>()) sum += score + 128;
  CHECK(std::abs(sum - 256) <= 5);
}

TEST_CASE("what the model of the arithmetic does not cover is named at once", "[tflite]") {
  tiny_tflite::Model model = tiny_tflite::classifier();
  model.ops[1].code = tflite::wire::BuiltinOperator::L2_POOL_2D;
  model.ops[4].code = tflite::wire::BuiltinOperator::LSTM;
  const tflite::file::Model read = tflite::file::parse(tiny_tflite::write(model), "x.tflite");
  try {
    tflite::check_executable(read, "x.tflite");
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kUnsupported);
    REQUIRE(error.problems.size() == 2);
    CHECK(error.problems[0].place == "x.tflite: operator 1 (L2_POOL_2D)");
    CHECK(error.problems[1].place == "x.tflite: operator 4 (LSTM)");
  }
}

TEST_CASE("shapes that do not fit are refused, not computed", "[tflite]") {
  for (const size_t tensor : {size_t{0}, size_t{1}, size_t{3}, size_t{4}, size_t{7}, size_t{9}}) {
    INFO(tensor);
    tiny_tflite::Model model = tiny_tflite::classifier();
    tiny_tflite::Tensor& spoilt = model.tensors[tensor];
    spoilt.shape.back() += 1;
    if (!spoilt.data.empty())
      spoilt.shape = {static_cast<int32_t>(spoilt.data.size() /
                                           (spoilt.type == tflite::wire::TensorType::INT32 ? 4 : 1))};
    for (float& scale : spoilt.scales) scale = 0.01f;
    if (spoilt.scales.size() > 1) spoilt.scales = {0.01f}, spoilt.zero_points = {0};
    const tflite::file::Model read = tflite::file::parse(tiny_tflite::write(model), "x.tflite");
    const auto& shape = read.graphs[0].tensors[0].shape;
    const std::vector<int8_t> zeros(static_cast<size_t>(ir::element_count(shape)), 0);
    const std::vector<ir::Tensor> in{ir::make_tensor(zeros, shape)};
    CHECK_THROWS_AS(tflite::execute(read, in, Rounding::kDouble, "x.tflite"), Error);
  }
}

}  // namespace
}  // namespace qc
