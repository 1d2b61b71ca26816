// One streaming pass over the calibration images: decoding, resizing, inference and statistics of one image
// happen on one thread, images side by side, so decoding overlaps with inference and memory does not grow
// with their number.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/error.h"
#include "images/image_source.h"
#include "ir/graph.h"
#include "plan/tensor_stats.h"
#include "run/runner.h"

namespace qc::calibrate {

struct Options {
  int threads = 1;
  int64_t batch_size = 1;  // images joined into one inference; 1 unless the model's batch is free
};

/// Images on which a value was the least and the largest; of a batch, its first.
struct Extremes {
  int64_t least = -1, largest = -1;
};
using ExtremesTable = std::map<ir::ValueId, Extremes>;

/// Runs `graph` on the images with the given indices and returns what was asked about each value. The result
/// does not depend on the thread count; nor does what `extremes` gets, if it is asked for. Throws
/// Error(kInput) naming node and image when an activation is NaN or infinite, or when the runtime refuses an
/// input.
plan::StatsTable calibrate(const ir::Graph& graph, run::RunnerFactory& runners,
                           const images::ImageSource& source, std::span<const int64_t> indices,
                           std::span<const plan::StatRequest> requests, const Options& options,
                           ExtremesTable* extremes = nullptr);

/// The error for images that make some value NaN or infinite: runs them one by one, looking at every value,
/// because the first node that does it need not be one that statistics were asked for; names node and image.
Error not_finite(const ir::Graph& graph, run::RunnerFactory& runners, const images::ImageSource& source,
                 std::span<const int64_t> images);

/// Splits [0, count) into images to calibrate on and images held out for the accuracy figures: at most
/// `held_out`, never more than a fifth, spread evenly. With fewer than 10 images both lists hold all of them:
/// one image tells less about others than images that the ranges are known from.
struct Split {
  std::vector<int64_t> calibration, held_out;
};
Split split_images(int64_t count, int64_t held_out);

}  // namespace qc::calibrate
