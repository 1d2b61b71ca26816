// Weight decay leaves layers with weights below 1.2e-38, the smallest normal float. They add nothing to any
// result, but processors take a hundred times as long for each product with one: networks were seen that run
// 5 and 30 times as fast without. Done last, as folding a scale into weights makes more of them.
#include <algorithm>
#include <bit>
#include <cstdint>

#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

bool subnormal(float x) {
  const uint32_t magnitude = std::bit_cast<uint32_t>(x) & 0x7fffffff;
  return magnitude - 1 < 0x007fffff;  // 0 wraps around
}

}  // namespace

int flush_subnormals(Graph& graph) {
  int count = 0;
  for (ir::Value& value : graph.values) {
    // A number that stands alone may keep a logarithm or a division from zero.
    if (!ir::is_read_float(value) || value.constant->size() <= 1) continue;
    const auto numbers = value.constant->as<float>();
    // Without a way out in the middle, so that the compiler vectorises it.
    uint32_t any = 0;
    for (const float x : numbers) any |= static_cast<uint32_t>(subnormal(x));
    if (any == 0) continue;
    std::vector<float> flushed(numbers.begin(), numbers.end());
    std::replace_if(flushed.begin(), flushed.end(), subnormal, 0.0f);
    value.constant = ir::float_tensor(flushed, value.constant->dims);
    ++count;
  }
  return count;
}

}  // namespace qc::normalize
