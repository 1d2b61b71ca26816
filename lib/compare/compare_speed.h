// What a file costs to run: time and memory in stock ONNX Runtime, as any user loads it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "ir/tensor.h"
#include "report/comparison.h"

namespace qc {

struct TimedFile {
  std::filesystem::path path;
  std::vector<ir::Tensor> inputs;
};

/// Median and quartiles of one inference of each file on `threads` threads. The files take turns, so that all
/// meet the same mood of the machine. Fewer rounds than `asked` where they would take longer than ten
/// seconds; nothing asked: up to 20, as many as it takes for steady times.
std::vector<report::Latency> latencies_of(const std::vector<TimedFile>& files, int threads,
                                          std::optional<int64_t> asked);

/// Bytes that loading the file and running it once on one thread add to a process at their peak: measured in
/// a child process. Nothing where the system does not tell, or the child failed. Call it before any thread is
/// started.
std::optional<int64_t> peak_memory_of(const TimedFile& file);

}  // namespace qc
