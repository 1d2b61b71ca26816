// `--resume`: the layers that this run has solved, kept in a file beside the outputs until the run has ended
// well, and those that a run before it has left there. The file is written whole and under a temporary name
// first, as outputs are, at most every few seconds, and once more when the run is stopped. It is a
// convenience and never fails a run: one that cannot be read, does not fit or cannot be written is a warning.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "config/core_config.h"
#include "correct/kept.h"
#include "ir/graph.h"
#include "pipeline.h"

namespace qc {

/// What solved layers depend on: the bytes of the model and its data files, the config without folders, gates
/// and output, names and bytes of the calibration images in order, versions of qconvert and ONNX Runtime and
/// the processor. Throws Error(kInput) for files that cannot be read.
correct::Origin origin_of(const ConvertOptions& options, const config::CoreConfig& config,
                          const ir::Graph& graph);

class Resume {
 public:
  /// Takes up what `file` holds where it belongs to `origin`; else warns, naming what differs, and starts
  /// anew.
  Resume(std::filesystem::path file, correct::Origin origin);
  /// Writes what is not written yet, unless the run has finished().
  ~Resume();
  Resume(const Resume&) = delete;
  Resume& operator=(const Resume&) = delete;

  correct::Kept& kept() { return kept_; }
  /// The run has ended well: the file goes.
  void finished();

 private:
  using Clock = std::chrono::steady_clock;
  void take_up();
  void write_in_time();
  void write();

  std::filesystem::path file_;
  correct::Origin origin_;
  correct::Kept kept_;
  bool unwritten_ = false, writable_ = true, finished_ = false;
  Clock::time_point next_{};  // the first layer is written at once
};

/// <stem>.resume in the output folder.
std::filesystem::path resume_file(const ConvertOptions& options);

/// Of resume_file(); nothing where the options do not ask for it.
std::unique_ptr<Resume> resume_of(const ConvertOptions& options, const config::CoreConfig& config,
                                  const ir::Graph& graph);

}  // namespace qc
