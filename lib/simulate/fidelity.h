// How far a quantized model is from its float model: signal-to-noise of every output, pooled over images, at
// the place where it can be judged (judged.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "images/image_source.h"
#include "ir/graph.h"
#include "run/runner.h"
#include "simulate/judged.h"

namespace qc::simulate {

/// Sums over images of signal and noise power, added in the order of the images: the same sums always.
struct Power {
  /// Squares of the reference's elements, squares of the differences, and the cosine of the angle between
  /// both tensors (-1 to 1 from each image).
  double signal = 0, noise = 0, cosine = 0;
  int64_t images = 0;
  std::vector<Power> parts{};  // as Judged::parts
  bool by_parts = false;
  double sqnr_db() const;      // 10 log10(signal / noise), at most 200
  double worst_db() const;     // of it and its parts, where these count
  double noise_ratio() const;  // noise / signal
  double mean_cosine() const;
};
/// All elements, whatever parts there are.
Power compare(const ir::Tensor& reference, const ir::Tensor& tensor, bool mean_free);
/// And its parts.
Power compare(const ir::Tensor& reference, const ir::Tensor& tensor, const Judged& judged);
void add(Power& sum, const Power& one);
/// Sums before anything is added: one for each judged value, with its parts.
std::vector<Power> no_powers(const std::vector<Judged>& judged);
/// What a goal is held against: noise over signal of each judged value, or of its parts where these count.
std::vector<double> noise_ratios(const std::vector<Power>& powers);

struct Fidelity {
  std::vector<Power> outputs;        // as judged_values
  int64_t agreeing = 0, images = 0;  // images whose first judged output has the same argmax
  double worst_db() const;           // over what noise_ratios() has
};

void add(Fidelity& sum, const Fidelity& more);  // of other images

/// Float results of some images, kept to compare with. Bytes are bounded: fewer images are kept when outputs
/// are large.
struct Reference {
  std::vector<int64_t> images;                  // indices into the source
  std::vector<std::vector<ir::Tensor>> judged;  // by image, by judged value
};
/// `runner` must return the judged values as its last results (RunnerOptions::extra_outputs). The slot of
/// each run is the image's place in Reference::images.
Reference reference_of(run::ModelRunner& runner, const images::ImageSource& source,
                       std::span<const int64_t> indices, size_t judged, int threads,
                       int64_t byte_limit = int64_t{48} << 20);
/// How far the runner's results are from the reference, on its images. The runner returns the judged values
/// as there.
Fidelity fidelity_of(run::ModelRunner& runner, const images::ImageSource& source, const Reference& reference,
                     const std::vector<Judged>& judged, int threads);
/// The same on some of the images: `places` in Reference::images.
Fidelity fidelity_on(std::span<const size_t> places, run::ModelRunner& runner,
                     const images::ImageSource& source, const Reference& reference,
                     const std::vector<Judged>& judged, int threads);

}  // namespace qc::simulate
