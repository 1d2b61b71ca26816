// A first config for a model: what it says must be what the parser takes.
#include "config_for.h"

#include <catch2/catch.hpp>

#include "base/files.h"
#include "config/core_config.h"
#include "onnx_io/onnx_io.h"
#include "support/tiny_models.h"

namespace qc {
namespace {

struct Read {
  std::string text;
  config::CoreConfig config;
};

// The model's inputs by shape; all are multiplied by one and joined into outputs.
Read config_of(const std::vector<std::vector<int64_t>>& shapes) {
  ir::Graph g = tiny::graph();
  for (size_t i = 0; i < shapes.size(); ++i) {
    const std::string number = std::to_string(i);
    tiny::output(g, tiny::relu(g, tiny::input(g, "in" + number, shapes[i])), "out" + number);
  }
  const TemporaryFile file(".onnx");
  write_file_atomically(file.path(), onnx_io::write(g));
  Read read{config_for(file.path()), {}};
  Diagnostics diagnostics;
  read.config = config::parse(read.text, "config.json", {}, diagnostics);
  CHECK(diagnostics.warnings.empty());
  return read;
}

TEST_CASE("a picture model's size and colours are filled in, in either order of dimensions", "[config]") {
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{1, 3, 96, 128}, {-1, 96, 128, 3}}) {
    const Read read = config_of({shape});
    CHECK(read.text.find("{\"stretch\": [96, 128]}") != std::string::npos);
    CHECK(read.text.find("\"color\": \"RGB\"") != std::string::npos);
    CHECK(read.config.gates.min_sqnr_db == 15.0);
    CHECK(read.config.input_shapes.empty());
  }
  CHECK(config_of({{1, 1, 28, 28}}).text.find("\"GRAY\"") != std::string::npos);
}

TEST_CASE("sizes that the model leaves open are asked for", "[config]") {
  const Read read = config_of({{-1, 3, -1, -1}});
  CHECK(read.text.find("\"resize\": \"none\"") != std::string::npos);
  REQUIRE(read.config.input_shapes.contains("in0"));
  CHECK(read.config.input_shapes.at("in0") == std::vector<int64_t>{-1, 3, -1, -1});
}

TEST_CASE("inputs beside the picture come from a file of their own, tensors alone from .npy", "[config]") {
  const Read two = config_of({{1, 10}, {1, 3, 8, 8}});
  CHECK(two.config.representative_dataset.input == "in1");
  CHECK(two.config.representative_dataset.other_inputs.filename() == "other_inputs.npz");
  const Read none = config_of({{1, 10}});
  CHECK(none.text.find(".npy") != std::string::npos);
  CHECK(none.text.find("preprocess") == std::string::npos);
}

}  // namespace
}  // namespace qc
