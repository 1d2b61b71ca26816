// See correct_wide.h.
#include "search/correct_wide.h"

#include <algorithm>

#include "prepare.h"
#include "select/costs.h"

namespace qc {
namespace {

// kQuickImages: how many images are tried where nobody asked for the correction, the most first. Fewer than
// the last do not pay (13 models: 4 images help 6 of them, 12 bring 0.9 to 6 dB), more than the first bring
// tenths of a decibel. kQuickMemory: bytes that they may take, in both networks. kCounted: images of
// calibration that count towards the time that is allowed, however many there are (what is left of 100 when
// some are held out), so that more of them do not make the correction take more memory.
constexpr int64_t kQuickImages[] = {12, 8}, kQuickMemory = int64_t{400} << 20, kCounted = 84;
// Where a goal is missed more images are worth it, but not all of a machine's memory: some take gigabytes
// each.
constexpr int64_t kUnaskedMemory = int64_t{1} << 30;
// What nobody waits for: about twice the time of calibration, by an estimate that is up to 1.5 times low, or
// a second.
constexpr double kTimesOfCalibration = 1.65, kUnnoticedNs = 1.2e9;
// Measured on 14 models of pictures from 28 to 416 pixels, on one processor (within 25 % on all). In
// inferences of the float model: an image of calibration (decoding, histograms), and one of correction (two
// networks side by side, rounding, statistics, copies). A layer takes a session of its own. Multiply-adds in
// a nanosecond: products of patches, factors and descent, and a float model without prices.
constexpr double kCalibrated = 1.25, kCorrected = 15, kLayerNs = 4e6;
constexpr double kProductsPerNs = 60, kSolvedPerNs = 16, kInferredPerNs = 25;

// Float, one image.
double inference_ns(const Subject& subject, const correct::PassWork& work) {
  const select::PlacementCosts& time = subject.places.time;
  const std::vector<bool> nowhere(subject.graph.nodes.size());
  const double priced = select::cost_of(subject.graph, nowhere, time) + time.elsewhere;
  return priced > 0 ? priced : work.inference / kInferredPerNs;
}

}  // namespace

int64_t images_for_wide_weights(const Scene& scene, const Subject& subject, const SearchStart& start,
                                const Attempt& best) {
  const config::CoreConfig& config = scene.config;
  const int64_t layers = correct::solvable_layers(best.model, false);
  const bool only_biases = config.quantization.weights_bias_correction &&
                           config.correction.method == config::CorrectionMethod::kUnset;
  if (!only_biases || config.saturation_guard.value_or(false) || has_narrow_weights(best.model) ||
      layers == 0)
    return 0;
  const ir::Graph sized = with_shapes_of(best.model.graph, scene.sample, scene.codec);
  const int64_t fit =
      config.memory_limit ? INT64_MAX : correct::images_that_fit(best.model, sized, kUnaskedMemory);
  const int64_t most = std::min(fit, correction_images(best.model, config, config.correction.images));
  if (misses_goal(best, config)) return most;
  const correct::PassWork work = correct::work_of_pass(best.model, sized);
  const double inference = inference_ns(subject, work);
  const int64_t counted = std::min(kCounted, std::ssize(start.answers.calibration));
  const double calibration = kCalibrated * inference * static_cast<double>(counted),
               patience = std::max(kTimesOfCalibration * calibration, kUnnoticedNs);
  const double once = kLayerNs * static_cast<double>(layers) + work.solving / kSolvedPerNs,
               each = kCorrected * inference + work.products / kProductsPerNs;
  const int64_t fit_quickly = std::min(most, correct::images_that_fit(best.model, sized, kQuickMemory));
  for (const int64_t images : kQuickImages)
    if (images <= fit_quickly && once + each * static_cast<double>(images) <= patience) return images;
  return 0;
}

void correct_wide_weights(const Scene& scene, const Subject& subject, const SearchStart& start,
                          int64_t images, Attempt& best) {
  if (images == 0) return;
  round_anew(attempt_scene(scene, subject.graph), start.answers, start.weights, images, best);
}

}  // namespace qc
