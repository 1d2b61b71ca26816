// See taps.h.
#include "run/taps.h"

#include <algorithm>
#include <exception>

#include "base/text.h"

namespace qc::run {
namespace {

using Taps = std::vector<Tap>;

struct Kernel {
  Kernel(const Taps& taps, const OrtKernelInfo* info)
      : tap(taps.at(static_cast<size_t>(Ort::ConstKernelInfo(info).GetAttribute<int64_t>("tap")))) {}
  const Tap& tap;

  // Looks at input 0; runs the tap's function with its shape.
  template <typename Call>
  void guarded(OrtKernelContext* raw, const Call& call) {
    try {
      Ort::KernelContext context(raw);
      const Ort::ConstValue input = context.GetInput(0);
      const auto info = input.GetTensorTypeAndShapeInfo();
      const std::vector<int64_t> dims = info.GetShape();
      const std::span<const float> tensor(input.GetTensorData<float>(), info.GetElementCount());
      call(context, tensor, dims);
    } catch (...) {
      if (!current_failure()) current_failure() = std::current_exception();
    }
  }
};

struct ObserveKernel : Kernel {
  using Kernel::Kernel;
  void Compute(OrtKernelContext* raw) {
    guarded(raw,
            [&](Ort::KernelContext& context, std::span<const float> tensor, std::span<const int64_t> dims) {
              *context.GetOutput(0, std::vector<int64_t>{}).GetTensorMutableData<float>() = 0;
              if (!current_failure()) tap.observe(current_slot(), tensor, dims);
            });
  }
};

struct TransformKernel : Kernel {
  using Kernel::Kernel;
  void Compute(OrtKernelContext* raw) {
    guarded(raw,
            [&](Ort::KernelContext& context, std::span<const float> tensor, std::span<const int64_t> dims) {
              float* out = context.GetOutput(0, dims.data(), dims.size()).GetTensorMutableData<float>();
              if (!current_failure()) tap.transform(current_slot(), tensor, {out, tensor.size()}, dims);
            });
  }
};

template <typename Op, typename KernelType>
struct TapOp : Ort::CustomOpBase<Op, KernelType> {
  explicit TapOp(const Taps& list) : taps(list) {}
  const Taps& taps;
  void* CreateKernel(const OrtApi&, const OrtKernelInfo* info) const { return new KernelType(taps, info); }
  size_t GetInputTypeCount() const { return 1; }
  ONNXTensorElementDataType GetInputType(size_t) const { return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT; }
  size_t GetOutputTypeCount() const { return 1; }
  ONNXTensorElementDataType GetOutputType(size_t) const { return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT; }
};

struct ObserveOp : TapOp<ObserveOp, ObserveKernel> {
  using TapOp::TapOp;
  const char* GetName() const { return "Observe"; }
  static OrtStatusPtr InferOutputShape(Ort::ShapeInferContext& context) {
    return context.SetOutputShape(0, {}).release();
  }
};

struct TransformOp : TapOp<TransformOp, TransformKernel> {
  explicit TransformOp(const Taps& list) : TapOp(list) {
    OrtCustomOp::GetMayInplace = [](int** inputs, int** outputs) -> size_t {
      static int input_index[] = {0}, output_index[] = {0};
      *inputs = input_index;
      *outputs = output_index;
      return 1;
    };
    OrtCustomOp::ReleaseMayInplace = [](int*, int*) {};
  }
  const char* GetName() const { return "Transform"; }
  static OrtStatusPtr InferOutputShape(Ort::ShapeInferContext& context) {
    // No shape and no dimensions look alike here: say nothing rather than "a scalar". The same for a
    // dimension that is neither known nor named: it arrives as -1, and passed on it would be taken for a
    // size.
    const Ort::ShapeInferContext::Shape shape = context.GetInputShape(0);
    const bool known = !shape.empty() && std::all_of(shape.begin(), shape.end(), [](const auto& dim) {
      return !dim.IsInt() || dim.AsInt() >= 0;
    });
    return known ? context.SetOutputShape(0, shape).release() : nullptr;
  }
};

}  // namespace

int64_t& current_slot() {
  thread_local int64_t slot = 0;
  return slot;
}

std::exception_ptr& current_failure() {
  thread_local std::exception_ptr failure;
  return failure;
}

struct TapOps::Ops {
  explicit Ops(Taps list) : taps(std::move(list)), observe(taps), transform(taps), domain(kTapDomain) {
    domain.Add(&observe);
    domain.Add(&transform);
  }
  Taps taps;
  ObserveOp observe;
  TransformOp transform;
  Ort::CustomOpDomain domain;
};

TapOps::TapOps(Taps taps) : ops_(std::make_unique<Ops>(std::move(taps))) {}
TapOps::~TapOps() = default;
void TapOps::add_to(Ort::SessionOptions& options) {
  options.Add(ops_->domain);
}

ir::Graph insert_taps(const ir::Graph& original, const Taps& taps) {
  ir::Graph graph = original;
  if (taps.empty()) return graph;
  graph.opset_imports.emplace_back(kTapDomain, 1);
  const auto add = [&](const char* op, size_t index, ir::ValueId from, ir::ValueId to) {
    ir::Node node;
    node.name = format("{}_{}", op, index);
    node.op_type = op;
    node.domain = kTapDomain;
    node.attributes = {{"tap", static_cast<int64_t>(index)}};
    node.inputs = {from};
    node.outputs = {to};
    return ir::add_node(graph, std::move(node));
  };
  // Transforms first: they redirect the readers that exist now; observers, added after, keep the value
  // before.
  for (size_t i = 0; i < taps.size(); ++i) {
    if (!taps[i].transform) continue;
    const ir::ValueId value = taps[i].value;
    const ir::ValueId changed = ir::add_value(graph, format("tap_{}", i), ir::DType::kFloat);
    const bool output = ir::is_output(graph, value);
    ir::replace_uses(graph, value, changed, true);
    if (output)
      std::swap(graph.values[static_cast<size_t>(value)].name,
                graph.values[static_cast<size_t>(changed)].name);
    add("Transform", i, value, changed);
  }
  for (size_t i = 0; i < taps.size(); ++i) {
    if (!taps[i].observe) continue;
    const ir::ValueId result = ir::add_value(graph, format("tap_{}", i), ir::DType::kFloat);
    graph.values[static_cast<size_t>(result)].has_shape = true;
    add("Observe", i, taps[i].value, result);
    graph.outputs.push_back(result);
  }
  return graph;
}

}  // namespace qc::run
