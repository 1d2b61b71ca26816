// Decoding: Pillow's pixels for every kind of file, and a sentence for every kind of damage.
#include "images/decode.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "images/decoders.h"
#include "unit/images/fixtures.h"

using namespace qc;
using namespace qc::images;

namespace {

int largest_difference(const Picture& picture, const ir::Tensor& wanted) {
  const auto values = wanted.as<uint8_t>();
  if (wanted.dims[0] != picture.height || wanted.dims[1] != picture.width ||
      values.size() != picture.pixels.size())
    return 256;
  int largest = 0;
  for (size_t i = 0; i < values.size(); ++i)
    largest = std::max(largest, std::abs(int{picture.pixels[i]} - int{values[i]}));
  return largest;
}

// A comment of 65000 bytes behind the start marker: the header stands behind any first read.
std::string with_long_metadata(const std::string& jpeg) {
  const size_t length = 65002;
  std::string comment = "\xFF\xFE";
  comment += static_cast<char>(length >> 8);
  comment += static_cast<char>(length & 255);
  comment += std::string(length - 2, 'x');
  return jpeg.substr(0, 2) + comment + comment + jpeg.substr(2);
}

}  // namespace

TEST_CASE("every kind of picture has Pillow's pixels, as gray and with alpha", "[images]") {
  int seen = 0;
  for (const auto& [key, wanted] : expected_all()) {
    const std::vector<std::string> parts = split(key, '/');
    if (parts.size() != 2) continue;
    CAPTURE(key);
    const Picture picture = decode(data_file("pictures/" + parts[0]), parts[0]);
    CHECK(largest_difference(convert(picture, parts[1] == "L" ? 1 : 4), wanted) == 0);
    const PictureInfo info = read_header(data_file("pictures/" + parts[0]), parts[0]);
    CHECK(info.width == picture.width);
    CHECK(info.height == picture.height);
    CHECK(info.deep_gray == (parts[0] == "gray16.png" || parts[0] == "deep.pgm"));
    ++seen;
  }
  CHECK(seen >= 80);
}

TEST_CASE("EXIF rotation is not applied, as Image.open() does not", "[images]") {
  const Picture turned = decode(data_file("pictures/turned.jpg"), "turned.jpg");
  CHECK(turned.width == 37);
  CHECK(turned.height == 29);
}

TEST_CASE("a file cut anywhere is an error that names it, never half a picture", "[images]") {
  const std::string file =
      GENERATE(as<std::string>{}, "rgb_420.jpg", "progressive.jpg", "cmyk.jpg", "rgb.png", "palette.png",
               "interlaced.png", "gray16.png", "lossy.webp", "alpha.webp", "rgb.bmp", "bits4.bmp",
               "bits565.bmp", "binary.ppm", "binary.pgm", "deep.ppm");
  const std::string whole = data_file("pictures/" + file);
  const size_t end =
      file.ends_with(".jpg") ? whole.size() - 20 : whole.size();  // a JPEG's last pixels end before its end
  for (size_t size = 0; size < end; size += size < 200 ? 1 : 37) {
    CAPTURE(file, size);
    const Error error = error_of([&] { decode(std::string_view(whole).substr(0, size), "folder/" + file); });
    REQUIRE(error.exit == Exit::kInput);
    REQUIRE(error.problems[0].place == "folder/" + file);
    REQUIRE(!error.problems[0].cause.empty());
    REQUIRE(contains(error.problems[0].remedy, "on_bad_image"));
  }
}

TEST_CASE("a cut file looks cut off before it is decoded, a whole one does not", "[images]") {
  const std::string file =
      GENERATE(as<std::string>{}, "rgb_420.jpg", "progressive.jpg", "rgb.png", "lossy.webp");
  const std::string whole = data_file("pictures/" + file);
  const auto looks = [](std::string_view bytes) {
    return may_be_truncated(bytes, bytes.substr(bytes.size() - 16), std::ssize(bytes));
  };
  CHECK(!looks(whole));
  CHECK(looks(std::string_view(whole).substr(0, whole.size() - 1)));
  CHECK(looks(std::string_view(whole).substr(0, whole.size() / 2)));
}

TEST_CASE("what is wrong with a picture is said in its own words", "[images]") {
  const std::string jpeg = data_file("pictures/rgb_420.jpg");
  std::string bad_crc = data_file("pictures/rgb.png");
  bad_crc[bad_crc.size() / 2] ^= 0x20;
  std::string wide_bmp = data_file("pictures/rgb.bmp");
  wide_bmp[21] = 0x7F;
  std::string wrong_index = data_file("pictures/palette.bmp");
  wrong_index[wrong_index.size() - 4] = '\xFF';  // three bytes fill the last row up
  struct Case {
    std::string bytes, cause;
  };
  const Case cases[] = {
      {"", "empty"},
      {"plain text", "no picture format"},
      {"GIF89a......", "no picture format"},
      {jpeg.substr(0, jpeg.size() / 2), "remature end"},
      {bad_crc, "not a readable PNG file"},
      {data_file("rle.bmp"), "compressed (method 1)"},
      {wide_bmp, "more than"},
      {wrong_index, "a pixel has colour 255"},
      {"P4 8 1\n ", "P4 file"},
      {"P5 0 4 255\n", "its size is 0 x 4"},
      {"P5 99999 99999 255\n", "more than"},
      {"P5 2 2 70000\n....", "largest value is 70000"},
      {"P5 2 2 255\n...", "truncated"},
      {"P2 2 1 9 1 10", "value 10 is above the largest, 9"},
      {"P2 2 1 9 1 x", "not part of a number"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.cause);
    const Error error = error_of([&] { decode(c.bytes, "a.jpg"); });
    CHECK(error.exit == Exit::kInput);
    CHECK_THAT(error.problems[0].cause, Catch::Contains(c.cause));
  }
}

TEST_CASE("damaged data in the middle of a JPEG are an error; bytes behind its end are not", "[images]") {
  std::string jpeg = data_file("pictures/restarts.jpg");
  const size_t marker = jpeg.find("\xFF\xD0");
  REQUIRE(marker != std::string::npos);
  jpeg[marker + 1] = '\xD5';
  CHECK(error_of([&] { decode(jpeg, "a.jpg"); }).exit == Exit::kInput);
  CHECK_NOTHROW(decode(data_file("pictures/stray_bytes.jpg"), "a.jpg"));
}

TEST_CASE("a header behind long metadata needs more than the first 64 kB", "[images]") {
  const std::string jpeg = with_long_metadata(data_file("pictures/rgb_444.jpg"));
  CHECK(error_of([&] { read_header(std::string_view(jpeg).substr(0, 65536), "a.jpg"); }).exit ==
        Exit::kInput);
  CHECK(read_header(jpeg, "a.jpg").width == 37);
}
