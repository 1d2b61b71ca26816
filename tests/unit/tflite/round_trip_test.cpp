// Every operator that can be written, with random options and tensors: what the verifier accepts and the
// reader finds again must be what was written. The reader goes by the schema's names, the writer by its own
// table of numbers, so a wrong row of the table shows as another option or another operator.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <random>

#include "base/text.h"
#include "tflite/read.h"
#include "tflite/tflite.h"
#include "tflite/wire.h"

namespace qc::tflite {
namespace {

using Random = std::mt19937;

int64_t between(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}
bool coin(Random& random) {
  return between(random, 0, 1) == 1;
}

// --- what the schema says, in words of the test

// Enumerations by the field that holds them; other bytes are numbers of types.
const std::map<std::string_view, std::vector<std::string>> kNamed{
    {"padding", {"SAME", "VALID"}},
    {"fused_activation_function", {"NONE", "RELU", "RELU_N1_TO_1", "RELU6"}},
    {"weights_format", {"DEFAULT"}},
    {"mode", {"REFLECT", "SYMMETRIC"}},
};
const std::vector<std::string> kTypeNames{"FLOAT32", "FLOAT16", "INT32", "UINT8",     "INT64",
                                          "STRING",  "BOOL",    "INT16", "COMPLEX64", "INT8"};
const std::vector<std::string>& names_of(std::string_view field) {
  const auto named = kNamed.find(field);
  return named == kNamed.end() ? kTypeNames : named->second;
}

// What a field means where the file leaves it out, when that is not zero.
const std::map<std::string_view, int64_t> kDefaults{
    {"dilation_w_factor", 1}, {"dilation_h_factor", 1}, {"pot_scale_int16", 1}};

// The table of options is the operator's name without its underscores, but for these; "" for those with none.
const std::map<std::string_view, std::string> kOptionTables{
    {"AVERAGE_POOL_2D", "pool2d"},
    {"MAX_POOL_2D", "pool2d"},
    {"L2_NORMALIZATION", "l2norm"},
    {"MEAN", "reducer"},
    {"SUM", "reducer"},
    {"REDUCE_PROD", "reducer"},
    {"REDUCE_MAX", "reducer"},
    {"REDUCE_MIN", "reducer"},
    {"MAXIMUM", "maximumminimum"},
    {"MINIMUM", "maximumminimum"},
    {"RELU", ""},
    {"RELU6", ""},
    {"RELU_N1_TO_1", ""},
    {"LOGISTIC", ""},
    {"TANH", ""},
    {"PRELU", ""},
    {"ELU", ""},
    {"SQRT", ""},
    {"RSQRT", ""},
    {"LOG", ""},
    {"FLOOR", ""},
    {"CEIL", ""},
    {"ROUND", ""},
    {"SIN", ""},
};

std::string plain(std::string_view name) {
  std::string letters;
  for (const char c : name)
    if (c != '_') letters += static_cast<char>(std::tolower(c));
  return letters;
}

std::string options_table(std::string_view op) {
  const auto special = kOptionTables.find(op);
  const std::string stem = special == kOptionTables.end() ? plain(op) : special->second;
  return stem.empty() ? "none" : stem + "options";
}

// --- random graphs

Quantization random_quantization(Random& random, const std::vector<int32_t>& shape) {
  Quantization q;
  const bool channels = !shape.empty() && coin(random);
  q.axis = channels ? static_cast<int32_t>(between(random, 0, static_cast<int64_t>(shape.size()) - 1)) : 0;
  const int32_t count = channels ? shape[q.axis] : 1;
  for (int32_t i = 0; i < count; ++i) {
    q.scales.push_back(static_cast<float>(between(random, 1, 1000)) / 512);
    q.zero_points.push_back(channels ? 0 : between(random, -128, 127));
  }
  return q;
}

Tensor random_tensor(Random& random, size_t index) {
  constexpr Type kTypes[] = {Type::kFloat32, Type::kFloat16, Type::kInt32, Type::kUint8, Type::kInt64,
                             Type::kBool,    Type::kInt16,   Type::kInt8,  Type::kInt4};
  Tensor tensor;
  tensor.name = format("tensor {}", index);
  tensor.type = kTypes[between(random, 0, std::size(kTypes) - 1)];
  int64_t elements = 1;
  for (int64_t rank = between(random, 0, 5); rank > 0; --rank) {
    tensor.shape.push_back(static_cast<int32_t>(between(random, 1, 4)));
    elements *= tensor.shape.back();
  }
  const bool integers = tensor.type == Type::kInt8 || tensor.type == Type::kInt16 ||
                        tensor.type == Type::kUint8 || tensor.type == Type::kInt4 ||
                        tensor.type == Type::kInt32;
  if (integers && coin(random)) tensor.quantization = random_quantization(random, tensor.shape);
  if (tensor.type == Type::kInt4 || coin(random)) {
    const int64_t bytes = tensor.type == Type::kInt4 ? (elements + 1) / 2 : elements * size_of(tensor.type);
    std::string data;
    while (static_cast<int64_t>(data.size()) < bytes) data += static_cast<char>(between(random, -128, 127));
    tensor.data = std::make_shared<const std::string>(std::move(data));
  }
  return tensor;
}

OptionValue random_value(Random& random, const OptionField& field) {
  switch (field.kind) {
    case FieldKind::kByte:
      return between(random, 0, static_cast<int64_t>(names_of(field.name).size()) - 1);
    case FieldKind::kBool:
      return between(random, 0, 1);
    case FieldKind::kInt:
      return coin(random) ? between(random, -1, 2) : between(random, INT32_MIN, INT32_MAX);
    case FieldKind::kFloat:
      return coin(random) ? 0.0f : static_cast<float>(between(random, -4000, 4000)) / 256;
    case FieldKind::kInts:
      break;
  }
  std::vector<int32_t> values(static_cast<size_t>(between(random, 0, 4)));
  for (int32_t& value : values) value = static_cast<int32_t>(between(random, -1, 64));
  return values;
}

Operator random_operator(Random& random, const OpInfo& info, size_t tensors) {
  const auto any = [&] {
    return static_cast<TensorId>(between(random, 0, static_cast<int64_t>(tensors) - 1));
  };
  Operator op;
  op.op = info.op;
  for (int64_t i = between(random, 1, 4); i > 0; --i)
    op.inputs.push_back(between(random, 0, 7) == 0 ? kAbsent : any());
  for (int64_t i = between(random, 1, 3); i > 0; --i) op.outputs.push_back(any());
  for (const OptionField& field : info.fields)
    if (between(random, 0, 3) != 0) op.options.emplace_back(field.name, random_value(random, field));
  std::shuffle(op.options.begin(), op.options.end(), random);
  op.version = static_cast<int>(between(random, 1, 14));
  return op;
}

// Three uses of every operator of the table.
Model random_model(unsigned seed) {
  Random random(seed);
  Model model;
  model.name = format("model {}", seed);
  for (size_t t = 0; t < 40; ++t) model.tensors.push_back(random_tensor(random, t));
  for (const OpInfo& info : all_ops())
    for (int use = 0; use < 3; ++use)
      model.operators.push_back(random_operator(random, info, model.tensors.size()));
  std::shuffle(model.operators.begin(), model.operators.end(), random);
  for (TensorId port = 0; port < 3; ++port) {
    model.inputs.push_back(port);
    model.outputs.push_back(port + 5);
    model.input_names.push_back(format("in {}", port));
    model.output_names.push_back(format("out {}", port));
  }
  return model;
}

// --- comparing

// As the reader says it: names of enumerations, and nothing where the schema's default says it.
std::optional<file::OptionValue> expected_value(const OptionField& field, const OptionValue& value) {
  if (const auto* list = std::get_if<std::vector<int32_t>>(&value))
    return std::vector<int64_t>(list->begin(), list->end());
  if (const auto* number = std::get_if<float>(&value))
    return *number == 0 ? std::nullopt : std::optional<file::OptionValue>(double{*number});
  const int64_t number = std::get<int64_t>(value);
  const auto standard = kDefaults.find(field.name);
  if (number == (standard == kDefaults.end() ? 0 : standard->second)) return std::nullopt;
  if (field.kind == FieldKind::kByte) return names_of(field.name)[number];
  return number;
}

void check_operator(const Operator& made, const file::Operator& found) {
  const OpInfo& info = info_of(made.op);
  CAPTURE(info.name);
  CHECK(found.op == info.name);
  CHECK(found.version == made.version);
  CHECK(found.inputs == made.inputs);
  CHECK(found.outputs == made.outputs);
  std::map<std::string, file::OptionValue> expected;
  for (const auto& [name, value] : made.options) {
    const auto field = std::find_if(info.fields.begin(), info.fields.end(),
                                    [&, wanted = name](const OptionField& f) { return f.name == wanted; });
    if (auto stated = expected_value(*field, value)) expected.emplace(name, std::move(*stated));
  }
  CHECK(std::map<std::string, file::OptionValue>(found.options.begin(), found.options.end()) == expected);
}

void check_tensor(const Tensor& made, const file::Tensor& found) {
  CAPTURE(made.name);
  CHECK(found.name == made.name);
  CHECK(plain(found.type) == plain(name_of(made.type)));
  CHECK(found.dims == std::vector<int64_t>(made.shape.begin(), made.shape.end()));
  CHECK(found.data == (made.data ? std::string_view(*made.data) : std::string_view()));
  CHECK(found.scales == made.quantization.scales);
  CHECK(found.zero_points == made.quantization.zero_points);
  if (made.quantization.scales.size() > 1) CHECK(found.axis == made.quantization.axis);
}

TEST_CASE("every operator with random options is read back as it was written") {
  for (unsigned seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    const Model model = random_model(seed);
    const plan::Written written = serialise(model);  // which the flatbuffers verifier has seen
    const file::Model found = file::parse(written.bytes, "round trip");
    const file::Graph& graph = found.graphs.at(0);
    REQUIRE(graph.tensors.size() == model.tensors.size());
    for (size_t t = 0; t < model.tensors.size(); ++t) check_tensor(model.tensors[t], graph.tensors[t]);
    REQUIRE(graph.operators.size() == model.operators.size());
    for (size_t o = 0; o < model.operators.size(); ++o)
      check_operator(model.operators[o], graph.operators[o]);
    CHECK(graph.inputs == model.inputs);
    CHECK(graph.outputs == model.outputs);
    REQUIRE(found.signatures.size() == 1);
    for (size_t port = 0; port < model.inputs.size(); ++port) {
      CHECK(found.signatures[0].inputs.at(port) == std::pair(model.input_names[port], model.inputs[port]));
      CHECK(found.signatures[0].outputs.at(port) == std::pair(model.output_names[port], model.outputs[port]));
    }
    int64_t bytes = 0;
    for (const file::Claim& claim : found.claims) bytes += claim.bytes;
    CHECK(bytes == static_cast<int64_t>(written.bytes.size()));
    CHECK(serialise(model).bytes == written.bytes);
  }
}

TEST_CASE("every operator's options are in the table that the schema has for it") {
  for (const OpInfo& info : all_ops()) {
    CAPTURE(info.name);
    CHECK(plain(wire::EnumNameBuiltinOptions(static_cast<wire::BuiltinOptions>(info.options_union))) ==
          options_table(info.name));
    for (const OptionField& field : info.fields) {
      CAPTURE(field.name);
      const auto standard = kDefaults.find(field.name);
      CHECK(field.fallback == (standard == kDefaults.end() ? 0 : standard->second));
    }
  }
}

}  // namespace
}  // namespace qc::tflite
