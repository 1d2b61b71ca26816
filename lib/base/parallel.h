// Threads in one place. Work is handed out by index, results are stored by index and reduced in index order
// by the caller: that is what makes the written bytes independent of the thread count.
#pragma once

#include <cstdint>
#include <functional>

namespace qc {

/// Calls work(index, worker) for every index in [0, count), on `threads` threads (worker in [0, threads); 1
/// runs on the calling thread). The first exception (lowest index) is rethrown after all threads have
/// stopped. Stops early, with qc::Error(kInterrupted), when the user pressed Ctrl-C.
void parallel_for(int64_t count, int threads, const std::function<void(int64_t index, int worker)>& work);

/// Number of processors this process may use.
int available_threads();

}  // namespace qc
