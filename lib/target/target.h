// What the hardware or runtime behind a file can do, op by op, read from configs/targets/*.json (shipped ones
// are embedded at build time; --target FILE reads another). What an op may do on the target, and at what
// cost, comes from this table; what an op is (a Relu, a mask), stages know themselves.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace qc::target {

/// The grids that a search may lay over values (MCT's POWER_OF_TWO, SYMMETRIC and UNIFORM), the strictest
/// first.
enum class Grid {
  kPowerOfTwo,  // -T to T or, where nothing is negative, 0 to T; T is a power of two
  kCentred,     // the same with any T
  kUniform,     // any range with 0 in it
};
/// Whether a grid of the first two kinds goes below zero.
enum class Signedness { kAuto, kSigned, kUnsigned };

/// By Grid and by Signedness, as target files spell them.
inline constexpr std::array<const char*, 3> kGridWords{"power_of_two", "centred", "uniform"};
inline constexpr std::array<const char*, 3> kSignednessWords{"auto", "signed", "unsigned"};

/// What files can hold.
inline constexpr int kLeastResultBits = 2, kMostResultBits = 16;

enum class OpKind {
  kWeighted,    // Conv, Gemm, MatMul with a constant: integer weights, int32 bias
  kCompute,     // integer kernel, inputs and output each with parameters of their own (Add, Concat, Sigmoid,
                // ...)
  kMove,        // moves or selects integers: output shares the input's parameters (MaxPool, Reshape, ...)
  kActivation,  // Relu, Clip: disappears into its integer producer, whose output range does its work
  kFloat,       // no integer kernel
};

struct OpRule {
  std::string op_type;
  OpKind kind = OpKind::kFloat;
  bool float_output = false;       // kernel exists that takes integers and returns float (MatMul, Gemm)
  bool prefer_float = false;       // an integer kernel exists and is not worth having; `sentence` says why
  bool float_weights_int8 = true;  // when it stays float its constant weights may be stored as integers
  bool same_input_scale =
      false;  // all data inputs and the output share one scale (Concat on integer-only targets)
  std::vector<int> data_inputs;             // input slots that carry quantizable activations; empty: all
  std::map<std::string, std::string> when;  // attribute -> required value ("mode": "nearest"): else kFloat
  std::string sentence;                     // why, for people: error text, `qconvert targets NAME`, reports
  bool copies_equal = false;        // inputs with the output's parameters are copied, not rescaled (Concat)
  bool per_channel = true;          // weights may have a scale for each channel
  std::optional<Grid> result = {};  // of its results, where that is not the target's
  Signedness signedness = Signedness::kAuto;
  std::vector<int> centred_inputs = {};  // slots whose activations have their zero point half way: 0 in int8
  std::vector<int> input_bits = {};      // widths of activations that it takes; empty: the target's
  /// Widths that its results may have where a budget makes something of them, and the grid of each; empty:
  /// the target's alone. Memory holds such results in as many bits as they have.
  std::map<int, Grid> result_widths = {};            // kLeastResultBits to kMostResultBits
  std::vector<std::pair<int, int>> same_scale = {};  // input and output slot that share one (custom ops)
};

/// Ops that the target computes as one: what the first ones hand to the next is not rounded. Each step names
/// the op types that may stand there; "Swish" is x * Sigmoid(x), however it is spelled.
struct Fusing {
  std::string name;
  std::vector<std::vector<std::string>> steps;  // two or more
};

/// What a node's time is made of; the names are those of target files, the amounts those of
/// select::work_of().
enum class CostTerm {
  kNode,    // 1
  kMac,     // multiply-accumulates, channels rounded to whole vectors of kVector
  kTail,    // results in channels beyond whole vectors
  kPatch,   // positions times window, for windows larger than one; of each group that is no single channel;
            // of transposed convolutions: elements before those of overlapping windows are added up
  kInput,   // elements of the largest input
  kOutput,  // elements of all outputs
  kWeight,  // elements of the constant operand; of recurrent ops: of the state's, at each step
  kLoose,   // multiply-accumulates of convolutions whose channels are no multiple of kBlock; of transposed
            // ones all, unrounded
  kThin,    // multiply-accumulates of convolutions with fewer input channels than one vector
  kFar,     // elements of input and output beyond kNear, which no cache close to the core holds
  kPiece,   // runs of channels that lie together with the channels last: positions (pools: times window;
            // Concat: of each input), of ops that copy or compare them run by run; of Add and Mul: runs of
            // fewer than kShort elements along which a constant is read
  kStep,    // products of a convolution before its input channels: positions times window times whole vectors
};
inline constexpr std::array<std::string_view, 12> kCostTermNames{
    "node", "mac", "tail", "patch", "input", "output", "weight", "loose", "thin", "far", "piece", "step"};
inline constexpr int64_t kVector = 16, kShort = 32, kBlock = 4, kNear = int64_t{1} << 19;
/// By CostTerm: how much of each a node does, or nanoseconds for one of each on one thread.
using CostTerms = std::array<double, kCostTermNames.size()>;
/// The same node on integers and in float. Only differences steer the placement.
struct OpCost {
  CostTerms integer{}, floating{};
};

/// Quantizer of one kind of tensor.
struct Scheme {
  int bits = 8;
  bool is_signed = false;
  bool symmetric = false;
  bool power_of_two = false;
  bool per_channel = false;
  bool narrow_range = false;
  bool centred = false;     // zero points at the lowest integer or half way, nowhere else
  bool narrow_at_4 = true;  // narrow_range is also about 4 bits: a .tflite stores -7..7, ONNX all 16 levels
  Grid grid() const {
    return power_of_two ? Grid::kPowerOfTwo : symmetric || centred ? Grid::kCentred : Grid::kUniform;
  }
};

/// What a limit on a TFLite operator measures; tflite/legal.cpp says how. Each is a number that may not be
/// exceeded, so what is forbidden altogether has the limit 0.
inline constexpr std::array<std::string_view, 22> kTfliteLimits{"version",
                                                                "rank",
                                                                "outer",
                                                                "size",
                                                                "stride",
                                                                "kernel_height",
                                                                "kernel_area",
                                                                "same_window",
                                                                "valid_window",
                                                                "groups",
                                                                "multiplier",
                                                                "inputs",
                                                                "depth",
                                                                "scales",
                                                                "hybrid",
                                                                "fused_activation",
                                                                "unequal_dilation",
                                                                "unequal_scales",
                                                                "odd_resize",
                                                                "int4",
                                                                "int64",
                                                                "int4_scales"};

/// What an operator may look like in a .tflite for the target.
struct TfliteOpRule {
  std::vector<std::string> types;        // of the numbers it works on: "int8", "float32", ...
  std::map<std::string, double> limits;  // by names of kTfliteLimits
  bool strict_types = false;             // other types are no matter for the fallback: the file is refused
};
/// What a .tflite for the target may hold.
struct TfliteRules {
  std::map<std::string, TfliteOpRule> ops;      // by TFLite's name; an operator without a rule is not there
  std::map<std::string, double> limits;         // of every operator that does not say otherwise
  std::map<std::string, std::string> remedies;  // by TFLite's name: what to do instead
  std::string fallback;  // a target by whose rules the processor beside this one takes what breaks these; ""
};

struct TargetSpec {
  std::string name, description;
  Scheme activations{8, false, false, false, false, false};
  Scheme weights{8, true, true, false, true, true};
  int bias_bits = 32;                 // 0: biases stay float
  bool float_islands = true;          // ops may stay float
  bool pairs_in_16_bits = true;       // kernels may be those of x86 without VNNI, which add pairs in 16 bits
  std::map<std::string, OpRule> ops;  // by op type, "Conv:depthwise" before "Conv"; no rule: kFloat
  std::vector<Fusing> fusing;         // of patterns that fit, the longest counts
  /// Widths that weights may have, and whether the values of one lie in a codebook; empty: any that a file
  /// can hold.
  std::map<int, bool> weight_widths;
  /// Measured times by op type, or "Conv:depthwise" and "Conv:pointwise" for those shapes,
  /// "Conv:merged" for those that the ONNX file has in fewer groups (ir/merged_groups.h; without it they are
  /// priced in their own), "MaxPool:planar" where no convolution is next to it; "*" for ops without an entry.
  /// "QuantizeLinear" and "DequantizeLinear" (floating part) are the prices of changing sides; with ":4d"
  /// those of image tensors, which change their layout as well. The integer part of LSTM is the op that
  /// rounds at run time.
  std::map<std::string, OpCost> costs;
  /// By processor ("x86_vnni"; "x86": AVX2 without VNNI): entries that count there instead of those of
  /// `costs`. Empty: one table for all.
  std::map<std::string, std::map<std::string, OpCost>> costs_on;
  std::map<std::string, std::pair<double, double>> known_ranges;  // op type -> output range ("Softmax": 0..1)
  /// LiteRT's kernels write no other; where no .tflite is written, a Softmax may have a finer grid.
  bool known_ranges_bind = true;
  std::vector<std::string> int16_ops;  // op types with kernels for int16 activations without zero point
  std::optional<TfliteRules> tflite;   // none: whatever LiteRT runs
  /// A MatMul adds the constant vector behind it as an int32 bias, before it rounds. Of the files' format, so
  /// no file of a target says it.
  bool bias_in_products = false;
};

/// The target with int16 activations, symmetric around 0, where it has kernels for them; the other ops are
/// float. Throws Error(kUnsupported) for a target that has none.
TargetSpec with_int16_activations(TargetSpec target);

/// The target with the costs of one of its processors. Throws std::out_of_range for another.
TargetSpec on_processor(TargetSpec target, const std::string& name);

/// A kFloat rule if there is none. Ops outside the standard domain stand in `ops` as "domain:op_type", where
/// only a config's custom_ops can have put them.
const OpRule& rule_for(const TargetSpec& target, std::string_view op_type, std::string_view domain = {});
/// Slots that carry quantizable tensors (activations or constant operands) of a node with so many inputs; a
/// rule may name some that the node does not have.
std::vector<size_t> data_slots(const OpRule& rule, size_t inputs);
/// "weighted", "compute", "move", "activation", "float": as the JSON spells them.
const char* kind_text(OpKind kind);

/// A shipped target by name, or a JSON file when `name_or_path` ends in .json. Throws Error(kUsage): unknown
/// name (the nearest one offered), unreadable file, unknown keys or wrong types with JSON pointers, all at
/// once. A file may begin with "based_on": NAME and then says only what differs from that shipped target,
/// field by field; "ops": {"Mul": null} takes a rule away, and so the op's integer kernel, "costs":
/// {"Mul": null} an entry.
TargetSpec load(const std::string& name_or_path);
/// The same from text; `label` names the file in messages, `fallback_name` the target if the text does not. A
/// TargetPlatformCapabilities document as MCT and edge-mdt-tpc write it (tpc.h) is read as it is.
TargetSpec parse(std::string_view json_text, const std::string& label, const std::string& fallback_name);
std::vector<std::string> shipped_names();
/// What it allows, for `qconvert targets NAME`: text made from the same sentences that errors use.
std::string describe(const TargetSpec& target);
/// Complete, without "based_on"; parse() reads it back.
std::string to_json(const TargetSpec& target);

}  // namespace qc::target
