// See tpc.h. MCT speaks of operator sets; one table says which ONNX ops each of them is. What a set allows
// becomes a rule for each of its ops, what the file does not name follows default_qco, as in MCT.
#include "target/tpc.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "base/text.h"

namespace qc::target {
namespace {

using json::Json;
using json::Members;

constexpr int kBits = 8;  // of activations, where no budget chooses others
constexpr const char* kDepthwise = "Conv:depthwise";

enum class Nature {
  kWeighted,  // has a kernel
  kMove,      // hands values on as they are
  kCompute,
  kOther,  // its results are no quantizable floats
};

struct Row {
  const char* set;                // MCT's OperatorSetNames; "": no set has it, default_qco counts
  std::vector<const char*> onnx;  // the first stands for the set in fusing patterns
  Nature nature;
  std::vector<int> inputs = {0};  // slots with activations; empty: all
};

// The sets of OperatorSetNames in MCT's schema (v2.py). Of two sets for one ONNX op the first that the file
// names counts, but for depthwise convolutions, which have rules of their own.
const std::vector<Row>& table() {
  static const std::vector<Row> rows{
      {"Conv", {"Conv"}, Nature::kWeighted},
      {"DepthwiseConv2D", {"Conv"}, Nature::kWeighted},
      {"ConvTranspose", {"ConvTranspose"}, Nature::kWeighted},
      {"FullyConnected", {"Gemm", "MatMul"}, Nature::kWeighted},
      {"Concatenate", {"Concat"}, Nature::kCompute, {}},
      {"Stack", {"Concat"}, Nature::kCompute, {}},
      {"Unstack", {"Split"}, Nature::kMove},
      {"SplitChunk", {"Split"}, Nature::kMove},
      {"Gather", {"Gather", "GatherElements", "GatherND"}, Nature::kMove},
      {"Expend", {"Expand", "Tile"}, Nature::kMove},
      {"BatchNorm", {"BatchNormalization"}, Nature::kCompute},
      {"L2Norm", {"LpNormalization"}, Nature::kCompute},
      {"ReLU", {"Relu"}, Nature::kCompute},
      {"ReLU6", {"Clip"}, Nature::kCompute},
      {"HardTanh", {"Clip"}, Nature::kCompute},
      {"LeakyReLU", {"LeakyRelu"}, Nature::kCompute},
      {"Elu", {"Elu", "Selu", "Celu"}, Nature::kCompute},
      {"Add", {"Add"}, Nature::kCompute, {}},
      {"Sub", {"Sub"}, Nature::kCompute, {}},
      {"Mul", {"Mul"}, Nature::kCompute, {}},
      {"Div", {"Div"}, Nature::kCompute, {}},
      {"Min", {"Min"}, Nature::kCompute, {}},
      {"Max", {"Max"}, Nature::kCompute, {}},
      {"PReLU", {"PRelu"}, Nature::kCompute},
      {"AddBias", {}, Nature::kCompute},
      {"Swish", {"Swish"}, Nature::kCompute},
      {"Sigmoid", {"Sigmoid"}, Nature::kCompute},
      {"Softmax", {"Softmax"}, Nature::kCompute},
      {"LogSoftmax", {"LogSoftmax"}, Nature::kCompute},
      {"Tanh", {"Tanh"}, Nature::kCompute},
      {"Gelu", {"Gelu"}, Nature::kCompute},
      {"HardSigmoid", {"HardSigmoid"}, Nature::kCompute},
      {"HardSwish", {"HardSwish"}, Nature::kCompute},
      {"Flatten", {"Flatten"}, Nature::kMove},
      {"GetItem", {"Slice"}, Nature::kMove},
      {"StridedSlice", {"Slice"}, Nature::kMove},
      {"Reshape", {"Reshape"}, Nature::kMove},
      {"Unsqueeze", {"Unsqueeze"}, Nature::kMove},
      {"Squeeze", {"Squeeze"}, Nature::kMove},
      {"Permute", {"Transpose"}, Nature::kMove},
      {"Transpose", {"Transpose"}, Nature::kMove},
      {"Dropout", {}, Nature::kMove},
      {"MaxPool", {"MaxPool", "GlobalMaxPool"}, Nature::kMove},
      {"AvgPool", {"AveragePool", "GlobalAveragePool"}, Nature::kCompute},
      {"Size", {"Size"}, Nature::kOther},
      {"Shape", {"Shape"}, Nature::kOther},
      {"Equal", {"Equal"}, Nature::kOther},
      {"ArgMax", {"ArgMax"}, Nature::kOther},
      {"TopK", {"TopK"}, Nature::kOther},
      {"FakeQuant", {}, Nature::kOther},
      {"CombinedNonMaxSuppression", {"NonMaxSuppression"}, Nature::kOther},
      {"SSDPostProcess", {}, Nature::kOther},
      {"ZeroPadding2D", {"Pad"}, Nature::kMove},
      {"Pad", {"Pad"}, Nature::kMove},
      {"Cast", {"Cast"}, Nature::kOther},
      {"Resize", {"Resize"}, Nature::kCompute},
      {"Fold", {"Col2Im"}, Nature::kCompute},
      {"Exp", {"Exp"}, Nature::kCompute},
      {"Sin", {"Sin"}, Nature::kCompute},
      {"Cos", {"Cos"}, Nature::kCompute},
      {"", {"DepthToSpace", "SpaceToDepth", "ReduceMax", "ReduceMin"}, Nature::kMove},
      {"",
       {"ReduceMean", "ReduceSum", "LayerNormalization", "InstanceNormalization", "GroupNormalization", "LRN",
        "Pow", "Sqrt", "Erf", "Log", "Abs", "Neg", "Softplus", "Softsign", "Mish", "ThresholdedRelu"},
       Nature::kCompute}};
  return rows;
}

// MCT's QuantizationMethod by number.
enum Method { kPowerOfTwo = 0, kLutPowerOfTwo = 1, kSymmetric = 2, kUniform = 3, kLutSymmetric = 4 };

bool is_lut(int method) {
  return method == kLutPowerOfTwo || method == kLutSymmetric;
}

Grid grid_of(int method) {
  return method == kPowerOfTwo || method == kLutPowerOfTwo ? Grid::kPowerOfTwo
         : method == kUniform                              ? Grid::kUniform
                                                           : Grid::kCentred;
}

struct Kernel {
  int method = kSymmetric, bits = 32;
  bool per_channel = false, enabled = false;
};

struct Config {
  int method = kPowerOfTwo, bits = kBits, signedness = 0;
  std::vector<int> input_bits;
  bool enabled = true, preserving = false;
  std::optional<double> scale;
  int zero_point = 0;
  std::optional<Kernel> kernel;
};

struct Options {
  std::vector<Config> candidates;
  Config base;
};

struct File {
  const json::Document& document;
  Diagnostics& diagnostics;
};

Kernel read_attribute(const File& file, const Json& value, const std::string& pointer) {
  Kernel kernel;
  Members members(file.document, value, pointer, file.diagnostics);
  members.read("weights_quantization_method", kernel.method, kPowerOfTwo, kLutSymmetric);
  members.read("weights_n_bits", kernel.bits, 1, 32);
  members.read("weights_per_channel_threshold", kernel.per_channel);
  members.read("enable_weights_quantization", kernel.enabled);
  members.ignore("lut_values_bitwidth");  // MCT itself does not look at it: values of codebooks have 8 bits
  members.finish();
  return kernel;
}

void read_attributes(const File& file, Members& parent, Config& config) {
  if (const Json* value = parent.object("default_weight_attr_config"))
    read_attribute(file, *value, parent.pointer("default_weight_attr_config"));
  const char* key = "attr_weights_configs_mapping";
  const Json* mapping = parent.object(key);
  if (!mapping) return;
  for (const auto& [name, value] : mapping->items()) {
    const Kernel attribute = read_attribute(file, value, json::child(parent.pointer(key), name));
    if (name == "kernel_attr") config.kernel = attribute;
    if (name == "bias_attr" && attribute.enabled)
      parent.problem(json::child(parent.pointer(key), name), "target-cannot", "biases of few bits",
                     "set \"enable_weights_quantization\": false for bias_attr; biases have 32 bits");
  }
}

void read_input_bits(Members& members, Config& config, const Json& object) {
  const char* key = "supported_input_activation_n_bits";
  members.ignore(key);
  if (!object.contains(key)) return;
  const Json& value = object.at(key);
  for (const Json& bits : value.is_array() ? value : Json::array({value})) {
    if (bits.is_number_integer() && bits > 0 && bits <= 32)
      config.input_bits.push_back(bits.get<int>());
    else
      members.problem(members.pointer(key), "wrong-type",
                      format("expected a width or a list of them, found {}", json::found(value)),
                      "write [8]");
  }
}

void read_fixed(Members& members, Config& config, const Json& object) {
  const char *scale = "fixed_scale", *zero_point = "fixed_zero_point";
  members.ignore(scale);
  members.ignore(zero_point);
  if (object.contains(scale) && !object.at(scale).is_null()) {
    if (object.at(scale).is_number() && object.at(scale) > 0)
      config.scale = object.at(scale).get<double>();
    else
      members.problem(members.pointer(scale), "bad-value",
                      format("{} is no scale", json::found(object.at(scale))),
                      "write a positive number or null");
  }
  if (object.contains(zero_point) && !object.at(zero_point).is_null()) {
    const Json& value = object.at(zero_point);
    if (value.is_number_integer() && value >= -128 && value <= 255)
      config.zero_point = value.get<int>();
    else
      members.problem(members.pointer(zero_point), "bad-value",
                      format("{} is no zero point of 8 bits", json::found(value)),
                      "write a whole number from -128 to 255, or null");
  }
}

Config read_config(const File& file, const Json& value, const std::string& pointer) {
  Config config;
  Members members(file.document, value, pointer, file.diagnostics);
  if (!members.present()) return config;
  read_attributes(file, members, config);
  members.read("activation_quantization_method", config.method, kPowerOfTwo, kUniform);
  members.read("activation_n_bits", config.bits, 1, 32);
  members.read("enable_activation_quantization", config.enabled);
  members.read("quantization_preserving", config.preserving);
  members.read("signedness", config.signedness, 0, 2);
  members.ignore("simd_size");  // what MCT prunes by
  read_input_bits(members, config, value);
  read_fixed(members, config, value);
  if (config.method == kLutPowerOfTwo)
    members.problem(members.pointer("activation_quantization_method"), "target-cannot",
                    "no file holds activations as indices into a codebook",
                    "write 0 (power of two), 2 (symmetric) or 3 (uniform)");
  members.finish();
  return config;
}

// The one of few enough bits that MCT would take: base_config, else the widest.
std::optional<Config> chosen(const std::vector<Config>& candidates, const std::optional<Config>& base) {
  if (base && (base->bits <= kBits || !base->enabled)) return base;
  std::optional<Config> best;
  for (const Config& config : candidates)
    if (config.bits <= kBits && (!best || config.bits > best->bits)) best = config;
  return best;
}

std::optional<Options> read_options(const File& file, const Json& value, const std::string& pointer) {
  Options options;
  Members members(file.document, value, pointer, file.diagnostics);
  if (!members.present()) return std::nullopt;
  const char* key = "quantization_configurations";
  if (const Json* list = members.list(key))
    for (size_t i = 0; i < list->size(); ++i)
      options.candidates.push_back(
          read_config(file, (*list)[i], json::child(members.pointer(key), std::to_string(i))));
  std::optional<Config> base;
  if (!members.is_null("base_config"))
    if (const Json* object = members.object("base_config"))
      base = read_config(file, *object, members.pointer("base_config"));
  members.finish();
  if (options.candidates.empty())
    members.problem(members.pointer(key), "missing-key", "an operator set needs a configuration",
                    "write one at least, or \"qc_options\": null for that of default_qco");
  else if (options.candidates.size() > 1 && !base)
    members.problem(pointer, "missing-key",
                    format("of {} configurations none is the base_config", options.candidates.size()),
                    "name the one to use without a search under \"base_config\"");
  if (options.candidates.empty()) return std::nullopt;
  if (options.candidates.size() == 1 && !base) base = options.candidates.front();
  const std::optional<Config> taken = chosen(options.candidates, base);
  if (!taken)
    members.problem(members.pointer(key), "target-cannot",
                    format("none of its configurations has activations of {} bits or fewer", kBits),
                    format("add one with \"activation_n_bits\": {}", kBits));
  if (taken) options.base = *taken;
  return options;
}

const Row* row_of(std::string_view set) {
  const auto row =
      std::find_if(table().begin(), table().end(), [&](const Row& r) { return set == r.set && *r.set; });
  return row == table().end() ? nullptr : &*row;
}

void unknown_set(const File& file, const std::string& pointer, const std::string& name) {
  std::vector<std::string> names;
  for (const Row& row : table())
    if (*row.set) names.emplace_back(row.set);
  const std::string near = name.size() <= 100 ? nearest(name, names) : std::string();
  file.diagnostics.error({"unknown-operator-set", json::place(file.document, pointer),
                          format("no ONNX op is known for the operator set '{}'", name),
                          (near.empty() ? std::string() : format("did you mean \"{}\"? ", near)) +
                              "write its ops as rules of our own, under \"ops\", in a file with "
                              "\"based_on\""});
}

using Sets = std::map<std::string, std::optional<Options>>;  // nothing: as default_qco

Sets read_sets(const File& file, Members& root) {
  Sets sets;
  const Json* list = root.list("operator_set");
  for (size_t i = 0; list && i < list->size(); ++i) {
    const std::string pointer = json::child(root.pointer("operator_set"), std::to_string(i));
    Members members(file.document, (*list)[i], pointer, file.diagnostics);
    if (!members.present()) continue;
    std::string name;
    members.read("name", name);
    members.ignore("type");
    std::optional<Options> options;
    if (!members.is_null("qc_options"))
      if (const Json* object = members.object("qc_options"))
        options = read_options(file, *object, members.pointer("qc_options"));
    members.finish();
    if (!row_of(name)) unknown_set(file, members.pointer("name"), name);
    if (!sets.emplace(name, options).second)
      members.problem(members.pointer("name"), "named-twice",
                      format("there are two operator sets '{}'", name), "join them to one");
  }
  return sets;
}

// Sets are repeated in full inside patterns; their names suffice.
void add_step(const File& file, const Json& group, const std::string& pointer,
              std::vector<std::string>& step) {
  if (!group.is_object()) return;
  if (group.contains("operators_set") && group.at("operators_set").is_array()) {
    for (const Json& set : group.at("operators_set")) add_step(file, set, pointer, step);
    return;
  }
  const Json name = group.value("name", Json());
  const Row* row = name.is_string() ? row_of(name.get<std::string>()) : nullptr;
  if (!row) return unknown_set(file, pointer, name.is_string() ? name.get<std::string>() : "");
  for (const char* op : row->onnx)
    if (std::find(step.begin(), step.end(), op) == step.end()) step.emplace_back(op);
}

void read_fusing(const File& file, Members& root, TargetSpec& target) {
  if (root.is_null("fusing_patterns")) return;
  const Json* list = root.list("fusing_patterns");
  for (size_t i = 0; list && i < list->size(); ++i) {
    const std::string pointer = json::child(root.pointer("fusing_patterns"), std::to_string(i));
    Members members(file.document, (*list)[i], pointer, file.diagnostics);
    if (!members.present()) continue;
    Fusing fusing;
    if (!members.is_null("name")) members.read("name", fusing.name);
    bool rounded_inside = false;
    const char* inner = "fuse_op_quantization_config";
    if (!members.is_null(inner))
      if (const Json* object = members.object(inner)) {
        const Config config = read_config(file, *object, members.pointer(inner));
        rounded_inside = config.enabled && config.bits <= kBits;
      }
    const Json* groups = members.list("operator_groups");
    for (size_t g = 0; groups && g < groups->size(); ++g) {
      fusing.steps.emplace_back();
      add_step(file, (*groups)[g], members.pointer("operator_groups"), fusing.steps.back());
    }
    members.finish();
    if (fusing.steps.size() < 2)
      members.problem(members.pointer("operator_groups"), "bad-value",
                      format("a pattern of {} ops fuses nothing", fusing.steps.size()), "name two or more");
    if (!rounded_inside) target.fusing.push_back(std::move(fusing));
  }
}

// TFLite's own convention, where fixed parameters come from: int8, unless the zero point is beyond it.
std::pair<double, double> fixed_range(const Config& config) {
  const int lowest = config.zero_point > 127 ? 0 : -128;
  return {(lowest - config.zero_point) * *config.scale, (lowest + 255 - config.zero_point) * *config.scale};
}

const char* grid_words(Grid grid) {
  return grid == Grid::kPowerOfTwo ? "a power of two as its range"
         : grid == Grid::kCentred  ? "a range around zero"
                                   : "any range";
}

// Widths of results that a search may choose from: those that the candidates offer beside every width of
// weights that they offer at all, because the two are chosen apart. Nothing where the base's is the only one.
std::map<int, Grid> result_widths(const Options& options) {
  const auto kernel_bits = [](const Config& config) {
    return config.kernel && config.kernel->enabled ? config.kernel->bits : 0;
  };
  std::set<int> kernels;
  std::map<int, std::set<int>> beside;  // by width of the result
  std::map<int, Grid> widths;
  for (const Config& config : options.candidates) {
    kernels.insert(kernel_bits(config));
    if (!config.enabled || config.method == kLutPowerOfTwo || config.bits < kLeastResultBits ||
        (config.bits > kBits && config.bits != kMostResultBits))
      continue;
    beside[config.bits].insert(kernel_bits(config));
    widths.emplace(config.bits, grid_of(config.method));
  }
  std::erase_if(widths, [&](const auto& width) { return beside[width.first] != kernels; });
  if (!widths.contains(options.base.bits) || widths.size() < 2) widths.clear();
  return widths;
}

OpRule rule_of(const char* op, const Row& row, const Options& options, const Config& standard) {
  const Config& config = options.base;
  OpRule rule;
  rule.op_type = op;
  rule.data_inputs = row.inputs;
  if (row.nature == Nature::kWeighted && std::string_view(op) == "MatMul") rule.data_inputs.clear();
  rule.input_bits = config.input_bits;
  rule.signedness = static_cast<Signedness>(config.signedness);
  if (config.enabled && grid_of(config.method) != grid_of(standard.method))
    rule.result = grid_of(config.method);
  const std::string results = format("Its result has {}.", grid_words(grid_of(config.method)));
  const bool reads =
      std::find(config.input_bits.begin(), config.input_bits.end(), kBits) != config.input_bits.end() ||
      config.input_bits.empty();
  rule.float_weights_int8 = false;
  if (!reads) {
    rule.sentence = format("It takes activations of {} bits, and files have {}.",
                           fmt::join(config.input_bits, " or "), kBits);
  } else if (row.nature == Nature::kMove) {
    rule.kind = OpKind::kMove;
    rule.sentence = "Hands values on: the output has the input's scale.";
  } else if (row.nature == Nature::kOther) {
    rule.sentence = "Its results are not quantized.";
  } else if (!config.enabled && !config.preserving) {
    rule.sentence = "The target leaves its results in float.";
  } else if (row.nature == Nature::kWeighted && !(config.kernel && config.kernel->enabled)) {
    rule.sentence = "The target does not quantize its weights.";
  } else if (row.nature == Nature::kWeighted) {
    rule.kind = OpKind::kWeighted;
    rule.per_channel = config.kernel->per_channel;
    rule.float_weights_int8 = true;
    rule.sentence = format("{}-bit weights with {} for {}. {}", config.kernel->bits,
                           config.kernel->method == kPowerOfTwo ? "a power of two" : "a range around zero",
                           config.kernel->per_channel ? "each output channel" : "the whole tensor", results);
  } else {
    rule.kind = OpKind::kCompute;
    rule.same_input_scale = config.preserving;
    rule.sentence = config.preserving ? "Its result has the inputs' scale." : results;
  }
  if (config.enabled && (rule.kind == OpKind::kWeighted || rule.kind == OpKind::kCompute))
    rule.result_widths = result_widths(options);
  return rule;
}

// What the weights of all ops have in common: the file says it op by op.
void add_weights(const File& file, const std::string& pointer, const Options& options, bool& first,
                 TargetSpec& target) {
  const Kernel& kernel = *options.base.kernel;
  const auto refuse = [&](std::string cause, std::string remedy) {
    file.diagnostics.error({"target-cannot", pointer, std::move(cause), std::move(remedy)});
  };
  if (kernel.method == kUniform || is_lut(kernel.method) || kernel.bits != kBits)
    refuse("the base_config's kernel is not of 8 bits around zero, which integer kernels need",
           "set weights_n_bits to 8 and weights_quantization_method to 2 (symmetric) or 0 (power of two) "
           "there; other widths may stand among the candidates");
  std::map<int, bool> widths;
  for (const Config& config : options.candidates)
    if (config.kernel && config.kernel->enabled) widths[config.kernel->bits] |= is_lut(config.kernel->method);
  const bool power_of_two = grid_of(kernel.method) == Grid::kPowerOfTwo;
  if (!first && power_of_two != target.weights.power_of_two)
    refuse("kernels of some sets have powers of two as ranges, those of others have not",
           "give all sets one weights_quantization_method");
  target.weights.power_of_two = power_of_two;
  target.weights.per_channel |= kernel.per_channel;
  if (first) target.weight_widths = widths;
  std::erase_if(target.weight_widths, [&](const auto& width) { return !widths.contains(width.first); });
  first = false;
}

bool alike(const OpRule& a, const OpRule& b) {
  return a.sentence == b.sentence && a.signedness == b.signedness && a.result == b.result &&
         a.result_widths == b.result_widths;
}

void add_rules(const File& file, const Options& standard, const Sets& sets, TargetSpec& target) {
  bool first = true;
  target.weights = {kBits, true, true, false, false, false, false};
  std::set<std::string> said;  // ONNX ops
  for (const bool named : {true, false})
    for (const Row& row : table()) {
      const auto set = sets.find(row.set);
      if ((set != sets.end()) != named) continue;
      const Options& options = named && set->second ? *set->second : standard;
      for (const char* op : row.onnx) {
        OpRule rule = rule_of(op, row, options, standard.base);
        const bool fresh = said.insert(op).second;
        // One op of ONNX, told apart by its shape alone.
        const bool depthwise =
            !fresh && named && row.nature == Nature::kWeighted && !alike(target.ops[op], rule);
        if (depthwise) rule.op_type = kDepthwise;
        if (fresh || depthwise) target.ops[rule.op_type] = rule;
        if (options.base.scale && options.base.enabled && fresh)
          target.known_ranges[op] = fixed_range(options.base);
        if ((fresh || depthwise) && rule.kind == OpKind::kWeighted)
          add_weights(file, file.document.label + " /operator_set (" + row.set + ")", options, first, target);
      }
    }
}

}  // namespace

bool is_tpc(const Json& root) {
  return root.is_object() && (root.contains("default_qco") || root.contains("operator_set"));
}

TargetSpec read_tpc(const json::Document& document, const std::string& fallback_name,
                    Diagnostics& diagnostics) {
  const File file{document, diagnostics};
  Members root(document, document.root, "", diagnostics);
  TargetSpec target;
  target.name = fallback_name;
  int schema = 2, minor = 0, patch = 0;
  std::string platform, name;
  bool flag = false;
  const auto number = [&](const char* key, int& value) {
    if (!root.is_null(key)) root.read(key, value, 0, 1 << 20);
  };
  const auto text = [&](const char* key, std::string& value) {
    if (!root.is_null(key)) root.read(key, value);
  };
  root.read("SCHEMA_VERSION", schema, 1, 2);
  text("name", name);
  number("tpc_minor_version", minor);
  number("tpc_patch_version", patch);
  text("tpc_platform_type", platform);
  root.read("add_metadata", flag);
  root.read("is_simd_padding", flag);
  root.read("insert_preserving_quantizers", flag);
  std::optional<Options> standard;
  if (const Json* value = root.object("default_qco"))
    standard = read_options(file, *value, root.pointer("default_qco"));
  else
    root.problem(root.pointer("default_qco"), "missing-key", "a TPC needs a default_qco",
                 "add it: what ops without a set of their own follow");
  const Sets sets = read_sets(file, root);
  read_fusing(file, root, target);
  root.finish();
  if (!standard || !diagnostics.errors.empty()) return target;
  target.description = format("TargetPlatformCapabilities{}{}, version {}.{} (schema {}).",
                              platform.empty() ? "" : " of " + platform,
                              name.empty() ? "" : " (" + name + ")", minor, patch, schema);
  target.activations = {kBits,
                        false,
                        false,
                        grid_of(standard->base.method) == Grid::kPowerOfTwo,
                        false,
                        false,
                        grid_of(standard->base.method) == Grid::kCentred};
  target.bias_bits = 0;  // MCT's targets leave them in float, and round every result that has a rule
  target.float_islands = false;
  target.pairs_in_16_bits = false;  // nor are they processors of that kind
  add_rules(file, *standard, sets, target);
  return target;
}

}  // namespace qc::target
