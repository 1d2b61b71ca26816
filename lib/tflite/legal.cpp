// See legal.h. Every limit is a number measured on the operator, so that a rule is one line in a target file.
#include "tflite/legal.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace qc::tflite {
namespace {

struct Case {
  const Model& model;
  const Operator& op;
  const Tensor* input(size_t slot) const {
    return slot < op.inputs.size() && op.inputs[slot] != kAbsent ? &model.tensors[op.inputs[slot]] : nullptr;
  }
  const Tensor& output() const { return model.tensors[op.outputs[0]]; }
  const Tensor* data() const {
    return input(op.op == Op::kTransposeConv ? 2 : op.op == Op::kSplit || op.op == Op::kSelectV2 ? 1 : 0);
  }
  // Of the ops with weights.
  const Tensor* weight() const {
    constexpr Op kWeighted[] = {Op::kConv2d, Op::kDepthwiseConv2d, Op::kTransposeConv, Op::kFullyConnected};
    return std::find(std::begin(kWeighted), std::end(kWeighted), op.op) == std::end(kWeighted) ? nullptr
                                                                                               : input(1);
  }
};

double largest(const Case& c, double (*of)(const Tensor&)) {
  double found = 0;
  for (const auto* list : {&c.op.inputs, &c.op.outputs})
    for (const TensorId id : *list) {
      if (id == kAbsent) continue;
      const Tensor& tensor = c.model.tensors[id];
      if (!tensor.data) found = std::max(found, of(tensor));
    }
  return found;
}

// Height (0) or width (1) of a convolution's reach.
double reach(const Case& c, int side) {
  const Tensor* weight = c.weight();
  if (!weight || weight->shape.size() != 4) return 0;
  const int64_t dilation = int_option(c.op, side == 0 ? "dilation_h_factor" : "dilation_w_factor", 1);
  return static_cast<double>((weight->shape[static_cast<size_t>(side) + 1] - 1) * dilation + 1);
}

double window(const Case& c, Padding padding) {
  if (int_option(c.op, "padding", 0) != static_cast<int64_t>(padding)) return 0;
  return static_cast<double>(
      std::max(int_option(c.op, "filter_width", 0), int_option(c.op, "filter_height", 0)));
}

double version(const Case& c) {
  return c.op.version;
}
double rank(const Case& c) {
  return largest(c, [](const Tensor& t) { return static_cast<double>(t.shape.size()); });
}
double outer(const Case& c) {
  return largest(c, [](const Tensor& t) {
    double count = 1;
    for (size_t d = 0; d + 3 < t.shape.size(); ++d) count *= t.shape[d];
    return count;
  });
}
double size(const Case& c) {
  return largest(c, [](const Tensor& t) {
    return t.shape.empty() ? 1.0 : *std::max_element(t.shape.begin(), t.shape.end());
  });
}
double stride(const Case& c) {
  return static_cast<double>(std::max(int_option(c.op, "stride_w", 1), int_option(c.op, "stride_h", 1)));
}
double kernel_height(const Case& c) {
  return reach(c, 0);
}
double kernel_area(const Case& c) {
  return reach(c, 0) * reach(c, 1);
}
double same_window(const Case& c) {
  return window(c, Padding::kSame);
}
double valid_window(const Case& c) {
  return window(c, Padding::kValid);
}
double groups(const Case& c) {
  const Tensor* weight = c.weight();
  if (c.op.op != Op::kConv2d || weight->shape.size() != 4) return 1;
  return static_cast<double>(c.data()->shape[3]) / std::max(weight->shape[3], 1);
}
double multiplier(const Case& c) {  // of one channel any is a plain convolution
  return c.op.op == Op::kDepthwiseConv2d && c.data()->shape.back() > 1
             ? static_cast<double>(int_option(c.op, "depth_multiplier", 1))
             : 1;
}
double inputs(const Case& c) {
  return static_cast<double>(c.op.inputs.size());
}
double depth(const Case& c) {
  return c.data() && !c.data()->shape.empty() ? c.data()->shape.back() : 1;
}
double scales(const Case& c) {
  const Tensor* weight = c.op.op == Op::kDequantize ? c.data() : c.weight();
  return weight ? static_cast<double>(weight->quantization.scales.size()) : 0;
}
double hybrid(const Case& c) {
  return c.weight() && c.data() && c.data()->type == Type::kFloat32 &&
         (c.weight()->type == Type::kInt8 || c.weight()->type == Type::kInt4);
}
double int4(const Case& c) {
  return c.weight() && c.weight()->type == Type::kInt4;
}
double int4_scales(const Case& c) {
  return int4(c) != 0 ? scales(c) : 0;
}
double int64(const Case& c) {
  return c.output().type == Type::kInt64;
}
double fused_activation(const Case& c) {
  return static_cast<double>(int_option(c.op, "fused_activation_function", 0));
}
double unequal_dilation(const Case& c) {
  return int_option(c.op, "dilation_w_factor", 1) != int_option(c.op, "dilation_h_factor", 1);
}
double unequal_scales(const Case& c) {
  return std::any_of(c.op.inputs.begin(), c.op.inputs.end(), [&](TensorId id) {
    return id != kAbsent && c.model.tensors[id].quantization != c.output().quantization;
  });
}

// A factor other than 2, 4 or 8, or unlike ones; corners that align are one cell less.
double odd_resize(const Case& c) {
  const Tensor* x = c.data();
  if (!x || x->shape.size() != 4 || c.output().shape.size() != 4 || x->shape == c.output().shape) return 0;
  const int32_t less = int_option(c.op, "align_corners", 0) != 0 ? 1 : 0;
  double factors[2];
  for (size_t d = 0; d < 2; ++d)
    factors[d] =
        static_cast<double>(c.output().shape[d + 1] - less) / std::max<int32_t>(x->shape[d + 1] - less, 1);
  const bool half = int_option(c.op, "half_pixel_centers", 0) != 0 && c.op.op == Op::kResizeBilinear;
  const bool known = factors[0] == 2 || (!half && (factors[0] == 4 || factors[0] == 8));
  return factors[0] != factors[1] || !known;
}

struct Limit {
  std::string_view name;
  double (*measure)(const Case&);
  const char* why;     // with what was measured and the limit
  const char* remedy;  // nullptr: only another target or another model helps
};
constexpr const char* kCut = "cut the model in front of it and run the rest elsewhere";
constexpr std::array<Limit, target::kTfliteLimits.size()> kLimits{{
    {"version", version, "it is version {} of the op, and versions up to {} are known", nullptr},
    {"rank", rank, "its tensors have {} dimensions, and {} are the most", "reshape to fewer in the model"},
    {"outer", outer, "the product of its dimensions in front of the last three is {}, and {} is the most",
     "fix the batch to 1 with input_shapes in the config"},
    {"size", size, "a dimension of it is {}, and {} is the most", kCut},
    {"stride", stride, "its stride is {}, and {} is the most", kCut},
    {"kernel_height", kernel_height, "its kernel reaches over {} rows, and {} are the most", kCut},
    {"kernel_area", kernel_area, "its kernel reaches over {} cells, and {} are the most", kCut},
    {"same_window", same_window, "its window is {} wide or high, and with padding {} is the most", kCut},
    {"valid_window", valid_window, "its window is {} wide or high, and {} is the most", kCut},
    {"groups", groups, "it works in {} groups, and {} is the most", "export the model with group=1 there"},
    {"multiplier", multiplier, "it makes {} channels of each, and {} is the most",
     "export the model with as many outputs as inputs there"},
    {"inputs", inputs, "it has {} inputs, and {} are the most", kCut},
    {"depth", depth, "its input has {} channels, and {} are the most", kCut},
    {"scales", scales, "its weights have {} scales, and {} is the most",
     "give the op \"per_channel\": false in a target file based on this one"},
    {"hybrid", hybrid, "it takes float activations with int8 weights",
     "set /output/tflite/form to \"int8\" or \"float32\""},
    {"fused_activation", fused_activation, "an activation is fused into it",
     "put the activation behind another op in the model"},
    {"unequal_dilation", unequal_dilation, "its dilations differ",
     "export the model with equal dilations there"},
    {"unequal_scales", unequal_scales, "its inputs and output have unlike scales",
     "name the node in keep_float"},
    {"int4", int4, "its weights have 4 bits", "keep weights_n_bits at 8 there"},
    {"int4_scales", int4_scales, "its weights of 4 bits have {} scales, and {} is the most",
     "keep weights_n_bits at 8 there"},
    {"int64", int64, "its result is integers of 64 bits", kCut},
    {"odd_resize", odd_resize, "it resizes by other factors than 2, 4 or 8 (2 with half_pixel)",
     "resize by 2 several times in the model"},
}};

std::optional<std::string> broken_limit(const Case& c, const target::TfliteRules& rules,
                                        const target::TfliteOpRule& rule, const char*& remedy) {
  for (const Limit& limit : kLimits) {
    const auto own = rule.limits.find(std::string(limit.name)),
               general = rules.limits.find(std::string(limit.name));
    if (own == rule.limits.end() && general == rules.limits.end()) continue;
    const double most = own != rule.limits.end() ? own->second : general->second, found = limit.measure(c);
    if (found <= most) continue;
    remedy = limit.remedy;
    return fmt::format(fmt::runtime(limit.why), found, most);
  }
  return std::nullopt;
}

// Types that count: of the data, and of both sides where changing them is what the op does.
std::optional<std::string> foreign_type(const Case& c, const target::TfliteOpRule& rule) {
  const bool changes = c.op.op == Op::kQuantize || c.op.op == Op::kDequantize || c.op.op == Op::kCast;
  for (const Tensor* tensor : {c.data(), changes ? &c.output() : nullptr}) {
    if (!tensor) continue;
    const std::string type = name_of(tensor->type);
    if (std::find(rule.types.begin(), rule.types.end(), type) == rule.types.end()) return type;
  }
  return std::nullopt;
}

}  // namespace

std::vector<Violation> violations(const Model& model, const target::TfliteRules& rules,
                                  const std::string& name) {
  std::vector<Violation> found;
  for (const Operator& op : model.operators) {
    const Case c{model, op};
    Violation violation{op.node, info_of(op.op).name, {}, {}, false};
    const auto said = rules.remedies.find(violation.op);
    const char* remedy = nullptr;
    if (const auto rule = rules.ops.find(violation.op); rule == rules.ops.end()) {
      violation.why = format("{} has no {}", name, violation.op);
    } else if (const auto type = foreign_type(c, rule->second)) {
      violation.why = format("{} has {} for {} only, and here it works on {}", name, violation.op,
                             join(rule->second.types, ", "), *type);
      violation.strict = rule->second.strict_types;
    } else if (const auto broken = broken_limit(c, rules, rule->second, remedy)) {
      violation.why = format("{}: {}", violation.op, *broken);
    } else {
      continue;
    }
    violation.remedy = remedy                         ? remedy
                       : said != rules.remedies.end() ? said->second
                                                      : std::string(kCut) + ", or write for target litert";
    found.push_back(std::move(violation));
  }
  return found;
}

std::vector<Op> missing_ops(const target::TfliteRules& rules) {
  std::vector<Op> missing;
  for (const OpInfo& info : all_ops())
    if (!rules.ops.contains(info.name)) missing.push_back(info.op);
  return missing;
}

std::vector<Op> never_float_ops(const target::TfliteRules& rules) {
  std::vector<Op> found;
  for (const OpInfo& info : all_ops()) {
    const auto rule = rules.ops.find(info.name);
    if (rule != rules.ops.end() && rule->second.strict_types &&
        std::ranges::find(rule->second.types, "float32") == rule->second.types.end())
      found.push_back(info.op);
  }
  return found;
}

}  // namespace qc::tflite
