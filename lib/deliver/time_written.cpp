// See time_written.h.
#include "deliver/time_written.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "compare/compare_speed.h"
#include "report/report.h"

namespace qc {
namespace {

constexpr int64_t kRounds = 5, kMoreRounds = 40;
constexpr double kShortMilliseconds = 2;  // of one inference: a few more of these cost nothing

}  // namespace

std::optional<double> time_of_written(const std::filesystem::path& model,
                                      const std::filesystem::path& written,
                                      const std::vector<ir::Tensor>& inputs) {
  const std::vector<TimedFile> files{{model, inputs}, {written, inputs}};
  const auto ratio = [](const std::vector<report::Latency>& times) {
    return times[1].median_ms / times[0].median_ms;
  };
  try {
    std::vector<report::Latency> times = latencies_of(files, 1, kRounds);
    if (ratio(times) > report::kSlower || times[0].median_ms < kShortMilliseconds)
      times = latencies_of(files, 1, kMoreRounds);
    return ratio(times);
  } catch (const Error& error) {
    log::debug(format("not timed: {}", error.what()));
    return std::nullopt;
  }
}

}  // namespace qc
