// How a picture becomes a tensor: data only, filled by the config, applied by image_source.cpp, printed by the report.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace qc::images {

enum class Color { kRgb, kBgr, kGray, kRgba, kBgra };
enum class ResizeKind { kUnset, kNone, kShortSide, kStretch, kLetterbox };
enum class Interpolation { kNearest, kBilinear, kBicubic };
enum class Align { kTopLeft, kCenter };
enum class Layout { kUnset, kNchw, kNhwc };

/// design.md section 5, "preprocess": applied in this order: color, resize, center_crop, mean/std, layout.
struct Preprocess {
  Color color = Color::kRgb;
  ResizeKind resize = ResizeKind::kUnset;  // kUnset: stretch to the model's size, and a warning says so
  int64_t short_side = 0;                  // kShortSide: the other side is round(side * k) with Python's half-to-even
  int64_t height = 0, width = 0;           // kStretch, kLetterbox
  Align align = Align::kTopLeft;           // kLetterbox
  std::array<float, 4> pad{114, 114, 114, 114};  // kLetterbox, 0-255, in output channel order
  int64_t multiple_of = 1;                 // kNone: crop bottom and right to multiples of it
  Interpolation interpolation = Interpolation::kBilinear;
  bool antialias = true;
  std::optional<std::array<int64_t, 2>> center_crop;  // h, w
  std::vector<float> mean{0.0f}, std{1.0f};  // 0-255 units, one number or one a channel
  Layout layout = Layout::kUnset;            // kUnset: found from the model's input
};

/// The preprocessing in one line for the report.
std::string describe(const Preprocess& preprocess);

}  // namespace qc::images
