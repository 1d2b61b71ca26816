// See parallel.h.
#include "base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/interrupt.h"

namespace qc {

void parallel_for(int64_t count, int threads, const std::function<void(int64_t, int)>& work) {
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr first;
  int64_t first_index = count;
  const auto run = [&](int worker) {
    for (int64_t i = next++; i < count; i = next++) {
      try {
        throw_if_interrupted();
        work(i, worker);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (i < first_index) {
          first_index = i;
          first = std::current_exception();
        }
        next = count;
      }
    }
  };
  std::vector<std::jthread> pool;
  for (int w = 1; w < std::min<int64_t>(threads, count); ++w) pool.emplace_back(run, w);
  run(0);
  pool.clear();
  if (first) std::rethrow_exception(first);
}

int available_threads() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace qc
