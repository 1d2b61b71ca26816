// Paper 5, for people and their programs: the report as numbers, then printed. Nothing is computed while
// printing: text, JSON, markdown and HTML show the same figures; the last two are made from the JSON document
// itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace qc::report {

/// One row of bytes: what of a node (or of no node) a written file holds. Rows of a file sum to its size on
/// disk.
struct ByteRow {
  std::string node;  // "" for what belongs to no node
  std::string kind;  // "weights", "bias", "scales", "constants", "graph", "[file structure]"
  int64_t bytes = 0;
};

struct FileBytes {
  std::string name;    // as written
  std::string format;  // "onnx", "tflite"
  int64_t size = 0;    // on disk, external data included
  std::vector<ByteRow> rows;
  // Names of values, in the file and in the model, where they differ.
  std::vector<std::pair<std::string, std::string>> value_names{};
};

/// Throws Error(kBug) when the rows do not sum to the size or the remainder is negative.
void check_sum(const FileBytes& file);

/// Where an output joins scores with values in other units.
struct PartAccuracy {
  std::string part;  // "[:, 0:4]", as NumPy has it
  double sqnr_db = 0, cosine = 0;
};

struct OutputAccuracy {
  std::string output;
  double sqnr_db = 0;           // pooled over the held-out images
  double cosine = 0;            // mean
  bool before_softmax = false;  // judged at the mean-free logits, because the output ends in Softmax
  // Judged at the last continuous value, because the output lies behind this op; "": at the output itself.
  std::string before_op = {};
  std::string judged_at = {};  // name of the value
  std::vector<PartAccuracy> parts = {};
};

struct Accuracy {
  int64_t images = 0;
  std::vector<OutputAccuracy> simulated;  // float simulation of the plan
  std::vector<OutputAccuracy> integer;    // the written file in stock ONNX Runtime
  std::optional<double> agreement;        // top-1 of the integer file with float, 0..1; classifiers only
  bool by_parts = false;                  // does every part of an output count, or the whole?
  double worst_sqnr_db() const;           // over `integer`
  double worst_part_db() const;           // of all parts; NaN without any
};

/// A layer's output over the calibration images, and the grid that was laid over it.
struct OutputValues {
  std::string type;  // "uint8"
  int bits = 0;
  double scale = 0;
  int64_t zero_point = 0;
  double grid_min = 0, grid_max = 0;  // the thresholds: what lies beyond is clipped
  double seen_min = 0, seen_max = 0;  // NaN when nothing was seen
  // For drawing, not in the JSON: counts of bars of equal width from `first` on, at most kBars.
  static constexpr size_t kBars = 128;
  double first = 0, width = 0;
  std::vector<uint64_t> bars;
};

/// The largest constant of a layer that is stored as integers.
struct WeightValues {
  std::string type;  // "int8"
  int bits = 0;
  int64_t channels = 1;                 // scales: 1 is per tensor
  double scale_min = 0, scale_max = 0;  // over the channels
  // For drawing, not in the JSON: smallest and largest value of each channel before rounding.
  std::vector<float> channel_min, channel_max;
};

struct NodeRow {
  std::string node, op_type;
  std::string compute;  // "integer", "float, integer weights", "float"
  std::string verdict;  // kernel seen in ONNX Runtime's optimised graph, or in a lone .tflite ("QLinearConv",
                        // "CONV_2D", "fused into conv1", "Conv (float)")
  std::string reason, detail;
  std::vector<std::string> made_from;  // nodes of the file that became part of it, itself left out
  std::vector<std::string> outputs;    // value names
  std::string shape;                   // of the first output, "[1,32,16,?]"; "" unknown
  std::string output_params;           // "uint8 scale 0.0235 zero_point 0" or ""
  std::optional<OutputValues> values;  // of the output that is rounded
  std::optional<WeightValues> weights;
  double sqnr_db = 0;                  // at this node's output in simulation; NaN when not measured
  int64_t float_bytes = 0, bytes = 0;  // its weights before and after
  int weight_bits = 0;                 // of its weights as integers; 0: it has none
};

/// A rule of the config and the nodes that it was found to mean.
struct RuleRow {
  std::string place, settings;     // JSON pointer; the rule as JSON text
  std::vector<std::string> nodes;  // names, in topological order
};

struct Timing {
  std::string stage;
  double seconds = 0;
};

struct Correction {
  std::string name;  // "sequential bias correction"
  bool kept = false;
  double before_db = 0, after_db = 0;  // worst output on held-out images
  /// What it did to single nodes or values, where it chose among them.
  struct Layer {
    std::string node, detail;
    std::optional<double> gain_db;  // predicted, of the rounding of its result alone
  };
  std::vector<Layer> layers = {};
};

struct Rewrite {
  std::string name;
  int count = 0;
  bool undone = false;
};

/// One bound of the config's "gates" with the figure that was measured.
struct Gate {
  std::string name;  // "min_sqnr_db": the key in the config
  double bound = 0, figure = 0;
  bool held = true;
  bool of_this_run = false;  // a time: the JSON, the same from run to run, has no figure for it
};

/// What was calibrated on. Names are those of files in the folder.
struct CalibrationSet {
  int64_t images = 0, held_out = 0;
  std::string unit = "image";                    // what one is called; "sample": tensors were read
  std::vector<std::vector<std::string>> copies;  // groups of files with the same bytes
  struct Shown {
    std::string name;
    std::string png;  // as the network sees it, made small; not in the JSON; empty: not drawn
  };
  std::vector<Shown> shown;  // at most three; none where inputs are tensors
};

/// One placement, or one choice of widths, that was tried on the way.
struct FrontierPoint {
  std::string name;
  double time = 0;          // by the target's cost table, float = 1; widths: not known, NaN
  int64_t bytes = 0;        // widths: all constants as written; 0: a placement
  double predicted_db = 0;  // widths: what the sensitivities add up to; NaN: not predicted
  double sqnr_db =
      0;  // worst output, held-out images, simulated; placements not chosen: predicted from probes
  bool chosen = false;
};

/// Neighbouring nodes that could run on integers and do not, and what that would change.
struct FloatRegion {
  std::vector<std::string> nodes;  // topological order
  double time = 0;                 // of the whole model, float = 1: with it minus as it is
  std::optional<double> sqnr_db;   // worst output with it, predicted; nothing: without images
  std::string rule;                // what /placement takes to have it, as JSON
};

/// --diagnose: what one rounding costs. dB of the worst output, on some held-out images, in simulation.
struct AblationRow {
  std::string node, op_type;
  std::string
      what;  // "weights": the node's, with its bias; "activation": its result and what shares the scale
  int bits = 0;
  double only_db = 0;     // nothing rounded but this
  double without_db = 0;  // everything rounded but this
};
struct Ablation {
  int64_t images = 0;
  double all_db = 0;              // everything rounded
  double weights_db = 0;          // nothing but weights and biases
  double activations_db = 0;      // nothing but activations, biases as they were
  std::vector<AblationRow> rows;  // the costliest first
};

/// Something that the collected statistics show, and what to write into the config about it.
struct Hint {
  std::string check;  // "outliers", "unbalanced_concat", ...: the same word for the same check
  std::string text;   // sentences for people
  std::string lines;  // JSON for the core-config, an object
  std::optional<double> before_db, after_db;  // worst output without and with it, where that was tried
  std::vector<std::string> nodes;             // that it is about
};

/// Sums of two products in 16 bits, as x86 without VNNI makes them.
struct SaturationRisk {
  int64_t nodes = 0, channels = 0;                // that could saturate, with some input
  int64_t likely_nodes = 0, likely_channels = 0;  // with inputs as calibration saw them
  int64_t bounded_channels = 0;                   // whose weights were changed so that they cannot
  bool guarded = false;                           // for any input
};

/// What the risk comes to, in one sentence.
std::string sentence_of(const SaturationRisk& risk);

/// What the model takes of what a budget bounds.
struct ResourceRow {
  std::string name;               // key of target_resource_utilization
  double taken = 0;               // bytes; bops: bit operations of one run
  std::optional<double> allowed;  // nothing: not bounded
};

struct Report {
  std::string model, target, qconvert_version, runtime_version, config_json, config_hash, preprocessing;
  std::vector<std::string>
      folders;             // where model, config and images were found: cut from every text of the JSON
  int64_t float_size = 0;  // the input model on disk, external data included
  int64_t calibration_images = 0;
  CalibrationSet calibration;
  std::vector<FileBytes> files;
  std::optional<Accuracy> accuracy;
  std::vector<NodeRow> nodes;           // topological order
  std::vector<std::string> file_nodes;  // names in the file as it was read; not in the JSON
  std::vector<RuleRow> rules;           // later ones win
  std::vector<Rewrite> rewrites;
  std::vector<Correction> corrections;
  std::vector<ResourceRow> resources;   // empty: no budget
  std::vector<FrontierPoint> frontier;  // by time; empty: nothing was placed
  std::vector<FloatRegion> float_regions;
  std::optional<Ablation> ablation;  // where it was asked for
  std::vector<Hint> hints;
  std::optional<double> predicted_time;                      // by the target's cost table, float = 1
  std::vector<std::pair<std::string, double>> predicted_on;  // where the target knows several processors
  std::optional<double> measured_time;                       // of this run: not in the JSON
  std::string least_gain;  // integers that gain least in time by the cost table, in words; not in the JSON
  SaturationRisk saturation;
  std::vector<Gate> gates;
  std::vector<std::string> notes;  // "3 initializers were inputs as well and are constants now", ...
  std::vector<Problem> warnings;
  std::vector<Timing> timings;  // not in the JSON file: the same input gives the same bytes; in text with -v
};

/// A measured time above this, float = 1, is no accident of the machine.
constexpr double kSlower = 1.05;

/// A rule for /placement/rules as JSON: nodes by name, and "integer" or "float".
std::string placement_rule(const std::vector<std::string>& nodes, const std::string& place);
/// Planned for integers, and no float kernel was seen for it in what runs.
bool on_integer_kernel(const NodeRow& row);
struct Coverage {
  int64_t weighted = 0, weighted_integer = 0;  // Conv, Gemm, MatMul with weights; those on integer kernels
  int64_t nodes = 0, integer = 0;              // all nodes
};
Coverage coverage(const Report& report);
/// Nodes without an integer kernel, grouped by the reason; the largest group first.
struct FloatGroup {
  std::string reason;
  int64_t count = 0;
  std::vector<std::pair<std::string, int64_t>> op_types;  // by count, then name
  std::vector<std::string> nodes;                         // in the report's order
};
std::vector<FloatGroup> stayed_float(const Report& report);
/// Bytes of a file by kind, in the order weights, bias, scales, constants, graph, others by name, [file
/// structure].
std::vector<std::pair<std::string, int64_t>> bytes_by_kind(const FileBytes& file);

/// About forty lines for an ordinary model; `verbose` cuts no list and adds timings and the config's hash.
std::string to_text(const Report& report, bool verbose);
/// Keys sorted, stable, no timings, no absolute paths: the same conversion gives the same bytes.
std::string to_json(const Report& report);
/// For the summary of a CI step: verdict, gates, sizes, accuracy, what stayed float, warnings.
std::string to_markdown(const Report& report);
/// One page that needs nothing but itself: no network, no time stamps. Histograms and pictures besides what
/// the JSON has.
std::string to_html(const Report& report);
/// The JSON schema (draft 2020-12) of to_json().
std::string_view schema_json();

}  // namespace qc::report
