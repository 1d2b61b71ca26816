// See parallel.h.
#include "base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"

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
  try {
    for (int w = 1; w < std::min<int64_t>(threads, count); ++w) pool.emplace_back(run, w);
  } catch (const std::system_error&) {  // those that there are do the work
  }
  run(0);
  pool.clear();
  if (first) std::rethrow_exception(first);
}

void all_at_once(int64_t count, const std::function<void(int64_t)>& work,
                 const std::function<void(std::exception_ptr)>& give_up) {
  std::vector<std::jthread> pool;
  std::exception_ptr refused;
  try {
    for (int64_t i = 1; i < count; ++i) pool.emplace_back(work, i);
  } catch (const std::system_error& error) {
    refused = std::make_exception_ptr(Error(
        Exit::kInput, {"no-threads", "this run",
                       format("{} threads are needed at once, and the system grants {}: {}", count,
                              pool.size() + 1, error.what()),
                       "allow more processes or memory (ulimit -u, ulimit -v, the limits of a container)"}));
    give_up(refused);
  }
  if (!refused && count > 0) work(0);
  pool.clear();
  if (refused) std::rethrow_exception(refused);
}

int available_threads() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace qc
