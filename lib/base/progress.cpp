// See progress.h.
#include "base/progress.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <mutex>

#include "base/log.h"
#include "base/text.h"

namespace qc {
namespace {

using Clock = std::chrono::steady_clock;

ProgressStyle current_style = ProgressStyle::kNone;  // tests and libraries are silent unless asked

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

void set_progress_style(ProgressStyle style) {
  current_style = style;
}
ProgressStyle default_progress_style() {
  return ::isatty(STDERR_FILENO) ? ProgressStyle::kBar : ProgressStyle::kPlain;
}

struct Progress::State {
  std::string what, unit;
  int64_t total = 0, done = 0;
  Clock::time_point start = Clock::now(), last_drawn{};
  std::mutex mutex;

  void draw(bool last) {
    const double elapsed = std::max(1e-9, seconds_since(start));
    const double rate = static_cast<double>(done) / elapsed;
    const int width = 28;
    const int filled = total > 0 ? static_cast<int>(width * done / total) : width;
    std::string line =
        format("\r{:<13} [{}{}] {}/{} {}  {:.0f}/s", what, std::string(static_cast<size_t>(filled), '#'),
               std::string(static_cast<size_t>(width - filled), '.'), done, total, unit, rate);
    line += last ? format("  {:.1f} s", elapsed)
                 : format("  {:.0f} s left", static_cast<double>(total - done) / std::max(rate, 1e-9));
    line += "\033[K";
    if (last) line += "\n";
    std::fputs(line.c_str(), stderr);
    std::fflush(stderr);
    last_drawn = Clock::now();
  }
};

Progress::Progress(std::string what, int64_t total, std::string unit) : state_(std::make_unique<State>()) {
  state_->what = std::move(what);
  state_->unit = std::move(unit);
  state_->total = total;
  if (current_style == ProgressStyle::kPlain)
    log::info(format("{}: {} {}", state_->what, total, state_->unit));
}

Progress::~Progress() {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  if (current_style == ProgressStyle::kBar) state_->draw(true);
  if (current_style == ProgressStyle::kPlain) {
    const double elapsed = std::max(1e-9, seconds_since(state_->start));
    log::debug(format("{}: {} of {} {} in {:.2f} s", state_->what, state_->done, state_->total, state_->unit,
                      elapsed));
  }
}

void Progress::advance(int64_t count) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->done += count;
  if (current_style == ProgressStyle::kBar && seconds_since(state_->last_drawn) > 0.1) state_->draw(false);
}

}  // namespace qc
