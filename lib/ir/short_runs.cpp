// See short_runs.h.
#include "ir/short_runs.h"

#include <algorithm>
#include <array>

#include "ir/edit.h"
#include "ir/ops.h"

namespace qc::ir {
namespace {

constexpr int64_t kLongRun = 64;                     // elements; longer ones take what their elements do
constexpr int64_t kMostElements = int64_t{1} << 14;  // of a repeated constant
constexpr std::array kByElement{"Add", "Mul", "Sub", "Div"};

// The same number of dimensions, ones in front.
Dims of_rank(Dims dims, size_t rank) {
  dims.insert(dims.begin(), rank - dims.size(), 1);
  return dims;
}

// The slot of the only constant, which is a float one of several elements.
std::optional<size_t> constant_slot(const Graph& graph, const Node& node) {
  if (node.inputs.size() != 2 || node.inputs[0] == kNone || node.inputs[1] == kNone ||
      std::ranges::none_of(kByElement, [&](const char* op) { return standard_op(node, op); }))
    return std::nullopt;
  const bool first = value_at(graph, node.inputs[0]).constant.has_value();
  const size_t slot = first ? 0 : 1;
  const std::optional<Tensor>& constant = value_at(graph, node.inputs[slot]).constant;
  if (!constant || value_at(graph, node.inputs[1 - slot]).constant || constant->dtype != DType::kFloat ||
      !constant->bytes || constant->size() < 2)
    return std::nullopt;
  return slot;
}

// `own` are the constant's dimensions, `whole` the result's; where both differ one number serves a whole run.
struct Run {
  size_t first;  // dimension
  int64_t length;
};
Run last_run(const Dims& own, const Dims& whole) {
  Run run{whole.size(), 1};
  std::optional<bool> shared;
  for (; run.first > 0 && whole[run.first - 1] > 0; --run.first) {
    const size_t i = run.first - 1;
    if (whole[i] == 1) continue;
    const bool one = own[i] == 1;
    if (shared.value_or(one) != one) break;
    shared = one;
    run.length *= whole[i];
  }
  return run;
}

int64_t known(std::span<const int64_t> dims) {
  int64_t count = 1;
  for (const int64_t d : dims) count *= std::max<int64_t>(1, d);
  return count;
}

// The dimensions from `first` on, and as many in front as long runs need, become those of the result.
void tile(const Dims& own, const Dims& whole, const Run& run, ShortRuns& runs) {
  Dims tiled = own;
  std::copy(whole.begin() + static_cast<std::ptrdiff_t>(run.first), whole.end(),
            tiled.begin() + static_cast<std::ptrdiff_t>(run.first));
  size_t from = run.first;
  int64_t length = run.length;
  while (from > 0 && whole[from - 1] > 0 && (length < kLongRun || own[from - 1] == whole[from - 1])) {
    --from;
    tiled[from] = whole[from];
    length *= whole[from];
  }
  const int64_t elements = known(tiled), left = known(std::span(whole).first(from));
  if (left == runs.count || elements > kMostElements || elements - known(own) > runs.count - left) return;
  runs.tiled = tiled;
  runs.tiled_count = left;
}

}  // namespace

std::optional<ShortRuns> short_runs(const Graph& graph, const Node& node) {
  const std::optional<size_t> slot = constant_slot(graph, node);
  if (!slot) return std::nullopt;
  const Value& other = value_at(graph, node.inputs[1 - *slot]);
  const Dims& dims = value_at(graph, node.inputs[*slot]).constant->dims;
  if (!other.has_shape || dims.size() > other.dims.size()) return std::nullopt;
  const Dims own = of_rank(dims, other.dims.size());
  for (size_t i = 0; i < own.size(); ++i)
    if (own[i] != 1 && own[i] != other.dims[i]) return std::nullopt;
  const Run run = last_run(own, other.dims);
  if (run.first == 0 || run.length >= kLongRun) return std::nullopt;
  ShortRuns runs{*slot, run.length, known(std::span(other.dims).first(run.first)), {}, 0};
  tile(own, other.dims, run, runs);
  return runs;
}

template <typename T>
std::vector<T> repeated(std::span<const T> values, const std::vector<int64_t>& from,
                        const std::vector<int64_t>& to) {
  const Dims own = of_rank(from, to.size());
  std::vector<T> all(values.begin(), values.end());
  // From the last dimension on, whole blocks are copied.
  int64_t inner = 1;
  for (size_t i = to.size(); i-- > 0; inner *= to[i]) {
    if (own[i] == to[i]) continue;
    std::vector<T> wider;
    wider.reserve(all.size() * static_cast<size_t>(to[i]));
    for (auto block = all.begin(); block != all.end(); block += inner)
      for (int64_t copy = 0; copy < to[i]; ++copy) wider.insert(wider.end(), block, block + inner);
    all = std::move(wider);
  }
  return all;
}

template std::vector<float> repeated(std::span<const float>, const Dims&, const Dims&);
template std::vector<int32_t> repeated(std::span<const int32_t>, const Dims&, const Dims&);

}  // namespace qc::ir
