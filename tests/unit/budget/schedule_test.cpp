// Orders that keep few bytes alive, against every order there is.
#include "budget/schedule.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <limits>
#include <map>
#include <numeric>
#include <random>

#include "budget/resources.h"
#include "support/tiny_models.h"

using namespace qc;
using budget::MemoryGraph;

namespace {

// Every op makes one or two tensors and reads a few that are there.
MemoryGraph random_graph(unsigned seed, size_t ops) {
  std::mt19937 random(seed);
  MemoryGraph graph;
  graph.tensors.push_back({"in", static_cast<int64_t>(1 + random() % 20), true, false});
  for (size_t op = 0; op < ops; ++op) {
    MemoryGraph::Op next;
    const size_t reads = 1 + random() % 3;
    for (size_t r = 0; r < reads; ++r) {
      const size_t back = std::min<size_t>(graph.tensors.size(), 1 + random() % 6);
      const size_t tensor = graph.tensors.size() - back;
      if (std::find(next.reads.begin(), next.reads.end(), tensor) == next.reads.end())
        next.reads.push_back(tensor);
    }
    const size_t writes = random() % 5 == 0 ? 2 : 1;
    for (size_t w = 0; w < writes; ++w) {
      next.writes.push_back(graph.tensors.size() + w);
    }
    for (size_t w = 0; w < writes; ++w)
      graph.tensors.push_back({"t", static_cast<int64_t>(1 + random() % 40), false, random() % 9 == 0});
    graph.ops.push_back(std::move(next));
  }
  return graph;
}

bool can_run(const MemoryGraph& graph, const std::vector<size_t>& order) {
  std::vector<bool> there(graph.tensors.size(), false);
  for (size_t t = 0; t < there.size(); ++t) there[t] = graph.tensors[t].input;
  std::vector<bool> ran(graph.ops.size(), false);
  for (const size_t op : order) {
    if (ran[op]) return false;
    ran[op] = true;
    for (const size_t t : graph.ops[op].reads)
      if (!there[t]) return false;
    for (const size_t t : graph.ops[op].writes) there[t] = true;
  }
  return order.size() == graph.ops.size();
}

// The best order, by trying all: what is left to run decides what is alive, so each set is solved once.
int64_t brute_force(const MemoryGraph& graph) {
  std::vector<int64_t> maker(graph.tensors.size(), -1);
  for (size_t op = 0; op < graph.ops.size(); ++op)
    for (const size_t t : graph.ops[op].writes) maker[t] = static_cast<int64_t>(op);
  const auto live = [&](unsigned done) {
    int64_t bytes = 0;
    for (size_t t = 0; t < graph.tensors.size(); ++t) {
      const bool made = maker[t] < 0 ? graph.tensors[t].input : (done >> maker[t]) & 1;
      bool wanted = graph.tensors[t].output;
      for (size_t op = 0; op < graph.ops.size(); ++op)
        wanted = wanted || (!((done >> op) & 1) &&
                            std::count(graph.ops[op].reads.begin(), graph.ops[op].reads.end(), t));
      if (made && wanted) bytes += graph.tensors[t].bytes;
    }
    return bytes;
  };
  std::map<unsigned, int64_t> known;
  const auto best = [&](const auto& self, unsigned done) -> int64_t {
    if (done + 1 == 1u << graph.ops.size()) return live(done);
    const auto at = known.find(done);
    if (at != known.end()) return at->second;
    int64_t least = std::numeric_limits<int64_t>::max();
    for (size_t op = 0; op < graph.ops.size(); ++op) {
      if ((done >> op) & 1) continue;
      bool ready = true;
      for (const size_t t : graph.ops[op].reads) ready = ready && (maker[t] < 0 || ((done >> maker[t]) & 1));
      if (!ready) continue;
      int64_t during = live(done);
      for (const size_t t : graph.ops[op].writes) during += graph.tensors[t].bytes;
      least = std::min(least, std::max(during, self(self, done | 1u << op)));
    }
    return known[done] = least;
  };
  return best(best, 0);
}

}  // namespace

TEST_CASE("small graphs are ordered as well as any order can") {
  for (unsigned seed = 0; seed < 150; ++seed) {
    CAPTURE(seed);
    const MemoryGraph graph = random_graph(seed, 2 + seed % 11);
    const budget::Schedule found = budget::schedule(graph);
    CHECK(can_run(graph, found.order));
    CHECK(found.peak == brute_force(graph));
    CHECK(found.bound == found.peak);
    CHECK(budget::walk(graph, found.order).bytes == found.peak);
  }
}

TEST_CASE("an order that is not proven best states a bound that holds") {
  for (unsigned seed = 500; seed < 530; ++seed) {
    CAPTURE(seed);
    const MemoryGraph graph = random_graph(seed, 12);
    const budget::Schedule hurried = budget::schedule(graph, 4);
    const int64_t best = brute_force(graph);
    CHECK(can_run(graph, hurried.order));
    CHECK(hurried.peak >= best);
    CHECK(hurried.bound <= best);
  }
}

TEST_CASE("thousands of ops with skips are ordered in seconds") {
  std::mt19937 random(1);
  MemoryGraph graph;
  graph.tensors.push_back({"in", 10, true, false});
  const size_t ops = 5000;
  for (size_t op = 0; op < ops; ++op) {
    MemoryGraph::Op next{"op", {op}, {op + 1}};
    // Long skips, and pairs of branches that may go either way.
    if (op > 40 && op % 3 == 0) next.reads.push_back(op - 7 - random() % 30);
    if (op % 5 == 4) next.reads[0] = op - 1;
    std::sort(next.reads.begin(), next.reads.end());
    next.reads.erase(std::unique(next.reads.begin(), next.reads.end()), next.reads.end());
    graph.ops.push_back(next);
    graph.tensors.push_back({"t", static_cast<int64_t>(1 + random() % 1000), false, op + 1 == ops});
  }
  const auto started = std::chrono::steady_clock::now();
  const budget::Schedule found = budget::schedule(graph);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  CHECK(can_run(graph, found.order));
  CHECK(found.bound <= found.peak);
  CHECK(found.bound > 0);
  std::vector<size_t> file(ops);
  std::iota(file.begin(), file.end(), size_t{0});
  CHECK(found.peak <= budget::walk(graph, file).bytes);
  CAPTURE(found.peak, found.bound);
  CHECK(seconds < 60);  // 10 on a machine that does nothing else
}

TEST_CASE("a Relu is part of the node before it, and a Reshape hands its input on") {
  ir::Graph graph = tiny::graph();
  const ir::ValueId x = tiny::input(graph, "x", {1, 8});
  const ir::ValueId a = tiny::node(graph, "Neg", {x}), b = tiny::node(graph, "Relu", {a}),
                    c = tiny::node(graph, "Flatten", {b}), d = tiny::node(graph, "Abs", {c});
  graph.outputs = {d};
  const auto memory = budget::memory_graph(graph, [](ir::ValueId) { return 8; });
  REQUIRE(memory);
  CHECK(memory->ops.size() == 2);
  CHECK(memory->tensors.size() == 3);
  const budget::Schedule found = budget::schedule(*memory);
  CHECK(found.peak == 16);
  CHECK_FALSE(budget::memory_graph(graph, [&](ir::ValueId v) -> std::optional<int64_t> {
    return v == d ? std::nullopt : std::optional<int64_t>(8);
  }));
}
