// What sessions leave in the heap when they end.
#pragma once

namespace qc::run {

/// Holes of every size; the next session's tensors do not fit them. So their pages go back to the system when
/// a session ends, or the peak of a conversion would grow with the number of its sessions. Does that, unless
/// a HeapKept lives.
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
