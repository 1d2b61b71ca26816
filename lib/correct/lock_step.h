// Runs of the same network that wait for each other: each stops where it meets a point, the last to arrive
// does the work for all, and all go on. Runs must meet the same points in the same order, which sessions of
// one graph do. Only as many runs compute at a time as there are threads.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>

namespace qc::correct {

class LockStep {
 public:
  LockStep(int64_t runs, int threads) : runs_(runs), free_(threads) {}

  /// Calls body(run) for every run, each on a thread of its own. The first failure ends all and is rethrown.
  void go(const std::function<void(int64_t run)>& body);

  /// Called by every run at a point. `arrive` is called under a lock, `work` by the last to arrive, while
  /// every other run stands still.
  void meet(int64_t point, const std::function<void()>& arrive, const std::function<void()>& work);

 private:
  void fail(std::exception_ptr failure);
  void wait_for_turn(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  // Apart, so that a turn wakes one run and not all: with hundreds of runs waking was a third of the time.
  std::condition_variable turn_, round_done_;
  int64_t runs_, arrived_ = 0, round_ = 0, point_ = 0;
  int free_;  // runs that may compute besides those that do
  std::exception_ptr failure_;
};

}  // namespace qc::correct
