// Modes without a plan on recurrent layers and attention: stock ONNX Runtime says how far the file is from
// float.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "base/files.h"
#include "pipeline.h"
#include "unit/onnx_io/ort_try.h"

namespace qc {
namespace {

double sqnr_db(const ir::Tensor& exact, const ir::Tensor& rounded) {
  double signal = 0, noise = 0;
  for (size_t i = 0; i < exact.as<float>().size(); ++i) {
    signal += std::pow(double{exact.as<float>()[i]}, 2);
    noise += std::pow(double{exact.as<float>()[i]} - double{rounded.as<float>()[i]}, 2);
  }
  return 10 * std::log10(signal / std::max(noise, 1e-30));
}

TEST_CASE("recurrent layers and attention with int8 weights and with rounding at run time") {
  struct Case {
    const char *mode, *model;
    double least_db;
  };
  const auto one = GENERATE(values<Case>({{"weight_only", "lstm", 30},
                                          {"weight_only", "gru", 30},
                                          {"weight_only", "attention", 30},
                                          {"dynamic", "lstm", 20},
                                          {"dynamic", "gru", 20},
                                          {"dynamic", "attention", 20}}));
  CAPTURE(one.mode, one.model);
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("qconvert-modes-test-" + std::to_string(::getpid()));
  ConvertOptions options;
  options.model =
      std::filesystem::path(QCONVERT_TESTS) / "data/quantized" / (std::string(one.model) + ".onnx");
  options.overrides.push_back({"/mode", std::string("\"") + one.mode + "\""});
  options.output_folder = folder;
  options.threads = 1;
  convert(options);
  const std::string model = read_file(options.model);
  const std::string written = read_file(folder / (std::string(one.model) + ".quant.onnx"));
  std::filesystem::remove_all(folder);
  for (const unsigned seed : {1u, 2u}) {
    const std::vector<ir::Tensor> inputs = ort_try::random_inputs(model, seed);
    const double db = sqnr_db(ort_try::run(model, inputs)[0],
                              ort_try::run(written, inputs, ort_try::Optimize::kExtended)[0]);
    CHECK(db >= one.least_db);
    CHECK(db < 80);  // something was rounded
  }
}

}  // namespace
}  // namespace qc
