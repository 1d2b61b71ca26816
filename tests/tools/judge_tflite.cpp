// A .tflite in LiteRT against an ONNX file in ONNX Runtime, on pictures: one line of JSON for
// scripts/real_models_tflite.py.
//   judge_tflite REFERENCE.onnx FILE.tflite CONFIG.json PICTURES [LABELS.csv]
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/files.h"
#include "base/text.h"
#include "labels.h"
#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "run/ort_runner.h"
#include "support/litert.h"
#include "tflite/layout.h"
#include "tflite/read.h"

namespace qc {
namespace {

constexpr int kThreads = 2;

// A float tensor as the .tflite takes it: channels last where its shape says so, rounded where its type does.
std::string fed(const ir::Tensor& tensor, const tflite::file::Tensor& port) {
  const bool same = tensor.dims == port.dims;
  const ir::Tensor moved =
      same ? tensor : tflite::transposed(tensor, tflite::channels_last(tensor.dims.size()));
  if (port.type == "FLOAT32") return *moved.bytes;
  const bool is_signed = port.type == "INT8";
  std::string bytes;
  for (const float x : moved.as<float>()) {
    const float q = std::nearbyint(x / port.scales.at(0)) + static_cast<float>(port.zero_points.at(0));
    const float limited = std::clamp(q, is_signed ? -128.0f : 0.0f, is_signed ? 127.0f : 255.0f);
    bytes += static_cast<char>(static_cast<int>(limited));
  }
  return bytes;
}

std::vector<float> floats_of(std::string_view bytes, const tflite::file::Tensor& port) {
  std::vector<float> values;
  if (port.type == "FLOAT32") {
    const auto* f = reinterpret_cast<const float*>(bytes.data());
    return {f, f + bytes.size() / sizeof(float)};
  }
  for (const char c : bytes) {
    const int q = port.type == "INT8" ? static_cast<signed char>(c) : static_cast<unsigned char>(c);
    values.push_back(static_cast<float>(q - port.zero_points.at(0)) * port.scales.at(0));
  }
  return values;
}

// Channels-last numbers in the order of ONNX's dimensions.
std::vector<float> as_onnx(std::vector<float> values, const tflite::file::Tensor& port,
                           const std::vector<int64_t>& dims) {
  if (port.dims == dims || dims.size() < 3) return values;
  const int last = static_cast<int>(dims.size()) - 1;
  std::vector<int> order{0, last};
  for (int d = 1; d < last; ++d) order.push_back(d);
  const ir::Tensor moved =
      tflite::transposed(ir::make_tensor(std::span<const float>(values), port.dims), order);
  return {moved.as<float>().begin(), moved.as<float>().end()};
}

struct Figures {
  double largest = 1e-3, error = 0, signal = 0, noise = 0;
};

int judge(const std::string& reference, const std::string& file, const std::string& settings,
          const std::string& pictures, const Labels& labels) {
  Diagnostics ignored;
  const ir::Graph graph = onnx_io::read(reference, ignored);
  const config::CoreConfig config =
      config::load(settings, {{"/representative_dataset/path", '"' + pictures + '"'}}, ignored);
  const auto source = open_images(graph, config, ignored, kThreads);
  const auto runner = run::run_file(reference, kThreads);
  const tflite::file::Model model = tflite::file::read(file);
  const tflite::file::Graph& lite = model.graphs.at(0);
  const auto port = [&](tflite::file::TensorId id) -> const tflite::file::Tensor& {
    return lite.tensors.at(static_cast<size_t>(id));
  };

  std::vector<std::string> feeds(lite.inputs.size());
  std::vector<std::vector<ir::Tensor>> expected;
  for (int64_t i = 0; i < source->size(); ++i) {
    const std::vector<ir::Tensor> inputs = source->load(i);
    for (size_t k = 0; k < inputs.size(); ++k) feeds[k] += fed(inputs[k], port(lite.inputs[k]));
    expected.push_back(runner->run(inputs));
  }
  std::vector<ir::Tensor> all;
  for (const std::string& bytes : feeds)
    all.push_back(ir::make_tensor(ir::DType::kInt8, bytes, {static_cast<int64_t>(bytes.size())}));
  const litert::Result found = litert::run(*model.bytes, all);

  std::vector<Figures> figures(lite.outputs.size());
  int64_t agreeing = 0, right = 0;
  for (size_t i = 0; i < expected.size(); ++i)
    for (size_t o = 0; o < lite.outputs.size(); ++o) {
      const size_t each = found.outputs[o].size() / expected.size();
      const std::vector<float> got =
          as_onnx(floats_of(std::string_view(found.outputs[o]).substr(i * each, each), port(lite.outputs[o])),
                  port(lite.outputs[o]), expected[i][o].dims);
      const auto want = expected[i][o].as<float>();
      if (got.size() != want.size())
        throw Error(Exit::kBug, {"shapes", port(lite.outputs[o]).name, "other sizes than ONNX's", ""});
      for (size_t k = 0; k < got.size(); ++k) {
        const double w = want[k], e = std::fabs(w - got[k]);
        figures[o].largest = std::max(figures[o].largest, std::fabs(w));
        figures[o].error = std::max(figures[o].error, e);
        figures[o].signal += w * w;
        figures[o].noise += e * e;
      }
      if (o > 0) continue;
      const auto chosen = std::max_element(got.begin(), got.end()) - got.begin();
      agreeing += std::max_element(want.begin(), want.end()) - want.begin() == chosen;
      const auto label = labels.find(source->name(static_cast<int64_t>(i)));
      right += label != labels.end() && label->second == chosen;
    }
  double error = 0, db = 1e3;
  for (const Figures& f : figures) {
    error = std::max(error, f.error / f.largest);
    db = std::min(db, 10 * std::log10(f.signal / std::max(f.noise, 1e-30)));
  }
  const auto transposes = std::count_if(lite.operators.begin(), lite.operators.end(),
                                        [](const auto& op) { return op.op == "TRANSPOSE"; });
  std::printf(
      "{\"error\": %.3g, \"db\": %.2f, \"agreement\": %.4f, \"transposes\": %ld, \"operators\": %zu, "
      "\"accelerated\": %s, \"bytes\": %zu, \"top1\": %.4f}\n",
      error, db, static_cast<double>(agreeing) / static_cast<double>(expected.size()),
      static_cast<long>(transposes), lite.operators.size(), found.fully_accelerated ? "true" : "false",
      model.bytes->size(), static_cast<double>(right) / static_cast<double>(expected.size()));
  return 0;
}

}  // namespace
}  // namespace qc

int main(int argc, char** argv) {
  if (argc != 5 && argc != 6) {
    std::fprintf(stderr, "judge_tflite REFERENCE.onnx FILE.tflite CONFIG.json PICTURES [LABELS.csv]\n");
    return 1;
  }
  try {
    const qc::Labels labels = argc == 6 ? qc::parse_labels(qc::read_file(argv[5]), argv[5]) : qc::Labels{};
    return qc::judge(argv[1], argv[2], argv[3], argv[4], labels);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}
