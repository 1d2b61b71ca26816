// See correct_wide.h.
#include "correct_wide.h"

#include <algorithm>

#include "prepare.h"
#include "select/costs.h"

namespace qc {
namespace {

// Unasked. Each image has hundreds of patches to tell of most layers: more images than these bring tenths of
// a decibel, and each takes memory in both networks. What is there to wait for does not grow with the images
// to calibrate on beyond kCounted: a run with more of them takes the same memory.
constexpr int64_t kQuickImages = 4, kQuickMemory = int64_t{384} << 20, kCounted = 100;
// Where a goal is missed more images are worth it, but not all of a machine's memory: some take gigabytes
// each.
constexpr int64_t kUnaskedMemory = int64_t{1} << 30;
constexpr double kTimesOfCalibration = 1.85;  // about twice, by an estimate
// Measured on models of pictures from 128 to 900 pixels. In inferences of the float model: an image of
// calibration (decoding, histograms), and one of correction (two networks side by side, rounding, copies). A
// layer takes a session of its own. Multiply-adds in a nanosecond: products of patches and the solver, and a
// float model without prices.
constexpr double kCalibrated = 1.25, kCorrected = 12, kLayerNs = 12e6;
constexpr double kProductsPerNs = 12, kSolvedPerNs = 6, kInferredPerNs = 25;

// Float, one image.
double inference_ns(const Subject& subject, const correct::PassWork& work) {
  const select::PlacementCosts& time = subject.places.time;
  const std::vector<bool> nowhere(subject.graph.nodes.size());
  const double priced = select::cost_of(subject.graph, nowhere, time) + time.elsewhere;
  return priced > 0 ? priced : work.inference / kInferredPerNs;
}

}  // namespace

int64_t images_for_wide_weights(const Scene& scene, const Subject& subject, const Start& start,
                                const Attempt& best) {
  const config::CoreConfig& config = scene.config;
  const int64_t layers = correct::solvable_layers(best.model, false);
  const bool only_biases = config.quantization.weights_bias_correction &&
                           config.correction.method == config::CorrectionMethod::kUnset;
  if (!only_biases || config.saturation_guard.value_or(false) || has_narrow_weights(best.model) ||
      layers == 0)
    return 0;
  const int64_t fit = config.memory_limit ? INT64_MAX : correct::images_that_fit(best.model, kUnaskedMemory);
  const int64_t most = std::min(fit, correction_images(best.model, config, config.correction.images));
  if (most < kQuickImages) return 0;
  if (misses_goal(best, config)) return most;
  if (correct::images_that_fit(best.model, kQuickMemory) < kQuickImages) return 0;
  const correct::PassWork work =
      correct::work_of_pass(best.model, with_shapes_of(subject.graph, scene.sample, scene.doors));
  const double inference = inference_ns(subject, work);
  const int64_t counted = std::min(kCounted, std::ssize(start.answers.calibration));
  const double calibration = kCalibrated * inference * static_cast<double>(counted);
  const double correction = kQuickImages * (kCorrected * inference + work.products / kProductsPerNs) +
                            kLayerNs * static_cast<double>(layers) + work.solving / kSolvedPerNs;
  return correction <= kTimesOfCalibration * calibration ? kQuickImages : 0;
}

void correct_wide_weights(const Scene& scene, const Subject& subject, const Start& start, int64_t images,
                          Attempt& best) {
  if (images == 0) return;
  round_anew(subject.graph, start.weights, start.answers, scene.runners, scene.source, scene.config,
             scene.threads, images, best);
}

}  // namespace qc
