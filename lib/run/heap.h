// What sessions leave in the heap when they end.
#pragma once

namespace qc::run {

/// Gives the pages that are free back to the system, unless a HeapKept lives. Sessions leave holes of every
/// size, which the tensors of the next do not fit: the peak of a conversion would grow with the number of its
/// sessions. Nothing happens where the C library is not glibc.
void trim_heap();

/// While one lives, pages stay: where hundreds of sessions of one network follow each other, each of which
/// would fault them in anew (a quarter of the time that a budget takes), and what is solved between them
/// takes far more memory than the holes. The last to go trims.
class HeapKept {
 public:
  HeapKept();
  ~HeapKept();
  HeapKept(const HeapKept&) = delete;
  HeapKept& operator=(const HeapKept&) = delete;
};

}  // namespace qc::run
