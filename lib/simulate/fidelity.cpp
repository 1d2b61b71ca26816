// See fidelity.h.
#include "simulate/fidelity.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/decibels.h"
#include "base/error.h"
#include "base/parallel.h"

namespace qc::simulate {
namespace {

// The same class everywhere, where a run holds several images.
bool same_classes(const ir::Tensor& expected, const ir::Tensor& found) {
  const std::span<const float> a = expected.as<float>(), b = found.as<float>();
  const bool rows = expected.dims.size() > 1 && expected.dims[0] > 1 && expected.size() > expected.dims[0];
  const size_t length = rows ? a.size() / static_cast<size_t>(expected.dims[0]) : a.size();
  const auto best = [length](std::span<const float> scores, size_t at) {
    const auto row = scores.subspan(at, length);
    return std::max_element(row.begin(), row.end()) - row.begin();
  };
  for (size_t at = 0; at < a.size(); at += length)
    if (best(a, at) != best(b, at)) return false;
  return true;
}

std::span<const ir::Tensor> last(const std::vector<ir::Tensor>& results, size_t count) {
  return {results.data() + (results.size() - count), count};
}

}  // namespace

double Power::sqnr_db() const {
  return noise <= signal * 1e-20 ? kExactDb : decibels(std::max(signal, 1e-300) / noise);
}
double Power::noise_ratio() const {
  return noise / std::max(signal, 1e-300);
}

double Power::worst_db() const {
  double worst = sqnr_db();
  for (const Power& part : parts)
    if (by_parts) worst = std::min(worst, part.sqnr_db());
  return worst;
}

double Power::mean_cosine() const {
  return images ? cosine / static_cast<double>(images) : 1.0;
}

namespace {

// One run of elements after another, `length` of each `stride` elements from `first` on.
struct Places {
  size_t first = 0, length = 0, stride = 1;
};

Power power_at(std::span<const float> a, std::span<const float> b, const Places& places, bool mean_free) {
  const auto each = [&](auto&& look) {
    for (size_t at = places.first; at < a.size(); at += places.stride)
      for (size_t i = at; i < std::min(at + places.length, a.size()); ++i) look(a[i], b[i]);
  };
  double mean_a = 0, mean_b = 0;
  if (mean_free && !a.empty()) {
    each([&](float x, float y) { mean_a += x, mean_b += y; });
    mean_a /= static_cast<double>(a.size());
    mean_b /= static_cast<double>(b.size());
  }
  Power power;
  double ab = 0, bb = 0;
  each([&](float found_a, float found_b) {
    const double x = found_a - mean_a, y = found_b - mean_b;
    power.signal += x * x;
    power.noise += (x - y) * (x - y);
    ab += x * y;
    bb += y * y;
  });
  if (!std::isfinite(power.noise))
    power.noise = 1e300;  // NaN or infinity from quantization: as bad as it gets
  power.cosine =
      power.signal > 0 && bb > 0 ? ab / std::sqrt(power.signal * bb) : (power.noise == 0 ? 1.0 : 0.0);
  power.images = 1;
  return power;
}

Places places_of(const OutputPart& part, std::span<const int64_t> dims) {
  if (part.axis >= dims.size() || part.last > dims[part.axis]) return {};
  size_t inner = 1;
  for (size_t d = part.axis + 1; d < dims.size(); ++d) inner *= static_cast<size_t>(dims[d]);
  return {static_cast<size_t>(part.first) * inner, static_cast<size_t>(part.last - part.first) * inner,
          std::max<size_t>(1, static_cast<size_t>(dims[part.axis]) * inner)};
}

}  // namespace

Power compare(const ir::Tensor& reference, const ir::Tensor& tensor, bool mean_free) {
  if (reference.dims != tensor.dims)
    throw Error(Exit::kBug,
                {"shape-changed", "an output", "the quantized model gives another shape than the float model",
                 "please report this with the model"});
  const std::span<const float> a = reference.as<float>(), b = tensor.as<float>();
  return power_at(a, b, {0, a.size(), std::max<size_t>(1, a.size())}, mean_free);
}

Power compare(const ir::Tensor& reference, const ir::Tensor& tensor, const Judged& judged) {
  Power power = compare(reference, tensor, judged.mean_free);
  power.by_parts = judged.by_parts;
  for (const OutputPart& part : judged.parts)
    power.parts.push_back(
        power_at(reference.as<float>(), tensor.as<float>(), places_of(part, reference.dims), false));
  return power;
}

void add(Power& sum, const Power& one) {
  sum.signal += one.signal;
  sum.noise += one.noise;
  sum.cosine += one.cosine;
  sum.images += one.images;
  for (size_t p = 0; p < one.parts.size(); ++p) add(sum.parts[p], one.parts[p]);
}

std::vector<Power> no_powers(const std::vector<Judged>& judged) {
  std::vector<Power> powers;
  for (const Judged& one : judged) {
    powers.emplace_back();
    powers.back().parts.resize(one.parts.size());
    powers.back().by_parts = one.by_parts;
  }
  return powers;
}

std::vector<double> noise_ratios(const std::vector<Power>& powers) {
  std::vector<double> ratios;
  for (const Power& power : powers) {
    if (!power.by_parts || power.parts.empty()) ratios.push_back(power.noise_ratio());
    if (!power.by_parts) continue;
    for (const Power& part : power.parts) ratios.push_back(part.noise_ratio());
  }
  return ratios;
}

void add(Fidelity& sum, const Fidelity& more) {
  for (size_t j = 0; j < more.outputs.size(); ++j) add(sum.outputs[j], more.outputs[j]);
  sum.agreeing += more.agreeing;
  sum.images += more.images;
}

double Fidelity::worst_db() const {
  double worst = 200;
  for (const Power& power : outputs) worst = std::min(worst, power.worst_db());
  return worst;
}

Reference reference_of(run::ModelRunner& runner, const images::ImageSource& source,
                       std::span<const int64_t> indices, size_t judged, int threads, int64_t byte_limit) {
  Reference reference;
  if (indices.empty()) return reference;
  const auto judge = [&](int64_t image, int64_t slot) {
    const std::vector<ir::Tensor> results = runner.run(source.load(image), slot);
    const auto kept = last(results, judged);
    return std::vector<ir::Tensor>(kept.begin(), kept.end());
  };
  reference.judged.push_back(judge(indices[0], 0));
  int64_t bytes = 0;
  for (const ir::Tensor& tensor : reference.judged[0]) bytes += static_cast<int64_t>(tensor.bytes->size());
  const int64_t affordable =
      std::clamp<int64_t>(byte_limit / std::max<int64_t>(1, bytes), 2, static_cast<int64_t>(indices.size()));
  const int64_t count = std::min<int64_t>(affordable, static_cast<int64_t>(indices.size()));
  // Evenly spread over the indices, the first one always among them.
  for (int64_t i = 0; i < count; ++i)
    reference.images.push_back(indices[i * static_cast<int64_t>(indices.size()) / count]);
  reference.judged.resize(count);
  parallel_for(count - 1, threads,
               [&](int64_t i, int) { reference.judged[i + 1] = judge(reference.images[i + 1], i + 1); });
  return reference;
}

Fidelity fidelity_on(std::span<const size_t> places, run::ModelRunner& runner,
                     const images::ImageSource& source, const Reference& reference,
                     const std::vector<Judged>& judged, int threads) {
  std::vector<Fidelity> by_image(places.size());
  parallel_for(std::ssize(places), threads, [&](int64_t i, int worker) {
    const size_t place = places[i];
    const std::vector<ir::Tensor> results = runner.run(source.load(reference.images[place]), worker);
    const auto tensors = last(results, judged.size());
    const std::vector<ir::Tensor>& expected = reference.judged[place];
    Fidelity& image = by_image[i];
    for (size_t j = 0; j < judged.size(); ++j)
      image.outputs.push_back(compare(expected[j], tensors[j], judged[j]));
    image.agreeing = !judged.empty() && same_classes(expected[0], tensors[0]);
    image.images = 1;
  });
  Fidelity sum;
  sum.outputs = no_powers(judged);
  for (const Fidelity& image : by_image) add(sum, image);
  return sum;
}

Fidelity fidelity_of(run::ModelRunner& runner, const images::ImageSource& source, const Reference& reference,
                     const std::vector<Judged>& judged, int threads) {
  std::vector<size_t> places(reference.images.size());
  std::iota(places.begin(), places.end(), size_t{0});
  return fidelity_on(places, runner, source, reference, judged, threads);
}

}  // namespace qc::simulate
