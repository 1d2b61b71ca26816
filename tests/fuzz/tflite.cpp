// Any bytes as a TFLite file: reading either refuses with a proper error or gives lists whose indices all
// lead somewhere, data of the right size, and an owner for every byte.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "tflite/read.h"

namespace file = qc::tflite::file;

static void check_ids(const std::vector<file::TensorId>& ids, size_t tensors, file::TensorId lowest) {
  for (const file::TensorId id : ids) {
    if (id < lowest || id >= static_cast<int64_t>(tensors)) std::abort();
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  file::Model model;
  try {
    model = file::parse(std::string(reinterpret_cast<const char*>(data), size), "fuzz.tflite");
  } catch (const qc::Error& error) {
    if (error.exit == qc::Exit::kBug) std::abort();
    return 0;
  }
  int64_t sum = 0, checksum = 0;
  for (const file::Claim& claim : model.claims) sum += claim.bytes;
  if (sum != static_cast<int64_t>(size)) std::abort();
  for (const file::Graph& graph : model.graphs) {
    check_ids(graph.inputs, graph.tensors.size(), 0);
    check_ids(graph.outputs, graph.tensors.size(), 0);
    for (const file::Operator& op : graph.operators) {
      check_ids(op.inputs, graph.tensors.size(), file::kAbsent);
      check_ids(op.outputs, graph.tensors.size(), 0);
    }
    for (const file::Tensor& tensor : graph.tensors) {
      if (tensor.scales.size() != tensor.zero_points.size()) std::abort();
      for (const char c : tensor.data) checksum += c;  // every byte can be reached
    }
  }
  return checksum == INT64_MIN;
}
