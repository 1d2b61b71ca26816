// In which order to run a graph so that the most bytes alive at once are as few as possible. A tensor lives
// from the op that makes it to its last reader, inputs of the graph from the start, outputs to the end.
//
// Ops that every other op must come before or after cut the graph into parts that are ordered one by one,
// whatever tensors cross them. Within a part: best first over the sets of ops that have run, which is exact
// and, where it is stopped, still leaves a bound that no order can beat; the order is then that of a beam
// search.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace qc::budget {

struct MemoryGraph {
  struct Op {
    std::string name;
    std::vector<size_t> reads, writes;  // tensors, each named once
  };
  struct Tensor {
    std::string name;
    int64_t bytes = 0;
    bool input = false, output = false;  // of the graph
    int64_t value = -1;                  // ir::ValueId of what it holds; -1: nobody asked
  };
  std::vector<Op> ops;  // in an order that can run
  std::vector<Tensor> tensors;
};

struct Peak {
  int64_t bytes = 0;
  size_t op = 0;                // where; ops.size(): before the first
  std::vector<size_t> tensors;  // alive there, the largest first
};

/// Runs the ops in this order and looks.
Peak walk(const MemoryGraph& graph, const std::vector<size_t>& order);

/// The tensors alive while each op of the order runs, in its order; before the first one, the inputs. Each
/// list ascending.
std::vector<std::vector<size_t>> alive_through(const MemoryGraph& graph, const std::vector<size_t>& order);

struct Schedule {
  std::vector<size_t> order;
  int64_t peak = 0;   // as walk() finds it
  int64_t bound = 0;  // no order has a lower peak; equal to peak: proven best
};

/// Always answers. `effort`: sets of ops that are looked at in all, about a second for a million.
Schedule schedule(const MemoryGraph& graph, int64_t effort = 400'000);

}  // namespace qc::budget
