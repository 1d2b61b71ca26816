// Float rewrites: the same function with fewer, plainer nodes, so that the stages after it meet one spelling
// of each idea. One file a rewrite, the order in normalize.cpp. The result is checked numerically on a
// calibration input; a rewrite that changes an output is found, undone and named in a warning.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "ir/graph.h"
#include "run/runner.h"

namespace qc::normalize {

/// Which ConvTranspose become a convolution and DepthToSpace. It has the same sums; what it saves depends on
/// who runs it.
enum class SubPixel {
  kNever,
  kOnnxRuntime,  // where ONNX Runtime was measured to be faster on integers
  kAlways,       // wherever it can be written so: XNNPACK
};

/// The bodies of If, Loop and Scan and of functions are bytes to the graph; these open them. Empty: they stay
/// closed.
struct Bodies {
  /// One body; the values that it reads from outside, by their names, are its inputs. May throw Error.
  std::function<ir::Graph(const ir::OpaqueAttribute&)> read;
  /// What all bodies of the graph define, but for those of one node.
  std::function<std::set<std::string>(const ir::Graph&, ir::NodeId but_for)> names;
  /// What the node computes, where it calls a function of the graph; in names of its own but for what it
  /// reads. Imports the function's opsets. May throw Error.
  std::function<std::optional<ir::Graph>(const ir::Graph&, const ir::Node&)> called;
  /// Functions that nothing calls any more go.
  std::function<void(ir::Graph&)> drop_uncalled;
};

struct Options {
  std::vector<ir::Tensor>
      check_inputs;         // one calibration input per graph input; empty: rewrites are not checked
  double tolerance = 1e-3;  // of max |output change| / max |output|, for each output by itself
  /// Fills in types and shapes that follow from what is known (run::infer_shapes). Called before each round,
  /// because folded constants settle further shapes; empty: rewrites see the shapes that the graph comes
  /// with.
  std::function<void(ir::Graph&)> infer_shapes;
  Bodies bodies = {};
  SubPixel sub_pixel = SubPixel::kNever;
  bool has_grids =
      false;  // values have grids, by their names: rewrites that make new values of old ones rest
};

struct Applied {
  std::string rewrite;
  int count = 0;  // matches rewritten, of all rounds
  double change =
      0;  // measured on the worst output; of all rewrites together unless one was undone; 0: not checked
  bool undone = false;  // count is then what it would have rewritten
};

/// A row of the table of rewrites, for help texts and the report.
struct RewriteInfo {
  std::string_view name;
  std::string_view what;  // one sentence
};
std::span<const RewriteInfo> rewrites();

/// Throws Error(kInput) naming every node that lacks inputs or a result which rewrites and recognise() rely
/// on.
void check_arities(const ir::Graph& graph);

/// Runs every rewrite in order, until nothing changes. Returns what was done, in table order, for the report.
/// Inputs and outputs keep their order and names; a value that keeps its name keeps its meaning. Throws as
/// check_arities() does.
std::vector<Applied> normalize(ir::Graph& graph, run::RunnerFactory& runners, const Options& options,
                               Diagnostics& diagnostics);

/// The rewrites that take functions apart and the branch of an If whose condition is fixed, and no others: to
/// be called before the opset is raised, because bodies are not. Without such nodes the graph stays as it is,
/// and without an If or a function nothing is run. Returns and throws as normalize() does.
std::vector<Applied> open_bodies(ir::Graph& graph, run::RunnerFactory& runners, const Options& options,
                                 Diagnostics& diagnostics);

/// Both together, in table order.
std::vector<Applied> sum_of(const std::vector<Applied>& first, const std::vector<Applied>& second);

/// For a graph whose free sizes were fixed after its rewrites: what its nodes computed from sizes becomes
/// constant, as far as it follows. Ids stay. `infer_shapes` as in Options.
void settle_sizes(ir::Graph& graph, run::RunnerFactory& runners,
                  const std::function<void(ir::Graph&)>& infer_shapes);

}  // namespace qc::normalize
