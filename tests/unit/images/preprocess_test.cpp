// Preprocessing: the tensors that Python scripts make with Pillow and numpy, bit by bit, and settings that
// contradict themselves.
#include "images/preprocess.h"

#include <catch2/catch.hpp>
#include <functional>
#include <map>

#include "images/apply.h"
#include "images/decode.h"
#include "unit/images/fixtures.h"

using namespace qc;
using namespace qc::images;

namespace {

using Settings = std::function<void(Preprocess&)>;

void normalised(Preprocess& p) {
  p.mean = {123.675f, 116.28f, 103.53f};
  p.std = {58.395f, 57.12f, 57.375f};
}

void sized(Preprocess& p, ResizeKind kind, int64_t height, int64_t width) {
  p.resize = kind;
  p.height = height;
  p.width = width;
}

struct Case {
  Settings set;
  Layout layout = Layout::kNchw;
};

// The cases of scripts/make_test_images.py, by name.
const std::map<std::string, Case>& cases() {
  static const std::map<std::string, Case> all = {
      {"short", {[](Preprocess& p) {
         p.resize = ResizeKind::kShortSide, p.short_side = 16, p.center_crop = {{12, 14}}, normalised(p);
       }}},
      {"short_bgr_bicubic",
       {[](Preprocess& p) {
          p.resize = ResizeKind::kShortSide, p.short_side = 13, p.center_crop = {{10, 9}},
          p.color = Color::kBgr;
          p.interpolation = Interpolation::kBicubic, normalised(p);
        },
        Layout::kNhwc}},
      {"stretch", {[](Preprocess& p) { sized(p, ResizeKind::kStretch, 11, 15), p.mean = p.std = {127.5f}; }}},
      {"stretch_gray",
       {[](Preprocess& p) { sized(p, ResizeKind::kStretch, 14, 9), p.color = Color::kGray, p.std = {255}; }}},
      {"letterbox", {[](Preprocess& p) { sized(p, ResizeKind::kLetterbox, 16, 14), p.color = Color::kBgr; }}},
      {"letterbox_centred",
       {[](Preprocess& p) {
          sized(p, ResizeKind::kLetterbox, 13, 18), p.align = Align::kCenter, p.pad = {3, 2, 1, 0},
                                                    normalised(p);
        },
        Layout::kNhwc}},
      {"letterbox_cropped", {[](Preprocess& p) {
         sized(p, ResizeKind::kLetterbox, 16, 16), p.align = Align::kCenter, p.pad = {9, 9, 9, 9},
                                                   p.center_crop = {{14, 15}};
       }}},
      {"own_crop", {[](Preprocess& p) {
         p.resize = ResizeKind::kNone, p.center_crop = {{32, 32}};
       }}},
      {"multiple",
       {[](Preprocess& p) { p.resize = ResizeKind::kNone, p.multiple_of = 8, p.color = Color::kBgr; }}},
      {"line", {[](Preprocess& p) {
         sized(p, ResizeKind::kFixedHeight, 10, 14), p.color = Color::kBgr, p.mean = p.std = {127.5f};
       }}},
      {"rgba",
       {[](Preprocess& p) {
          sized(p, ResizeKind::kStretch, 10, 11), p.color = Color::kRgba, p.std = {1, 1, 1, 255};
        },
        Layout::kNhwc}},
      {"bgra", {[](Preprocess& p) {
         p.resize = ResizeKind::kShortSide, p.short_side = 9, p.center_crop = {{9, 9}},
         p.color = Color::kBgra;
       }}},
      {"nearest", {[](Preprocess& p) {
         sized(p, ResizeKind::kStretch, 12, 10), p.interpolation = Interpolation::kNearest;
       }}},
  };
  return all;
}

Preprocess with(const Settings& set) {
  Preprocess p;
  set(p);
  return p;
}

}  // namespace

TEST_CASE("each preprocessing gives the tensor of the same steps in Python", "[images]") {
  std::map<std::string, int> seen;
  for (const auto& [key, wanted] : expected_all()) {
    const std::vector<std::string> parts = split(key, '/');
    if (parts[0] != "prep") continue;
    CAPTURE(key);
    const Case& c = cases().at(parts[1]);
    const Preprocess p = with(c.set);
    CHECK(check(p).empty());
    const ir::Tensor tensor =
        apply(decode(data_file("pictures/" + parts[2]), parts[2]), p, c.layout, ir::DType::kFloat);
    CHECK(ir::equal(tensor, wanted));
    if (const auto size = fixed_size(p)) {
      const size_t height_at = c.layout == Layout::kNchw ? 2 : 1;
      CHECK(*size == std::array{tensor.dims[height_at], tensor.dims[height_at + 1]});
    }
    ++seen[parts[1]];
  }
  CHECK(seen.size() == cases().size());
}

TEST_CASE("uint8 inputs get the pixels themselves", "[images]") {
  const Picture picture = decode(data_file("pictures/rgb.png"), "rgb.png");
  const Preprocess p = with([](Preprocess& q) { q.resize = ResizeKind::kNone; });
  const ir::Tensor tensor = apply(picture, p, Layout::kNhwc, ir::DType::kUint8);
  CHECK(tensor.dtype == ir::DType::kUint8);
  CHECK(tensor.dims == std::vector<int64_t>{1, 29, 37, 3});
  const auto values = tensor.as<uint8_t>();
  CHECK(std::equal(values.begin(), values.end(), picture.pixels.begin(), picture.pixels.end()));
}

TEST_CASE("sizes round half to even and never vanish", "[images]") {
  struct Size {
    Settings set;
    int64_t width, height, new_width, new_height;
  };
  const auto shorter = [](int64_t side) {
    return [side](Preprocess& p) { p.resize = ResizeKind::kShortSide, p.short_side = side; };
  };
  const auto line = [](Preprocess& p) { sized(p, ResizeKind::kFixedHeight, 48, 192); };
  const auto box = [](Preprocess& p) { sized(p, ResizeKind::kLetterbox, 100, 100); };
  const Size sizes[] = {
      {shorter(5), 10, 25, 5, 12},  // 12.5
      {shorter(5), 10, 27, 5, 14},  // 13.5
      {shorter(256), 256, 384, 256, 384},
      {shorter(10), 1, 1000, 10, 10000},
      {line, 1, 4800, 1, 48},
      {line, 5000, 48, 192, 48},
      {line, 75, 32, 112, 48},  // 112.5
      {box, 1000, 1, 100, 1},
      {box, 1, 1000, 1, 100},
      {box, 33, 66, 50, 100},
  };
  for (const Size& s : sizes) {
    const Geometry g = geometry_of(with(s.set), s.width, s.height);
    CAPTURE(s.width, s.height);
    CHECK(g.resized_width == s.new_width);
    CHECK(g.resized_height == s.new_height);
  }
}

TEST_CASE("a crop that falls beside a letterboxed picture is all padding", "[images]") {
  const Preprocess p = with([](Preprocess& q) {
    sized(q, ResizeKind::kLetterbox, 100, 100), q.center_crop = {{10, 10}};
  });
  const ir::Tensor tensor = apply(make_picture(200, 2, 3), p, Layout::kNchw, ir::DType::kFloat);
  const auto values = tensor.as<float>();
  CHECK(values.size() == 300);
  CHECK(std::all_of(values.begin(), values.end(), [](float v) { return v == 114.0f; }));
}

TEST_CASE("a picture smaller than multiple_of is refused with its size", "[images]") {
  const Preprocess p = with([](Preprocess& q) { q.resize = ResizeKind::kNone, q.multiple_of = 32; });
  CHECK_THROWS_WITH(geometry_of(p, 31, 64), Catch::Contains("31 x 64"));
  CHECK(geometry_of(p, 33, 64).width == 32);
}

TEST_CASE("settings that contradict themselves are named with their key", "[images]") {
  struct Bad {
    std::string key;
    Settings set;
  };
  const Bad bad[] = {
      {"resize", [](Preprocess& p) { p.resize = ResizeKind::kShortSide; }},
      {"resize", [](Preprocess& p) { sized(p, ResizeKind::kStretch, 0, 5); }},
      {"resize", [](Preprocess& p) { sized(p, ResizeKind::kLetterbox, 5, 40000); }},
      {"resize",
       [](Preprocess& p) {
         sized(p, ResizeKind::kLetterbox, 5, 5), p.pad = {-1, 0, 0, 0};
       }},
      {"multiple_of", [](Preprocess& p) { p.resize = ResizeKind::kNone, p.multiple_of = 0; }},
      {"multiple_of", [](Preprocess& p) { sized(p, ResizeKind::kStretch, 8, 8), p.multiple_of = 4; }},
      {"center_crop",
       [](Preprocess& p) {
         p.resize = ResizeKind::kNone, p.center_crop = {{0, 4}};
       }},
      {"center_crop",
       [](Preprocess& p) {
         p.resize = ResizeKind::kShortSide, p.short_side = 20, p.center_crop = {{20, 21}};
       }},
      {"center_crop",
       [](Preprocess& p) {
         sized(p, ResizeKind::kStretch, 20, 20), p.center_crop = {{21, 20}};
       }},
      {"center_crop",
       [](Preprocess& p) {
         sized(p, ResizeKind::kFixedHeight, 48, 99), p.center_crop = {{8, 8}};
       }},
      {"center_crop",
       [](Preprocess& p) {
         p.resize = ResizeKind::kNone, p.multiple_of = 4, p.center_crop = {{8, 8}};
       }},
      {"mean",
       [](Preprocess& p) {
         p.mean = {1, 2};
       }},
      {"mean",
       [](Preprocess& p) {
         p.color = Color::kRgba, p.mean = {1, 2, 3};
       }},
      {"std", [](Preprocess& p) { p.std = {}; }},
      {"std",
       [](Preprocess& p) {
         p.std = {1, 0, 1};
       }},
  };
  for (const Bad& b : bad) {
    const std::vector<PreprocessProblem> problems = check(with(b.set));
    CAPTURE(b.key);
    REQUIRE(problems.size() == 1);
    CHECK(problems[0].key == b.key);
    CHECK(!problems[0].cause.empty());
    CHECK(!problems[0].remedy.empty());
  }
  CHECK(check(Preprocess{}).empty());
}

TEST_CASE("a preprocessing describes itself in one line", "[images]") {
  CHECK(describe(Preprocess{}) == "RGB, stretched to the model's size, bilinear, mean 0, std 1");
  Preprocess p = with(cases().at("short").set);
  CHECK(
      describe(p) ==
      "RGB, short side 16, bilinear, centre crop 12x14, mean 123.675 116.28 103.53, std 58.395 57.12 57.375");
  p = with(cases().at("letterbox_centred").set);
  p.antialias = false;
  p.layout = Layout::kNhwc;
  CHECK(describe(p) ==
        "RGB, letterbox 13x18 centred, pad 3 2 1, bilinear without antialias, mean 123.675 116.28 103.53, "
        "std 58.395 57.12 57.375, NHWC");
  CHECK(describe(with(cases().at("line").set)) ==
        "BGR, height 10, width up to 14, filled with 0 on the right, bilinear, mean 127.5, std 127.5");
  CHECK(describe(with(cases().at("multiple").set)) ==
        "BGR, own size, cut to multiples of 8, bilinear, mean 0, std 1");
}
