// See normalize.h. The table below is the order of rewrites. Checking costs two sessions as long as all is
// well: the graph as it came and the graph as it is in the end. Only if these differ everything is done again
// from a copy, one rewrite at a time with a check behind each.
#include "normalize/normalize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "base/log.h"
#include "base/text.h"
#include "normalize/edit.h"
#include "normalize/rewrites.h"

namespace qc::normalize {
namespace {

using ir::Tensor;

using Rewrite = int (*)(Graph&, run::RunnerFactory&, const Options&);

/// Most rewrites need neither a runtime nor options.
template <int (*kRewrite)(Graph&)>
int plain(Graph& graph, run::RunnerFactory&, const Options&) {
  return kRewrite(graph);
}
int computed(Graph& graph, run::RunnerFactory& runners, const Options&) {
  return fold_constants(graph, runners);
}
template <int (*kRewrite)(Graph&, const Bodies&)>
int opened(Graph& graph, run::RunnerFactory&, const Options& options) {
  return kRewrite(graph, options.bodies);
}
template <int (*kRewrite)(Graph&)>
int without_grids(Graph& graph, run::RunnerFactory&, const Options& options) {
  return options.has_grids ? 0 : kRewrite(graph);
}
int chosen(Graph& graph, run::RunnerFactory&, const Options& options) {
  return sub_pixel(graph, options.sub_pixel);
}

enum class Turn {
  kEachRound,
  kBodiesToo,  // in each round of normalize(), and of open_bodies(), which knows no others
  kSettled,    // in a round in which nothing else changes
};

struct Row {
  RewriteInfo info;
  Rewrite apply;
  Turn turn = Turn::kEachRound;
};

// Constants and shapes first, because everything else asks for them; then one spelling for each idea; then
// scales and shifts into weights, backwards before forwards (forwards mixes the scales of input channels into
// one filter, which is harder to quantize). Sub and Div go last: until then they are what idioms are
// recognised by. A ConvTranspose is one layer to all others, and becomes several when they are done with it.
constexpr Row kTable[] = {
    {{"inline_functions", "A call of a model-local function becomes the function's nodes."},
     opened<inline_functions>,
     Turn::kBodiesToo},
    {{"fold_shapes", "Shape arithmetic with a fixed result becomes a constant."},
     plain<fold_shapes>,
     Turn::kBodiesToo},
    {{"fold_constants", "What depends on constants alone is computed once."}, computed, Turn::kBodiesToo},
    {{"inline_if", "An If whose condition is fixed becomes the branch that it takes."},
     opened<inline_if>,
     Turn::kBodiesToo},
    {{"remove_no_ops", "Nodes that hand their input on unchanged are removed."}, plain<remove_no_ops>},
    {{"drop_empty", "A Concat does without inputs that have no elements, whatever comes in."},
     plain<drop_empty>},
    {{"split_fused", "FusedConv and FusedGemm become the ops that ONNX Runtime had joined."},
     plain<split_fused>},
    {{"merge_transposes", "A Transpose of a Transpose becomes one, or none."}, plain<merge_transposes>},
    {{"merge_reshapes", "A Reshape takes over the layout nodes in front of it."}, plain<merge_reshapes>},
    {{"explicit_pads", "auto_pad and output_shape become explicit pads."}, plain<explicit_pads>},
    {{"ceil_pads", "A pool's ceil_mode becomes pads where a window would lie beyond the input."},
     plain<ceil_pads>},
    {{"pad_behind", "Padding that fills whole windows of a pool comes behind it."}, plain<pad_behind>},
    {{"fold_pad", "A Pad becomes the padding of the convolution or pool behind it."}, plain<fold_pad>},
    {{"flatten_to_reshape", "Flatten becomes Reshape."}, plain<flatten_to_reshape>},
    {{"pool_globally", "A mean over all of space becomes GlobalAveragePool."}, plain<pool_globally>},
    {{"softmax_in_place", "Softmax between two Reshapes works on its input as it is."},
     plain<softmax_in_place>},
    {{"softmax_last", "Softmax works along the last axis where a Transpose beside it can see to that."},
     plain<softmax_last>},
    {{"softmax_of_one", "Softmax over a single element becomes 1."}, plain<softmax_of_one>},
    {{"plain_activations", "Clip, Min, Max and Relu become one range, spelled Relu or Clip."},
     plain<plain_activations>},
    {{"spell_sigmoid", "1 / (1 + exp(-x)) becomes Sigmoid."}, plain<spell_sigmoid>},
    {{"spell_hard_swish", "HardSwish becomes HardSigmoid and Mul, in whatever way it is written."},
     plain<spell_hard_swish>},
    {{"spell_variance", "mean(x^2) - mean(x)^2 becomes the mean of (x - mean(x))^2."}, plain<spell_variance>},
    {{"spell_moments", "LayerNorm that scales first and takes its mean off later comes in the usual order."},
     plain<spell_moments>},
    {{"spell_layer_norm", "LayerNorm taken apart becomes LayerNormalization."}, plain<spell_layer_norm>},
    {{"spell_gelu", "GELU taken apart becomes Gelu, or comes in the order that the runtime joins."},
     plain<spell_gelu>},
    {{"plain_gemm", "Gemm loses alpha, beta and transA, and adds one number a column."}, plain<plain_gemm>},
    {{"matmul_to_gemm", "MatMul and the Add of its bias become Gemm."}, plain<matmul_to_gemm>},
    {{"one_axis", "A weight that is read along two axes becomes one for each."}, plain<one_axis>},
    {{"all_axes", "Pad and Resize list all axes."}, plain<all_axes>},
    {{"own_parameters", "A number that is calculated with and bounds or fills elsewhere becomes two."},
     plain<own_parameters>},
    {{"factor_out", "x + x * g becomes x * (1 + g) where g is smaller than x."}, plain<factor_out>},
    {{"fold_batch_norm", "BatchNormalization becomes part of the weights before it."},
     plain<fold_batch_norm>},
    {{"merge_branches", "Convolutions of one input that are added become one."},
     without_grids<merge_branches>},
    {{"fold_focus", "A convolution of every other pixel reads the picture itself."}, plain<fold_focus>},
    {{"fold_affine", "A constant scale or shift becomes part of the weights before it."}, plain<fold_affine>},
    {{"fold_hard_sigmoid", "HardSigmoid behind a convolution becomes a Clip."}, plain<fold_hard_sigmoid>},
    {{"fold_forward", "A constant scale or shift becomes part of the weights behind it."},
     plain<fold_forward>},
    {{"plain_arithmetic", "Subtracting or dividing by a constant becomes Add or Mul, a Sum of two an Add."},
     plain<plain_arithmetic>},
    {{"slice_early", "What is left out of an axis, as all tokens but one, is not computed before."},
     without_grids<slice_early>,
     Turn::kSettled},
    {{"sub_pixel", "ConvTranspose becomes a convolution and DepthToSpace where that is faster."},
     chosen,
     Turn::kSettled},
    {{"flush_subnormals", "Weights below 1.2e-38, which processors are slow with, become 0."},
     plain<flush_subnormals>,
     Turn::kSettled},
};
constexpr size_t kRewrites = std::size(kTable);

/// Rewrites enable each other; the longest chains met in real models settle in four rounds.
constexpr int kMostRounds = 64;

/// Sees the graph after each rewrite that changed something and may put it back; false: it did.
using Inspect = std::function<bool(size_t row, int count)>;

using Rows = std::array<bool, kRewrites>;

void apply_all(Graph& graph, run::RunnerFactory& runners, const Options& options, const Rows& left_out,
               const Inspect& inspect) {
  Rows disabled = left_out;
  for (int round = 0; round < kMostRounds; ++round) {
    if (options.infer_shapes) options.infer_shapes(graph);
    bool changed = false;
    for (size_t row = 0; row < kRewrites; ++row) {
      if (disabled[row] || (kTable[row].turn == Turn::kSettled && changed)) continue;
      const int count = kTable[row].apply(graph, runners, options);
      if (count == 0) continue;
      ir::remove_dead(graph);
      if (inspect(row, count))
        changed = true;
      else
        disabled[row] = true;
    }
    if (!changed) break;
  }
}

/// Numbers of any plain type as double; empty for the others.
std::vector<double> numbers_of(const Tensor& tensor) {
  const auto widened = [](auto values) { return std::vector<double>(values.begin(), values.end()); };
  switch (tensor.dtype) {
    case ir::DType::kFloat:
      return widened(tensor.as<float>());
    case ir::DType::kDouble:
      return widened(tensor.as<double>());
    case ir::DType::kInt64:
      return widened(tensor.as<int64_t>());
    case ir::DType::kInt32:
      return widened(tensor.as<int32_t>());
    case ir::DType::kUint8:
    case ir::DType::kBool:
      return widened(tensor.as<uint8_t>());
    case ir::DType::kInt8:
      return widened(tensor.as<int8_t>());
    default:
      return {};
  }
}

/// Outputs smaller than this are compared with it: a Sigmoid far in its tail comes in steps of 6e-8 from ONNX
/// Runtime's kernel, and a map of nothing but tails (a detector that sees nothing) would never agree with
/// itself.
constexpr double kSmallestOutput = 1e-3;

/// max |a - b| / max |a|; infinite when shapes differ, or when a number on one side alone is not finite.
double change_between(const Tensor& before, const Tensor& after) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (before.dtype != after.dtype || before.dims != after.dims) return kInfinity;
  const std::vector<double> a = numbers_of(before), b = numbers_of(after);
  double largest = kSmallestOutput, change = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) {
      if (std::isfinite(a[i])) largest = std::max(largest, std::abs(a[i]));
      continue;
    }
    if (!std::isfinite(a[i]) || !std::isfinite(b[i])) return kInfinity;
    largest = std::max(largest, std::abs(a[i]));
    change = std::max(change, std::abs(a[i] - b[i]));
  }
  return change / largest;
}

/// Knows the outputs of the graph as it came.
class Checker {
 public:
  /// `as_written`: graphs are run without the runtime's own rewrites.
  Checker(const Graph& graph, run::RunnerFactory& runners, const Options& options, bool as_written)
      : runners_(runners), as_written_(as_written), inputs_(options.check_inputs) {
    if (inputs_.empty() || !repeatable(graph)) return;
    try {
      before_ = outputs_of(graph, !as_written_);
    } catch (const Error&) {
      if (as_written_) throw;
      before_ = outputs_of(graph, false);
      as_written_ = true;
    }
  }
  bool active() const { return before_.has_value(); }

  /// The worst output's change; infinite when the runtime refuses the graph.
  double change(const Graph& graph) const {
    double worst = 0;
    try {
      const std::vector<Tensor> after = outputs_of(graph, !as_written_);
      for (size_t i = 0; i < after.size(); ++i)
        worst = std::max(worst, change_between(before_->at(i), after[i]));
    } catch (const Error& error) {
      log::debug(format("the rewritten graph does not run: {}", error.what()));
      worst = std::numeric_limits<double>::infinity();
    }
    return worst;
  }

 private:
  std::vector<Tensor> outputs_of(const Graph& graph, bool optimize) const {
    run::RunnerOptions options;
    options.optimize = optimize;
    return runners_.make(graph, {}, options)->run(inputs_);
  }

  /// Random numbers differ from run to run: nothing to compare.
  static bool repeatable(const Graph& graph) {
    constexpr std::string_view kRandom[] = {"RandomNormal",      "RandomUniform", "RandomNormalLike",
                                            "RandomUniformLike", "Multinomial",   "Bernoulli"};
    return std::none_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
      return !node.erased &&
             std::find(std::begin(kRandom), std::end(kRandom), node.op_type) != std::end(kRandom);
    });
  }

  run::RunnerFactory& runners_;
  bool as_written_;  // what the runtime makes of the graph at load is more than it takes (pad_behind)
  const std::vector<Tensor>& inputs_;
  std::optional<std::vector<Tensor>> before_;
};

/// Inputs that rewrites may rely on; the runtime would refuse such a node as well, but later and in other
/// words.
struct Arity {
  size_t inputs;
  std::string_view op_types;  // between blanks
};
constexpr Arity kArities[] = {
    {1,
     " AveragePool BatchNormalization Cast Clip Concat Dropout Erf Exp Expand Flatten Gelu"
     " GlobalAveragePool GlobalMaxPool HardSigmoid HardSwish Identity LayerNormalization Max"
     " MaxPool Mean Min Neg Pad Reciprocal ReduceMean Relu Resize Shape Sigmoid Size Slice"
     " Softmax Split Sqrt Squeeze Sum Swish Tanh Tile Transpose Unsqueeze Upsample "},
    {2, " Add Conv ConvTranspose Div Gather Gemm MatMul Mul PRelu Pow Sub "},
};

/// Adds up what each row did.
class Tally {
 public:
  void add(size_t row, int count) { rows_[row].count += count; }
  Applied& at(size_t row) { return rows_[row]; }
  std::vector<Applied> result() const {
    std::vector<Applied> done;
    for (size_t row = 0; row < kRewrites; ++row)
      if (rows_[row].count > 0) {
        done.push_back(rows_[row]);
        done.back().rewrite = kTable[row].info.name;
      }
    return done;
  }

 private:
  std::array<Applied, kRewrites> rows_{};
};

/// One rewrite at a time, a check behind each; the guilty are undone and not tried again.
std::vector<Applied> apply_checked(Graph& graph, run::RunnerFactory& runners, const Options& options,
                                   const Rows& left_out, const Checker& checker, Diagnostics& diagnostics) {
  Tally tally;
  Graph good = graph;
  apply_all(graph, runners, options, left_out, [&](size_t row, int count) {
    const double change = checker.change(graph);
    Applied& entry = tally.at(row);
    if (change <= options.tolerance) {
      tally.add(row, count);
      entry.change = std::max(entry.change, change);
      good = graph;
      return true;
    }
    graph = good;
    entry = {"", count, change, true};
    diagnostics.warning(
        {"rewrite-undone", format("graph '{}'", graph.name),
         format("the rewrite {} would change an output by {:.2g} of its largest value; it was undone",
                kTable[row].info.name, change),
         "nothing needs to be done; please report it with the model, if it can be shared"});
    return false;
  });
  return tally.result();
}

std::vector<Applied> apply(Graph& graph, run::RunnerFactory& runners, const Options& options,
                           const Rows& left_out, bool as_written, Diagnostics& diagnostics) {
  const Checker checker(graph, runners, options, as_written);
  const Graph original = graph;
  Tally tally;
  bool sound = true;
  try {
    apply_all(graph, runners, options, left_out, [&](size_t row, int count) {
      tally.add(row, count);
      return true;
    });
  } catch (const Error&) {  // the runtime refused a rewritten graph
    if (!checker.active()) throw;
    sound = false;
  }
  std::vector<Applied> done = tally.result();
  if (checker.active() && !done.empty()) {
    const double change = sound ? checker.change(graph) : std::numeric_limits<double>::infinity();
    for (Applied& entry : done) entry.change = change;
    if (change > options.tolerance) {
      graph = original;
      done = apply_checked(graph, runners, options, left_out, checker, diagnostics);
    }
  }
  ir::remove_dead(graph);
  ir::verify(graph);
  return done;
}

bool holds(const std::vector<Applied>& applied, std::string_view rewrite) {
  return std::any_of(applied.begin(), applied.end(),
                     [&](const Applied& one) { return one.rewrite == rewrite && !one.undone; });
}

}  // namespace

void check_arities(const Graph& graph) {
  Diagnostics problems;
  for (const Node& node : graph.nodes) {
    if (node.erased || !ir::standard_op(node, node.op_type)) continue;
    for (const Arity& arity : kArities) {
      if (arity.op_types.find(" " + node.op_type + " ") == std::string_view::npos) continue;
      const auto given =
          static_cast<size_t>(std::find(node.inputs.begin(), node.inputs.end(), kNone) - node.inputs.begin());
      if (given < arity.inputs)
        problems.error({"bad-node", format("node '{}' ({})", node.name, node.op_type),
                        format("it has {} of the {} inputs that it needs", given, arity.inputs),
                        "export the model again"});
      if (node.outputs.empty() || node.outputs[0] == kNone)
        problems.error({"bad-node", format("node '{}' ({})", node.name, node.op_type), "it has no output",
                        "export the model again"});
    }
  }
  problems.throw_if_errors(Exit::kInput);
}

std::span<const RewriteInfo> rewrites() {
  static constexpr auto kInfos = [] {
    std::array<RewriteInfo, kRewrites> infos{};
    for (size_t row = 0; row < kRewrites; ++row) infos[row] = kTable[row].info;
    return infos;
  }();
  return kInfos;
}

std::vector<Applied> normalize(Graph& graph, run::RunnerFactory& runners, const Options& options,
                               Diagnostics& diagnostics) {
  check_arities(graph);
  return apply(graph, runners, options, {}, false, diagnostics);
}

std::vector<Applied> open_bodies(Graph& graph, run::RunnerFactory& runners, const Options& options,
                                 Diagnostics& diagnostics) {
  const bool any = std::any_of(graph.nodes.begin(), graph.nodes.end(),
                               [](const Node& node) { return !node.erased && ir::standard_op(node, "If"); });
  if (!any && graph.functions.empty()) return {};
  check_arities(graph);
  Rows left_out{};
  for (size_t row = 0; row < kRewrites; ++row) left_out[row] = kTable[row].turn != Turn::kBodiesToo;
  Graph opened = graph;
  // ONNX Runtime 1.30 takes branches at load as well, and crashes over some of a Squeeze.
  std::vector<Applied> done = apply(opened, runners, options, left_out, true, diagnostics);
  if (!holds(done, "inline_if") && !holds(done, "inline_functions")) return {};
  graph = std::move(opened);
  return done;
}

std::vector<Applied> sum_of(const std::vector<Applied>& first, const std::vector<Applied>& second) {
  std::vector<Applied> both;
  for (const RewriteInfo& info : rewrites())
    for (const bool undone : {false, true}) {
      Applied sum{std::string(info.name), 0, 0, undone};
      for (const auto* part : {&first, &second})
        for (const Applied& one : *part)
          if (one.rewrite == sum.rewrite && one.undone == undone) {
            sum.count += one.count;
            sum.change = std::max(sum.change, one.change);
          }
      if (sum.count > 0) both.push_back(sum);
    }
  return both;
}

void settle_sizes(Graph& graph, run::RunnerFactory& runners,
                  const std::function<void(Graph&)>& infer_shapes) {
  for (int round = 0; round < kMostRounds; ++round) {
    const int shapes = fold_shapes(graph), constants = fold_constants(graph, runners);
    if (shapes + constants == 0) return;
    ir::remove_dead(graph);
    infer_shapes(graph);
  }
}

}  // namespace qc::normalize
