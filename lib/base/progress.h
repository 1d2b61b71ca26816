// Progress on stderr: a bar with rate and time left on a terminal, a plain line at the start and the end
// elsewhere, nothing with --no-progress or -q.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace qc {

enum class ProgressStyle { kNone, kPlain, kBar };

/// The style for this stderr: kBar on a terminal, kPlain otherwise. Set once by the command line.
void set_progress_style(ProgressStyle style);
ProgressStyle default_progress_style();

/// One counted activity ("calibrating", 100 images). Thread-safe. Finished by its destructor.
class Progress {
 public:
  Progress(std::string what, int64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void advance(int64_t count = 1);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace qc
