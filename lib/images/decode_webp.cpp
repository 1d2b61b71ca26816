// WebP by libwebp: lossy, lossless, with alpha. One frame only; animations are refused rather than guessed
// at.
#include <webp/decode.h>

#include "images/decoders.h"

namespace qc::images {
namespace {

const char* reason(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return "the file is truncated";
    case VP8_STATUS_BITSTREAM_ERROR:
      return "its data are corrupt";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "it uses a feature that libwebp does not know";
    case VP8_STATUS_OUT_OF_MEMORY:
      return "there is not enough memory for it";
    default:
      return "libwebp refuses it";
  }
}

WebPBitstreamFeatures features_of(std::string_view bytes) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status =
      WebPGetFeatures(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), &features);
  if (status != VP8_STATUS_OK) throw BadPicture(reason(status));
  if (features.has_animation) throw BadPicture("it is an animation; save one frame of it as a picture");
  check_size(features.width, features.height);
  return features;
}

}  // namespace

PictureInfo webp_header(std::string_view bytes) {
  const WebPBitstreamFeatures features = features_of(bytes);
  return {features.width, features.height, false};
}

Picture decode_webp(std::string_view bytes) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) throw BadPicture("libwebp has another version than its headers");
  config.input = features_of(bytes);
  Picture picture = make_picture(config.input.width, config.input.height, config.input.has_alpha ? 4 : 3);
  config.output.colorspace = config.input.has_alpha ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = picture.pixels.data();
  config.output.u.RGBA.stride = static_cast<int>(picture.width * picture.channels);
  config.output.u.RGBA.size = picture.pixels.size();
  const VP8StatusCode status =
      WebPDecode(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), &config);
  WebPFreeDecBuffer(&config.output);
  if (status != VP8_STATUS_OK) throw BadPicture(reason(status));
  return picture;
}

}  // namespace qc::images
