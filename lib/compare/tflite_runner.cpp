// See tflite_runner.h.
#include "compare/tflite_runner.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "tflite/execute.h"

namespace qc {
namespace {

using tflite::file::kAbsent;
using tflite::file::TensorId;

constexpr size_t kPictureRank = 4;

const tflite::file::Tensor& tensor_of(const TfliteModel& model, TensorId id) {
  return model.file.graphs[0].tensors[id];
}

// The signature's name of a tensor, which a converter keeps when it renames the tensors themselves.
std::string name_of(const TfliteModel& model, TensorId id) {
  for (const tflite::file::Signature& signature : model.file.signatures) {
    if (signature.graph != 0) continue;
    for (const auto* ports : {&signature.inputs, &signature.outputs}) {
      const auto port =
          std::find_if(ports->begin(), ports->end(), [&](const auto& one) { return one.second == id; });
      if (port != ports->end() && !port->first.empty()) return port->first;
    }
  }
  return tensor_of(model, id).name;
}

std::vector<int64_t> channels_first(std::vector<int64_t> dims) {
  std::rotate(dims.begin() + 1, dims.end() - 1, dims.end());
  return dims;
}

bool may_be_equal(const ir::Value& value, const std::vector<int64_t>& dims) {
  if (!value.has_shape) return true;
  if (value.dims.size() != dims.size()) return false;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (value.dims[i] >= 0 && dims[i] >= 0 && value.dims[i] != dims[i]) return false;
  }
  return true;
}

// The value of the ONNX model that a port of the file stands for; null: it has none.
const ir::Value* counterpart(const ir::Graph& like, const std::vector<ir::ValueId>& values,
                             const std::string& name, size_t index) {
  for (const ir::ValueId id : values) {
    const ir::Value& value = like.values[id];
    if (value.name == name) return &value;
  }
  return index < values.size() ? &like.values[values[index]] : nullptr;
}

enum class Side { kInput, kOutput };

bool only_rounds(const tflite::file::Operator& op) {
  return op.op == "QUANTIZE" || op.op == "DEQUANTIZE";
}

// Beside this port the channels are moved: from where ONNX has them to where TFLite has them, or back.
bool moves_channels(const TfliteModel& model, TensorId port, Side side) {
  const auto& operators = model.file.graphs[0].operators;
  for (size_t step = 0; step < operators.size(); ++step) {
    const auto next = std::find_if(operators.begin(), operators.end(), [&](const auto& op) {
      const std::vector<TensorId>& beside = side == Side::kInput ? op.inputs : op.outputs;
      return !beside.empty() && beside[0] == port && !op.inputs.empty() && !op.outputs.empty();
    });
    if (next == operators.end()) return false;
    if (only_rounds(*next)) {
      port = side == Side::kInput ? next->outputs[0] : next->inputs[0];
      continue;
    }
    if (next->op != "TRANSPOSE" || next->inputs.size() < 2 || next->inputs[1] == kAbsent) return false;
    std::array<int32_t, kPictureRank> order{};
    const std::string_view data = tensor_of(model, next->inputs[1]).data;
    if (data.size() != sizeof order) return false;
    std::memcpy(order.data(), data.data(), sizeof order);
    return order == (side == Side::kInput ? std::array{0, 2, 3, 1} : std::array{0, 3, 1, 2});
  }
  return false;
}

// Of two orders that both fit, TFLite's usual one is the file's, but where its own operators say otherwise.
bool is_channels_last(const TfliteModel& model, TensorId port, Side side, const ir::Value* onnx) {
  const std::vector<int64_t>& dims = tensor_of(model, port).shape;
  if (!onnx || dims.size() != kPictureRank || !may_be_equal(*onnx, channels_first(dims))) return false;
  return !may_be_equal(*onnx, dims) || !moves_channels(model, port, side);
}

ir::ValueId add_port(TfliteModel& model, TensorId id, bool channels_last, const std::string& name) {
  const tflite::file::Tensor& tensor = tensor_of(model, id);
  const bool real = tflite::is_quantized_port(tensor.dtype) && !tensor.scales.empty();
  const ir::ValueId added = ir::add_value(model.graph, name, real ? ir::DType::kFloat : tensor.dtype);
  ir::Value& value = ir::value_at(model.graph, added);
  value.has_shape = true;
  value.dims = channels_last ? channels_first(tensor.shape) : tensor.shape;
  model.ports.push_back({id, channels_last});
  return added;
}

const tflite::file::Operator* maker_of(const TfliteModel& model, TensorId made) {
  const auto& operators = model.file.graphs[0].operators;
  const auto found = std::ranges::find_if(
      operators, [&](const auto& op) { return !op.outputs.empty() && op.outputs[0] == made; });
  return found == operators.end() || found->inputs.empty() ? nullptr : &*found;
}

// What `made` is rows of, times a square matrix with these numbers on its diagonal and elsewhere; or kAbsent.
TensorId mixed_by(const TfliteModel& model, TensorId made, float diagonal, float other) {
  const tflite::file::Operator* op = maker_of(model, made);
  if (!op || op->op != "FULLY_CONNECTED" || op->inputs.size() < 2 || op->inputs[1] == kAbsent) return kAbsent;
  const tflite::file::Tensor& weight = tensor_of(model, op->inputs[1]);
  if (weight.dtype != ir::DType::kFloat || weight.dims.size() != 2 || weight.dims[0] != weight.dims[1])
    return kAbsent;
  const auto size = static_cast<size_t>(weight.dims[0]);
  std::vector<float> matrix(size * size, other), found(size * size);
  for (size_t d = 0; d < size; ++d) matrix[d * size + d] = diagonal;
  if (weight.data.size() != matrix.size() * sizeof(float)) return kAbsent;
  std::memcpy(found.data(), weight.data.data(), weight.data.size());
  return found == matrix ? op->inputs[0] : kAbsent;
}

// The logits of a Softmax that is spelled with other operators (lower_reductions.cpp), or kAbsent.
TensorId spelled_logits(const TfliteModel& model, const tflite::file::Operator& op) {
  if (op.op == "LOGISTIC") return mixed_by(model, op.inputs[0], 1, -1);
  if (op.op != "DIV" || op.inputs.size() < 2 || mixed_by(model, op.inputs[1], 1, 1) != op.inputs[0])
    return kAbsent;
  const tflite::file::Operator* powers = maker_of(model, op.inputs[0]);
  if (!powers || powers->op != "EXP") return kAbsent;
  const tflite::file::Operator* below = maker_of(model, powers->inputs[0]);
  const tflite::file::Operator* most =
      below && below->op == "SUB" && below->inputs.size() == 2 ? maker_of(model, below->inputs[1]) : nullptr;
  const bool lowered = most && most->op == "REDUCE_MAX" && most->inputs[0] == below->inputs[0];
  return lowered ? below->inputs[0] : powers->inputs[0];
}

// The tensor before the SOFTMAX that ends in `output`, or kAbsent.
TensorId logits_of(const TfliteModel& model, TensorId output) {
  constexpr const char* kPasses[] = {"RESHAPE", "SQUEEZE", "DEQUANTIZE", "QUANTIZE"};
  const auto& operators = model.file.graphs[0].operators;
  for (auto op = operators.rbegin(); op != operators.rend(); ++op) {
    if (op->outputs.empty() || op->outputs[0] != output || op->inputs.empty() || op->inputs[0] == kAbsent)
      continue;
    if (op->op == "SOFTMAX" || op->op == "LOG_SOFTMAX") return op->inputs[0];
    if (const TensorId logits = spelled_logits(model, *op); logits != kAbsent) return logits;
    if (std::find(std::begin(kPasses), std::end(kPasses), op->op) == std::end(kPasses)) return kAbsent;
    output = op->inputs[0];
  }
  return kAbsent;
}

// The inverse of channels_first on the elements, or it itself.
ir::Tensor permuted(const ir::Tensor& tensor, bool to_last) {
  const std::vector<int64_t>& d = tensor.dims;
  const int64_t channels = to_last ? d[1] : d[3], pixels = to_last ? d[2] * d[3] : d[1] * d[2];
  const auto width = static_cast<int64_t>(ir::bits_of(tensor.dtype) / 8);
  std::string bytes(tensor.bytes->size(), '\0');
  const int64_t rows = to_last ? channels : pixels, columns = to_last ? pixels : channels;
  for (int64_t n = 0; n < d[0]; ++n) {
    const int64_t start = n * channels * pixels;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c)
        std::copy_n(tensor.bytes->data() + (start + r * columns + c) * width, width,
                    bytes.data() + (start + c * rows + r) * width);
    }
  }
  const std::vector<int64_t> dims =
      to_last ? std::vector<int64_t>{d[0], d[2], d[3], d[1]} : channels_first(d);
  return ir::make_tensor(tensor.dtype, std::move(bytes), dims);
}

class TfliteRunner : public run::ModelRunner {
 public:
  TfliteRunner(const TfliteModel& model, std::span<const ir::ValueId> extra) : model_(model) {
    wanted_ = model.graph.outputs;
    wanted_.insert(wanted_.end(), extra.begin(), extra.end());
    for (const ir::ValueId id : extra) also_.push_back(port(id).tensor);
  }

  std::vector<ir::Tensor> run(std::span<const ir::Tensor> inputs, int64_t) override {
    std::vector<ir::Tensor> given;
    for (size_t i = 0; i < inputs.size() && i < model_.graph.inputs.size(); ++i) {
      const TfliteModel::Port& to = port(model_.graph.inputs[i]);
      const bool picture = to.channels_last && inputs[i].dims.size() == kPictureRank;
      given.push_back(
          tflite::quantized(picture ? permuted(inputs[i], true) : inputs[i], tensor_of(model_, to.tensor)));
    }
    std::vector<ir::Tensor> results =
        tflite::execute(model_.file, given, tflite::kernels::Rounding::kSingle, model_.place, also_);
    for (size_t i = 0; i < results.size(); ++i) {
      const TfliteModel::Port& from = port(wanted_[i]);
      results[i] = tflite::dequantized(results[i], tensor_of(model_, from.tensor));
      if (from.channels_last) results[i] = permuted(results[i], false);
    }
    return results;
  }

 private:
  const TfliteModel::Port& port(ir::ValueId id) const { return model_.ports[id]; }

  const TfliteModel& model_;
  std::vector<ir::ValueId> wanted_;
  std::vector<TensorId> also_;
};

}  // namespace

namespace {

TfliteModel model_of(std::string place, tflite::file::Model parsed, const ir::Graph& like) {
  TfliteModel model{std::move(place), std::move(parsed), {}, {}};
  tflite::check_executable(model.file, model.place);
  const tflite::file::Graph& file = model.file.graphs[0];
  ir::Node inside;
  inside.op_type = "TFLite";
  inside.domain = "file";
  std::vector<ir::Node> softmaxes;
  for (size_t i = 0; i < file.inputs.size(); ++i) {
    const std::string name = name_of(model, file.inputs[i]);
    const bool last =
        is_channels_last(model, file.inputs[i], Side::kInput, counterpart(like, like.inputs, name, i));
    model.graph.inputs.push_back(add_port(model, file.inputs[i], last, name));
  }
  for (size_t i = 0; i < file.outputs.size(); ++i) {
    const std::string name = name_of(model, file.outputs[i]);
    const bool last =
        is_channels_last(model, file.outputs[i], Side::kOutput, counterpart(like, like.outputs, name, i));
    const ir::ValueId output = add_port(model, file.outputs[i], last, name);
    model.graph.outputs.push_back(output);
    const TensorId logits = logits_of(model, file.outputs[i]);
    if (logits == kAbsent || tensor_of(model, logits).shape != tensor_of(model, file.outputs[i]).shape) {
      inside.outputs.push_back(output);
      continue;
    }
    const ir::ValueId before = add_port(model, logits, last, name + "/logits");
    inside.outputs.push_back(before);
    ir::Node softmax;
    softmax.op_type = "Softmax";
    softmax.inputs = {before};
    softmax.outputs = {output};
    softmaxes.push_back(std::move(softmax));
  }
  inside.inputs = model.graph.inputs;
  ir::add_node(model.graph, std::move(inside));
  for (ir::Node& softmax : softmaxes) ir::add_node(model.graph, std::move(softmax));
  model.graph.bytes_on_disk = static_cast<int64_t>(model.file.bytes->size());
  return model;
}

}  // namespace

TfliteModel read_tflite(const std::filesystem::path& path, const ir::Graph& like) {
  return model_of(path.string(), tflite::file::read(path), like);
}

TfliteModel parse_tflite(std::string bytes, const std::string& place, const ir::Graph& like) {
  return model_of(place, tflite::file::parse(std::move(bytes), place), like);
}

std::unique_ptr<run::ModelRunner> run_tflite(const TfliteModel& model, std::span<const ir::ValueId> extra) {
  return std::make_unique<TfliteRunner>(model, extra);
}

}  // namespace qc
