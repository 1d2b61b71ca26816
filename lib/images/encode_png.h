// Pictures out, for reports: by libpng, nothing in the file but the pixels, so equal pictures give equal
// bytes.
#pragma once

#include <string>

#include "images/picture.h"

namespace qc::images {

/// The bytes of a PNG file, 8 bits a channel. Throws BadPicture when libpng refuses (sizes of 0).
std::string encode_png(const Picture& picture);

}  // namespace qc::images
