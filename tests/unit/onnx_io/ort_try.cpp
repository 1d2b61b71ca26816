// See ort_try.h.
#include "unit/onnx_io/ort_try.h"

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <random>

namespace qc::ort_try {
namespace {

Ort::Env& environment() {
  static Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "tests");
  return env;
}

Ort::Session open(std::string_view model, Optimize optimize, const std::string& optimized_file) {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  options.SetGraphOptimizationLevel(optimize == Optimize::kNone ? ORT_DISABLE_ALL : ORT_ENABLE_EXTENDED);
  if (!optimized_file.empty()) options.SetOptimizedModelFilePath(optimized_file.c_str());
  return Ort::Session(environment(), model.data(), model.size(), options);
}

ir::Tensor random_tensor(ir::DType type, std::vector<int64_t> dims, std::mt19937& random, float low,
                         float high) {
  const auto count = static_cast<size_t>(ir::element_count(dims));
  if (type == ir::DType::kFloat) {
    std::vector<float> values(count);
    for (float& v : values)
      v = low + (high - low) * static_cast<float>(random() >> 8) / static_cast<float>(1 << 24);
    return ir::make_tensor(values, std::move(dims));
  }
  std::string bytes(count * static_cast<size_t>(ir::bits_of(type)) / 8, '\0');
  const size_t width = bytes.size() / std::max<size_t>(count, 1);
  for (size_t i = 0; i < count; ++i)
    bytes[i * width] = static_cast<char>(random() % (type == ir::DType::kBool ? 2 : 3));
  return ir::make_tensor(type, std::move(bytes), std::move(dims));
}

}  // namespace

std::vector<ir::Tensor> random_inputs(std::string_view model, unsigned seed, float low, float high) {
  Ort::Session session = open(model, Optimize::kNone, "");
  std::mt19937 random(seed);
  std::vector<ir::Tensor> inputs;
  for (size_t i = 0; i < session.GetInputCount(); ++i) {
    const auto type = session.GetInputTypeInfo(i);
    const auto info = type.GetTensorTypeAndShapeInfo();
    std::vector<int64_t> dims = info.GetShape();
    for (size_t d = 0; d < dims.size(); ++d)
      if (dims[d] < 0) dims[d] = d == 0 ? 1 : 64;
    inputs.push_back(random_tensor(static_cast<ir::DType>(info.GetElementType()), dims, random, low, high));
  }
  return inputs;
}

std::vector<ir::Tensor> run(std::string_view model, const std::vector<ir::Tensor>& inputs, Optimize optimize,
                            const std::string& optimized_file) {
  Ort::Session session = open(model, optimize, optimized_file);
  Ort::AllocatorWithDefaultOptions allocator;
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  std::vector<std::string> names;
  for (size_t i = 0; i < session.GetInputCount(); ++i)
    names.push_back(session.GetInputNameAllocated(i, allocator).get());
  for (size_t i = 0; i < session.GetOutputCount(); ++i)
    names.push_back(session.GetOutputNameAllocated(i, allocator).get());
  std::vector<const char*> pointers;
  for (const std::string& name : names) pointers.push_back(name.c_str());
  std::vector<Ort::Value> values;
  for (const ir::Tensor& t : inputs)
    values.push_back(Ort::Value::CreateTensor(memory, const_cast<char*>(t.bytes->data()), t.bytes->size(),
                                              t.dims.data(), t.dims.size(),
                                              static_cast<ONNXTensorElementDataType>(t.dtype)));
  const size_t in = session.GetInputCount();
  auto results = session.Run(Ort::RunOptions{}, pointers.data(), values.data(), in, pointers.data() + in,
                             names.size() - in);
  std::vector<ir::Tensor> outputs;
  for (const Ort::Value& result : results) {
    const auto info = result.GetTensorTypeAndShapeInfo();
    const auto type = static_cast<ir::DType>(info.GetElementType());
    const size_t size = info.GetElementCount() * static_cast<size_t>(ir::bits_of(type)) / 8;
    outputs.push_back(ir::make_tensor(
        type, std::string(static_cast<const char*>(result.GetTensorRawData()), size), info.GetShape()));
  }
  return outputs;
}

double max_relative_error(const ir::Tensor& a, const ir::Tensor& b) {
  if (a.dtype != b.dtype || a.dims != b.dims) return 1e30;
  if (a.dtype != ir::DType::kFloat) return *a.bytes == *b.bytes ? 0 : 1e30;
  double largest = 0, difference = 0;
  for (size_t i = 0; i < a.as<float>().size(); ++i) {
    largest = std::max<double>(largest, std::abs(a.as<float>()[i]));
    const double d = std::abs(double{a.as<float>()[i]} - double{b.as<float>()[i]});
    difference = d == d ? std::max(difference, d) : 1e30;
  }
  return difference == 0 ? 0 : difference / std::max(largest, 1e-30);
}

std::vector<std::string> real_models() {
  std::vector<std::string> paths;
  const char* folder = std::getenv("QCONVERT_TEST_DATA");
  if (!folder) return paths;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(folder) / "models"))
    if (entry.path().extension() == ".onnx") paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace qc::ort_try
