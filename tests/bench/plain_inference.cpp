// The yardstick of calibration: the same pictures decoded and resized by the same code, the float model run
// on them as it stands, images side by side on as many threads, and nothing else. The input's shape is an
// argument so that the model is read by the runtime alone: peak memory is then that of inference.
// scripts/bench.py runs it.
//
//   plain_inference MODEL CONFIG INPUT DIMS THREADS      DIMS: 1,3,224,224, -1 where free
//
// Prints {"images": n, "seconds": s}, the session's making included, as in the calibration stage.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "config/core_config.h"
#include "images/image_source.h"
#include "run/ort_runner.h"

namespace {

using namespace qc;

std::vector<int64_t> dims_of(const std::string& text) {
  std::vector<int64_t> dims;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) dims.push_back(std::stoll(word));
  return dims;
}

void bench(const std::string& model, const std::string& config_file, const images::InputSpec& input,
           int threads) {
  Diagnostics diagnostics;
  const config::CoreConfig config = config::load(config_file, {}, diagnostics);
  images::SourceOptions options;
  options.folder = config.representative_dataset.path;
  options.max_images = config.representative_dataset.max_images;
  options.preprocess = config.representative_dataset.preprocess;
  options.threads = threads;
  const auto source = images::open_folder(options, {input}, diagnostics);

  const auto begin = std::chrono::steady_clock::now();
  const auto runner = run::run_file(model, 1);
  parallel_for(source->size(), threads, [&](int64_t i, int) { runner->run(source->load(i)); });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("{\"images\": %lld, \"seconds\": %.4f}\n", static_cast<long long>(source->size()),
              took.count());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: plain_inference MODEL CONFIG INPUT DIMS THREADS\n");
    return 1;
  }
  try {
    bench(argv[1], argv[2], {argv[3], ir::DType::kFloat, dims_of(argv[4])}, std::atoi(argv[5]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "plain_inference: %s\n", error.what());
    return 1;
  }
  return 0;
}
