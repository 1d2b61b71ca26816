// The TFLite file format as flatc makes it from schema.fbs (namespace wire), and the one way to it from bytes
// that somebody else wrote. Private to this room: only its .cpp files include this.
#pragma once

#include <flatbuffers/flatbuffers.h>
#include <tflite/schema_generated.h>

#include <string>
#include <string_view>

namespace qc::tflite {

/// The model in `bytes`, which must outlive it and start at an address divisible by 16. Every offset, length
/// and string of what schema.fbs knows has been checked to lie inside; indices (tensors, buffers, operator
/// codes) have not. Throws Error(kInput) naming `place`: empty, no TFLite file, another version of the
/// format, damaged.
const wire::Model& verified_model(std::string_view bytes, const std::string& place);

}  // namespace qc::tflite
