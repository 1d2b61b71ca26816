// Any bytes as a picture or a tensor file: reading refuses with an input error, or gives pixels (values) that
// fill exactly the size that the header told.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "images/decode.h"
#include "images/tensor_files.h"

namespace {

void check(const qc::ir::Tensor& tensor) {
  const auto bits = static_cast<size_t>(tensor.size() * qc::ir::bits_of(tensor.dtype));
  if (tensor.bytes->size() * 8 != bits) std::abort();
}

void read_picture(std::string_view bytes) {
  constexpr int64_t kEnough = 1 << 20;  // pixels; more only makes the fuzzer slow
  const qc::images::PictureInfo info = qc::images::read_header(bytes, "fuzz");
  if (info.width * info.height > kEnough) return;
  const qc::images::Picture picture = qc::images::decode(bytes, "fuzz");
  if (picture.width != info.width || picture.height != info.height) std::abort();
  if (std::ssize(picture.pixels) != picture.width * picture.height * picture.channels) std::abort();
  if (qc::images::convert(picture, 1).pixels.size() * 4 != qc::images::convert(picture, 4).pixels.size())
    std::abort();
}

void read_any(std::string_view bytes) {
  if (bytes.starts_with("\x93NUMPY")) {
    check(qc::images::read_npy(bytes, "fuzz"));
  } else if (bytes.starts_with("PK")) {
    for (const auto& [key, tensor] : qc::images::read_npz(bytes, "fuzz")) check(tensor);
  } else if (bytes.starts_with("\x08")) {
    check(qc::images::read_pb(bytes, "fuzz").second);
  } else {
    read_picture(bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    read_any(std::string_view(reinterpret_cast<const char*>(data), size));
  } catch (const qc::Error& error) {
    if (error.exit != qc::Exit::kInput) std::abort();
  }
  return 0;
}
