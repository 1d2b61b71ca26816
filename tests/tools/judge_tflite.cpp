// A .tflite in LiteRT, or another ONNX file, against an ONNX file in ONNX Runtime, on pictures: one line of
// JSON for scripts/real_models_tflite.py.
//   judge_tflite [--ties] REFERENCE.onnx FILE CONFIG.json PICTURES [LABELS.csv]
// The same file twice: what ONNX Runtime makes of it with its optimizations and without, which is how far
// apart two sound readings of one file may lie. Errors are relative to the range of an output over all
// pictures. With --ties they are given a second time without the elements that ONNX Runtime itself decides
// otherwise from one sound reading to the next: a model that compares floats (a detector that keeps what
// equals its neighbourhood's largest) leaves ties to the last bit, and there no file can be wrong.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/decibels.h"
#include "base/files.h"
#include "base/text.h"
#include "compare/labels.h"
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

using Answer = std::vector<std::vector<float>>;  // of one picture: every output in ONNX's order

// int8 moved up by half its range.
ir::Tensor moved_up(const ir::Tensor& tensor) {
  std::vector<uint8_t> values;
  for (const int8_t q : tensor.as<int8_t>()) values.push_back(static_cast<uint8_t>(q + 128));
  return ir::make_tensor(std::span<const uint8_t>(values), tensor.dims);
}

// The same model with unsigned weights. Kernels for uint8 activations and int8 weights saturate 16 bit sums
// on CPUs without VNNI, and then the figures would be the CPU's and not the file's.
ir::Graph with_unsigned_weights(ir::Graph graph) {
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const ir::Node node = graph.nodes[n];
    const ir::Tensor* weight =
        node.erased || node.op_type != "DequantizeLinear" ? nullptr : ir::constant_input(graph, node, 0);
    const ir::Tensor* zero = weight ? ir::constant_input(graph, node, 2) : nullptr;
    if (!zero || weight->dtype != ir::DType::kInt8) continue;
    const ir::Tensor weight_up = moved_up(*weight), zero_up = moved_up(*zero);
    const auto id = static_cast<ir::NodeId>(n);
    ir::set_input(graph, id, 0, ir::add_constant(graph, node.name + "/unsigned", weight_up));
    ir::set_input(graph, id, 2, ir::add_constant(graph, node.name + "/unsigned_zero", zero_up));
  }
  ir::remove_dead(graph);
  return graph;
}

std::vector<Answer> answers_of(const ir::Graph& graph, const std::vector<std::vector<ir::Tensor>>& pictures,
                               bool optimize = true) {
  run::OrtRunnerFactory runners(onnx_codec());
  const auto runner = runners.make(with_unsigned_weights(graph), {}, {kThreads, optimize, {}});
  std::vector<Answer> answers;
  for (const std::vector<ir::Tensor>& inputs : pictures) {
    Answer answer;
    for (const ir::Tensor& output : runner->run(inputs))
      answer.emplace_back(output.as<float>().begin(), output.as<float>().end());
    answers.push_back(std::move(answer));
  }
  return answers;
}

// What the file is beside its answers.
struct Shape {
  int64_t transposes = 0, operators = 0, bytes = 0;
  bool accelerated = false;
};

std::vector<Answer> lite_answers(const std::string& path, const ir::Graph& graph,
                                 const std::vector<std::vector<ir::Tensor>>& pictures, Shape& shape) {
  const tflite::file::Model model = tflite::file::read(path);
  const tflite::file::Graph& lite = model.graphs.at(0);
  const auto port = [&](tflite::file::TensorId id) -> const tflite::file::Tensor& {
    return lite.tensors.at(static_cast<size_t>(id));
  };
  std::vector<std::string> feeds(lite.inputs.size());
  for (const std::vector<ir::Tensor>& inputs : pictures)
    for (size_t k = 0; k < inputs.size(); ++k) feeds[k] += fed(inputs[k], port(lite.inputs[k]));
  std::vector<ir::Tensor> all;
  for (const std::string& bytes : feeds)
    all.push_back(ir::make_tensor(ir::DType::kInt8, bytes, {static_cast<int64_t>(bytes.size())}));
  const litert::Result found = litert::run(*model.bytes, all);
  std::vector<Answer> answers(pictures.size());
  for (size_t i = 0; i < pictures.size(); ++i)
    for (size_t o = 0; o < lite.outputs.size(); ++o) {
      const size_t each = found.outputs[o].size() / pictures.size();
      const std::string_view bytes = std::string_view(found.outputs[o]).substr(i * each, each);
      const ir::Value& output = graph.values[static_cast<size_t>(graph.outputs[o])];
      answers[i].push_back(
          as_onnx(floats_of(bytes, port(lite.outputs[o])), port(lite.outputs[o]), output.dims));
    }
  shape.transposes = std::count_if(lite.operators.begin(), lite.operators.end(),
                                   [](const auto& op) { return op.op == "TRANSPOSE"; });
  shape.operators = static_cast<int64_t>(lite.operators.size());
  shape.bytes = static_cast<int64_t>(model.bytes->size());
  shape.accelerated = found.fully_accelerated;
  return answers;
}

// The pictures with every number moved at random, by at most a 4096th of one step of 8 bits.
std::vector<std::vector<ir::Tensor>> nudged(std::vector<std::vector<ir::Tensor>> pictures, uint32_t state) {
  for (std::vector<ir::Tensor>& inputs : pictures)
    for (ir::Tensor& input : inputs) {
      if (input.dtype != ir::DType::kFloat) continue;
      std::vector<float> moved(input.as<float>().begin(), input.as<float>().end());
      const auto [low, high] = std::minmax_element(moved.begin(), moved.end());
      const float most = (*high - *low) / (255 * 4096);
      for (float& x : moved) {
        state = state * 1664525 + 1013904223;
        x += most * (static_cast<float>(state >> 8) / (1 << 23) - 1);
      }
      input = ir::make_tensor(std::span<const float>(moved), input.dims);
    }
  return pictures;
}

// Of one output over all pictures.
struct Figures {
  double low = INFINITY, high = -INFINITY, error = 0, signal = 0, noise = 0;

  double range() const { return std::max(high - low, 1e-3); }
};

void add(Figures& figures, const std::vector<float>& wanted, const std::vector<float>& got) {
  if (got.size() != wanted.size())
    throw Error(Exit::kBug, {"shapes", "outputs", "other sizes than ONNX's", ""});
  for (size_t k = 0; k < got.size(); ++k) {
    const double w = wanted[k], e = std::fabs(w - got[k]);
    figures.low = std::min(figures.low, w);
    figures.high = std::max(figures.high, w);
    figures.error = std::max(figures.error, e);
    figures.signal += w * w;
    figures.noise += e * e;
  }
}

constexpr double kSameReading = 1e-4;  // of the range
constexpr uint32_t kNudges = 8;

// Elements that ONNX Runtime does not decide, and the largest error of the others relative to the range.
struct Decided {
  int64_t elements = 0, undecided = 0;
  double error = 0;
};

Decided without_ties(const ir::Graph& graph, const std::vector<std::vector<ir::Tensor>>& pictures,
                     const std::vector<Answer>& wanted, const std::vector<Answer>& got,
                     const std::vector<Figures>& figures) {
  std::vector<std::vector<Answer>> readings{answers_of(graph, pictures, false)};
  for (uint32_t seed = 1; seed <= kNudges; ++seed)
    readings.push_back(answers_of(graph, nudged(pictures, seed)));
  Decided decided;
  for (size_t i = 0; i < wanted.size(); ++i)
    for (size_t o = 0; o < figures.size(); ++o)
      for (size_t k = 0; k < wanted[i][o].size(); ++k) {
        const double range = figures[o].range(), w = wanted[i][o][k];
        const bool same = std::all_of(readings.begin(), readings.end(), [&](const auto& reading) {
          return std::fabs(reading[i][o][k] - w) <= kSameReading * range;
        });
        ++decided.elements;
        decided.undecided += !same;
        if (same) decided.error = std::max(decided.error, std::fabs(got[i][o][k] - w) / range);
      }
  return decided;
}

int64_t chosen(const std::vector<float>& values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

int judge(const std::string& reference, const std::string& file, const std::string& settings,
          const std::string& pictures, const Labels& labels, bool ties) {
  Diagnostics ignored;
  const ir::Graph graph = onnx_io::read(reference, ignored);
  const config::CoreConfig config =
      config::load(settings, {{"/representative_dataset/path", '"' + pictures + '"'}}, ignored);
  const auto source = open_images(graph, config, ignored, kThreads);
  std::vector<std::vector<ir::Tensor>> inputs;
  for (int64_t i = 0; i < source->size(); ++i) inputs.push_back(source->load(i));
  const std::vector<Answer> wanted = answers_of(graph, inputs);
  Shape shape;
  std::vector<Answer> got;
  if (file.ends_with(".onnx"))
    got = answers_of(onnx_io::read(file, ignored), inputs, file != reference);
  else
    got = lite_answers(file, with_shapes_of(graph, inputs.at(0), onnx_codec()), inputs, shape);

  std::vector<Figures> figures(got.at(0).size());
  int64_t agreeing = 0, right = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    for (size_t o = 0; o < figures.size(); ++o) add(figures[o], wanted[i][o], got[i][o]);
    agreeing += chosen(wanted[i][0]) == chosen(got[i][0]);
    const auto label = labels.find(source->name(static_cast<int64_t>(i)));
    right += label != labels.end() && label->second == chosen(got[i][0]);
  }
  double error = 0, db = 1e3;
  for (const Figures& f : figures) {
    error = std::max(error, f.error / f.range());
    db = std::min(db, decibels(f.signal / std::max(f.noise, 1e-30)));
  }
  Decided decided;
  if (ties) decided = without_ties(graph, inputs, wanted, got, figures);
  const auto count = static_cast<double>(wanted.size());
  std::printf(
      "{\"error\": %.3g, \"db\": %.2f, \"agreement\": %.4f, \"transposes\": %ld, \"operators\": %ld, "
      "\"accelerated\": %s, \"bytes\": %ld, \"top1\": %.4f",
      error, db, static_cast<double>(agreeing) / count, static_cast<long>(shape.transposes),
      static_cast<long>(shape.operators), shape.accelerated ? "true" : "false",
      static_cast<long>(shape.bytes), static_cast<double>(right) / count);
  if (ties)
    std::printf(", \"decided_error\": %.3g, \"undecided\": %ld, \"elements\": %ld", decided.error,
                static_cast<long>(decided.undecided), static_cast<long>(decided.elements));
  std::printf("}\n");
  return 0;
}

}  // namespace
}  // namespace qc

int main(int argc, char** argv) {
  const bool ties = argc > 1 && std::string(argv[1]) == "--ties";
  argc -= ties;
  argv += ties;
  if (argc != 5 && argc != 6) {
    std::fprintf(stderr, "judge_tflite [--ties] REFERENCE.onnx FILE CONFIG.json PICTURES [LABELS.csv]\n");
    return 1;
  }
  try {
    const qc::Labels labels = argc == 6 ? qc::parse_labels(qc::read_file(argv[5]), argv[5]) : qc::Labels{};
    return qc::judge(argv[1], argv[2], argv[3], argv[4], labels, ties);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}
