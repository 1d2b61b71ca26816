// Any bytes as a model: reading either refuses with a proper error or gives a sound graph that can be
// written, read again to the same bytes, and raised or left alone. External data is looked for in a folder
// that does not exist, so no input can reach a file of this machine.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "ir/graph.h"
#include "onnx_io/onnx_io.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  qc::Diagnostics diagnostics;
  qc::ir::Graph graph;
  try {
    graph = qc::onnx_io::parse(bytes, "/nonexistent", diagnostics);
    qc::onnx_io::check_convertible(graph, "fuzz.onnx");
  } catch (const qc::Error& error) {
    if (error.exit == qc::Exit::kBug) std::abort();
    return 0;
  }
  // From here on nothing may throw: the graph was accepted.
  qc::ir::verify(graph);
  qc::ir::dump(graph);
  const std::string written = qc::onnx_io::write(graph);
  const qc::ir::Graph again = qc::onnx_io::parse(written, "/nonexistent", diagnostics);
  if (qc::onnx_io::write(again) != written) std::abort();
  for (const int64_t version : {13, 21}) {
    if (qc::onnx_io::raise_opset(graph, version, diagnostics)) qc::ir::verify(graph);
  }
  return 0;
}
