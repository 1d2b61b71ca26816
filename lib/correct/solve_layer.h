// One layer of a second-order pass (second_order.h), group by group: the statistics of its patches in,
// integers and scales out, and what its bias must make up for. In between stand round_rows.h, which knows
// matrices alone, and windows.h, which knows where these lie in the weight tensor.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "correct/gram.h"
#include "correct/round_rows.h"
#include "correct/solvable.h"
#include "ir/graph.h"
#include "plan/quantized_model.h"

namespace qc::correct {

/// One way of rounding a layer's weight: the model's own, or another width of it that is only measured.
struct LayerRounding {
  plan::IntegerTensor solved;  // rounded to nearest at first; its groups are replaced as they are solved
  quant::QuantParams asked;    // of `solved` at first; later its scales may differ
  std::vector<double> shift;   // of the bias, by output channel, summed over strips
};

/// A strip of a layer, all of it mostly (strips_of()), and a way of rounding it. Borrowed. Groups touch
/// different parts of `rounding` and may be solved side by side.
struct Strip {
  const plan::QuantizedModel& model;
  const Solvable& layer;
  const Windows& windows;  // of the strip
  LayerRounding& rounding;
};

/// What the images say of a group's patches; with a bias, which makes up for shifted means, about their means
/// rather than about zero.
struct GroupStatistics {
  Gram all, held_out;  // `all` includes `held_out`
  std::vector<double> mean_float, mean_quantized, mean_skip;

  GroupStatistics(Gram sums, Gram held, bool bias);
};

struct SolvedGroup {
  double noise = 0;  // that rounding leaves in the results, by the same statistics
  Trust trust;       // that was used
};

/// Rounds group `g` and stores it in the strip's rounding.
SolvedGroup solve_group(const Strip& strip, const GroupStatistics& statistics, int64_t g,
                        const RoundOptions& options, int threads);

/// The power of the results that the group's float weights give, by the same statistics.
double signal_of(const Strip& strip, const GroupStatistics& statistics, int64_t g);

/// The layer's bias in the float network; null where it has none, or room for one alone.
const ir::Tensor* bias_constant(const plan::QuantizedModel& model, const Solvable& layer);

/// A model of the layer alone, with these weights and this bias (empty: none), both constant: input "x" as
/// the layer's, one output.
ir::Graph layer_graph(const plan::QuantizedModel& model, const Solvable& layer,
                      const plan::IntegerTensor& weight, const std::vector<float>& bias);

}  // namespace qc::correct
