// Comparisons, and what is made of their answers: the few that stand in float islands.
#include <algorithm>
#include <cstring>

#include "tflite/kernels.h"

namespace qc::tflite::kernels {
namespace {

template <typename Holds>
void compare(const Call& call, Holds holds) {
  require_inputs(call, 2);
  const Value &a = *call.in[0], &b = *call.in[1];
  require(call, a.dtype() == b.dtype() && call.out[0]->dtype() == ir::DType::kBool, "its types do not fit");
  if (a.about->scales != b.about->scales || a.about->zero_points != b.about->zero_points)
    refuse(call, "inputs with scales of their own");
  const std::vector<double> x = numbers(call, a), y = numbers(call, b);
  const std::vector<int64_t> at_x = broadcast_index(call, a), at_y = broadcast_index(call, b);
  const std::span<uint8_t> out = call.out[0]->out<uint8_t>();
  for (size_t i = 0; i < out.size(); ++i) out[i] = holds(x[at_x[i]], y[at_y[i]]) ? 1 : 0;
}

void equal(const Call& call) {
  compare(call, [](double x, double y) { return x == y; });
}
void not_equal(const Call& call) {
  compare(call, [](double x, double y) { return x != y; });
}
void less(const Call& call) {
  compare(call, [](double x, double y) { return x < y; });
}
void less_equal(const Call& call) {
  compare(call, [](double x, double y) { return x <= y; });
}
void greater(const Call& call) {
  compare(call, [](double x, double y) { return x > y; });
}
void greater_equal(const Call& call) {
  compare(call, [](double x, double y) { return x >= y; });
}
void logical_and(const Call& call) {
  compare(call, [](double x, double y) { return x != 0 && y != 0; });
}
void logical_or(const Call& call) {
  compare(call, [](double x, double y) { return x != 0 || y != 0; });
}

void logical_not(const Call& call) {
  require_inputs(call, 1);
  require(call,
          call.in[0]->dtype() == ir::DType::kBool && call.in[0]->bytes.size() == call.out[0]->own.size(),
          "its types do not fit");
  const auto in = call.in[0]->as<uint8_t>();
  std::transform(in.begin(), in.end(), call.out[0]->out<uint8_t>().begin(),
                 [](uint8_t x) { return static_cast<uint8_t>(x == 0); });
}

void select(const Call& call) {
  require_inputs(call, 3);
  const Value &yes = *call.in[1], &no = *call.in[2];
  Value& out = *call.out[0];
  require(call,
          call.in[0]->dtype() == ir::DType::kBool && yes.dtype() == out.dtype() && no.dtype() == out.dtype(),
          "its types do not fit");
  if (is_8_bit(out) && (yes.about->scales != out.about->scales || no.about->scales != out.about->scales))
    refuse(call, "inputs with scales of their own");
  const int bits = ir::bits_of(out.dtype());
  if (bits == 0 || bits % 8 != 0) refuse(call, "type " + out.about->type);
  const auto width = static_cast<int64_t>(bits / 8);
  const std::vector<int64_t> at_if = broadcast_index(call, *call.in[0]), at_yes = broadcast_index(call, yes),
                             at_no = broadcast_index(call, no);
  const auto chosen = call.in[0]->as<uint8_t>();
  for (size_t i = 0; i < at_if.size(); ++i) {
    const bool take = chosen[at_if[i]] != 0;
    const char* from = take ? yes.bytes.data() + at_yes[i] * width : no.bytes.data() + at_no[i] * width;
    std::copy_n(from, width, out.own.data() + static_cast<int64_t>(i) * width);
  }
}

constexpr KernelRow kRows[] = {
    {"EQUAL", equal},           {"NOT_EQUAL", not_equal},     {"LESS", less},
    {"LESS_EQUAL", less_equal}, {"GREATER", greater},         {"GREATER_EQUAL", greater_equal},
    {"LOGICAL_OR", logical_or}, {"LOGICAL_AND", logical_and}, {"LOGICAL_NOT", logical_not},
    {"SELECT_V2", select},
};

}  // namespace

std::span<const KernelRow> logic_kernels() {
  return kRows;
}

}  // namespace qc::tflite::kernels
