// Arithmetic by hand-computed rows, and the vectorised loops against a scalar loop that follows the formula.
#include "quant/quant_params.h"
#include "quant/operand_params.h"

#include <catch2/catch.hpp>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

using namespace qc::quant;

namespace {

struct Type {
  int bits;
  bool is_signed;
  bool narrow;
};

QuantParams per_tensor(Type type, float scale, int32_t zero_point) {
  QuantParams params;
  params.bits = type.bits;
  params.is_signed = type.is_signed;
  params.narrow_range = type.narrow;
  params.scales = {scale};
  params.zero_points = {zero_point};
  return params;
}

/// q = clamp(round(x / scale) + zero_point) and x' = (q - zero_point) * scale, one element at a time.
int64_t scalar_quantize(float x, const QuantParams& p) {
  const double ratio = std::nearbyint(static_cast<double>(x / p.scales[0]));
  return static_cast<int64_t>(
      std::clamp(ratio + p.zero_points[0], static_cast<double>(p.qmin()), static_cast<double>(p.qmax())));
}

/// A million values: gaussian, exact halves of the scale, the neighbours of halves, and the largest floats.
std::vector<float> awkward_values(float scale) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0.0f, 40.0f);
  std::vector<float> values;
  for (int i = 0; i < 700000; ++i) values.push_back(normal(random) * scale);
  for (int i = -50000; i < 50000; ++i) {
    const float half = (static_cast<float>(i % 600) + 0.5f) * scale;
    values.push_back(half);
    values.push_back(std::nextafterf(half, FLT_MAX));
    values.push_back(std::nextafterf(half, -FLT_MAX));
  }
  for (float extreme : {FLT_MAX, -FLT_MAX, FLT_MIN, -FLT_MIN, 1e-45f, -1e-45f, 0.0f, -0.0f, 3e38f, -3e38f})
    values.push_back(extreme);
  return values;
}

TEST_CASE("constant operands that lie on a grid are stored exactly") {
  const auto exact = [](const std::vector<float>& values, bool is_signed, bool symmetric) {
    const QuantParams params = operand_params(values, 8, is_signed, symmetric);
    std::vector<float> rounded(values.size());
    fake_quantize(values, rounded, params);
    return rounded == values;
  };
  CHECK(exact({8, 16, 32}, false, false));
  CHECK(exact({8, 16, 32}, true, true));
  std::vector<float> places;
  for (int i = 0; i < 80; ++i) places.push_back(static_cast<float>(i) + 0.5f);
  CHECK(exact(places, false, false));
  CHECK(exact({-3, -1, 2, 4}, true, false));
  // Where none fits, the finest.
  const std::vector<float> any{0.1f, 0.7312f, 1.9f, 2.55f};
  CHECK(operand_params(any, 8, false, false).scales[0] == Approx(0.01f).epsilon(0.02));
}

}  // namespace

TEST_CASE("the ends of the integer range follow bits, sign and narrow range") {
  struct Row {
    Type type;
    int64_t qmin, qmax;
  };
  const Row rows[] = {{{2, true, false}, -2, 1},          {{2, true, true}, -1, 1},
                      {{3, false, false}, 0, 7},          {{4, true, false}, -8, 7},
                      {{8, false, false}, 0, 255},        {{8, true, false}, -128, 127},
                      {{8, true, true}, -127, 127},       {{16, false, false}, 0, 65535},
                      {{16, true, false}, -32768, 32767}, {{32, true, false}, -2147483648LL, 2147483647LL}};
  for (const Row& row : rows) {
    const QuantParams params = per_tensor(row.type, 1, 0);
    CHECK(params.qmin() == row.qmin);
    CHECK(params.qmax() == row.qmax);
  }
}

TEST_CASE("rounding is half to even and saturates") {
  struct Row {
    float value;
    int32_t u8_zp10, i8, i8_narrow;
  };
  const Row rows[] = {{0.25f, 10, 0, 0},      {0.75f, 12, 2, 2},        {1.25f, 12, 2, 2},
                      {-0.25f, 10, 0, 0},     {-0.75f, 8, -2, -2},      {-1.25f, 8, -2, -2},
                      {0.2499f, 10, 0, 0},    {0.2501f, 11, 1, 1},      {-64.0f, 0, -128, -127},
                      {63.5f, 137, 127, 127}, {1000.0f, 255, 127, 127}, {-1000.0f, 0, -128, -127}};
  for (const Row& row : rows) {
    CAPTURE(row.value);
    const std::vector<float> one = {row.value};
    CHECK(quantize(one, {}, per_tensor({8, false, false}, 0.5f, 10))[0] == row.u8_zp10);
    CHECK(quantize(one, {}, per_tensor({8, true, false}, 0.5f, 0))[0] == row.i8);
    CHECK(quantize(one, {}, per_tensor({8, true, true}, 0.5f, 0))[0] == row.i8_narrow);
  }
}

TEST_CASE("asymmetric parameters follow the ONNX rule") {
  struct Row {
    double min, max;
    int bits;
    bool is_signed;
    double scale;
    int32_t zero_point;
  };
  const Row rows[] = {
      {-1.0, 1.55, 8, false, 2.55 / 255, 100}, {-1.0, 1.55, 8, true, 2.55 / 255, -28},
      {0.5, 2.55, 8, false, 2.55 / 255, 0},  // widened to contain 0
      {0.5, 2.55, 8, true, 2.55 / 255, -128},  {-2.55, -0.5, 8, false, 2.55 / 255, 255},
      {-1.0, 2.0, 2, false, 1.0, 1},           {-1.0, 2.0, 2, true, 1.0, -1},
      {-1.0, 14.0, 4, false, 1.0, 1},          {-0.5, 254.5, 8, false, 1.0, 0},  // half to even
      {-1.5, 253.5, 8, false, 1.0, 2},         {0.0, 65535.0, 16, false, 1.0, 0},
      {0.0, 0.0, 8, false, 1.0 / 256, 0},  // degenerate
      {0.0, 0.0, 8, true, 1.0 / 256, -128},    {0.0, 1e-40, 8, false, 1.0 / 256, 0},
      {-1e-38, 0.0, 8, false, 1.0 / 256, 0}};
  for (const Row& row : rows) {
    CAPTURE(row.min, row.max, row.bits, row.is_signed);
    const QuantParams params = asymmetric_params(row.min, row.max, row.bits, row.is_signed);
    CHECK(params.scales == std::vector<float>{static_cast<float>(row.scale)});
    CHECK(params.zero_points == std::vector<int32_t>{row.zero_point});
  }
}

TEST_CASE("scales are never zero, denormal or infinite") {
  const double infinity = std::numeric_limits<double>::infinity();
  const double ends[] = {-infinity, -DBL_MAX, -3e38, -1, -1e-38, -1e-44,   -0.0,
                         0,         1e-45,    1e-38, 1,  3e38,   infinity, NAN};
  for (int bits : {2, 4, 8, 16})
    for (bool is_signed : {false, true})
      for (double low : ends)
        for (double high : ends) {
          const QuantParams params = asymmetric_params(low, high, bits, is_signed);
          CAPTURE(bits, is_signed, low, high);
          CHECK(std::isnormal(params.scales[0]));
          CHECK(params.zero_points[0] >= params.qmin());
          CHECK(params.zero_points[0] <= params.qmax());
          if (low >= 0) CHECK(params.zero_points[0] == params.qmin());
          if (high > 0) CHECK(std::isnormal(symmetric_params(high, bits, is_signed, false).scales[0]));
        }
}

TEST_CASE("symmetric parameters in MCT's and in TFLite's form") {
  CHECK(symmetric_params(2.0, 8, true, false).scales[0] == 2.0f / 128);
  CHECK(symmetric_params(2.0, 8, true, true).scales[0] == 2.0f / 127);
  CHECK(symmetric_params(2.0, 8, false, false).scales[0] == 2.0f / 256);
  CHECK(symmetric_params(2.0, 2, true, false).scales[0] == 1.0f);
  CHECK(symmetric_params(2.0, 8, true, true).narrow_range);
  CHECK_FALSE(symmetric_params(2.0, 8, false, true).narrow_range);
  CHECK(symmetric_params(2.0, 8, true, false).zero_points == std::vector<int32_t>{0});
}

TEST_CASE("range_min and range_max are what the outermost integers stand for") {
  const QuantParams params = per_tensor({8, false, false}, 0.5f, 10);
  CHECK(range_min(params) == -5.0f);
  CHECK(range_max(params) == 122.5f);
  CHECK(range_min(per_tensor({8, true, true}, 0.5f, 0)) == -63.5f);
}

TEST_CASE("fake quantization equals the scalar formula on a million values, in place and apart") {
  const std::pair<Type, int32_t> kinds[] = {{{8, false, false}, 113}, {{8, true, false}, -128},
                                            {{8, true, true}, 0},     {{4, true, false}, 0},
                                            {{2, false, false}, 1},   {{16, false, false}, 40000}};
  for (const auto& [type, zero_point] : kinds) {
    const QuantParams params = per_tensor(type, 0.0371f, zero_point);
    const std::vector<float> values = awkward_values(params.scales[0]);
    REQUIRE(values.size() >= 1000000);
    std::vector<float> apart(values.size()), in_place = values;
    fake_quantize(values, apart, params);
    fake_quantize(in_place, in_place, params);
    const std::vector<int32_t> integers = quantize(values, {}, params);
    const std::vector<float> round_trip = dequantize(integers, {}, params);
    int64_t wrong = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const int64_t q = scalar_quantize(values[i], params);
      const float expected = static_cast<float>(q - zero_point) * params.scales[0];
      wrong +=
          !(apart[i] == expected && in_place[i] == expected && integers[i] == q && round_trip[i] == expected);
    }
    CAPTURE(type.bits, type.is_signed);
    CHECK(wrong == 0);
    CHECK(std::memcmp(apart.data(), round_trip.data(), apart.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("NaN becomes the low end of the range") {
  const QuantParams params = per_tensor({8, false, false}, 0.5f, 10);
  std::vector<float> values(33, std::numeric_limits<float>::quiet_NaN());
  CHECK(quantize(values, {}, params) == std::vector<int32_t>(33, 0));
  fake_quantize(values, values, params);
  CHECK(values == std::vector<float>(33, -5.0f));
}

TEST_CASE("channel layout splits dimensions around the axis") {
  const std::vector<int64_t> dims = {2, 3, 4, 5};
  struct Row {
    int axis;
    int64_t outer, channels, inner;
  };
  for (const Row& row : {Row{0, 1, 2, 60}, Row{1, 2, 3, 20}, Row{3, 24, 5, 1}, Row{-1, 1, 1, 120}}) {
    const ChannelLayout layout = channel_layout(dims, row.axis);
    CAPTURE(row.axis);
    CHECK(layout.outer == row.outer);
    CHECK(layout.channels == row.channels);
    CHECK(layout.inner == row.inner);
  }
}

TEST_CASE("per-channel integers use the scale and zero point of their channel") {
  QuantParams params = per_tensor({8, true, false}, 1, 0);
  params.scales = {1.0f, 0.5f, 0.25f};
  params.zero_points = {0, 1, -1};
  const std::vector<float> values = {1, 2, 1, 2, 1, 2};
  const auto check = [&](int axis, std::vector<int64_t> dims, std::vector<int32_t> expected) {
    params.axis = axis;
    const std::vector<int32_t> integers = quantize(values, dims, params);
    CHECK(integers == expected);
    CHECK(dequantize(integers, dims, params) == values);
  };
  check(0, {3, 2}, {1, 2, 3, 5, 3, 7});
  check(1, {2, 3}, {1, 5, 3, 2, 3, 7});
  check(1, {1, 3, 2}, {1, 2, 3, 5, 3, 7});
}

TEST_CASE("rows of channels are rounded as each channel by itself") {
  const std::vector<int64_t> dims{5, 2, 37};
  QuantParams params{8, true, false, 2, {}, {}};
  std::vector<float> values;
  for (int i = 0; i < 5 * 2 * 37; ++i) values.push_back(0.37f * static_cast<float>(i % 91) - 16);
  for (int c = 0; c < 37; ++c) {
    params.scales.push_back(0.02f * static_cast<float>(c + 1));
    params.zero_points.push_back(c % 3 - 1);
  }
  const std::vector<int32_t> rows = quantize(values, dims, params);
  const std::vector<float> back = dequantize(rows, dims, params);
  for (size_t c = 0; c < 37; ++c) {
    const QuantParams one{8, true, false, -1, {params.scales[c]}, {params.zero_points[c]}};
    for (size_t i = c; i < values.size(); i += 37) {
      const std::vector<int32_t> alone = quantize(std::span(&values[i], 1), std::vector<int64_t>{1}, one);
      REQUIRE(rows[i] == alone[0]);
      REQUIRE(back[i] == dequantize(alone, std::vector<int64_t>{1}, one)[0]);
    }
  }
}

TEST_CASE("bias integers keep 32 bits") {
  QuantParams params = per_tensor({32, true, false}, 1e-4f, 0);
  const std::vector<float> values = {123456.0f, -1e9f, 1e9f, 0.00025f, -3.4e38f};
  const std::vector<int32_t> integers = quantize(values, {}, params);
  CHECK(integers[0] == static_cast<int32_t>(std::nearbyint(123456.0 / static_cast<double>(1e-4f))));
  CHECK(integers[1] == std::numeric_limits<int32_t>::min());
  CHECK(integers[2] == std::numeric_limits<int32_t>::max());
  CHECK(integers[3] ==
        static_cast<int32_t>(std::nearbyint(static_cast<double>(0.00025f) / static_cast<double>(1e-4f))));
  CHECK(integers[4] == std::numeric_limits<int32_t>::min());
  std::vector<float> snapped(values.size());
  fake_quantize(values, snapped, params);
  CHECK(snapped == dequantize(integers, {}, params));
}

TEST_CASE("packed bytes are those of the ONNX types") {
  const auto bytes_of = [](std::vector<int32_t> integers, Type type) {
    return pack(integers, per_tensor(type, 1, 0));
  };
  using namespace std::string_literals;
  CHECK(bytes_of({1, -2, 7}, {4, true, false}) == "\xE1\x07"s);
  CHECK(bytes_of({1, -2, -1, 0}, {2, true, false}) == "\xE1\x0F"s);
  CHECK(bytes_of({3, 1}, {3, false, false}) == "\x13"s);
  CHECK(bytes_of({15, 9, 1}, {4, false, false}) == "\x9F\x01"s);
  CHECK(bytes_of({-1, 127}, {8, true, false}) == "\xFF\x7F"s);
  CHECK(bytes_of({255, 0}, {8, false, false}) == "\xFF\x00"s);
  CHECK(bytes_of({-2}, {16, true, false}) == "\xFE\xFF"s);
  CHECK(bytes_of({1000}, {12, false, false}) == "\xE8\x03"s);
  CHECK(bytes_of({-2}, {32, true, false}) == "\xFE\xFF\xFF\xFF"s);
  CHECK(bytes_of({}, {4, true, false}).empty());
}

namespace {

// The bit patterns, 0..2^bits - 1.
std::vector<int32_t> unpack_words(std::string_view bytes, int64_t count, int bits) {
  const auto in_word = static_cast<size_t>(values_in_word(bits));
  std::vector<int32_t> patterns(static_cast<size_t>(count));
  for (size_t i = 0; i < patterns.size(); ++i) {
    uint64_t word = 0;
    for (size_t b = 0; b < 8; ++b)
      word |= uint64_t{static_cast<unsigned char>(bytes[i / in_word * 8 + b])} << (8 * b);
    patterns[i] = static_cast<int32_t>((word >> (i % in_word * static_cast<size_t>(bits))) &
                                       ((uint64_t{1} << bits) - 1));
  }
  return patterns;
}

}  // namespace

TEST_CASE("words hold as many values as fit, lowest bits first, and give them back") {
  using namespace std::string_literals;
  CHECK(pack_words(std::vector<int32_t>{1, 2, 3}, 4) == "\x21\x03\0\0\0\0\0\0"s);
  CHECK(pack_words(std::vector<int32_t>{-1, 0, 1}, 3) == "\x47\0\0\0\0\0\0\0"s);
  CHECK(pack_words({}, 5).empty());
  std::mt19937 random(5);
  for (int bits = 2; bits <= 8; ++bits)
    for (size_t count : {1u, 7u, 8u, 12u, 21u, 22u, 64u, 101u}) {
      CAPTURE(bits, count);
      std::vector<int32_t> patterns(count), negative(count);
      for (size_t i = 0; i < count; ++i) {
        patterns[i] = static_cast<int32_t>(random() % (1u << bits));
        negative[i] = patterns[i] - (1 << bits);  // the same lowest bits
      }
      const std::string bytes = pack_words(patterns, bits);
      CHECK(bytes.size() == (count + 64 / bits - 1) / (64 / bits) * 8);
      CHECK(pack_words(negative, bits) == bytes);
      CHECK(unpack_words(bytes, static_cast<int64_t>(count), bits) == patterns);
    }
}

TEST_CASE("unpack undoes pack for every width, sign and odd count") {
  std::mt19937 random(3);
  for (int bits : {2, 3, 4, 5, 7, 8, 9, 12, 16, 32})
    for (bool is_signed : {false, true}) {
      if (bits == 32 && !is_signed) continue;  // biases are signed
      const QuantParams params = per_tensor({bits, is_signed, false}, 1, 0);
      std::uniform_int_distribution<int64_t> any(params.qmin(), params.qmax());
      std::vector<int32_t> integers = {static_cast<int32_t>(params.qmin()),
                                       static_cast<int32_t>(params.qmax())};
      for (int i = 0; i < 61; ++i) integers.push_back(static_cast<int32_t>(any(random)));
      CAPTURE(bits, is_signed);
      CHECK(unpack(pack(integers, params), static_cast<int64_t>(integers.size()), params) == integers);
    }
}
