// See ort_runner.h.
#include "run/ort_runner.h"

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <unordered_map>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "quant/narrow_floats.h"
#include "run/blocked_layout.h"
#include "run/heap.h"
#include "run/taps.h"

namespace qc::run {
namespace {

Ort::Env& environment() {
  // Fatal only: what matters reaches the user through our own errors; the runtime's warnings about custom
  // domains or unused initializers would only puzzle. Official builds of ONNX Runtime report to their makers
  // and keep files in the temporary folder from the first environment on (seen with 1.30;
  // DisableTelemetryEvents() comes too late for the files): qconvert does neither.
  static Ort::Env env = [] {
    ::setenv("ORT_DISABLE_TELEMETRY", "1", 1);
    return Ort::Env(ORT_LOGGING_LEVEL_FATAL, "qconvert");
  }();
  return env;
}

ir::DType from_ort(ONNXTensorElementDataType type) {
  return static_cast<ir::DType>(type);
}
ONNXTensorElementDataType to_ort(ir::DType type) {
  return static_cast<ONNXTensorElementDataType>(type);
}

[[noreturn]] void refuse(Exit exit, const std::string& place, const std::string& words) {
  throw Error(exit, {"runtime-refused", place, "ONNX Runtime says: " + words,
                     "check that the model loads in ONNX Runtime " + runtime_version() + " by itself"});
}

// The model loads, so that it is the inputs which do not suit it.
Error refusal_of(const std::vector<const char*>& names, const std::vector<ir::Tensor>& inputs,
                 const std::string& words) {
  std::vector<std::string> sizes;
  for (size_t i = 0; i < std::min(names.size(), inputs.size()); ++i)
    sizes.push_back(format("{} [{}]", names[i], fmt::join(inputs[i].dims, ",")));
  return Error(Exit::kInput,
               {"runtime-refused", "running the model on " + join(sizes, ", "), "ONNX Runtime says: " + words,
                "give it inputs of a size that it takes; for pictures /representative_dataset/preprocess has "
                "\"resize\", and \"multiple_of\" where they keep their own"});
}

Ort::Value wrap(const ir::Tensor& tensor, const Ort::MemoryInfo& memory) {
  // ONNX Runtime takes a mutable pointer and never writes through an input.
  void* data = const_cast<char*>(tensor.bytes->data());
  return Ort::Value::CreateTensor(memory, data, tensor.bytes->size(), tensor.dims.data(), tensor.dims.size(),
                                  to_ort(tensor.dtype));
}

// What is no tensor of plain numbers (sequences, strings) comes back without any.
ir::Tensor unwrap(const Ort::Value& value) {
  if (!value.IsTensor()) return ir::make_tensor(ir::DType::kUndefined, "", {0});
  const auto info = value.GetTensorTypeAndShapeInfo();
  const ir::DType type = from_ort(info.GetElementType());
  if (ir::is_half(type)) {
    const std::string_view bytes(static_cast<const char*>(value.GetTensorRawData()),
                                 2 * info.GetElementCount());
    const std::vector<float> floats = quant::widened(bytes, type == ir::DType::kBfloat16);
    return ir::make_tensor(std::span<const float>(floats), info.GetShape());
  }
  if (ir::bits_of(type) < 8) return ir::make_tensor(ir::DType::kUndefined, "", {0});
  const size_t size = info.GetElementCount() * static_cast<size_t>(ir::bits_of(type)) / 8;
  return ir::make_tensor(type, std::string(static_cast<const char*>(value.GetTensorRawData()), size),
                         info.GetShape());
}

struct HeapTrim {
  ~HeapTrim() { trim_heap(); }
};

class OrtRunner : public ModelRunner {
 public:
  OrtRunner(std::unique_ptr<TapOps> ops, std::vector<ir::Tensor> outside, Ort::Session session,
            size_t returned)
      : ops_(std::move(ops)),
        outside_(std::move(outside)),
        session_(std::move(session)),
        returned_(returned) {
    Ort::AllocatorWithDefaultOptions allocator;
    for (size_t i = 0; i < session_.GetInputCount(); ++i) {
      input_names_.emplace_back(session_.GetInputNameAllocated(i, allocator).get());
      const Ort::TypeInfo type = session_.GetInputTypeInfo(i);
      input_types_.push_back(type.GetONNXType() == ONNX_TYPE_TENSOR
                                 ? from_ort(type.GetTensorTypeAndShapeInfo().GetElementType())
                                 : ir::DType::kUndefined);
    }
    for (size_t i = 0; i < session_.GetOutputCount(); ++i)
      output_names_.emplace_back(session_.GetOutputNameAllocated(i, allocator).get());
    if (returned_ == 0) returned_ = output_names_.size();
    for (const std::string& name : input_names_) inputs_.push_back(name.c_str());
    for (const std::string& name : output_names_) outputs_.push_back(name.c_str());
  }

  std::vector<ir::Tensor> run(std::span<const ir::Tensor> inputs, int64_t slot) override {
    const Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
    std::vector<Ort::Value> feeds;
    const std::vector<ir::Tensor> typed = in_type_of_model(inputs);
    for (const ir::Tensor& input : typed) feeds.push_back(wrap(input, memory));
    // A tap may run another model on this thread: what the outer run stands at comes back afterwards.
    const int64_t outer_slot = std::exchange(current_slot(), slot);
    const std::exception_ptr outer_failure = std::exchange(current_failure(), nullptr);
    std::vector<Ort::Value> results;
    try {
      results = session_.Run(Ort::RunOptions{nullptr}, inputs_.data(), feeds.data(), feeds.size(),
                             outputs_.data(), outputs_.size());
    } catch (const Ort::Exception& e) {
      if (!current_failure())
        current_failure() = std::make_exception_ptr(refusal_of(inputs_, typed, e.what()));
    }
    current_slot() = outer_slot;
    if (const std::exception_ptr failure = std::exchange(current_failure(), outer_failure))
      std::rethrow_exception(failure);
    std::vector<ir::Tensor> tensors;
    for (size_t i = 0; i < returned_; ++i) tensors.push_back(unwrap(results[i]));
    return tensors;
  }

 private:
  std::vector<ir::Tensor> in_type_of_model(std::span<const ir::Tensor> inputs) const {
    std::vector<ir::Tensor> typed(inputs.begin(), inputs.end());
    for (size_t i = 0; i < typed.size() && i < input_types_.size(); ++i) {
      if (typed[i].dtype != ir::DType::kFloat || !ir::is_half(input_types_[i])) continue;
      const bool bfloat16 = input_types_[i] == ir::DType::kBfloat16;
      typed[i] = ir::make_tensor(input_types_[i], quant::narrow_bytes(typed[i].as<float>(), bfloat16),
                                 typed[i].dims);
    }
    return typed;
  }

  HeapTrim trim_;                    // when all the rest is gone
  std::unique_ptr<TapOps> ops_;      // must outlive the session
  std::vector<ir::Tensor> outside_;  // constants that the session reads in place
  Ort::Session session_;
  size_t returned_;
  std::vector<std::string> input_names_, output_names_;
  std::vector<const char*> inputs_, outputs_;
  std::vector<ir::DType> input_types_;
};

Ort::SessionOptions session_options(int threads, GraphOptimizationLevel level) {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(threads);
  options.SetInterOpNumThreads(1);
  options.SetExecutionMode(ORT_SEQUENTIAL);
  options.SetGraphOptimizationLevel(level);
  return options;
}

Ort::Session open(std::string_view model, const Ort::SessionOptions& options, Exit exit,
                  const std::string& place) {
  try {
    return {environment(), model.data(), model.size(), options};
  } catch (const Ort::Exception& e) {
    refuse(exit, place, e.what());
  }
}

// The constants to hand over beside the model's bytes: every large one where they do not all fit, else none.
std::vector<ir::ValueId> constants_outside(const ir::Graph& graph, int64_t one_part) {
  constexpr size_t kLarge = 1024;  // smaller ones are what shape inference reads
  int64_t total = 0;
  std::vector<ir::ValueId> large;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const auto& constant = graph.values[v].constant;
    // The runtime drops what nobody reads, and then does not know it any more.
    if (!constant || !constant->bytes || graph.values[v].consumers.empty()) continue;
    total += static_cast<int64_t>(constant->bytes->size());
    if (constant->bytes->size() >= kLarge) large.push_back(static_cast<ir::ValueId>(v));
  }
  return total > one_part ? large : std::vector<ir::ValueId>{};
}

// Hands the constants to the session beside the model's bytes; they are returned to be kept as long as it.
std::vector<ir::Tensor> add_outside(Ort::SessionOptions& options, const ir::Graph& graph,
                                    const std::vector<ir::ValueId>& outside) {
  const Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
  std::vector<ir::Tensor> kept;
  std::vector<std::string> names;
  std::vector<Ort::Value> values;
  for (const ir::ValueId v : outside) {
    const ir::Value& value = ir::value_at(graph, v);
    kept.push_back(*value.constant);
    names.push_back(value.name);
    values.push_back(wrap(kept.back(), memory));
  }
  if (!names.empty()) options.AddExternalInitializers(names, values);
  return kept;
}

// Type and shape of every session output, in order.
void read_output_types(const Ort::Session& session, ir::Graph& graph,
                       const std::vector<ir::ValueId>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    const Ort::TypeInfo type = session.GetOutputTypeInfo(i);
    if (type.GetONNXType() != ONNX_TYPE_TENSOR) continue;
    const auto info = type.GetTensorTypeAndShapeInfo();
    ir::Value& value = ir::value_at(graph, values[i]);
    value.dtype = from_ort(info.GetElementType());
    // Rank 0 and rank unknown look alike through this API; neither has dimensions that a rewrite could use.
    if (info.GetDimensionsCount() == 0) continue;
    std::vector<int64_t> dims = info.GetShape();
    std::vector<const char*> symbols(dims.size());
    info.GetSymbolicDimensions(symbols.data(), symbols.size());
    std::vector<std::string> params(symbols.begin(), symbols.end());
    // What the file says goes where nothing else is known.
    if (value.has_shape && value.dims.size() == dims.size())
      for (size_t d = 0; d < dims.size(); ++d)
        if (dims[d] < 0) {
          dims[d] = value.dims[d];
          if (d < value.dim_params.size()) params[d] = value.dim_params[d];
        }
    value.has_shape = true;
    value.dims = std::move(dims);
    value.dim_params = std::move(params);
  }
}

// How many channels the runtime's convolutions lay side by side on this processor; 0: they do not. Found
// once, by having it bring numbered values into order.
int64_t block_of_channels(const ModelCodec& codec) {
  static const int64_t block = [&]() -> int64_t {
    constexpr int64_t kChannels = 64;
    ir::Graph graph;
    graph.name = "blocks";
    graph.ir_version = 8;
    ir::set_opset(graph, 13);
    graph.opset_imports.emplace_back(kBlockDomain, 1);
    graph.inputs = {ir::add_value(graph, "x", ir::DType::kFloat)};
    graph.outputs = {ir::add_value(graph, "y", ir::DType::kFloat)};
    ir::Node node;
    node.op_type = kBringIntoOrder;
    node.domain = kBlockDomain;
    node.attributes = {{"channels", kChannels}};
    node.inputs = graph.inputs;
    node.outputs = graph.outputs;
    ir::add_node(graph, std::move(node));
    std::vector<float> numbers(2 * kChannels);
    std::iota(numbers.begin(), numbers.end(), 0.0f);
    try {
      OrtRunner runner(
          nullptr, {},
          open(codec.write(graph, {}), session_options(1, ORT_DISABLE_ALL), Exit::kInput, graph.name), 0);
      // The second place of the first channel follows the first place of a whole block.
      const std::vector<ir::Tensor> x{ir::make_tensor(std::span<const float>(numbers), {1, kChannels, 1, 2})};
      return static_cast<int64_t>(runner.run(x, 0)[0].as<float>()[1]);
    } catch (const Error&) {
      return 0;
    }
  }();
  return block;
}

// The graph as the runtime would run it, layouts of this processor included; the options know taps' ops.
// nullopt where it cannot be had, for want of room for temporary files, say: then all goes on without.
std::optional<ir::Graph> laid_out(const std::string& model, Ort::SessionOptions options,
                                  const ModelCodec& codec) {
  try {
    const TemporaryFile dump(".onnx");
    options.SetOptimizedModelFilePath(dump.path().c_str());
    open(model, options, Exit::kInput, "the tapped graph");
    return codec.read(read_file(dump.path()), dump.path().parent_path());
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Observers that read blocks instead, where they may; to be run as it stands.
std::optional<ir::Graph> with_observers_of_blocks(const ir::Graph& tapped, const std::vector<Tap>& taps,
                                                  const Ort::SessionOptions& options,
                                                  const ModelCodec& codec) {
  const int64_t block = block_of_channels(codec);
  if (block == 0) return std::nullopt;
  std::optional<ir::Graph> graph = laid_out(codec.write(tapped, {}), options.Clone(), codec);
  return graph ? read_blocks(std::move(*graph), taps, block) : std::nullopt;
}

}  // namespace

std::unique_ptr<ModelRunner> OrtRunnerFactory::make(const ir::Graph& graph, std::vector<Tap> taps,
                                                    const RunnerOptions& options) {
  ir::Graph tapped = graph;
  for (const ir::ValueId extra : options.extra_outputs) tapped.outputs.push_back(extra);
  const size_t returned = tapped.outputs.size();
  tapped = insert_taps(tapped, taps);
  const bool blocks = options.optimize && pays_to_read_blocks(graph, taps, options);
  auto ops = std::make_unique<TapOps>(taps);
  Ort::SessionOptions session =
      session_options(options.threads_per_run, options.optimize ? ORT_ENABLE_ALL : ORT_DISABLE_ALL);
  // Sessions come and go here, and several runs share one: an arena in each would hold on to the peak of
  // every one of them, a pattern to the sum of a run's tensors. malloc serves them all from one heap (see
  // main.cpp).
  if (!options.keep_memory) {
    session.DisableCpuMemArena();
    session.DisableMemPattern();
  }
  ops->add_to(session);
  const std::vector<ir::ValueId> outside = constants_outside(tapped, one_part_);
  if (blocks && outside.empty())
    if (auto changed = with_observers_of_blocks(tapped, taps, session, codec_)) {
      tapped = std::move(*changed);
      session.SetGraphOptimizationLevel(ORT_DISABLE_ALL);
    }
  std::vector<ir::Tensor> kept = add_outside(session, tapped, outside);
  return std::make_unique<OrtRunner>(
      std::move(ops), std::move(kept),
      open(codec_.write(tapped, outside), session, Exit::kInput, "graph '" + graph.name + "'"), returned);
}

std::unique_ptr<ModelRunner> run_file(const std::string& path, int threads_per_run) {
  try {
    return std::make_unique<OrtRunner>(
        nullptr, std::vector<ir::Tensor>{},
        Ort::Session(environment(), path.c_str(), session_options(threads_per_run, ORT_ENABLE_ALL)), 0);
  } catch (const Ort::Exception& e) {
    refuse(Exit::kInput, path, e.what());
  }
}

namespace {

// Whether a file of the model's size can be written there.
bool has_room(const std::filesystem::path& path, const ModelBytes& file) {
  std::ofstream probe(path, std::ios::binary | std::ios::trunc);
  probe << file.model << file.external;
  return probe.flush().good();
}

}  // namespace

ir::Graph optimized_graph(const ModelBytes& file, const ModelCodec& codec) {
  // The levels below kernel selection for one CPU's memory layout: the names of the kernels are final here,
  // and the dump can be loaded again.
  const TemporaryFile dump(".onnx"), dumped_data(".onnx.data");
  Ort::SessionOptions options = session_options(1, ORT_ENABLE_EXTENDED);
  options.SetOptimizedModelFilePath(dump.path().c_str());
  if (!file.external_name.empty()) {
    // The runtime takes a mutable pointer and only reads.
    options.AddExternalInitializersFromFilesInMemory(
        {file.external_name}, {const_cast<char*>(file.external.data())}, {file.external.size()});
    options.AddConfigEntry("session.optimized_model_external_initializers_file_name",
                           dumped_data.path().filename().c_str());
  }
  try {
    open(file.model, options, Exit::kBug, "the written file");
  } catch (const Error&) {
    // The runtime's words for a full disk say nothing of one.
    if (has_room(dump.path(), file)) throw;
    throw Error{Exit::kOutput,
                {"cannot-write", dump.path().parent_path().string(),
                 "the folder for temporary files has no room for the model, or cannot be written to",
                 "make room and permissions there, or name another folder in TMPDIR"}};
  }
  return codec.read(read_file(dump.path()), dump.path().parent_path());
}

namespace {

// Sizes of a Resize by factors as the runtime's kernel has them. Its inference rounds down what float
// arithmetic leaves just below a whole number: of 6 * (7 / 6) it makes 6, and the kernel 7.
std::optional<std::vector<int64_t>> resized(const ir::Graph& graph, const ir::Node& node) {
  const bool resize = ir::standard_op(node, "Resize");
  if ((!resize && !ir::standard_op(node, "Upsample")) || !ir::ints_attribute(node, "axes").empty() ||
      ir::string_attribute(node, "coordinate_transformation_mode", "") == "tf_crop_and_resize")
    return std::nullopt;
  const ir::Tensor* scales = ir::constant_input(graph, node, resize && node.inputs.size() > 2 ? 2 : 1);
  const ir::Value& x = ir::value_at(graph, node.inputs[0]);
  const ir::Value& y = ir::value_at(graph, node.outputs[0]);
  if (!scales || scales->dtype != ir::DType::kFloat || !y.has_shape || y.dims.size() != x.dims.size() ||
      scales->size() != static_cast<int64_t>(x.dims.size()))
    return std::nullopt;
  std::vector<int64_t> dims = y.dims;
  for (size_t d = 0; d < dims.size(); ++d)
    if (x.dims[d] >= 0)
      dims[d] = static_cast<int64_t>(static_cast<float>(x.dims[d]) * scales->as<float>()[d]);
  return dims == y.dims ? std::nullopt : std::optional(dims);
}

// The first node whose sizes are others than the inference has found gets them, and `skeleton` without it a
// further input, from which what follows is inferred again. False: there is none.
bool correct_sizes(ir::Graph& graph, ir::Graph& skeleton) {
  for (const ir::NodeId id : ir::topological_order(skeleton)) {
    const auto dims = resized(graph, ir::node_at(graph, id));
    if (!dims) continue;
    const ir::ValueId v = ir::node_at(graph, id).outputs[0];
    ir::Value& value = ir::value_at(graph, v);
    value.dim_params.resize(dims->size());
    for (size_t d = 0; d < dims->size(); ++d)
      if ((*dims)[d] != value.dims[d]) value.dim_params[d].clear();
    value.dims = *dims;
    ir::erase_node(skeleton, id);
    ir::Value& given = ir::value_at(skeleton, v);
    given.dtype = value.dtype;
    given.has_shape = true;
    given.dims = value.dims;
    given.dim_params = value.dim_params;
    std::erase(skeleton.outputs, v);
    skeleton.inputs.push_back(v);
    return true;
  }
  return false;
}

}  // namespace

void infer_shapes(ir::Graph& graph, const ModelCodec& codec) {
  constexpr int64_t kSmall = 256;  // shapes, axes, scales: what shape inference may want to read
  ir::Graph skeleton = graph;
  for (size_t v = 0; v < skeleton.values.size(); ++v) {
    ir::Value& value = skeleton.values[v];
    const bool large =
        value.constant && value.constant->dtype == ir::DType::kFloat && value.constant->size() > kSmall;
    if (!large || ir::is_output(skeleton, static_cast<ir::ValueId>(v))) continue;
    value.constant.reset();
    skeleton.inputs.push_back(static_cast<ir::ValueId>(v));
  }
  for (const ir::NodeId id : ir::topological_order(skeleton))
    for (const ir::ValueId v : ir::node_at(skeleton, id).outputs)
      if (v != ir::kNone) {
        if (!ir::is_output(graph, v)) skeleton.outputs.push_back(v);
        // The runtime would believe what the file says, and that may be of an earlier version of the model.
        ir::value_at(skeleton, v).has_shape = false;
        ir::value_at(skeleton, v).dims.clear();
        ir::value_at(skeleton, v).dim_params.clear();
      }
  // Before opset 16 these are functions, whose results have no sizes to the runtime.
  for (ir::Node& node : skeleton.nodes) {
    if (ir::standard_op(node, "GreaterOrEqual")) node.op_type = "Greater";
    if (ir::standard_op(node, "LessOrEqual")) node.op_type = "Less";
  }
  do {
    const std::string bytes = codec.write(skeleton, {});
    const Ort::Session session =
        open(bytes, session_options(1, ORT_DISABLE_ALL), Exit::kInput, "graph '" + graph.name + "'");
    read_output_types(session, graph, skeleton.outputs);
  } while (correct_sizes(graph, skeleton) && !skeleton.outputs.empty());
}

std::string runtime_version() {
  return OrtGetApiBase()->GetVersionString();
}

int64_t newest_opset(const ModelCodec& codec) {
  static const int64_t newest = [&] {
    int64_t version = 17;
    while (version < 99) {
      ir::Graph graph;
      graph.name = "opset";
      graph.ir_version = 8;
      ir::set_opset(graph, version + 1);
      const ir::ValueId in = ir::add_value(graph, "x", ir::DType::kFloat),
                        out = ir::add_value(graph, "y", ir::DType::kFloat);
      graph.inputs = {in};
      graph.outputs = {out};
      ir::Node node;
      node.op_type = "Abs";
      node.inputs = {in};
      node.outputs = {out};
      ir::add_node(graph, std::move(node));
      try {
        open(codec.write(graph, {}), session_options(1, ORT_DISABLE_ALL), Exit::kInput, "opset");
      } catch (const Error&) {
        break;
      }
      ++version;
    }
    return version;
  }();
  return newest;
}

}  // namespace qc::run
