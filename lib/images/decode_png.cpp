// PNG by libpng. Pixels as Pillow's: palettes and small grays expanded, transparency as alpha, 16-bit colour
// cut to its high byte, 16-bit gray cut at 255 (Pillow keeps it as integers, and its convert() clips), no
// gamma or background.
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>

#include "images/decoders.h"

namespace qc::images {
namespace {

struct Input {
  const char* next;
  size_t left;
  char message[160];
};

void read_bytes(png_structp png, png_bytep to, size_t count) {
  Input* input = static_cast<Input*>(png_get_io_ptr(png));
  if (count > input->left) png_error(png, "the file is truncated");
  std::memcpy(to, input->next, count);
  input->next += count;
  input->left -= count;
}

[[noreturn]] void on_error(png_structp png, png_const_charp text) {
  Input* input = static_cast<Input*>(png_get_error_ptr(png));
  std::snprintf(input->message, sizeof input->message, "%s", text);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}  // odd ancillary chunks: the pixels are whole

// Every step runs under setjmp and holds nothing that has a destructor.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : input_{bytes.data(), bytes.size(), ""} {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &input_, on_error, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      destroy();
      throw std::bad_alloc();
    }
    png_set_read_fn(png_, &input_, read_bytes);
    run([this] { png_read_info(png_, info_); });
  }
  ~Reader() { destroy(); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  template <typename Step>
  void run(const Step& step) {
    if (setjmp(png_jmpbuf(png_)) == 0) {
      step();
      return;
    }
    destroy();
    throw BadPicture(input_.message);
  }

  png_structp png() const { return png_; }
  png_infop info() const { return info_; }
  int64_t width() const { return png_get_image_width(png_, info_); }
  int64_t height() const { return png_get_image_height(png_, info_); }
  bool deep_gray() const {
    return png_get_color_type(png_, info_) == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png_, info_) == 16;
  }

 private:
  void destroy() {
    if (png_) png_destroy_read_struct(&png_, &info_, nullptr);
    png_ = nullptr;
    info_ = nullptr;
  }

  Input input_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

// What libpng delivered (1 to 4 channels of 8 bits, or gray with 16) as one of Picture's shapes.
Picture to_picture(const std::vector<uint8_t>& raw, int64_t width, int64_t height, int64_t channels,
                   bool deep) {
  const int64_t sample = deep ? 2 : 1;
  Picture picture = make_picture(width, height, channels == 2 ? 4 : channels);
  const uint8_t* from = raw.data();
  uint8_t* to = picture.pixels.data();
  for (int64_t i = 0; i < width * height; ++i, from += channels * sample, to += picture.channels) {
    const auto gray = static_cast<uint8_t>(deep && from[0] != 0 ? 255 : from[sample - 1]);
    std::fill_n(to, picture.channels, gray);
    if (channels == 2) to[3] = from[sample];
  }
  return picture;
}

}  // namespace

PictureInfo png_header(std::string_view bytes) {
  Reader reader(bytes);
  check_size(reader.width(), reader.height());
  return {reader.width(), reader.height(), reader.deep_gray()};
}

Picture decode_png(std::string_view bytes) {
  Reader reader(bytes);
  const int64_t width = reader.width(), height = reader.height();
  const bool deep = reader.deep_gray();
  check_size(width, height);
  reader.run([&reader, deep] {
    png_structp png = reader.png();
    png_set_expand(png);  // palette -> RGB, small gray -> 8 bits, tRNS -> alpha
    if (!deep) png_set_strip_16(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, reader.info());
  });
  const int64_t channels = png_get_channels(reader.png(), reader.info());
  const size_t stride = png_get_rowbytes(reader.png(), reader.info());
  std::vector<uint8_t> raw(stride * static_cast<size_t>(height));
  std::vector<png_bytep> rows(height);
  for (size_t y = 0; y < rows.size(); ++y) rows[y] = raw.data() + y * stride;
  reader.run([&reader, &rows] {
    png_read_image(reader.png(), rows.data());
    png_read_end(reader.png(), nullptr);
  });
  if (deep || channels == 2) return to_picture(raw, width, height, channels, deep);
  return {width, height, channels, std::move(raw)};
}

}  // namespace qc::images
