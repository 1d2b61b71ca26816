// Whose the bytes of a flatbuffer are: a walk over everything that the schema knows, by the type tables that
// flatc makes. Private to this room.
#pragma once

#include <string_view>
#include <vector>

#include "tflite/read.h"
#include "tflite/wire.h"

namespace qc::tflite::file {

/// Kinds and owners of all bytes; `model` must be verified and `read` hold its graphs and buffers. What
/// tensors share counts for the first of them.
std::vector<Claim> claims_of(const wire::Model& model, const Model& read);

}  // namespace qc::tflite::file
