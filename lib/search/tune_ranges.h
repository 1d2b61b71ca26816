// Ranges of activations by what the outputs lose. A threshold that is best for a value alone (least squares,
// say) need not be best for the network: where few values cause most of the noise at the outputs, other
// ranges of these are measured there.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "config/core_config.h"
#include "images/image_source.h"
#include "plan/candidates.h"
#include "report/report.h"
#include "search/attempt.h"

namespace qc {

/// Which of its candidates a scale group takes, by representative; where there is none, the first.
using RangeChoice = std::map<ir::ValueId, size_t>;

/// Puts the chosen candidates first, where select::decide() looks for them.
void put_first(const RangeChoice& choice, plan::Candidates& activations);

/// Should ranges be searched at the outputs? As the config says; where it does not, when nothing can be left
/// in float and the worst output is of no use (kUsableDb).
bool wants_tuned_ranges(const config::CoreConfig& config, bool full, const Attempt& first);

/// Should ranges that clip nothing be tried? Each may lose by its own measure, and all together win: what
/// many layers cut off adds up (networks with gates of SiLU and squeezed channels: 3 to 7 dB).
/// Asked for by the config, where nothing can be left in float or the goal is missed, and where rare images
/// lose much by what is cut off: `whole_db` judges by them too.
bool wants_whole_ranges(const config::CoreConfig& config, bool full, const Attempt& first,
                        const std::function<double(const Attempt&)>& whole_db);

struct TunedRanges {
  Attempt best;
  RangeChoice choice;                            // empty: nothing was better
  std::optional<report::Correction> correction;  // what was tried; nothing: the first candidates are the best
};

/// One attempt with every range as wide as what was seen; stays if the worst output comes clearly closer
/// on held-out images, or by 1.5 dB in `whole_db`.
TunedRanges whole_ranges(const plan::Candidates& activations, Attempt first,
                         const std::function<Attempt(const RangeChoice& choice)>& retry,
                         const std::function<double(const Attempt&)>& whole_db);

/// `activations`: of the plan of `first`, with all candidates (threshold::activation_candidates, `more`);
/// `retry` makes the attempt again with a choice. The groups that cause most of the noise are probed with
/// each of their candidates on a few of the calibration images, one at a time with nothing else rounded (cf.
/// LAPQ, arXiv:1911.07190, whose coordinate search this is without its joint part); the choice stays if the
/// worst output comes closer to float on held-out images.
TunedRanges tune_ranges(const FloatAnswers& answers, const images::ImageSource& source,
                        const plan::Candidates& activations, int threads, Attempt first,
                        const std::function<Attempt(const RangeChoice& choice)>& retry);

}  // namespace qc
