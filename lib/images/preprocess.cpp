// See preprocess.h: what a Preprocess says about itself. Applying it is apply.cpp's.
#include "images/preprocess.h"

#include <cmath>

#include "base/text.h"

namespace qc::images {
namespace {

const char* const kColorNames[] = {"RGB", "BGR", "GRAY", "RGBA", "BGRA"};
const char* const kInterpolationNames[] = {"nearest", "bilinear", "bicubic"};

bool sized(ResizeKind kind) {
  return kind == ResizeKind::kStretch || kind == ResizeKind::kLetterbox || kind == ResizeKind::kFixedHeight;
}

bool bad_side(int64_t side) {
  return side < 1 || side > kMaxSide;
}

std::string numbers(const std::vector<float>& values) {
  std::vector<std::string> texts;
  for (const float value : values) texts.push_back(format("{}", value));
  return join(texts, " ");
}

void check_resize(const Preprocess& p, std::vector<PreprocessProblem>& problems) {
  const std::string range = format("give whole numbers from 1 to {}", kMaxSide);
  if (p.resize == ResizeKind::kShortSide && bad_side(p.short_side)) {
    problems.push_back({"resize", format("short_side is {}", p.short_side), range});
  }
  if (sized(p.resize) && (bad_side(p.height) || bad_side(p.width))) {
    problems.push_back({"resize", format("the size is {} x {}", p.height, p.width), range});
  }
  if (p.multiple_of < 1 || p.multiple_of > kMaxSide) {
    problems.push_back({"multiple_of", format("it is {}", p.multiple_of), range});
  } else if (p.multiple_of > 1 && p.resize != ResizeKind::kNone) {
    problems.push_back({"multiple_of", "it only means something when pictures keep their own size",
                        "set \"resize\": \"none\", or remove multiple_of"});
  }
  for (const float value : p.pad) {
    if (p.resize != ResizeKind::kLetterbox || (value >= 0 && value <= 255)) continue;
    problems.push_back(
        {"resize", format("pad is {}", value), "give one number or one a channel from 0 to 255"});
    break;
  }
}

void check_crop(const Preprocess& p, std::vector<PreprocessProblem>& problems) {
  if (!p.center_crop) return;
  const auto [height, width] = *p.center_crop;
  if (bad_side(height) || bad_side(width)) {
    problems.push_back({"center_crop", format("the size is {} x {}", height, width),
                        format("give whole numbers from 1 to {}", kMaxSide)});
  } else if (p.resize == ResizeKind::kShortSide && std::max(height, width) > p.short_side) {
    problems.push_back({"center_crop",
                        format("{} x {} is larger than the short side, {}", height, width, p.short_side),
                        "make short_side at least as large as the crop"});
  } else if (p.resize == ResizeKind::kFixedHeight) {
    problems.push_back({"center_crop", "fixed_height already gives the final size", "remove center_crop"});
  } else if (sized(p.resize) && (height > p.height || width > p.width)) {
    problems.push_back(
        {"center_crop",
         format("{} x {} is larger than the resized picture, {} x {}", height, width, p.height, p.width),
         "make the crop smaller or the resize larger"});
  } else if (p.multiple_of > 1) {
    problems.push_back({"center_crop", "it contradicts multiple_of", "keep one of the two"});
  }
}

}  // namespace

int64_t channels_of(Color color) {
  switch (color) {
    case Color::kGray:
      return 1;
    case Color::kRgba:
    case Color::kBgra:
      return 4;
    default:
      return 3;
  }
}

std::optional<std::array<int64_t, 2>> fixed_size(const Preprocess& p) {
  if (p.center_crop) return p.center_crop;
  if (sized(p.resize)) return std::array{p.height, p.width};
  return std::nullopt;
}

std::vector<PreprocessProblem> check(const Preprocess& p) {
  std::vector<PreprocessProblem> problems;
  check_resize(p, problems);
  check_crop(p, problems);
  const auto channels = static_cast<size_t>(channels_of(p.color));
  const std::string count = format("give one number or {} of them", channels);
  const auto wrong_count = [channels](const std::vector<float>& v) {
    return v.size() != 1 && v.size() != channels;
  };
  if (wrong_count(p.mean)) problems.push_back({"mean", format("it has {} numbers", p.mean.size()), count});
  if (wrong_count(p.std)) problems.push_back({"std", format("it has {} numbers", p.std.size()), count});
  for (const float value : p.mean) {
    if (!std::isfinite(value))
      problems.push_back({"mean", format("{} is not a number to subtract", value), "give finite numbers"});
  }
  for (const float value : p.std) {
    if (std::isfinite(value) && value != 0) continue;
    problems.push_back(
        {"std", format("pixels cannot be divided by {}", value), "give finite numbers other than 0"});
  }
  return problems;
}

std::string describe(const Preprocess& p) {
  std::vector<std::string> parts{kColorNames[static_cast<int>(p.color)]};
  switch (p.resize) {
    case ResizeKind::kUnset:
      parts.push_back(p.center_crop ? "own size" : "stretched to the model's size");
      break;
    case ResizeKind::kNone:
      parts.push_back(p.multiple_of > 1 ? format("own size, cut to multiples of {}", p.multiple_of)
                                        : "own size");
      break;
    case ResizeKind::kShortSide:
      parts.push_back(format("short side {}", p.short_side));
      break;
    case ResizeKind::kStretch:
      parts.push_back(format("stretched to {}x{}", p.height, p.width));
      break;
    case ResizeKind::kLetterbox:
      parts.push_back(format("letterbox {}x{} {}, pad {}", p.height, p.width,
                             p.align == Align::kCenter ? "centred" : "top left",
                             numbers({p.pad.begin(), p.pad.begin() + channels_of(p.color)})));
      break;
    case ResizeKind::kFixedHeight:
      parts.push_back(format("height {}, width up to {}, filled with 0 on the right", p.height, p.width));
      break;
  }
  parts.push_back(kInterpolationNames[static_cast<int>(p.interpolation)] +
                  std::string(p.antialias ? "" : " without antialias"));
  if (p.center_crop) parts.push_back(format("centre crop {}x{}", (*p.center_crop)[0], (*p.center_crop)[1]));
  parts.push_back("mean " + numbers(p.mean));
  parts.push_back("std " + numbers(p.std));
  if (p.layout != Layout::kUnset) parts.push_back(p.layout == Layout::kNchw ? "NCHW" : "NHWC");
  return join(parts, ", ");
}

}  // namespace qc::images
