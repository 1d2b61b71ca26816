// Reads a model through the library and says what it is.
#include <cstdio>

#include "onnx_io/onnx_io.h"
#include "version.h"

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  qc::Diagnostics diagnostics;
  const qc::ir::Graph graph = qc::onnx_io::read(argv[1], diagnostics);
  std::printf("qconvert %s reads %zu nodes\n", qc::qconvert_version().c_str(), graph.nodes.size());
  return 0;
}
