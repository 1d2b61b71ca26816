// Telling what a file is that is no ONNX model: the sentence that saves a user's hour ("this is a JPEG
// picture").
#pragma once

#include <string>
#include <string_view>

namespace qc::onnx_io {

/// What bytes that are no ONNX model may be, and what to do about it.
struct Guess {
  std::string what;  // "a TensorFlow Lite model"; empty: nothing known, it may well be ONNX
  std::string remedy;
};
/// By signatures and first words; nothing is parsed.
Guess looks_like(std::string_view bytes);

/// A sentence when the file ends before its own top-level lengths say; otherwise empty.
std::string truncation(std::string_view bytes);

}  // namespace qc::onnx_io
