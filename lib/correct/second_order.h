// The accuracy engine: every layer's weights re-targeted and rounded by second-order statistics of the
// calibration images, in graph order, each layer seeing what the layers before it, already corrected, hand it
// (the target: QEP, Arai and Ichikawa 2025, arXiv:2504.09629, and GPTAQ, Li et al. 2025, arXiv:2504.02692;
// the rounding: round_rows.h). No gradients.
//
// Float and quantized network run side by side, all images in step, both as tapped sessions: where an input
// of weighted layers appears, the runs wait for each other, the statistics are taken from the tensors as they
// lie there, the layers are solved, and every quantized run goes on with what the new weights give (a session
// of that layer alone, its weights constant). One pass solves the whole network, whatever its shape, and no
// activation is ever copied or stored.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "correct/bias_correction.h"
#include "correct/kept.h"
#include "correct/round_rows.h"
#include "correct/solvable.h"
#include "images/image_source.h"
#include "plan/quantized_model.h"
#include "run/runner.h"

namespace qc::correct {

struct SecondOrderOptions {
  RoundOptions rounding;  // scale_search: only for weights below 8 bits
  uint64_t seed = 0;      // which positions of large inputs are looked at
  int threads = 1;
  bool only_narrow = false;               // leave weights whose integers have 8 bits and more as they are
  int64_t longest_patch = kLongestPatch;  // longer ones are solved in strips
  // Enough to tell what a width costs: fewer positions are looked at, and weights of 8 bits and more are
  // re-targeted and rounded to nearest.
  bool quick = false;
  // Pictures that are fitted on also count turned left to right, in each layer where that brings its
  // statistics closer to what held-out pictures say.
  bool mirror = false;
  int64_t most_runs = INT64_MAX;  // images and mirrored ones together, as many as memory holds
  Kept* kept = nullptr;  // layers of an earlier run are taken from here, those that are solved are left here
};

using Weights = std::map<ir::ValueId, plan::IntegerTensor>;
using Trusts = std::map<ir::ValueId, std::vector<Trust>>;  // by weight, by group of its layer

struct SecondOrder {
  Weights weights;    // of the layers that were solved
  BiasDeltas deltas;  // belong to these weights
  Trusts trusts;      // that they were solved with
  int64_t layers = 0, images = 0, mirrored = 0;
};

/// What a pass may be asked for besides. Both empty: nothing.
struct Besides {
  /// Layers that are solved already: they keep these weights and biases.
  SecondOrder known;
  /// Other integers for some layers (another width, say), solved by the statistics that the layer's own are
  /// solved by; the network goes on with its own.
  Weights others;
  /// For layers named here statistics are followed so far, rather than as far as held-out images allow.
  Trusts trusts;
};

struct Others {
  Weights weights;
  BiasDeltas deltas;
  std::map<ir::ValueId, double> noise;  // of each layer's result, relative to its signal, by its statistics
};

/// `model`: integers by rounding to nearest, biases not corrected; its graph's constants are the float
/// network. One image in four chooses the strength of the re-target. `solved` is called after
/// each layer. A pass for `others` as well keeps nothing.
SecondOrder solve_second_order(const plan::QuantizedModel& model, run::RunnerFactory& runners,
                               const images::ImageSource& source, std::span<const int64_t> images,
                               const SecondOrderOptions& options, const std::function<void()>& solved,
                               const Besides& besides = {}, Others* others = nullptr);

}  // namespace qc::correct
