// See looks_like.h. Signatures are the ones that `file` knows; the wire format is protobuf's (tag, then
// varint or length and bytes).
#include "onnx_io/looks_like.h"

#include <algorithm>
#include <cctype>
#include <cstdint>

#include "base/text.h"

namespace qc::onnx_io {
namespace {

using namespace std::string_view_literals;

constexpr const char* kGiveModel = "give the .onnx file itself";
constexpr const char* kExport = "export the model to ONNX first (torch.onnx.export, tf2onnx, ...)";

struct Signature {
  size_t offset;
  std::string_view bytes;
  const char* what;
  const char* remedy;
};

constexpr Signature kSignatures[] = {
    {0, "\xff\xd8\xff"sv, "a JPEG picture", kGiveModel},
    {0, "\x89PNG"sv, "a PNG picture", kGiveModel},
    {0, "GIF8"sv, "a GIF picture", kGiveModel},
    {8, "WEBP"sv, "a WebP picture", kGiveModel},
    {0, "%PDF"sv, "a PDF document", kGiveModel},
    {4, "TFL3"sv, "a TensorFlow Lite model", "convert the float ONNX model that it was made from"},
    {4, "ORTM"sv, "a model in ONNX Runtime's own format (.ort)", "give the .onnx file that it was made from"},
    {0, "PK\x03\x04"sv, "a zip archive (PyTorch .pt, .npz or Keras files are zip archives)",
     "export the model to ONNX first, or unpack the .onnx file from the archive"},
    {0, "\x1f\x8b"sv, "a gzip archive", "unpack it first"},
    {0, "\x89HDF"sv, "an HDF5 file (Keras)", kExport},
    {0, "\x93NUMPY"sv, "a NumPy array", kGiveModel},
    {0, "\x80\x02"sv, "a Python pickle (PyTorch)", kExport},
    {0, "version https://git-lfs"sv, "a Git LFS pointer, not the file itself",
     "fetch the file with 'git lfs pull'"},
    {0,
     "\x7f"
     "ELF"sv,
     "a program", kGiveModel},
};

bool is_text(std::string_view head) {
  return std::all_of(head.begin(), head.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u >= 0x20 || u == '\n' || u == '\r' || u == '\t';
  });
}

bool read_varint(std::string_view& bytes, uint64_t& number) {
  number = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    number |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

}  // namespace

Guess looks_like(std::string_view bytes) {
  for (const Signature& s : kSignatures)
    if (bytes.size() >= s.offset && bytes.substr(s.offset).starts_with(s.bytes)) return {s.what, s.remedy};
  std::string head(bytes.substr(0, 256));
  std::transform(head.begin(), head.end(), head.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const size_t start = head.find_first_not_of(" \t\r\n");
  const std::string_view text =
      start == std::string::npos ? std::string_view() : std::string_view(head).substr(start);
  if (text.starts_with("<!doctype html") || text.starts_with("<html"))
    return {"a web page", "download the model itself: this is what the server sent instead"};
  if (text.starts_with("<?xml")) return {"an XML file (OpenVINO?)", kExport};
  if (is_text(head)) return {text.starts_with("{") ? "a JSON file" : "a text file", kGiveModel};
  return {};
}

std::string truncation(std::string_view bytes) {
  while (!bytes.empty()) {
    uint64_t tag = 0, number = 0;
    if (!read_varint(bytes, tag)) return "it is truncated";
    switch (tag & 7) {
      case 0:
        if (!read_varint(bytes, number)) return "it is truncated";
        break;
      case 1:
        number = 8;
        break;
      case 2:
        if (!read_varint(bytes, number)) return "it is truncated";
        break;
      case 5:
        number = 4;
        break;
      default:
        return {};
    }
    if ((tag & 7) == 0) continue;
    if (number > bytes.size())
      return format("it is truncated: {} more bytes are announced, {} are there", number, bytes.size());
    bytes.remove_prefix(number);
  }
  return {};
}

}  // namespace qc::onnx_io
