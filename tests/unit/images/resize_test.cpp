// Resampling against the pixels of Pillow (exact) and OpenCV (within one level).
#include "images/resize.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>

#include "unit/images/fixtures.h"

using namespace qc;
using namespace qc::images;

namespace {

// The formula of scripts/make_test_images.py.
Picture pattern(int64_t width, int64_t height, int64_t channels) {
  Picture picture = make_picture(width, height, channels);
  uint8_t* out = picture.pixels.data();
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < channels; ++c)
        *out++ = static_cast<uint8_t>((x * x * 3 + y * y * 5 + x * y * 7 + c * 677) >> 3);
    }
  }
  return picture;
}

const std::map<std::string, Interpolation> kModes = {{"nearest", Interpolation::kNearest},
                                                     {"bilinear", Interpolation::kBilinear},
                                                     {"bicubic", Interpolation::kBicubic}};

std::pair<int64_t, int64_t> size_of(const std::string& text) {
  const std::vector<std::string> parts = split(text, 'x');
  return {std::stoll(parts[0]), std::stoll(parts[1])};
}

}  // namespace

TEST_CASE("resizing gives Pillow's pixels with antialias and OpenCV's within one level without", "[images]") {
  std::map<std::string, int> cases, worst;
  for (const auto& [key, wanted] : expected_all()) {
    const std::vector<std::string> parts = split(key, '/');
    if (parts[0] != "resize") continue;
    CAPTURE(key);
    const std::vector<std::string> sizes = split(parts[4], '-');
    const auto [width, height] = size_of(sizes[0]);
    const auto [new_width, new_height] = size_of(sizes[1]);
    const Picture source = pattern(width, height, std::stoll(parts[3]));
    const bool pillow = parts[1] == "pillow";
    const Picture resized =
        resize(source, new_width, new_height, {0, 0, new_width, new_height}, kModes.at(parts[2]), pillow);
    const auto values = wanted.as<uint8_t>();
    REQUIRE(values.size() == resized.pixels.size());
    int largest = 0;
    for (size_t i = 0; i < values.size(); ++i)
      largest = std::max(largest, std::abs(int{resized.pixels[i]} - int{values[i]}));
    CHECK(largest <= (pillow ? 0 : 1));
    ++cases[parts[1]];
  }
  CHECK(cases["pillow"] >= 100);
  CHECK(cases["opencv"] >= 40);
}

TEST_CASE("a window of the resized picture is what cropping afterwards gives", "[images]") {
  struct Case {
    int64_t width, height, new_width, new_height;
    Window window;
  };
  const Case cases[] = {{50, 40, 30, 24, {3, 2, 20, 20}}, {50, 40, 90, 70, {89, 0, 1, 70}},
                        {40, 80, 39, 20, {5, 7, 30, 9}},  {50, 40, 50, 40, {10, 10, 7, 30}},
                        {50, 40, 50, 17, {0, 3, 50, 1}},  {9, 9, 1, 1, {0, 0, 1, 1}}};
  for (const Case& c : cases) {
    for (const auto& [name, mode] : kModes) {
      for (const int64_t channels : {1, 3, 4}) {
        for (const bool antialias : {true, false}) {
          CAPTURE(name, channels, antialias, c.new_width, c.new_height);
          const Picture source = pattern(c.width, c.height, channels);
          const Picture whole =
              resize(source, c.new_width, c.new_height, {0, 0, c.new_width, c.new_height}, mode, antialias);
          const Picture part = resize(source, c.new_width, c.new_height, c.window, mode, antialias);
          REQUIRE(part.width == c.window.width);
          REQUIRE(part.height == c.window.height);
          bool same = true;
          for (int64_t y = 0; y < part.height; ++y) {
            const uint8_t* from = whole.row(c.window.top + y) + c.window.left * channels;
            same = same && std::equal(part.row(y), part.row(y) + part.width * channels, from);
          }
          CHECK(same);
        }
      }
    }
  }
}

TEST_CASE("a flat picture stays flat at every size", "[images]") {
  Picture flat = make_picture(13, 9, 3);
  std::fill(flat.pixels.begin(), flat.pixels.end(), uint8_t{137});
  for (const int64_t side : {1, 2, 7, 13, 40}) {
    for (const bool antialias : {true, false}) {
      const Picture out =
          resize(flat, side, side + 1, {0, 0, side, side + 1}, Interpolation::kBicubic, antialias);
      CHECK(std::all_of(out.pixels.begin(), out.pixels.end(), [](uint8_t v) { return v == 137; }));
    }
  }
}

TEST_CASE("hidden colours of transparent pixels do not bleed into visible ones", "[images]") {
  Picture picture = make_picture(4, 1, 4);
  const uint8_t pixels[] = {200, 10, 10, 255, 200, 10, 10, 255, 0, 255, 0, 0, 0, 255, 0, 0};
  std::copy(std::begin(pixels), std::end(pixels), picture.pixels.begin());
  const Picture small = resize(picture, 2, 1, {0, 0, 2, 1}, Interpolation::kBilinear, true);
  CHECK(small.pixels[0] >= 199);
  CHECK(small.pixels[1] <= 11);
  CHECK(small.pixels[3] < 255);
}
