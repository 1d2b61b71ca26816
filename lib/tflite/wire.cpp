// See wire.h.
#include "tflite/wire.h"

#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "base/text.h"

namespace qc::tflite {
namespace {

constexpr uint32_t kVersion = 3;
constexpr size_t kSmallestFile = 8;  // the root's offset and the identifier
// Offsets are signed 32 bits, and what a larger file has behind that is data that buffers name by themselves.
constexpr size_t kLargestFlatbuffer = FLATBUFFERS_MAX_BUFFER_SIZE - 1;
constexpr flatbuffers::uoffset_t kDeepest = 64, kMostTables = 10'000'000;

[[noreturn]] void refuse(const char* code, const std::string& place, std::string cause, std::string remedy) {
  throw Error(Exit::kInput, {code, place, std::move(cause), std::move(remedy)});
}

}  // namespace

const wire::Model& verified_model(std::string_view bytes, const std::string& place) {
  if (bytes.empty())
    refuse("empty-file", place, "the file is empty", "write it again, or give the path of another file");
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  if (bytes.size() < kSmallestFile || !wire::ModelBufferHasIdentifier(data))
    refuse("not-tflite", place,
           format("bytes 4 to 7 are not '{}', with which a TFLite file says what it is",
                  wire::ModelIdentifier()),
           "give the path of a .tflite file");
  flatbuffers::Verifier verifier(data, std::min(bytes.size(), kLargestFlatbuffer), kDeepest, kMostTables);
  if (!wire::VerifyModelBuffer(verifier))
    refuse("damaged-tflite", place, "an offset or a length in it points outside the file",
           "the file is damaged or cut short: copy or write it again");
  const wire::Model& model = *wire::GetModel(data);
  if (model.version() != kVersion)
    refuse(
        "tflite-version", place,
        format("it says version {} of the format, and only version {} is in use", model.version(), kVersion),
        "write it again with a converter of today");
  return model;
}

}  // namespace qc::tflite
