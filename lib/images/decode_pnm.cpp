// Portable pixmaps and graymaps: P2, P3 (plain), P5, P6 (binary), any largest value up to 65535. Values are
// stretched as Pillow does: round(value / largest * 255), halves to even; gray with more than 8 bits is
// stretched to 65535 and then, like 16-bit gray PNG, cut at 255 by the conversion. Format: netpbm's manual
// pages ppm(5) and pgm(5).
#include <cmath>

#include "base/text.h"
#include "images/decoders.h"

namespace qc::images {
namespace {

struct Header {
  int64_t width = 0, height = 0, channels = 0, largest = 0;
  bool plain = false;
  size_t data_at = 0;
};

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// The next number from `at` on, which moves behind it. '#' starts a comment up to the end of the line.
int64_t next_number(std::string_view bytes, size_t& at) {
  while (at < bytes.size() && (is_space(bytes[at]) || bytes[at] == '#')) {
    if (bytes[at] == '#') {
      while (at < bytes.size() && bytes[at] != '\n' && bytes[at] != '\r') ++at;
    } else {
      ++at;
    }
  }
  if (at == bytes.size()) throw BadPicture("the file is truncated");
  int64_t value = 0;
  const size_t first = at;
  while (at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9' && at - first < 9)
    value = value * 10 + (bytes[at++] - '0');
  if (at == first || (at < bytes.size() && !is_space(bytes[at]) && bytes[at] != '#')) {
    throw BadPicture(format("byte {} is not part of a number", at));
  }
  return value;
}

Header read(std::string_view bytes) {
  Header header;
  const char kind = bytes[1];
  if (kind != '2' && kind != '3' && kind != '5' && kind != '6') {
    throw BadPicture(format("it is a P{} file; P2, P3, P5 and P6 are read", kind));
  }
  header.channels = kind == '2' || kind == '5' ? 1 : 3;
  header.plain = kind == '2' || kind == '3';
  size_t at = 2;
  header.width = next_number(bytes, at);
  header.height = next_number(bytes, at);
  header.largest = next_number(bytes, at);
  header.data_at = at + 1;  // exactly one white space stands before binary data
  check_size(header.width, header.height);
  if (header.largest < 1 || header.largest > 65535)
    throw BadPicture(format("its largest value is {}", header.largest));
  return header;
}

}  // namespace

PictureInfo pnm_header(std::string_view bytes) {
  const Header header = read(bytes);
  return {header.width, header.height, header.channels == 1 && header.largest > 255};
}

Picture decode_pnm(std::string_view bytes) {
  const Header header = read(bytes);
  const int64_t count = header.width * header.height * header.channels;
  const int64_t sample =
      header.plain || header.largest > 255 ? 2 : 1;  // bytes; plain: a digit and a space at least
  if (std::ssize(bytes) - static_cast<int64_t>(header.data_at) < count * sample - (header.plain ? 1 : 0)) {
    throw BadPicture("the file is truncated");
  }
  std::vector<uint8_t> stretched(static_cast<size_t>(header.largest) + 1);
  const double full = header.channels == 1 && header.largest > 255 ? 65535.0 : 255.0;
  for (size_t value = 0; value < stretched.size(); ++value) {
    const double scaled =
        std::nearbyint(static_cast<double>(value) / static_cast<double>(header.largest) * full);
    stretched[value] = static_cast<uint8_t>(std::min(255.0, scaled));
  }
  Picture picture = make_picture(header.width, header.height, header.channels);
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data()) + header.data_at;
  size_t at = header.data_at;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t value = header.plain  ? next_number(bytes, at)
                          : sample == 1 ? data[i]
                                        : data[2 * i] * 256 + data[2 * i + 1];
    if (header.plain && value > header.largest)
      throw BadPicture(format("value {} is above the largest, {}", value, header.largest));
    picture.pixels[i] = stretched[std::min(value, header.largest)];
  }
  return picture;
}

}  // namespace qc::images
