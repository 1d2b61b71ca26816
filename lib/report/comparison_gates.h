// Bounds on a comparison, as --gate has them: "top1_drop <= 1". One table of metrics says what each is
// called, what it is counted in, what it needs, and where its figure stands; help, checks and judging are
// read from it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/comparison.h"

namespace qc::report {

enum class Needs { kNothing, kLabels, kTiming, kAllThreads, kClassifier, kMemory };
enum class Unit { kDecibel, kShare, kPoints, kBytes, kTimes, kMilliseconds, kPlain };

struct Metric {
  const char* name;
  Unit unit;
  Needs needs;
  const char* meaning;
  std::optional<double> (*figure)(const ComparedModel& a, const ComparedModel& model);
};
const std::vector<Metric>& metrics();

enum class Relation { kAtMost, kAtLeast, kBelow, kAbove };

struct Bound {
  const Metric* metric = nullptr;
  Relation relation = Relation::kAtMost;
  double bound = 0;
  std::string text;  // as it was written, spaces tidied
};

/// "METRIC <= NUMBER [UNIT]", also with >=, <, >; units: dB, %, points, B, kB, MB, GB, x, ms. `labels`,
/// `timing`: whether these figures are going to be measured. Throws Error(kUsage) with every gate that is not
/// one (nearest metric offered), and every one whose figure is not going to be there, before any work is
/// done.
std::vector<Bound> parse_gates(const std::vector<std::string>& texts, bool labels, bool timing);

/// Each bound for each model but the first, into `comparison.gates`. Throws Error(kUsage) for figures that
/// were not measured, all at once. Returns whether all hold.
bool judge(Comparison& comparison, const std::vector<Bound>& bounds);

}  // namespace qc::report
