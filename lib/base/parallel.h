// Threads in one place. Work is handed out by index, results are stored by index and reduced in index order
// by the caller: that is what makes the written bytes independent of the thread count.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>

namespace qc {

/// Calls work(index, worker) for every index in [0, count), on `threads` threads, or as many as the system
/// grants (worker in [0, threads); 1 runs on the calling thread). The first exception (lowest index) is
/// rethrown after all threads have stopped. Stops early, with qc::Error(kInterrupted), when the user pressed
/// Ctrl-C.
void parallel_for(int64_t count, int threads, const std::function<void(int64_t index, int worker)>& work);

/// Calls work(index) for every index in [0, count) at the same time, each on a thread of its own, and returns
/// when all have ended; `work` throws nothing. Where the system grants fewer threads, give_up(failure) is
/// called, which has to end those that wait for others, and Error(kInput) is thrown.
void all_at_once(int64_t count, const std::function<void(int64_t index)>& work,
                 const std::function<void(std::exception_ptr)>& give_up);

/// Number of processors this process may use.
int available_threads();

}  // namespace qc
