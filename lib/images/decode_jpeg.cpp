// JPEG by libjpeg-turbo, with the settings whose pixels are Pillow's: the slow integer DCT, smooth
// upsampling, full size (no DCT scaling), CMYK in Adobe's inverted sense. libjpeg reports by calling back and
// must not be returned to after an error: each step runs under setjmp and holds nothing that has a
// destructor.
#include <csetjmp>
#include <cstddef>
#include <cstdio>
// jpeglib.h needs size_t and FILE before it.
#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <array>

#include "images/decoders.h"

namespace qc::images {
namespace {

struct Jpeg {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  std::jmp_buf trap{};
  char message[JMSG_LENGTH_MAX] = "";
};

[[noreturn]] void give_up(j_common_ptr info) {
  Jpeg* jpeg = static_cast<Jpeg*>(info->client_data);
  info->err->format_message(info, jpeg->message);
  std::longjmp(jpeg->trap, 1);
}

// libjpeg fills what is missing with gray and only warns. Every warning means pixels that are not the
// picture's, but for these: stray bytes between markers, odd header fields.
void on_message(j_common_ptr info, int level) {
  constexpr std::array<int, 6> kHarmless = {JWRN_EXTRANEOUS_DATA, JWRN_ADOBE_XFORM,
                                            JWRN_JFIF_MAJOR,      JWRN_TOO_MUCH_DATA,
                                            JWRN_NOT_SEQUENTIAL,  JWRN_BOGUS_PROGRESSION};
  if (level >= 0) return;
  if (std::find(kHarmless.begin(), kHarmless.end(), info->err->msg_code) == kHarmless.end()) give_up(info);
}

template <typename Step>
bool guarded(Jpeg& jpeg, const Step& step) {
  if (setjmp(jpeg.trap) != 0) return false;
  step();
  return true;
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) {
    jpeg_.info.err = jpeg_std_error(&jpeg_.errors);
    jpeg_.errors.error_exit = give_up;
    jpeg_.errors.emit_message = on_message;
    jpeg_.info.client_data = &jpeg_;
    run([&] {
      jpeg_create_decompress(&jpeg_.info);
      jpeg_mem_src(&jpeg_.info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
      jpeg_read_header(&jpeg_.info, TRUE);
    });
  }
  ~Reader() { jpeg_destroy_decompress(&jpeg_.info); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  jpeg_decompress_struct& info() { return jpeg_.info; }

  template <typename Step>
  void run(const Step& step) {
    if (!guarded(jpeg_, step)) throw_message();
  }

 private:
  // The destructor does not run when the constructor throws, so the memory goes here (destroying twice is
  // allowed).
  [[noreturn]] void throw_message() {
    jpeg_destroy_decompress(&jpeg_.info);
    throw BadPicture(jpeg_.message);
  }

  Jpeg jpeg_;
};

// Rounded product of two 8-bit fractions.
int multiply_255(int a, int b) {
  const int t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

// Adobe writes CMYK inverted, and Pillow takes every CMYK JPEG to be so. In place: 4 bytes in, 3 bytes out.
void cmyk_to_rgb(Picture& picture) {
  const int64_t count = picture.width * picture.height;
  const uint8_t* from = picture.pixels.data();
  uint8_t* to = picture.pixels.data();
  for (int64_t i = 0; i < count; ++i, from += 4, to += 3) {
    const int light = from[3];
    for (int c = 0; c < 3; ++c)
      to[c] = static_cast<uint8_t>(std::max(0, light - multiply_255(255 - from[c], light)));
  }
  picture.channels = 3;
  picture.pixels.resize(count * 3);
}

}  // namespace

PictureInfo jpeg_header(std::string_view bytes) {
  Reader reader(bytes);
  check_size(reader.info().image_width, reader.info().image_height);
  return {reader.info().image_width, reader.info().image_height, false};
}

Picture decode_jpeg(std::string_view bytes) {
  Reader reader(bytes);
  jpeg_decompress_struct& info = reader.info();
  check_size(info.image_width, info.image_height);
  if (info.num_components != 1 && info.num_components != 3 && info.num_components != 4) {
    throw BadPicture("it has " + std::to_string(info.num_components) + " components instead of 1, 3 or 4");
  }
  info.out_color_space = info.num_components == 1   ? JCS_GRAYSCALE
                         : info.num_components == 3 ? JCS_RGB
                                                    : JCS_CMYK;
  info.dct_method = JDCT_ISLOW;
  info.do_fancy_upsampling = TRUE;
  Picture picture = make_picture(info.image_width, info.image_height, info.num_components);
  const size_t stride = static_cast<size_t>(picture.width * picture.channels);
  uint8_t* const pixels = picture.pixels.data();
  reader.run([&info, pixels, stride] {
    jpeg_start_decompress(&info);
    while (info.output_scanline < info.output_height) {
      JSAMPROW row = pixels + stride * info.output_scanline;
      jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
  });
  if (info.num_components == 4) cmyk_to_rgb(picture);
  return picture;
}

}  // namespace qc::images
