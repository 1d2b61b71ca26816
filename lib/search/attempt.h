// One whole try of a plan: integers, simulation, bias correction, and how far the outputs end up from float.
// The corridor tries the fastest placement and, where that hurts, refined ones (refine_placement.h).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "calibrate/calibrate.h"
#include "config/core_config.h"
#include "correct/bias_correction.h"
#include "correct/second_order.h"
#include "images/image_source.h"
#include "plan/candidates.h"
#include "plan/quantized_model.h"
#include "quantize/quantize.h"
#include "report/report.h"
#include "run/runner.h"
#include "simulate/fidelity.h"
#include "simulate/local_error.h"
#include "simulate/simulate.h"
#include "subject.h"
#include "target/target.h"

namespace qc {

/// What plans are tried with. Borrowed.
struct AttemptScene {
  const ir::Graph& graph;
  run::RunnerFactory& runners;
  const images::ImageSource& source;
  const config::CoreConfig& config;
  int threads = 1;
};
inline AttemptScene attempt_scene(const Scene& scene, const ir::Graph& graph) {
  return {graph, scene.runners, scene.source, scene.config, scene.threads};
}

/// The float model's answers, taken once for all attempts.
struct FloatAnswers {
  std::vector<simulate::Judged> judged;
  simulate::Reference held_out;  // outputs on held-out images
  correct::FloatMeans means;     // of every layer that may be corrected; empty when correction is off
  std::vector<correct::Layer> layers;
  quantize::ChannelMaxima maxima;                // of what weights are multiplied with, on calibration images
  std::vector<int64_t> calibration;              // images that a correction may look at
  simulate::Reference cut_off = {};              // of these, some on which values lie beyond their ranges
  std::unique_ptr<simulate::Samples> samples;    // of the rounded values, on the first held-out images
  std::vector<config::NodeSettings> rules = {};  // by NodeId: which layers the corrections by moments are for
  correct::Kept* kept = nullptr;                 // solved layers of a run that was stopped, and of this one
  int64_t longest_patch = correct::kLongestPatch;  // of layers that second-order correction solves whole
  bool bound_pairs = true;                         // unasked: see guards_pairs()
};

struct Attempt {
  plan::QuantizedModel model;  // biases corrected where that was kept
  quantize::Guards guards;
  simulate::Fidelity fidelity;  // in simulation, on held-out images
  double uncorrected_db = 0;    // worst output before any correction
  std::vector<report::Correction> corrections;
  std::unique_ptr<simulate::Simulator> simulator;  // acts as `model` does
};

/// How the line of a correction by second-order statistics begins.
constexpr const char* kSecondOrder = "second-order correction";

/// Bytes of activations that a correction of biases has alive at once.
constexpr int64_t kCorrectionMemory = int64_t{48} << 20;

/// Images that tell a correction or a trial enough: `most`, or fewer (down to a quarter) where they are large
/// pictures, each of which tells more and takes longer.
int64_t enough_images(const images::ImageSource& source, int64_t most);

/// Has every part of an output to be good (Judged::by_parts)? Where no file is slower for it unasked: a goal
/// is set, or all is to be on integers.
bool parts_count(const config::CoreConfig& config, const target::TargetSpec& target);

/// Is the saturation guard on where nobody says so? Where the file may come to kernels that add pairs of
/// products in 16 bits: those of a .tflite's runtimes, of accelerators and of x86 with VNNI do not.
bool guards_pairs(const config::CoreConfig& config, const target::TargetSpec& target);

/// Runs the float model on the held-out and on some calibration images; `by_parts`: parts_count(); `cut_off`:
/// other images to judge by. Throws Error(kInput) where an output is not finite.
FloatAnswers ask_float_model(const AttemptScene& scene, const plan::QuantPlan& plan,
                             const plan::StatsTable& stats, const calibrate::Split& split, bool by_parts,
                             std::span<const int64_t> cut_off = {});

/// What the config says about second-order correction.
correct::SecondOrderOptions second_order_options(const config::CoreConfig& config, int threads);
/// Images that a second-order correction may have in memory.
int64_t correction_images(const plan::QuantizedModel& model, const config::CoreConfig& config, int64_t most);

/// Corrections, the simplest first: biases, then weights by second-order statistics. One that does not bring
/// the worst output closer on held-out images is left out. `again`: of a plan like one that was tried before,
/// so that half of those images says enough of biases; the rest is judged on all.
Attempt attempt(const AttemptScene& scene, const FloatAnswers& answers, const plan::QuantPlan& plan,
                const plan::Candidates& weights, bool again = false);

/// Rounds the weights of an attempt anew, by second-order statistics of so many calibration images; kept
/// where the worst output comes closer on held-out ones.
void round_anew(const AttemptScene& scene, const FloatAnswers& answers, const plan::Candidates& weights,
                int64_t images, Attempt& tried);

/// Is the worst output below the goal, or below the default of 20 dB where none is set?
bool misses_goal(const Attempt& attempt, const config::CoreConfig& config);

/// Weights of fewer than 8 bits?
bool has_narrow_weights(const plan::QuantizedModel& model);

/// Why each node is in float (by NodeId): not worth its conversions in the fastest placement, or taken back
/// since.
std::vector<plan::NodeDecision> reasons_in_float(const std::vector<bool>& fastest,
                                                 const std::vector<bool>& integer);

/// The error at every rounded value, in dB, from two of the held-out images.
std::map<ir::ValueId, double> error_by_value(const FloatAnswers& answers, Attempt& attempt,
                                             const images::ImageSource& source);

}  // namespace qc
