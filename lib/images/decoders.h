// What each format gives to decode.cpp's table. A decoder throws BadPicture with the bare reason; decode.cpp
// knows the file's name and adds it.
#pragma once

#include <string_view>

#include "images/decode.h"
#include "images/picture.h"

namespace qc::images {

/// Pillow refuses as a "decompression bomb" what has more pixels; so do we, before any memory is taken.
inline constexpr int64_t kMaxPixels = 178'956'970;

/// Throws BadPicture when a side is 0 or there are too many pixels.
void check_size(int64_t width, int64_t height);

PictureInfo jpeg_header(std::string_view bytes);
Picture decode_jpeg(std::string_view bytes);
PictureInfo png_header(std::string_view bytes);
Picture decode_png(std::string_view bytes);
PictureInfo webp_header(std::string_view bytes);
Picture decode_webp(std::string_view bytes);
PictureInfo bmp_header(std::string_view bytes);
Picture decode_bmp(std::string_view bytes);
PictureInfo pnm_header(std::string_view bytes);
Picture decode_pnm(std::string_view bytes);

}  // namespace qc::images
