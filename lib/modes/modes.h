// What /mode changes on a model's way: which nodes may become integers by the plan, which round their
// activations at run time, and what stores the weights of those that stay in float.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/core_config.h"
#include "images/image_source.h"
#include "modes/half_activations.h"
#include "plan/quantized_model.h"
#include "run/runner.h"
#include "select/capability.h"
#include "select/dynamic.h"
#include "select/placement.h"
#include "target/target.h"

namespace qc {

/// Images are opened: to make a plan from, or, in a mode without one, where a folder is named to judge by.
bool wants_images(const config::CoreConfig& config);

/// The opset that the config's ways of storing need: 13 has scales for each channel, 21 has them for blocks.
int64_t opset_wanted(const config::CoreConfig& config);

/// What a rule says about a node, or /mode.
config::Mode mode_of(const config::CoreConfig& config, std::span<const config::NodeSettings> rules,
                     ir::NodeId node);

/// The rules with what /weight_only says of the nodes in that mode: widths, blocks, zero points.
std::vector<config::NodeSettings> with_weight_only(const ir::Graph& graph, const config::CoreConfig& config,
                                                   std::vector<config::NodeSettings> rules);

/// Nodes in another mode than static are none for the plan to place on integers, nor is a Relu behind them.
void keep_out_of_plan(const ir::Graph& graph, const config::CoreConfig& config,
                      std::span<const config::NodeSettings> rules,
                      std::vector<select::Capability>& capabilities);

/// By NodeId, in the mode dynamic: round at run time, or why not (select/dynamic.h).
std::vector<select::DynamicChoice> dynamic_choices(const ir::Graph& graph, const config::CoreConfig& config,
                                                   std::span<const config::NodeSettings> rules,
                                                   const select::PlacementCosts& time);

/// Gives every node of an outline what its mode has for it: no integer weights where that is a float type
/// of 16 bits, and the reasons of the choices.
void apply_modes(const ir::Graph& graph, const config::CoreConfig& config,
                 std::span<const config::NodeSettings> rules,
                 const std::vector<select::DynamicChoice>& choices, plan::QuantPlan& plan);

/// The model of a conversion without images.
plan::QuantizedModel unmeasured_model(const ir::Graph& graph, const plan::QuantPlan& plan,
                                      const target::TargetSpec& target, const config::CoreConfig& config,
                                      std::span<const config::NodeSettings> rules, int threads);

/// By NodeId: everything in float, and the mode as the reason.
std::vector<plan::NodeDecision> reasons_of(config::Mode mode, size_t nodes);

/// What the modes of nodes are judged by. Borrowed.
struct ModeScene {
  const config::CoreConfig& config;
  std::span<const config::NodeSettings> rules;        // by NodeId
  const std::vector<select::DynamicChoice>& choices;  // by NodeId: that the plan was made with
  run::RunnerFactory& runners;
  const std::vector<std::vector<ir::Tensor>>& inputs;  // of a few runs; none: the model cannot be run
  const images::ImageSource* source;  // tells how far float values go; null: the first of `inputs` does
  std::span<const int64_t> images;    // of `source`, to calibrate with
  int threads;
};

/// The model as it goes into the ONNX file; `notes` gets sentences on what was done and why. Modes change it
/// so:
/// - dynamic: weights bounded so that pairs cannot saturate, settle_dynamic() on `inputs`, spell_dynamic(),
///   and store_operands(), which weight_only has as well;
/// - weight_only whose runtime is packed: spell_packed();
/// - float16, bfloat16: float constants get 16 bits. Small ones stay float32, the smallest first, up to 3 %
///   of all: a few bytes that noise of long chains comes from. What bodies of control flow read and what is
///   an output stays as well, and what exceeds float16's range. Where a float16 file ends up further than 60
///   dB below float on `inputs` (a few runs), weights of Conv, ConvTranspose, Gemm and MatMul become integers
///   of 16 bits with a scale for each output channel instead, which take as many bytes and are 10 to 25 dB
///   finer; kept if measured to be better. With /float16/activations half_activations.h puts nodes on 16 bits
///   before that; undone if the file then yields anything but finite numbers on `inputs`.
plan::QuantizedModel stored_by_mode(const ModeScene& scene, plan::QuantizedModel model,
                                    std::vector<std::string>& notes);

/// By NodeId of the plan that the model was `planned` with: rounds its activations at run time as `stored`.
std::vector<bool> rounded_at_run_time(const plan::QuantPlan& planned, const plan::QuantPlan& stored);

/// Inputs of noise for models without images: each element uniform between -1 and 1, 0 or 1 for integers.
std::vector<ir::Tensor> noise_like(const std::vector<ir::Tensor>& inputs);

}  // namespace qc
