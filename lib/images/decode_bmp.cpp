// Uncompressed Windows bitmaps: 1, 4, 8 bits with a palette, 16, 24 and 32 bits. The format is a header and
// rows (bottom-up, padded to 4 bytes), which no library in the set-up reads. Layout: Microsoft, "Bitmap
// Storage" and BITMAPINFOHEADER; the old 12-byte BITMAPCOREHEADER is read as well.
#include <array>
#include <bit>

#include "base/text.h"
#include "images/decoders.h"

namespace qc::images {
namespace {

constexpr uint32_t kRgb = 0, kBitFields = 3;

class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}
  uint32_t number(int64_t at, int count) const {
    if (at < 0 || at + count > std::ssize(bytes_)) throw BadPicture("the file is truncated");
    uint32_t value = 0;
    for (int i = 0; i < count; ++i) value |= uint32_t{static_cast<unsigned char>(bytes_[at + i])} << (8 * i);
    return value;
  }
  const uint8_t* run(int64_t at, int64_t count) const {
    if (at < 0 || count > std::ssize(bytes_) - at) throw BadPicture("the file is truncated");
    return reinterpret_cast<const uint8_t*>(bytes_.data()) + at;
  }

 private:
  std::string_view bytes_;
};

struct Header {
  int64_t width = 0, height = 0;
  bool top_down = false;
  int64_t bits = 0;
  int64_t pixels_at = 0;
  int64_t palette_at = 0, palette_size = 0, palette_step = 4;
  std::array<uint32_t, 4> masks{};  // red, green, blue, alpha of 16- and 32-bit pixels; alpha 0: none

  int64_t stride() const { return (width * bits + 31) / 32 * 4; }
};

void read_masks(const Bytes& bytes, int64_t info_size, uint32_t compression, Header& header) {
  if (header.bits == 16) header.masks = {0x7C00, 0x03E0, 0x001F, 0};
  if (header.bits == 32) header.masks = {0xFF0000, 0x00FF00, 0x0000FF, 0};
  if (compression != kBitFields) return;
  for (size_t i = 0; i < 3; ++i) header.masks[i] = bytes.number(14 + 40 + 4 * static_cast<int64_t>(i), 4);
  if (info_size >= 56) header.masks[3] = bytes.number(14 + 52, 4);
  for (const uint32_t mask : header.masks) {
    const uint32_t low = mask == 0 ? 0 : mask >> std::countr_zero(mask);
    if ((low & (low + 1)) != 0 || low > 0xFFFF) throw BadPicture("its colour masks have gaps");
  }
}

Header read(const Bytes& bytes) {
  Header header;
  header.pixels_at = bytes.number(10, 4);
  const int64_t info_size = bytes.number(14, 4);
  uint32_t compression = kRgb;
  if (info_size == 12) {
    header.width = bytes.number(18, 2);
    header.height = bytes.number(20, 2);
    header.bits = bytes.number(24, 2);
    header.palette_step = 3;
  } else if (info_size >= 40 && info_size <= 1024) {
    const auto height = static_cast<int32_t>(bytes.number(22, 4));
    header.width = static_cast<int32_t>(bytes.number(18, 4));
    header.height = height < 0 ? -int64_t{height} : height;
    header.top_down = height < 0;
    header.bits = bytes.number(28, 2);
    compression = bytes.number(30, 4);
    header.palette_size = bytes.number(46, 4);
  } else {
    throw BadPicture(format("its header has the unknown size {}", info_size));
  }
  check_size(header.width, header.height);
  const bool deep = header.bits == 16 || header.bits == 32;
  const bool indexed = header.bits == 1 || header.bits == 4 || header.bits == 8;
  if (!deep && !indexed && header.bits != 24) throw BadPicture(format("it has {} bits a pixel", header.bits));
  if (compression != kRgb && !(compression == kBitFields && deep)) {
    throw BadPicture(format("it is compressed (method {}); save it uncompressed or as PNG", compression));
  }
  read_masks(bytes, info_size, compression, header);
  header.palette_at = 14 + info_size;
  const int64_t most = int64_t{1} << header.bits;
  if (indexed && (header.palette_size <= 0 || header.palette_size > most)) header.palette_size = most;
  return header;
}

// A field of `mask` stretched to 8 bits as Pillow does it: value * 255 / largest value, cut.
uint8_t field(uint32_t pixel, uint32_t mask) {
  const uint32_t shift = static_cast<uint32_t>(std::countr_zero(mask));
  return static_cast<uint8_t>(mask == 0 ? 0 : ((pixel & mask) >> shift) * 255 / (mask >> shift));
}

void read_indexed(const Header& header, const uint8_t* row, const std::vector<uint8_t>& palette,
                  uint8_t* out) {
  const int64_t per_byte = 8 / header.bits;
  for (int64_t x = 0; x < header.width; ++x, out += 3) {
    const int64_t shift = 8 - header.bits * (x % per_byte + 1);
    const size_t index = (row[x / per_byte] >> shift) & ((1 << header.bits) - 1);
    if (3 * index >= palette.size())
      throw BadPicture(format("a pixel has colour {} of {}", index, palette.size() / 3));
    for (size_t c = 0; c < 3; ++c) out[c] = palette[3 * index + c];
  }
}

void read_masked(const Header& header, const Bytes& bytes, int64_t at, int64_t channels, uint8_t* out) {
  const int size = static_cast<int>(header.bits / 8);
  for (int64_t x = 0; x < header.width; ++x, out += channels) {
    const uint32_t pixel = bytes.number(at + x * size, size);
    for (int64_t c = 0; c < channels; ++c) out[c] = field(pixel, header.masks[c]);
  }
}

}  // namespace

PictureInfo bmp_header(std::string_view bytes) {
  const Header header = read(Bytes(bytes));
  return {header.width, header.height, false};
}

Picture decode_bmp(std::string_view bytes) {
  const Bytes file(bytes);
  const Header header = read(file);
  std::vector<uint8_t> palette;
  for (int64_t i = 0; i < header.palette_size && header.bits <= 8; ++i) {
    const uint8_t* entry = file.run(header.palette_at + i * header.palette_step, 3);
    palette.insert(palette.end(), {entry[2], entry[1], entry[0]});
  }
  file.run(header.pixels_at, header.stride() * header.height);  // all rows are there: before memory is taken
  Picture picture = make_picture(header.width, header.height, header.masks[3] != 0 ? 4 : 3);
  for (int64_t y = 0; y < header.height; ++y) {
    const int64_t at = header.pixels_at + header.stride() * (header.top_down ? y : header.height - 1 - y);
    const uint8_t* row = file.run(at, header.stride());
    uint8_t* out = picture.row(y);
    if (header.bits <= 8) {
      read_indexed(header, row, palette, out);
    } else if (header.bits == 24) {
      for (int64_t x = 0; x < header.width; ++x, row += 3, out += 3)
        out[0] = row[2], out[1] = row[1], out[2] = row[0];
    } else {
      read_masked(header, file, at, picture.channels, out);
    }
  }
  return picture;
}

}  // namespace qc::images
