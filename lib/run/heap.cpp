// See heap.h.
#include "run/heap.h"

#include <atomic>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace qc::run {
namespace {

std::atomic<int>& keepers() {
  static std::atomic<int> count = 0;
  return count;
}

}  // namespace

void trim_heap() {
#ifdef __GLIBC__
  if (keepers() == 0) malloc_trim(0);
#endif
}

HeapKept::HeapKept() {
  ++keepers();
}

HeapKept::~HeapKept() {
  --keepers();
  trim_heap();
}

}  // namespace qc::run
