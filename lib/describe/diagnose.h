// What each rounding of a finished plan costs, part by part (--diagnose). In a corridor because it puts
// the names of nodes to what simulate/ablation.h measures.
#pragma once

#include "images/image_source.h"
#include "report/report.h"
#include "run/runner.h"
#include "search/attempt.h"

namespace qc {

/// One row for the weights of each node (its bias with them) and one for each group of activations that share
/// a scale, the costliest first: least SQNR with only this rounded. On at most eight of the held-out images.
report::Ablation diagnose(const ir::Graph& graph, const Attempt& best, const FloatAnswers& answers,
                          run::RunnerFactory& runners, const images::ImageSource& source, int threads);

/// The rows of layers whose weights are integers, on two images: enough to order them.
std::vector<report::AblationRow> weights_alone(const ir::Graph& graph, const Attempt& best,
                                               const FloatAnswers& answers, run::RunnerFactory& runners,
                                               const images::ImageSource& source, int threads);

}  // namespace qc
