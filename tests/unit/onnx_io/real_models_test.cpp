// The real models through the door and back: nothing may change, to the last bit.
#include <catch2/catch.hpp>

#include "base/files.h"
#include "onnx_io/onnx_io.h"
#include "unit/onnx_io/ort_try.h"

using namespace qc;

TEST_CASE("real models read and written give bit-equal outputs", "[onnx_io][real]") {
  for (const std::string& path : ort_try::real_models()) {
    INFO(path);
    const std::string original = read_file(path);
    Diagnostics diagnostics;
    const ir::Graph graph = onnx_io::read(path, diagnostics);
    ir::verify(graph);
    const auto inputs = ort_try::random_inputs(original);
    const auto expected = ort_try::run(original, inputs);
    for (const bool for_runtime : {false, true}) {
      const auto got = ort_try::run(onnx_io::write(graph, for_runtime), inputs);
      REQUIRE(got.size() == expected.size());
      for (size_t i = 0; i < got.size(); ++i) CHECK(ir::equal(got[i], expected[i]));
    }
    const std::string written = onnx_io::write(graph);
    CHECK(onnx_io::write(onnx_io::parse(written, "", diagnostics)) == written);
  }
}
