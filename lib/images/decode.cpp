// See decode.h. One row a format: adding a format is a decoder and a row.
#include "images/decode.h"

#include "base/error.h"
#include "base/text.h"
#include "images/decoders.h"

namespace qc::images {
namespace {

using std::string_view_literals::operator""sv;

uint32_t little32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4 && at + i < bytes.size(); ++i) {
    value |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  }
  return value;
}

using Ending = bool (*)(std::string_view head, std::string_view tail, int64_t file_size);

// JPEG ends with the marker EOI, PNG with the chunk IEND, RIFF and BMP carry their length (BMP's is often
// wrong, and like PNM it is cheap to decode, so those two are always looked at).
bool jpeg_ends(std::string_view, std::string_view tail, int64_t) {
  return tail.ends_with("\xFF\xD9"sv);
}
bool png_ends(std::string_view, std::string_view tail, int64_t) {
  return tail.ends_with("IEND\xAE\x42\x60\x82"sv);
}
bool riff_ends(std::string_view head, std::string_view, int64_t file_size) {
  return head.size() >= 12 && int64_t{little32(head, 4)} + 8 <= file_size;
}
bool never(std::string_view, std::string_view, int64_t) {
  return false;
}

struct Format {
  const char* name;
  bool (*matches)(std::string_view bytes);
  PictureInfo (*header)(std::string_view bytes);
  Picture (*decode)(std::string_view bytes);
  Ending ends;
};

constexpr Format kFormats[] = {
    {"JPEG", [](std::string_view b) { return b.starts_with("\xFF\xD8\xFF"sv); }, jpeg_header, decode_jpeg,
     jpeg_ends},
    {"PNG", [](std::string_view b) { return b.starts_with("\x89PNG\r\n\x1A\n"sv); }, png_header, decode_png,
     png_ends},
    {"WebP",
     [](std::string_view b) { return b.starts_with("RIFF"sv) && b.substr(0, 12).ends_with("WEBP"sv); },
     webp_header, decode_webp, riff_ends},
    {"BMP", [](std::string_view b) { return b.starts_with("BM"sv); }, bmp_header, decode_bmp, never},
    {"PPM/PGM", [](std::string_view b) { return b.size() > 1 && b[0] == 'P' && b[1] >= '1' && b[1] <= '7'; },
     pnm_header, decode_pnm, never},
};

const Format* format_of(std::string_view bytes) {
  for (const Format& format : kFormats) {
    if (format.matches(bytes)) return &format;
  }
  return nullptr;
}

template <typename Result>
Result with_format(std::string_view bytes, const std::string& place,
                   Result (*Format::*step)(std::string_view)) {
  if (bytes.empty()) throw_bad_picture(place, "the file is empty");
  const Format* format = format_of(bytes);
  if (!format) {
    throw_bad_picture(
        place, "its first bytes are those of no picture format known here (JPEG, PNG, WebP, BMP, PPM, PGM)");
  }
  try {
    return (format->*step)(bytes);
  } catch (const BadPicture& problem) {
    throw_bad_picture(place, qc::format("not a readable {} file: {}", format->name, problem.what()));
  }
}

}  // namespace

void throw_bad_picture(const std::string& place, const std::string& cause) {
  throw Error(Exit::kInput,
              {"bad-image", place, cause,
               "replace or remove the file, or set \"on_bad_image\": \"skip\" to go on without it"});
}

void check_size(int64_t width, int64_t height) {
  if (width <= 0 || height <= 0) throw BadPicture(qc::format("its size is {} x {}", width, height));
  if (width > kMaxPixels / height) {
    throw BadPicture(qc::format("{} x {} is more than {} pixels", width, height, kMaxPixels));
  }
}

PictureInfo read_header(std::string_view bytes, const std::string& place) {
  return with_format(bytes, place, &Format::header);
}

Picture decode(std::string_view bytes, const std::string& place) {
  return with_format(bytes, place, &Format::decode);
}

bool may_be_truncated(std::string_view head, std::string_view tail, int64_t file_size) {
  const Format* format = format_of(head);
  return format == nullptr || !format->ends(head, tail, file_size);
}

}  // namespace qc::images
