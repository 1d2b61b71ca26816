// See execute.h.
#include "tflite/execute.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "tflite/kernels.h"
#include "tflite/wide.h"

namespace qc::tflite {
namespace {

using file::kAbsent;
using file::TensorId;
using kernels::Value;

constexpr const char* kUseRuntime =
    "run this file in LiteRT itself; the model of its arithmetic covers int8, int16x8 and float files";

kernels::Kernel kernel_in(std::span<const kernels::KernelRow> table, const std::string& op) {
  const auto row =
      std::find_if(table.begin(), table.end(), [&](const kernels::KernelRow& r) { return r.op == op; });
  return row == table.end() ? nullptr : row->run;
}

kernels::Kernel kernel_of(const std::string& op) {
  for (const auto table : {kernels::window_kernels(), kernels::matrix_kernels(), kernels::binary_kernels(),
                           kernels::unary_kernels(), kernels::logic_kernels(), kernels::reduction_kernels(),
                           kernels::shape_kernels(), kernels::resize_kernels()})
    if (const kernels::Kernel kernel = kernel_in(table, op)) return kernel;
  return nullptr;
}

std::string place_of(const std::string& place, size_t index, const file::Operator& op) {
  return format("{}: operator {} ({})", place, index, op.op);
}

// Whether a kernel can count with it: scales that are numbers, zero points that the type can hold.
bool sound_quantization(const file::Tensor& tensor) {
  const bool narrow = tensor.dtype == ir::DType::kInt8 || tensor.dtype == ir::DType::kUint8;
  const int64_t low = tensor.dtype == ir::DType::kUint8 ? 0
                      : narrow                          ? -128
                                                        : -32768,
                high = narrow ? low + 255 : 65535;
  return std::all_of(tensor.scales.begin(), tensor.scales.end(),
                     [](float s) { return std::isnormal(s) && s > 0; }) &&
         std::all_of(tensor.zero_points.begin(), tensor.zero_points.end(),
                     [&](int64_t z) { return z >= low && z <= high; });
}

// Bytes that a value of this type and shape takes; 0 for types without a width.
size_t bytes_of(const file::Tensor& tensor) {
  return static_cast<size_t>((ir::element_count(tensor.shape) * ir::bits_of(tensor.dtype) + 7) / 8);
}

struct Run {
  const file::Graph& graph;
  std::vector<Value> values;
  std::vector<int64_t> readers;  // how many operators still want a value
  std::string place;

  Value& value(TensorId id) { return values[id]; }
};

// Constants whose bytes stand where their type may not are copied to where it may.
void place_constants(Run& run) {
  constexpr uintptr_t kAlignment = 8;
  for (size_t i = 0; i < run.values.size(); ++i) {
    Value& value = run.values[i];
    value.about = &run.graph.tensors[i];
    value.bytes = value.about->data;
    if (reinterpret_cast<uintptr_t>(value.bytes.data()) % kAlignment == 0) continue;
    value.own.assign(value.bytes);
    value.bytes = value.own;
  }
}

void count_readers(Run& run, std::span<const TensorId> also) {
  run.readers.assign(run.values.size(), 0);
  for (const file::Operator& op : run.graph.operators) {
    for (const TensorId id : op.inputs) {
      if (id != kAbsent) ++run.readers[id];
    }
  }
  for (const TensorId id : run.graph.outputs) ++run.readers[id];
  for (const TensorId id : also) ++run.readers[id];
}

void run_operator(Run& run, size_t index, kernels::Rounding rounding) {
  const file::Operator& op = run.graph.operators[index];
  kernels::Call call{op, place_of(run.place, index, op), {}, {}, rounding};
  for (const TensorId id : op.inputs) {
    call.in.push_back(id == kAbsent ? nullptr : &run.value(id));
    if (id != kAbsent)
      kernels::require(call, run.value(id).bytes.size() == bytes_of(run.graph.tensors[id]),
                       "an input is used before it is computed");
  }
  for (const TensorId id : op.outputs) {
    Value& out = run.value(id);
    kernels::require(call, out.about->data.empty(), "it writes to a constant");
    out.own.assign(bytes_of(*out.about), '\0');
    out.bytes = out.own;
    call.out.push_back(&out);
  }
  if (kernels::computes_wide(call, kernel_in(kernels::shape_kernels(), op.op) != nullptr))
    kernels::run_wide(call, kernel_of(op.op));
  else
    kernel_of(op.op)(call);
  for (Value* out : call.out) out->bytes = out->own;
  for (const TensorId id : op.inputs) {  // what nobody wants any more leaves
    if (id == kAbsent || --run.readers[id] > 0 || !run.value(id).about->data.empty()) continue;
    run.value(id).own = std::string();
    run.value(id).bytes = {};
  }
}

ir::Tensor tensor_of(const Value& value) {
  return ir::make_tensor(value.dtype(), std::string(value.bytes), value.shape());
}

}  // namespace

void check_executable(const file::Model& model, const std::string& place) {
  Diagnostics diagnostics;
  const file::Graph& graph = model.graphs[0];
  for (size_t i = 0; i < graph.operators.size(); ++i) {
    if (!kernel_of(graph.operators[i].op))
      diagnostics.error({"tflite-arithmetic", place_of(place, i, graph.operators[i]),
                         "there is no model of its arithmetic", kUseRuntime});
  }
  for (const file::Tensor& tensor : graph.tensors) {
    constexpr int64_t kMostElements = int64_t{1} << 31;
    int64_t elements = 1;
    for (const int64_t dim : tensor.shape) {
      if (__builtin_mul_overflow(elements, dim, &elements) || elements > kMostElements)
        elements = kMostElements + 1;
    }
    const bool too_large = elements > kMostElements;
    if (!sound_quantization(tensor))
      diagnostics.error({"tflite-quantization", format("{}: tensor '{}'", place, tensor.name),
                         "a scale is no positive number, or a zero point is outside its type",
                         "write the file again with its converter"});
    if (tensor.sparse || tensor.other_quantization || tensor.variable || too_large)
      diagnostics.error({"tflite-arithmetic", format("{}: tensor '{}'", place, tensor.name),
                         too_large ? "it is too large" : "it is sparse, blockwise or a variable",
                         kUseRuntime});
  }
  diagnostics.throw_if_errors(Exit::kUnsupported);
}

std::vector<ir::Tensor> execute(const file::Model& model, std::span<const ir::Tensor> inputs,
                                kernels::Rounding rounding, const std::string& place) {
  return execute(model, inputs, rounding, place, {});
}

std::vector<ir::Tensor> execute(const file::Model& model, std::span<const ir::Tensor> inputs,
                                kernels::Rounding rounding, const std::string& place,
                                std::span<const TensorId> also) {
  check_executable(model, place);
  const file::Graph& graph = model.graphs[0];
  Run run{graph, std::vector<Value>(graph.tensors.size()), {}, place};
  place_constants(run);
  count_readers(run, also);
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    Value& value = run.value(graph.inputs[i]);
    if (i >= inputs.size() || inputs[i].bytes->size() != bytes_of(*value.about) ||
        inputs[i].dtype != value.dtype())
      throw Error(Exit::kInput, {"tflite-input", format("{}: input '{}'", place, value.about->name),
                                 "what is given has another type or size",
                                 format("give {} [{}]", value.about->type, fmt::join(value.shape(), ","))});
    value.own.assign(*inputs[i].bytes);
    value.bytes = value.own;
  }
  for (size_t i = 0; i < graph.operators.size(); ++i) run_operator(run, i, rounding);
  std::vector<ir::Tensor> results;
  for (const TensorId id : graph.outputs) results.push_back(tensor_of(run.value(id)));
  for (const TensorId id : also) results.push_back(tensor_of(run.value(id)));
  return results;
}

bool is_quantized_port(ir::DType dtype) {
  return dtype == ir::DType::kInt8 || dtype == ir::DType::kUint8 || dtype == ir::DType::kInt16;
}

ir::Tensor quantized(const ir::Tensor& real, const file::Tensor& as) {
  const bool wide = as.dtype == ir::DType::kInt16, unsigned_8 = as.dtype == ir::DType::kUint8;
  if (real.dtype != ir::DType::kFloat || as.scales.empty() || !is_quantized_port(as.dtype)) return real;
  const float low = wide ? -32768.0f : unsigned_8 ? 0.0f : -128.0f, high = low + (wide ? 65535.0f : 255.0f);
  const auto zero = static_cast<float>(as.zero_points[0]);
  std::string bytes;
  for (const float x : real.as<float>()) {
    const float q = std::isnan(x) ? low : std::clamp(std::round(x / as.scales[0]) + zero, low, high);
    const auto integer = static_cast<int32_t>(q);
    bytes.append(reinterpret_cast<const char*>(&integer), wide ? 2 : 1);
  }
  return ir::make_tensor(as.dtype, std::move(bytes), real.dims);
}

ir::Tensor dequantized(const ir::Tensor& integers, const file::Tensor& as) {
  if (as.scales.empty() || !is_quantized_port(integers.dtype)) return integers;
  file::Tensor about = as;
  about.shape = integers.dims;
  return ir::make_tensor(kernels::reals_of({&about, {}, *integers.bytes}), integers.dims);
}

}  // namespace qc::tflite
