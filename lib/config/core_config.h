// The core-config as plain structs: MCT's vocabulary (names and defaults of CoreConfig and what it holds in
// MCT 2.4) and qconvert's own keys. Defaults stand here (those of preprocessing in images/preprocess.h);
// parsing, validation, `qconvert config`, `qconvert schema` and configs/README.md all come from the one key
// table in keys.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "config/rules.h"
#include "images/preprocess.h"

namespace qc::config {

struct QuantizationConfig {
  ErrorMethod activation_error_method = ErrorMethod::kMse;
  ErrorMethod weights_error_method = ErrorMethod::kMse;
  bool weights_bias_correction = true;
  bool bias_correction_by_float_means = false;  // MCT's form; false: by what the quantized layers really get
  double z_threshold = std::numeric_limits<double>::infinity();  // JSON null: infinity
  double min_threshold = 1.0 / 65536;
  int64_t l_p_value = 2;
  // Corrections of the float graph (room balance). Those that MCT has on are kept where the error measured on
  // held-out images falls; those that it has off are done wherever they fit once they are asked for.
  bool shift_negative_activation_correction = true;
  double shift_negative_ratio = 0.05;  // of the threshold, that the negative part reaches at most
  bool shift_negative_threshold_recalculation = false, shift_negative_params_search = false;
  bool linear_collapsing = true, residual_collapsing = true;
  bool relu_bound_to_power_of_2 = false;
  bool softmax_shift = false, input_scaling = false;
  bool activation_channel_equalization = false;
  // qconvert's own; nothing: tried where it promises something, and kept where the measured error falls.
  std::optional<bool> cross_layer_equalization, gate_equalization, norm_equalization;
  // Corrections after rounding (attempt.cpp).
  bool concat_threshold_update = false;
  bool activation_bias_correction = false;
  double activation_bias_correction_threshold = 0;  // percent
  bool weights_second_moment_correction = false;
};

/// How what quantization broke is repaired. kUnset: kSecondOrder where a weight has fewer than 8 bits, else
/// kBiasCorrection.
enum class CorrectionMethod { kUnset, kNone, kBiasCorrection, kSecondOrder };

/// "gptq_config": MCT trains here, qconvert solves.
struct Correction {
  CorrectionMethod method = CorrectionMethod::kUnset;
  int64_t images = 128;                     // calibration images that second order looks at
  std::optional<double> retarget_strength;  // nothing: measured for each layer
  int64_t sweeps = 3;
  bool scale_search = true;
  bool mirror = true;
  /// Of activations. Nothing: where all is on integers and the worst output is below kUsableDb (ranges that
  /// clip nothing: where all is on integers, or a goal is missed).
  std::optional<bool> range_search;
  int64_t seed = 0;
};

/// A budget: an amount, or a share (0..1) of what the model takes with 8 bits everywhere.
struct Limit {
  double amount = 0;
  bool share = false;
};

/// MCT's ResourceUtilization; nothing: no bound.
struct ResourceLimits {
  std::optional<Limit> weights_memory, activation_memory, total_memory;  // bytes
  std::optional<Limit> bops;
  bool any() const { return weights_memory || activation_memory || total_memory || bops; }
};

/// How it is found out what a narrow weight costs at the outputs. kCompensated: measured, the layers behind
/// it repaired. kGram: estimated from the layers' statistics alone. kLayer: MCT's distances, by MetricConfig.
enum class Sensitivity { kCompensated, kGram, kLayer };

/// MCT's enums, of its measure of sensitivity. kUnset: kAvg, or kHessian where use_hessian_based_scores says
/// so; kByOp: the distance that belongs to each op.
enum class DistanceWeighting { kUnset, kAvg, kLastLayer, kExp, kHessian };
enum class DistanceFunction { kByOp, kMse, kMae, kCosine };
enum class MetricNormalization { kNone, kMaxBit, kMinBit };

/// What shapes Sensitivity::kLayer, and nothing else.
struct MetricConfig {
  DistanceWeighting weighting = DistanceWeighting::kUnset;
  DistanceFunction distance = DistanceFunction::kByOp;
  bool hessian_scores = false;  // "use_hessian_based_scores"
  bool norm_scores = true;      // no figure depends on these two
  int64_t hessian_batch_size = 32;
  double interest_points_factor = 1;  // 0..1
  double exp_sigma = 0.1;
  MetricNormalization normalization = MetricNormalization::kNone;
  std::optional<double> epsilon = 1e-6;
  double normalization_threshold = 1e10;
};

struct MixedPrecision {
  Sensitivity sensitivity = Sensitivity::kCompensated;
  std::optional<int64_t> images;  // "num_of_images": that probes look at; nothing: as many as are affordable
  bool refine = true;  // "refine_mp_solution": build several allocations and keep the best measured
  /// Of the activations' elements, those that may be wider where rules list widths; nothing: kWideShare, or
  /// as many as a goal of accuracy asks for.
  std::optional<double> max_wide_share;
  static constexpr double kWideShare = 0.03;
  MetricConfig metric;
};

struct RepresentativeDataset {
  std::filesystem::path path;  // resolved against the config file's folder
  int64_t max_images = 500;
  int64_t batch_size = 1;
  bool skip_bad_images = false;        // "on_bad_image": "skip" | "error"
  std::string input;                   // name of the image input, "" = found
  std::filesystem::path other_inputs;  // .npz for the inputs beside the image, resolved as `path`; "" = none
  images::Preprocess preprocess;
};

struct KeepFloat {
  std::vector<std::string> names;  // globs on node names
  std::vector<std::string> op_types;
  bool first = false;  // the first weighted node in topological order
  bool last = false;   // the last one
  bool empty() const { return names.empty() && op_types.empty() && !first && !last; }
};

struct Gates {
  std::optional<int64_t> max_file_size;  // bytes
  std::optional<double> min_sqnr_db;
  std::optional<double> min_agreement;  // 0..1
  std::optional<double> max_top1_drop;  // points, float's minus the written file's
  std::optional<double> min_speedup;    // float's time over the written file's, one thread
  std::filesystem::path labels;         // CSV, for max_top1_drop
  bool keep_rejected = false;           // a failed gate leaves the files, with .rejected behind their names
};

/// What the numbers of a .tflite are: the plan's integers, or float activations with weights of some kind.
enum class TfliteForm { kInt8, kFloat32, kDynamicRange, kFloat16, kInt16x8 };
enum class TfliteIoType { kInt8, kUint8, kFloat32 };
/// How an ONNX file spells the plan: the float op between DequantizeLinear and QuantizeLinear; float weights
/// on their grids, as MCT's FAKELY_QUANT; nodes of mct_quantizers for Sony's converter; or the runtime's
/// integer ops.
enum class OnnxForm { kQdq, kFakeQuant, kMctq, kQOperator };

struct Output {
  std::vector<std::string> formats{"onnx"};  // "onnx", "tflite"
  // File names; "" = <stem>.quant.onnx, <stem>.quant.tflite, <stem>.report.json
  std::string onnx_name, tflite_name, report_name;
  // Tensors of more bytes than this in all go into a second file; an ONNX file ends at 2 GiB.
  std::optional<int64_t> external_data_above = 1'900'000'000;
  OnnxForm onnx_form = OnnxForm::kQdq;
  bool standard_ops_only = false;   // no op of the domain com.microsoft is added
  std::optional<bool> short_names;  // of values inside; null: where their own are a lot of the file
  TfliteForm tflite_form = TfliteForm::kInt8;
  TfliteIoType tflite_io_type = TfliteIoType::kInt8;
  bool tflite_keep_nchw_io = false;
};

/// Folded: the runtime unfolds the weights once, at load. Packed: it keeps the integers and multiplies by
/// them.
enum class WeightRuntime { kFolded, kPacked };

/// Weights of nodes whose mode is weight_only.
struct WeightOnly {
  std::optional<int64_t> bits;  // 2..8; nothing: the target's 8, or 4 where there are blocks
  int64_t block_size = 0;       // 0: one scale an output channel
  bool symmetric = true;        // false: every scale has a zero point
  WeightRuntime runtime = WeightRuntime::kFolded;
};

/// What 16 bits hold beside the weights of nodes whose mode is float16 or bfloat16.
struct HalfFloats {
  bool activations = false;
  bool keep_io_types = true;  // inputs and outputs of the model are float32
};

/// An op of a domain that the targets' tables do not know, as the user declares it.
struct CustomOp {
  std::string domain, op_type;
  std::vector<int> quantizable_inputs;          // slots that carry data; empty: all
  std::vector<std::pair<int, int>> same_scale;  // input slot, output slot
};

/// Where integers go: where they pay (kAuto), or wherever the target has a kernel (kFull).
enum class Placement { kUnset, kAuto, kFull };

/// What the placement is to reach. One that is set and missed fails the conversion; the defaults, missed, are
/// a warning.
struct PlacementGoals {
  static constexpr double kSqnrDb = 20, kLatencyRatio = 1;  // where nothing is set
  static constexpr const char* kAnyProcessor = "any";
  std::optional<double> min_sqnr_db;        // worst output
  std::optional<double> max_latency_ratio;  // time of the written ONNX file over the float model's
  std::optional<double> max_float_share;    // mode full: of the activations' elements, left in float
  std::string processor = kAnyProcessor;    // whose costs count: one that the target knows, or any
};

/// Nodes that run where the config says.
struct PlacementRule {
  std::string place;  // JSON pointer
  Filter filter;
  bool integer = false;
  std::string json;  // the rule as it was written
};

struct CoreConfig {
  RepresentativeDataset representative_dataset;
  Mode mode = Mode::kStatic;
  WeightOnly weight_only;
  HalfFloats float16;
  std::vector<CustomOp> custom_ops;
  std::string target = "int8";  // "target_platform_capabilities": a name, or a path to a .json
  QuantizationConfig quantization;
  Correction correction;
  std::optional<int64_t> memory_limit;  // bytes for activations and statistics; nothing: half the machine's
  MixedPrecision mixed_precision;
  ResourceLimits budget;  // "target_resource_utilization"
  KeepFloat keep_float;
  std::vector<Rule> bit_width_config;  // later rules win
  std::vector<Rule> network_editor;    // debug_config's; they win over bit_width_config
  std::optional<bool>
      saturation_guard;  // x86 without VNNI: for any input; null: for those that calibration saw
  std::map<std::string, std::vector<int64_t>>
      input_shapes;            // input name -> dims for dynamic dimensions; -1: stays open
  int64_t verify_images = 16;  // calibration images held out for the accuracy figures
  Placement placement = Placement::kUnset;
  PlacementGoals goals;
  std::vector<PlacementRule> placement_rules;  // later rules win
  Gates gates;
  Output output;
};

/// Whether a file of this format, "onnx" or "tflite", is written.
bool writes(const CoreConfig& config, std::string_view format);
/// The placement that counts: what the config says, else kFull where a .tflite is all that is written (its
/// runtimes have integer kernels for what they can do at all, and some have nothing else), else kAuto.
Placement placement_of(const CoreConfig& config);
/// Is the .tflite of a form whose activations are floats?
bool tflite_keeps_floats(const CoreConfig& config);
/// False where every activation stays float: by the mode, or because nothing but a .tflite of such a form is
/// written. Such a conversion needs no images.
bool rounds_activations(const CoreConfig& config);

/// One "/json/pointer=value" of --set.
struct Override {
  std::string pointer, value;  // value: JSON text, or a bare word taken as a string
};

/// "/json/pointer=value" as --set has it. Throws Error(kUsage) when there is no '='.
Override parse_override(std::string_view text);

/// Parses and validates; every problem is reported at once with its JSON pointer (unknown key: nearest valid
/// name; wrong type; impossible value; option that this version refuses, with the sentence why). `file` names
/// the config in messages and is the base of relative paths (dataset path, target file), also of those in
/// `overrides`: a path from the command line is made absolute before it gets here. // and /* */ comments are
/// allowed. Throws Error(kUsage).
CoreConfig parse(std::string_view json_text, const std::filesystem::path& file,
                 const std::vector<Override>& overrides, Diagnostics& diagnostics);
CoreConfig load(const std::filesystem::path& file, const std::vector<Override>& overrides,
                Diagnostics& diagnostics);

/// The resolved config as JSON text (sorted keys, two-space indent), every key with its value;
/// parse(to_json(c)) == c.
std::string to_json(const CoreConfig& config);
/// Names what was asked for, in file metadata and reports: folders are left out, so that the same conversion
/// has the same name wherever the files lie.
std::string hash(const CoreConfig& config);
/// A full default config with every key, for `qconvert config`.
std::string default_json();
/// The JSON schema (draft 2020-12) made from the same key table, for `qconvert schema`.
std::string schema_json();
/// The text of configs/README.md: every key with what it takes, its default, its meaning and MCT's
/// counterpart.
std::string reference_markdown();

}  // namespace qc::config
