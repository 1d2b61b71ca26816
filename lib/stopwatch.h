// Where the time goes, for -v and the text report.
#pragma once

#include <chrono>
#include <vector>

#include "report/report.h"

namespace qc {

class Stopwatch {
 public:
  /// The time since the last lap, or the start, is that of `stage`; of one that was there before, too.
  void lap(const char* stage) {
    const Clock::time_point now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    for (report::Timing& timing : timings_)
      if (timing.stage == stage) {
        timing.seconds += seconds;
        return;
      }
    timings_.push_back({stage, seconds});
  }
  const std::vector<report::Timing>& timings() const { return timings_; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
  std::vector<report::Timing> timings_;
};

}  // namespace qc
