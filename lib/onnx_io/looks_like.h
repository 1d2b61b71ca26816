// Telling what a file is that is no ONNX model: the sentence that saves a user's hour ("this is a JPEG
// picture").
#pragma once

#include <string>
#include <string_view>

namespace qc::onnx_io {

struct Guess {
  std::string what;  // "a TensorFlow Lite model"; empty: nothing known, it may well be ONNX
  std::string remedy;
};
Guess looks_like(std::string_view bytes);

/// A sentence when the file ends before its own top-level lengths say; otherwise empty.
std::string truncation(std::string_view bytes);

}  // namespace qc::onnx_io
