// How a picture becomes a tensor: data only, filled by the config, applied by image_source.cpp, printed by
// the report. Every rule here is the one that the usual Python scripts follow with Pillow, down to how halves
// are rounded, so that a model is calibrated on the numbers it will see.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace qc::images {

/// Of a picture that goes into a model, in pixels.
inline constexpr int64_t kMaxSide = 16384;

enum class Color { kRgb, kBgr, kGray, kRgba, kBgra };
enum class ResizeKind { kUnset, kNone, kShortSide, kStretch, kLetterbox, kFixedHeight };
enum class Interpolation { kNearest, kBilinear, kBicubic };
enum class Align { kTopLeft, kCenter };
enum class Layout { kUnset, kNchw, kNhwc };

/// The config's `preprocess`, applied in this order: color, resize, center_crop, mean/std, layout.
/// round() below is Python's: halves go to the even neighbour.
///
/// JSON of each resize kind, sizes as [h, w]:
///   kUnset: key absent. With center_crop the same as kNone, else stretch to the model's size, and a warning
///     says so.
///   kNone: "none", with the sibling key "multiple_of". A picture smaller than center_crop is first enlarged
///   to
///     cover it: sides max(crop, round(side * k)), k = max(crop_w / w, crop_h / h).
///   kShortSide: {"short_side": s}. Sides max(s, round(side * k)), k = s / min(w, h).
///   kStretch: {"stretch": [h, w]}.
///   kLetterbox: {"letterbox": [h, w], "align": "top_left" | "center", "pad": 114}. Sides round(side * k),
///     k = min(width / w, height / h), pasted onto a canvas of colour `pad`.
///   kFixedHeight: {"fixed_height": 48, "max_width": 192}. Width min(max_width, max(1, round(w * 48 / h))) (a
///     longer line is squeezed), then filled on the right up to max_width with 0 AFTER mean/std, as text line
///     recognisers do; no center_crop.
struct Preprocess {
  Color color = Color::kRgb;
  ResizeKind resize = ResizeKind::kUnset;
  int64_t short_side = 0;                        // kShortSide
  int64_t height = 0, width = 0;                 // kStretch, kLetterbox, kFixedHeight (width: max_width)
  Align align = Align::kTopLeft;                 // kLetterbox
  std::array<float, 4> pad{114, 114, 114, 114};  // kLetterbox, 0-255, in output channel order
  int64_t multiple_of = 1;                       // kNone: crop bottom and right to multiples of it
  Interpolation interpolation = Interpolation::kBilinear;
  bool antialias = true;  // true: as Pillow, false: as OpenCV (kNearest too: they take different pixels)
  /// h, w; left = floor((w - crop_w) / 2). Not with multiple_of.
  std::optional<std::array<int64_t, 2>> center_crop;
  /// 0-255 units, one number or one a channel, in output channel order.
  std::vector<float> mean{0.0f}, std{1.0f};
  Layout layout = Layout::kUnset;  // kUnset: found from the model's input
};

/// 1, 3 or 4.
int64_t channels_of(Color color);

/// Height and width of the tensor where the preprocessing alone fixes them (center_crop, stretch, letterbox,
/// fixed_height): what dynamic dimensions of the model's input become. Nothing where they depend on the
/// picture.
std::optional<std::array<int64_t, 2>> fixed_size(const Preprocess& preprocess);

/// What contradicts itself, one sentence a problem with the JSON key it is about ("center_crop": larger than
/// short_side, ...): for the config's validation and for open_folder().
struct PreprocessProblem {
  std::string key;  // below "preprocess": "resize", "center_crop", "std", ...
  std::string cause;
  std::string remedy;
};
std::vector<PreprocessProblem> check(const Preprocess& preprocess);

/// The preprocessing in one line for the report.
std::string describe(const Preprocess& preprocess);

}  // namespace qc::images
