// Bytes of a picture file -> pixels, with the pixels that Pillow's Image.open() gives: full-size inverse DCT
// and smooth chroma upsampling for JPEG, no EXIF rotation (Image.open does none either: rotate the files, or
// what they show is what the model sees), no colour management, no compositing over a background. The format
// is told by the first bytes, not by the file's name.
#pragma once

#include <string>
#include <string_view>

#include "images/picture.h"

namespace qc::images {

struct PictureInfo {
  int64_t width = 0, height = 0;
  bool deep_gray = false;  // gray with more than 8 bits: Pillow's convert() cuts every value above 255 to 255
};

/// Error(kInput) about one picture file, with the remedies that always work.
[[noreturn]] void throw_bad_picture(const std::string& place, const std::string& cause);

/// The header only. Throws Error(kInput) with `place` and what is wrong.
PictureInfo read_header(std::string_view bytes, const std::string& place);

/// The whole picture. Throws Error(kInput) with `place` and what is wrong; a truncated file is an error,
/// never a picture with a gray rest.
Picture decode(std::string_view bytes, const std::string& place);

/// True when the file's last bytes (16 are enough) and its size do not prove that it is whole: such a file is
/// decoded once before it is trusted.
bool may_be_truncated(std::string_view head, std::string_view tail, int64_t file_size);

}  // namespace qc::images
