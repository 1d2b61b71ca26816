// ONNX Runtime behind the ModelRunner interface: the only inference engine. Taps become nodes of our own
// domain inside the graph, so statistics and fake quantization happen while the model runs and no activation
// is ever kept.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "run/runner.h"

namespace qc::run {

/// How graphs become the bytes of ONNX models and back. run does not know protobuf: corridors hand over what
/// onnx_io has for it.
struct ModelCodec {
  /// Constants listed in `outside` are named in the model as external data, without their bytes.
  std::function<std::string(const ir::Graph& graph, std::span<const ir::ValueId> outside)> write;
  /// `folder`: where external data lies.
  std::function<ir::Graph(std::string_view model, const std::filesystem::path& folder)> read;
};

/// Model bytes end at 2 GiB. Graphs with more bytes of constants than this get to the runtime in two parts.
inline constexpr int64_t kOnePart = 1'900'000'000;

class OrtRunnerFactory : public RunnerFactory {
 public:
  explicit OrtRunnerFactory(ModelCodec codec, int64_t one_part = kOnePart)
      : codec_(std::move(codec)), one_part_(one_part) {}
  std::unique_ptr<ModelRunner> make(const ir::Graph& graph, std::vector<Tap> taps,
                                    const RunnerOptions& options) override;

 private:
  ModelCodec codec_;
  int64_t one_part_;
};

/// A runner of a file as it stands, the way any user of stock ONNX Runtime would load it (all optimizations).
/// Inputs and outputs in the file's own order.
std::unique_ptr<ModelRunner> run_file(const std::string& path, int threads_per_run);

/// A file that is not on disk yet, with the one file of external data it may have (name "": none).
struct ModelBytes {
  std::string_view model;
  std::string external_name;
  std::string_view external;
};

/// The model after ONNX Runtime's own graph optimizations (all levels, the kernels that will really run),
/// written by ONNX Runtime and read back. Throws Error(kBug) with the runtime's words when it refuses the
/// model, Error(kOutput) where the folder for temporary files has no room for it.
ir::Graph optimized_graph(const ModelBytes& file, const ModelCodec& codec);

/// Fills dtype and shape of every value from ONNX Runtime's shape inference (any opset it knows). Large
/// constants are left out of the model that is asked, so this costs milliseconds. Throws Error(kInput) with
/// the runtime's words when the runtime cannot load the model: then nothing else can be done with it either.
void infer_shapes(ir::Graph& graph, const ModelCodec& codec);

/// "1.30.0"
std::string runtime_version();
/// Newest opset of the standard domain that this runtime knows, found once by asking it.
int64_t newest_opset(const ModelCodec& codec);

}  // namespace qc::run
