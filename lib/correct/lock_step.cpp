// See lock_step.h.
#include "correct/lock_step.h"

#include "base/error.h"
#include "base/interrupt.h"
#include "base/parallel.h"

namespace qc::correct {

void LockStep::wait_for_turn(std::unique_lock<std::mutex>& lock) {
  turn_.wait(lock, [&] { return free_ > 0 || failure_; });
  if (failure_) std::rethrow_exception(failure_);
  --free_;
}

void LockStep::fail(std::exception_ptr failure) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!failure_) failure_ = std::move(failure);
  turn_.notify_all();
  round_done_.notify_all();
}

void LockStep::go(const std::function<void(int64_t run)>& body) {
  const auto one = [&](int64_t run) {
    try {
      throw_if_interrupted();
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wait_for_turn(lock);
      }
      body(run);
      const std::lock_guard<std::mutex> lock(mutex_);
      ++free_;
      turn_.notify_one();
    } catch (...) {
      fail(std::current_exception());
    }
  };
  all_at_once(runs_, one, [&](std::exception_ptr failure) { fail(std::move(failure)); });
  if (failure_) std::rethrow_exception(failure_);
}

void LockStep::meet(int64_t point, const std::function<void()>& arrive, const std::function<void()>& work) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
  if (arrived_ == 0) point_ = point;
  if (point != point_)
    throw Error(Exit::kBug, {"out-of-step", "correction in lock step", "runs of one network differ in order",
                             "please report this with the model"});
  arrive();
  if (++arrived_ == runs_) {
    work();
    arrived_ = 0;
    ++round_;
    round_done_.notify_all();
    return;
  }
  const int64_t round = round_;
  ++free_;
  turn_.notify_one();
  round_done_.wait(lock, [&] { return round_ != round || failure_; });
  wait_for_turn(lock);
}

}  // namespace qc::correct
