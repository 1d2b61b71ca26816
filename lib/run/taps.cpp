// See taps.h.
#include "run/taps.h"

#include <algorithm>
#include <exception>

#include "base/text.h"
#include "ir/edit.h"

namespace qc::run {
namespace {

using Taps = std::vector<Tap>;

constexpr const char* kObserve = "Observe";
constexpr int64_t kNoTap = -1;  // an Observe node that looks at nothing

const Tap& tap_of(const Taps& taps, const OrtKernelInfo* info) {
  static const Tap nothing{ir::kNone, [](int64_t, std::span<const float>, std::span<const int64_t>) {}, {}};
  const auto index = Ort::ConstKernelInfo(info).GetAttribute<int64_t>("tap");
  return index == kNoTap ? nothing : taps.at(static_cast<size_t>(index));
}

struct Kernel {
  Kernel(const Taps& taps, const OrtKernelInfo* info) : tap(tap_of(taps, info)) {}
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
  ObserveKernel(const Taps& taps, const OrtKernelInfo* info)
      : Kernel(taps, info),
        blocks{Ort::ConstKernelInfo(info).GetAttribute<int64_t>("channels"),
               Ort::ConstKernelInfo(info).GetAttribute<int64_t>("block")} {}
  Blocks blocks;

  void Compute(OrtKernelContext* raw) {
    guarded(raw,
            [&](Ort::KernelContext& context, std::span<const float> tensor, std::span<const int64_t> dims) {
              *context.GetOutput(0, std::vector<int64_t>{}).GetTensorMutableData<float>() = 0;
              if (current_failure()) return;
              if (blocks.channels == 0)
                tap.observe(current_slot(), tensor, dims);
              else
                observe_blocks(tensor, dims);
            });
  }

  void observe_blocks(std::span<const float> tensor, std::span<const int64_t> padded) const {
    const std::vector<int64_t> dims{padded[0], blocks.channels, padded[2], padded[3]};
    const int64_t slot = current_slot();
    thread_local std::vector<float>
        moved;  // one at a time: a tap that runs a model comes back before the next
    if (!tap.any_order || !tap.any_order(slot))
      in_order(tensor, padded, blocks, moved);
    else if (padded[1] != blocks.channels)
      without_padding(tensor, padded, blocks, moved);
    else
      return tap.observe(slot, tensor, dims);
    tap.observe(slot, moved, dims);
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
  const char* GetName() const { return kObserve; }
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

// ONNX Runtime takes the nodes that nothing reads, the last first, and runs what each needs and then it. So
// observers run right behind their values, while those are in the cache and before they pile up, if the
// earliest value's observer stands last in the model.
std::vector<size_t> last_to_first(const ir::Graph& graph, const Taps& taps) {
  std::vector<int64_t> position(graph.nodes.size(), 0);
  int64_t next = 0;
  for (const ir::NodeId id : ir::topological_order(graph)) position[id] = next++;
  const auto position_of = [&](size_t tap) {
    const ir::NodeId producer = ir::value_at(graph, taps[tap].value).producer;
    return producer == ir::kNone ? -1 : position[producer];
  };
  std::vector<size_t> order;
  for (size_t i = 0; i < taps.size(); ++i)
    if (taps[i].observe && taps[i].value != ir::kNone) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return position_of(a) > position_of(b); });
  return order;
}

// Outputs whose producers nothing reads: a fusion may put a new producer at the model's end, and it would
// then be run with all it needs before any observer. An observer that looks at nothing keeps its place.
std::vector<ir::ValueId> unread_outputs(const ir::Graph& graph, const Taps& taps) {
  std::vector<ir::ValueId> unread;
  for (const ir::ValueId output : graph.outputs) {
    const ir::Value& value = ir::value_at(graph, output);
    const bool read = !value.consumers.empty() || std::any_of(taps.begin(), taps.end(), [&](const Tap& tap) {
      return tap.observe && tap.value == output;
    });
    if (!read && value.dtype == ir::DType::kFloat && value.producer != ir::kNone &&
        std::find(unread.begin(), unread.end(), output) == unread.end())
      unread.push_back(output);
  }
  return unread;
}

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

ir::Graph insert_taps(const ir::Graph& original, const Taps& taps, const std::vector<Blocks>& blocks) {
  ir::Graph graph = original;
  if (taps.empty()) return graph;
  const auto known = [](const auto& import) { return import.first == kTapDomain; };
  if (std::none_of(graph.opset_imports.begin(), graph.opset_imports.end(), known))
    graph.opset_imports.emplace_back(kTapDomain, 1);
  const auto add = [&](const char* op, int64_t index, const std::string& name, ir::ValueId from,
                       ir::ValueId to) {
    ir::Node node;
    node.name = op + ("_" + name);
    node.op_type = op;
    node.domain = kTapDomain;
    node.attributes = {{"tap", index}};
    if (std::string_view(op) == kObserve) {
      const Blocks lies = index == kNoTap || blocks.empty() ? Blocks{} : blocks[index];
      node.attributes.push_back({"channels", lies.channels});
      node.attributes.push_back({"block", lies.block});
    }
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
    if (output) std::swap(ir::value_at(graph, value).name, ir::value_at(graph, changed).name);
    add("Transform", static_cast<int64_t>(i), std::to_string(i), value, changed);
  }
  const auto observe = [&](int64_t index, const std::string& name, ir::ValueId value) {
    const ir::ValueId result = ir::add_value(graph, "tap_" + name, ir::DType::kFloat);
    ir::value_at(graph, result).has_shape = true;
    add(kObserve, index, name, value, result);
    graph.outputs.push_back(result);
  };
  const std::vector<size_t> order = last_to_first(graph, taps);
  if (order.empty()) return graph;
  const std::vector<ir::ValueId> ends = unread_outputs(graph, taps);
  for (size_t i = 0; i < ends.size(); ++i) observe(kNoTap, format("end_{}", i), ends[i]);
  for (const size_t i : order) observe(static_cast<int64_t>(i), std::to_string(i), taps[i].value);
  return graph;
}

Taps take_observers_out(ir::Graph& graph, Taps taps) {
  for (Tap& tap : taps) tap.value = ir::kNone;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const ir::Node& node = graph.nodes[n];
    if (node.erased || node.domain != kTapDomain) continue;
    const int64_t index = ir::int_attribute(node, "tap", kNoTap);
    if (index != kNoTap) taps[index].value = node.inputs[0];
    std::erase(graph.outputs, node.outputs[0]);
    ir::erase_node(graph, static_cast<ir::NodeId>(n));
  }
  return taps;
}

}  // namespace qc::run
