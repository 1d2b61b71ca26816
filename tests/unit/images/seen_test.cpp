// From the tensor back to the picture, pictures to PNG and back, and files that are copies.
#include "images/seen.h"

#include <catch2/catch.hpp>

#include <filesystem>

#include "base/files.h"
#include "images/apply.h"
#include "images/copies.h"
#include "images/decode.h"
#include "images/encode_png.h"

using namespace qc;
using namespace qc::images;

namespace {

Picture gradient(int64_t width, int64_t height, int64_t channels) {
  Picture picture = make_picture(width, height, channels);
  for (size_t i = 0; i < picture.pixels.size(); ++i) picture.pixels[i] = static_cast<uint8_t>(i * 37 % 251);
  return picture;
}

}  // namespace

TEST_CASE("a tensor is seen as the picture that it was made of", "[images]") {
  const auto [color, channels] = GENERATE(table<Color, int64_t>(
      {{Color::kRgb, 3}, {Color::kBgr, 3}, {Color::kGray, 1}, {Color::kRgba, 4}, {Color::kBgra, 4}}));
  const Layout layout = GENERATE(Layout::kNchw, Layout::kNhwc);
  Preprocess preprocess;
  preprocess.color = color;
  preprocess.layout = layout;
  preprocess.mean.assign(static_cast<size_t>(channels), 100.0f);
  preprocess.mean[0] = 20.5f;
  preprocess.std.assign(static_cast<size_t>(channels), 57.375f);
  Picture picture = gradient(9, 7, channels);
  if (channels == 4)
    for (size_t i = 3; i < picture.pixels.size(); i += 4) picture.pixels[i] = 255;
  const auto found = as_seen(apply(picture, preprocess, layout, ir::DType::kFloat), preprocess, 160);
  REQUIRE(found);
  CHECK(found->width == 9);
  CHECK(found->height == 7);
  CHECK(found->channels == channels);
  CHECK(found->pixels == picture.pixels);
}

TEST_CASE("a large picture is made smaller as a whole", "[images]") {
  Preprocess preprocess;
  Picture picture = make_picture(320, 80, 3);
  for (size_t i = 0; i < picture.pixels.size(); ++i) picture.pixels[i] = 200;
  const auto found = as_seen(apply(picture, preprocess, Layout::kNchw, ir::DType::kFloat), preprocess, 160);
  REQUIRE(found);
  CHECK(found->width == 160);
  CHECK(found->height == 40);
  CHECK(found->pixels == std::vector<uint8_t>(160 * 40 * 3, 200));
}

TEST_CASE("what is no picture is not seen", "[images]") {
  const Preprocess preprocess;
  const std::vector<float> numbers(48);
  CHECK_FALSE(as_seen(ir::make_tensor(numbers, {3, 4, 4}), preprocess, 160));
  CHECK_FALSE(as_seen(ir::make_tensor(numbers, {1, 4, 4, 3, 1}), preprocess, 160));
  CHECK_FALSE(as_seen(ir::make_tensor(numbers, {1, 12, 2, 2}), preprocess, 160));
  CHECK_FALSE(as_seen(ir::make_tensor(numbers, {3, 1, 4, 4}), preprocess, 160));
}

TEST_CASE("a picture survives PNG", "[images]") {
  const int64_t channels = GENERATE(1, 3, 4);
  const Picture picture = gradient(13, 5, channels);
  const std::string bytes = encode_png(picture);
  const Picture back = convert(decode(bytes, "picture.png"), channels);
  CHECK(back.pixels == picture.pixels);
  CHECK(encode_png(picture) == bytes);
}

TEST_CASE("copies are found by their bytes, files and folders of files alike", "[images]") {
  const TemporaryFile place("");
  const std::filesystem::path folder = place.path();
  std::filesystem::create_directories(folder / "set_0");
  std::filesystem::create_directories(folder / "set_1");
  for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{{"a", "one"},
                                                                                   {"b", "two"},
                                                                                   {"c", "one"},
                                                                                   {"d", "longer"},
                                                                                   {"e", "two"},
                                                                                   {"f", "one"},
                                                                                   {"set_0/0", "x"},
                                                                                   {"set_0/1", "yy"},
                                                                                   {"set_1/0", "x"},
                                                                                   {"set_1/1", "yy"}})
    write_file_atomically(folder / name, text);
  CHECK(copies(folder, {"a", "b", "c", "d", "e", "f", "set_0", "set_1"}) ==
        std::vector<std::vector<std::string>>{{"a", "c", "f"}, {"b", "e"}, {"set_0", "set_1"}});
  CHECK(copies(folder, {"a", "b", "d"}).empty());
  std::filesystem::remove_all(folder);
}
