// Second-order statistics of a layer's patches (windows.h): all that closed-form correction needs to know of
// the calibration images. Products in single precision over a fixed number of patches, sums of those in
// double, in image order: the same numbers on every CPU and for every number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "correct/windows.h"

namespace qc::correct {

/// Sums over patches x of the float network and xq of the quantized one, at the same positions.
struct Gram {
  int64_t size = 0;
  double samples = 0;
  std::vector<double> quantized;                 // size x size: xq xq^T, symmetric
  std::vector<double> lost;                      // size x size: (x - xq) xq^T, the difference along the rows
  std::vector<double> sum_float, sum_quantized;  // size
  // Of what the layer's result is added to: what its error e, float less quantized, has to do with the
  // inputs.
  std::vector<double> skip = {};      // rows x size: e xq^T; empty: added to nothing
  std::vector<double> sum_skip = {};  // rows
};

/// An input tensor of the layer, in both networks; equal shapes. And what the layer's result is added to, of
/// the result's shape; empty: nothing.
struct Pair {
  std::span<const float> exact, quantized;
  std::span<const int64_t> dims;
  std::span<const float> skip_exact = {}, skip_quantized = {};
};

struct GatherOptions {
  uint64_t seed = 0;         // decides which positions are drawn
  int64_t most_patches = 0;  // of all images together, as many of each; 0: no limit
  int threads = 1;
};

/// How many of an image's output positions are looked at.
int64_t patches_of_image(int64_t positions);

/// One Gram for each group of the layer. Where an input has 784 positions or more, a fixed few of them, drawn
/// evenly, stand for all.
std::vector<Gram> gather(const Windows& windows, std::span<const Pair> images, const GatherOptions& options);

/// sum += other, of as many groups' rows and inputs, or of no images
void add(Gram& sum, const Gram& other);
/// How far two sets of images are from saying the same of how inputs go together: squared differences of
/// their mean products.
double apart(const Gram& a, const Gram& b);
/// Takes the means out: what is left does not depend on a layer's bias.
void centre(Gram& gram);

}  // namespace qc::correct
