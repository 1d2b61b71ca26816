// See windows.h.
#include "correct/windows.h"

#include <algorithm>
#include <array>

#include "ir/ops.h"

namespace qc::correct {
namespace {

struct Plane {
  int64_t batch = 1, channels = 1, height = 1, width = 1;
};

// One spatial dimension counts as a row of a picture.
Plane plane_of(std::span<const int64_t> dims) {
  const bool line = dims.size() == 3;
  return {dims[0], dims[1], line ? 1 : dims[2], line ? dims[2] : dims[3]};
}

int64_t output_length(const Windows& w, int d, int64_t in) {
  const int64_t span = w.dilation[d] * (w.kernel[d] - 1) + 1;
  if (w.form == Windows::Form::kTranspose)
    return (in - 1) * w.stride[d] + span - w.pad[d] - w.pad_end[d] + w.output_padding[d];
  return (in + w.pad[d] + w.pad_end[d] - span) / w.stride[d] + 1;
}

// The input coordinate that kernel element k meets at output coordinate `out`; -1: none (padding, or a zero
// between the elements of a transposed convolution's input).
int64_t met(const Windows& w, int d, int64_t out, int64_t k, int64_t length) {
  int64_t in = 0;
  if (w.form == Windows::Form::kTranspose) {
    const int64_t stuffed = out + w.pad[d] - k * w.dilation[d];
    if (stuffed < 0 || stuffed % w.stride[d] != 0) return -1;
    in = stuffed / w.stride[d];
  } else {
    in = out * w.stride[d] - w.pad[d] + k * w.dilation[d];
  }
  return in >= 0 && in < length ? in : -1;
}

void read_pair(const ir::Node& node, const char* name, int64_t fallback, bool line, int64_t (&pair)[2]) {
  const std::vector<int64_t> read = ir::ints_attribute(node, name);
  pair[0] = line || read.empty() ? fallback : read[0];
  pair[1] = read.empty() ? fallback : read.back();
}

std::optional<Windows> convolution(const ir::Node& node, const ir::Tensor& weight) {
  const size_t spatial = weight.dims.size() - 2;
  const std::string pad = ir::string_attribute(node, "auto_pad", "NOTSET");
  if (spatial < 1 || spatial > 2 || (pad != "NOTSET" && pad != "VALID") ||
      ir::find_attribute(node, "output_shape"))
    return std::nullopt;
  const bool line = spatial == 1, transposed = node.op_type == "ConvTranspose";
  Windows w;
  w.form = transposed ? Windows::Form::kTranspose : Windows::Form::kConv;
  w.groups = ir::int_attribute(node, "group", 1);
  w.kernel[0] = line ? 1 : weight.dims[2];
  w.kernel[1] = weight.dims.back();
  read_pair(node, "strides", 1, line, w.stride);
  read_pair(node, "dilations", 1, line, w.dilation);
  read_pair(node, "output_padding", 0, line, w.output_padding);
  if (const std::vector<int64_t> pads = ir::ints_attribute(node, "pads"); !pads.empty()) {
    w.pad[1] = pads[spatial - 1];
    w.pad_end[1] = pads[2 * spatial - 1];
    if (!line) w.pad[0] = pads[0], w.pad_end[0] = pads[2];
  }
  w.rows = transposed ? weight.dims[1] : weight.dims[0] / w.groups;
  w.channels = transposed ? weight.dims[0] / w.groups : weight.dims[1];
  w.size = w.whole = w.channels * w.kernel[0] * w.kernel[1];
  return w;
}

}  // namespace

std::optional<Windows> windows_of(const ir::Graph& graph, const ir::Node& node) {
  const ir::WeightTraits* traits = ir::weight_traits(graph, node);
  if (!traits) return std::nullopt;
  const ir::Tensor& weight = *ir::constant_input(graph, node, traits->weight_slot);
  if (node.op_type == "Conv" || node.op_type == "ConvTranspose") return convolution(node, weight);
  if (weight.dims.size() != 2 || ir::int_attribute(node, "transA", 0) != 0 ||
      ir::float_attribute(node, "alpha", 1) != 1.0f || ir::float_attribute(node, "beta", 1) != 1.0f)
    return std::nullopt;
  Windows w;
  w.columns = node.op_type == "MatMul" || ir::int_attribute(node, "transB", 0) == 0;
  w.rows = weight.dims[w.columns ? 1 : 0];
  w.size = w.channels = w.whole = weight.dims[w.columns ? 0 : 1];
  return w;
}

std::vector<Windows> strips_of(const Windows& w, int64_t most) {
  const int64_t taps = w.size / w.channels, each = std::max<int64_t>(1, most / taps);
  const int64_t count = (w.channels + each - 1) / each;
  std::vector<Windows> strips;
  for (int64_t s = 0; s < count; ++s) {
    const int64_t begin = s * w.channels / count, end = (s + 1) * w.channels / count;
    Windows strip = w;
    strip.channels = end - begin;
    strip.size = strip.channels * taps;
    strip.first = w.first + begin * taps;
    strips.push_back(strip);
  }
  return strips;
}

int64_t weight_offset(const Windows& w, int64_t g, int64_t r, int64_t e) {
  const int64_t at = w.first + e;
  if (w.columns) return at * w.rows + r;
  if (w.form != Windows::Form::kTranspose) return (g * w.rows + r) * w.whole + at;
  const int64_t taps = w.kernel[0] * w.kernel[1];
  return ((g * w.whole / taps + at / taps) * w.rows + r) * taps + at % taps;
}

int64_t positions(const Windows& w, std::span<const int64_t> dims) {
  if (w.form == Windows::Form::kRows) return ir::element_count(dims) / w.whole;
  const Plane in = plane_of(dims);
  return in.batch * output_length(w, 0, in.height) * output_length(w, 1, in.width);
}

ResultPlace result_place(const Windows& w, std::span<const int64_t> dims, int64_t position) {
  if (w.form == Windows::Form::kRows) return {position * w.rows, 1};
  const Plane in = plane_of(dims);
  const int64_t plane = output_length(w, 0, in.height) * output_length(w, 1, in.width);
  return {position / plane * plane * w.groups * w.rows + position % plane, plane};
}

std::vector<int64_t> places_of(const Windows& w, std::span<const int64_t> dims, std::span<const int64_t> at) {
  std::vector<int64_t> places;
  if (w.form == Windows::Form::kRows) {
    for (const int64_t position : at) places.push_back(position * w.whole + w.first);
    return places;
  }
  const Plane in = plane_of(dims);
  const int64_t height = output_length(w, 0, in.height), width = output_length(w, 1, in.width);
  places.reserve(at.size() * static_cast<size_t>(w.kernel[0] * w.kernel[1]));
  for (const int64_t position : at) {
    const int64_t image = position / (height * width), y = position / width % height, x = position % width;
    for (int64_t i = 0; i < w.kernel[0]; ++i) {
      const int64_t row = met(w, 0, y, i, in.height);
      for (int64_t j = 0; j < w.kernel[1]; ++j) {
        const int64_t column = met(w, 1, x, j, in.width);
        places.push_back(row < 0 || column < 0 ? -1
                                               : (image * in.channels * in.height + row) * in.width + column);
      }
    }
  }
  return places;
}

void copy_patches(const Windows& w, std::span<const float> tensor, std::span<const int64_t> dims, int64_t g,
                  std::span<const int64_t> places, float* patches, int64_t stride) {
  if (w.form == Windows::Form::kRows) {
    for (const int64_t place : places) {
      std::copy_n(tensor.data() + place, w.size, patches);
      patches += stride;
    }
    return;
  }
  // A few channels of all positions, then the next few: neighbouring positions share their cache lines.
  constexpr int64_t kChannels = 16;
  const Plane in = plane_of(dims);
  const int64_t area = in.height * in.width;
  const auto taps = static_cast<size_t>(w.kernel[0] * w.kernel[1]);
  const float* group = tensor.data() + (g * w.whole + w.first) / static_cast<int64_t>(taps) * area;
  for (int64_t first = 0; first < w.channels; first += kChannels) {
    const int64_t count = std::min(kChannels, w.channels - first);
    float* patch = patches + first * static_cast<int64_t>(taps);
    for (size_t p = 0; p < places.size(); p += taps, patch += stride) {
      const std::span<const int64_t> offsets = places.subspan(p, taps);
      const float* from = group + first * area;
      float* to = patch;
      for (int64_t c = 0; c < count; ++c, from += area)
        for (const int64_t offset : offsets) *to++ = offset < 0 ? 0.0f : from[offset];
    }
  }
}

}  // namespace qc::correct
