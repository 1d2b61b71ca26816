// See compare_speed.h.
#include "compare/compare_speed.h"

#include <sys/wait.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>

#include "base/interrupt.h"
#include "base/progress.h"
#include "base/text.h"
#include "run/ort_runner.h"

namespace qc {
namespace {

double milliseconds_of(run::ModelRunner& runner, const std::vector<ir::Tensor>& inputs) {
  const auto start = std::chrono::steady_clock::now();
  runner.run(inputs);
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// Linear between the two nearest of the sorted values.
double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// The middle half of the times lies within a few percent of their median.
bool steady(std::vector<double> times) {
  constexpr double kSpread = 0.04;
  std::sort(times.begin(), times.end());
  return quantile(times, 0.75) - quantile(times, 0.25) <= kSpread * quantile(times, 0.5);
}

// A line of /proc/self/status, in bytes; -1: there is none.
int64_t status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key + ":")) return std::stoll(line.substr(key.size() + 1)) * 1024;
  return -1;
}

// In the child: what is reported is the peak above what the process began with.
void measure_and_tell(const TimedFile& file, int pipe) {
  int64_t added = -1;
  try {
    const int64_t before = status_bytes("VmRSS");
    run::run_file(file.path.string(), 1)->run(file.inputs);
    const int64_t peak = status_bytes("VmHWM");
    if (before >= 0 && peak > before) added = peak - before;
  } catch (...) {
    added = -1;  // the parent runs the file as well and tells what is wrong with it
  }
  const ssize_t told = ::write(pipe, &added, sizeof added);
  ::_exit(told == sizeof added ? 0 : 1);
}

}  // namespace

std::vector<report::Latency> latencies_of(const std::vector<TimedFile>& files, int threads,
                                          std::optional<int64_t> asked) {
  constexpr int kWarmUp = 2, kFewest = 5;
  constexpr int64_t kRounds = 20;
  constexpr double kMostMilliseconds = 10000;
  const int64_t rounds = asked.value_or(kRounds);
  std::vector<std::unique_ptr<run::ModelRunner>> runners;
  std::vector<std::vector<double>> times(files.size());
  for (const TimedFile& file : files) {
    runners.push_back(run::run_file(file.path.string(), threads));
    for (int i = 0; i < kWarmUp; ++i) runners.back()->run(file.inputs);
  }
  double spent = 0;
  Progress progress(threads == 1 ? "timing" : "timing, all", rounds, "rounds");
  for (int64_t i = 0; i < rounds && (i < kFewest || spent < kMostMilliseconds); ++i) {
    throw_if_interrupted();
    for (size_t f = 0; f < files.size(); ++f) {
      times[f].push_back(milliseconds_of(*runners[f], files[f].inputs));
      spent += times[f].back();
    }
    progress.advance();
    if (!asked && i + 1 >= kFewest && std::all_of(times.begin(), times.end(), steady)) break;
  }
  std::vector<report::Latency> latencies;
  for (std::vector<double>& all : times) {
    std::sort(all.begin(), all.end());
    latencies.push_back({threads, static_cast<int64_t>(all.size()), quantile(all, 0.5), quantile(all, 0.25),
                         quantile(all, 0.75), 1});
  }
  return latencies;
}

std::optional<int64_t> peak_memory_of(const TimedFile& file) {
  int ends[2];
  if (::pipe(ends) != 0) return std::nullopt;
  std::fflush(nullptr);
#ifdef __GLIBC__
  malloc_trim(0);  // pages that the child would use again without anyone noticing
#endif
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    measure_and_tell(file, ends[1]);
  }
  ::close(ends[1]);
  int64_t added = -1;
  const bool told = child > 0 && ::read(ends[0], &added, sizeof added) == sizeof added;
  ::close(ends[0]);
  int status = 0;
  if (child > 0) ::waitpid(child, &status, 0);
  return told && added > 0 ? std::optional(added) : std::nullopt;
}

}  // namespace qc
