// See schedule.h.
#include "budget/schedule.h"

#include <algorithm>
#include <numeric>
#include <queue>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

namespace qc::budget {
namespace {

constexpr size_t kBeam = 24;
constexpr int64_t kWordLimit = int64_t{4} << 20;  // of all sets that are kept: 32 MB

// Readers and makers, by tensor.
struct Links {
  std::vector<std::vector<size_t>> readers;
  std::vector<int64_t> maker;                      // -1: an input
  std::vector<std::vector<size_t>> before, after;  // by op, each once

  explicit Links(const MemoryGraph& graph)
      : readers(graph.tensors.size()),
        maker(graph.tensors.size(), -1),
        before(graph.ops.size()),
        after(graph.ops.size()) {
    for (size_t op = 0; op < graph.ops.size(); ++op) {
      for (const size_t t : graph.ops[op].writes) maker[t] = static_cast<int64_t>(op);
      for (const size_t t : graph.ops[op].reads) {
        readers[t].push_back(op);
        if (maker[t] >= 0) before[op].push_back(static_cast<size_t>(maker[t]));
      }
      std::sort(before[op].begin(), before[op].end());
      before[op].erase(std::unique(before[op].begin(), before[op].end()), before[op].end());
      for (const size_t other : before[op]) after[other].push_back(op);
    }
  }
};

constexpr int64_t kUnknown = -1;

// How many ops follow from each, where that is plain: in Kahn's order an op that is alone in being ready
// leads to all that have not run.
std::vector<int64_t> followers(const std::vector<std::vector<size_t>>& needs,
                               const std::vector<std::vector<size_t>>& frees) {
  std::vector<size_t> missing(needs.size()), ready;
  for (size_t op = 0; op < needs.size(); ++op) {
    missing[op] = needs[op].size();
    if (missing[op] == 0) ready.push_back(op);
  }
  std::vector<int64_t> count(needs.size(), kUnknown);
  for (size_t at = 0; at < ready.size(); ++at) {
    if (at + 1 == ready.size()) count[ready[at]] = static_cast<int64_t>(needs.size() - at - 1);
    for (const size_t next : frees[ready[at]])
      if (--missing[next] == 0) ready.push_back(next);
  }
  return count;
}

// A set of a part's ops, by bits.
using Set = std::vector<uint64_t>;
bool holds(const Set& set, size_t bit) {
  return (set[bit / 64] >> (bit % 64)) & 1;
}
struct SetHash {
  size_t operator()(const Set& set) const {
    uint64_t hash = 0x9e3779b97f4a7c15ull;
    for (const uint64_t word : set) {
      hash = (hash ^ word) * 0xbf58476d1ce4e5b9ull;
      hash ^= hash >> 29;
    }
    return static_cast<size_t>(hash);
  }
};

struct State {
  Set done;
  int64_t live = 0, peak = 0;
  int64_t parent = -1;  // among the states that were kept
  size_t op = 0, count = 0;
};

// Ops between two cuts. Indices of ops are those of the part.
class Part {
 public:
  Part(const MemoryGraph& graph, const Links& links, std::vector<size_t> ops, int64_t live)
      : ops_(std::move(ops)), live_(live), before_(ops_.size()), reads_(ops_.size()), writes_(ops_.size()) {
    std::vector<int64_t> local(graph.ops.size(), -1), tensor(graph.tensors.size(), -1);
    for (size_t i = 0; i < ops_.size(); ++i) local[ops_[i]] = static_cast<int64_t>(i);
    const auto enter = [&](size_t t) {
      if (tensor[t] >= 0) return static_cast<size_t>(tensor[t]);
      Inside inside{graph.tensors[t].bytes, graph.tensors[t].output, {}};
      for (const size_t reader : links.readers[t]) {
        if (local[reader] >= 0)
          inside.readers.push_back(static_cast<size_t>(local[reader]));
        else if (reader > ops_.back())
          inside.stays = true;
      }
      tensor[t] = static_cast<int64_t>(tensors_.size());
      tensors_.push_back(std::move(inside));
      return tensors_.size() - 1;
    };
    for (size_t i = 0; i < ops_.size(); ++i) {
      for (const size_t other : links.before[ops_[i]])
        if (local[other] >= 0) before_[i].push_back(static_cast<size_t>(local[other]));
      for (const size_t t : graph.ops[ops_[i]].reads) reads_[i].push_back(enter(t));
      for (const size_t t : graph.ops[ops_[i]].writes) writes_[i].push_back(enter(t));
    }
  }

  size_t size() const { return ops_.size(); }

  State start() const {
    State state;
    state.done.assign((ops_.size() + 63) / 64, 0);
    state.live = state.peak = live_;
    return state;
  }

  bool can_run(const State& state, size_t op) const {
    return !holds(state.done, op) && std::all_of(before_[op].begin(), before_[op].end(),
                                                 [&](size_t b) { return holds(state.done, b); });
  }

  // Bytes while the op runs, and after it.
  std::pair<int64_t, int64_t> effect(const State& state, size_t op) const {
    int64_t during = state.live;
    for (const size_t t : writes_[op]) during += tensors_[t].bytes;
    int64_t later = during;
    for (const size_t t : writes_[op])
      if (tensors_[t].readers.empty() && !tensors_[t].stays) later -= tensors_[t].bytes;
    for (const size_t t : reads_[op]) {
      const Inside& tensor = tensors_[t];
      if (!tensor.stays && std::all_of(tensor.readers.begin(), tensor.readers.end(),
                                       [&](size_t r) { return r == op || holds(state.done, r); }))
        later -= tensor.bytes;
    }
    return {during, later};
  }

  State after(const State& state, size_t op) const {
    const auto [during, later] = effect(state, op);
    State next = state;
    next.done[op / 64] |= uint64_t{1} << (op % 64);
    next.live = later;
    next.peak = std::max(state.peak, during);
    next.op = op;
    next.count = state.count + 1;
    return next;
  }

  // What can run. One op alone where it costs nothing: it raises no peak and leaves no more alive, so it may
  // as well come now.
  std::vector<size_t> choices(const State& state) const {
    std::vector<size_t> ready;
    for (size_t op = 0; op < ops_.size(); ++op) {
      if (!can_run(state, op)) continue;
      const auto [during, later] = effect(state, op);
      if (during <= state.peak && later <= state.live) return {op};
      ready.push_back(op);
    }
    return ready;
  }

  std::vector<size_t> global(const std::vector<size_t>& order) const {
    std::vector<size_t> ops;
    for (const size_t op : order) ops.push_back(ops_[op]);
    return ops;
  }

  // No order can do better than its most demanding op alone.
  int64_t least() const {
    int64_t least = live_;
    for (size_t op = 0; op < ops_.size(); ++op) {
      int64_t alone = 0;
      for (const size_t t : reads_[op]) alone += tensors_[t].bytes;
      for (const size_t t : writes_[op]) alone += tensors_[t].bytes;
      least = std::max(least, alone);
    }
    return least;
  }

 private:
  struct Inside {
    int64_t bytes = 0;
    bool stays = false;  // read after the part
    std::vector<size_t> readers;
  };
  std::vector<size_t> ops_;
  int64_t live_;  // before the first op
  std::vector<std::vector<size_t>> before_, reads_, writes_;
  std::vector<Inside> tensors_;
};

// An order of the ops, and the bytes that it has alive at once at most.
struct PeakOrder {
  std::vector<size_t> order;
  int64_t peak = 0;
};

std::vector<size_t> order_to(const std::vector<State>& states, int64_t last) {
  std::vector<size_t> order;
  for (int64_t at = last; states[at].parent >= 0; at = states[at].parent) order.push_back(states[at].op);
  std::reverse(order.begin(), order.end());
  return order;
}

// The few best sets of every size, by their peak, then by what is alive.
PeakOrder beam_search(const Part& part, size_t width) {
  std::vector<State> beam{part.start()};
  std::vector<std::vector<std::pair<size_t, size_t>>> trail;  // by size: op, place of the parent
  for (size_t step = 0; step < part.size(); ++step) {
    struct Move {
      int64_t peak, live;
      size_t from, op;
      bool operator<(const Move& o) const {
        return std::tie(peak, live, from, op) < std::tie(o.peak, o.live, o.from, o.op);
      }
    };
    std::vector<Move> moves;
    for (size_t b = 0; b < beam.size(); ++b)
      for (const size_t op : part.choices(beam[b])) {
        const auto [during, later] = part.effect(beam[b], op);
        moves.push_back({std::max(beam[b].peak, during), later, b, op});
      }
    std::sort(moves.begin(), moves.end());
    std::vector<State> next;
    std::unordered_set<Set, SetHash> seen;
    trail.emplace_back();
    for (const Move& move : moves) {
      if (next.size() == width) break;
      State state = part.after(beam[move.from], move.op);
      if (!seen.insert(state.done).second) continue;
      trail.back().emplace_back(move.op, move.from);
      next.push_back(std::move(state));
    }
    beam = std::move(next);
  }
  PeakOrder found{{}, beam[0].peak};
  size_t at = 0;
  for (size_t step = trail.size(); step-- > 0; at = trail[step][at].second)
    found.order.push_back(trail[step][at].first);
  std::reverse(found.order.begin(), found.order.end());
  return found;
}

// Better than `best` if there is better, and the bound.
int64_t search(const Part& part, int64_t effort, PeakOrder& best) {
  const auto words = static_cast<int64_t>((part.size() + 63) / 64);
  effort = std::min(effort, kWordLimit / words);
  std::vector<State> states{part.start()};
  using Entry = std::tuple<int64_t, int64_t, int64_t>;  // peak, ops to go, place: the last breaks ties
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> open;
  open.emplace(states[0].peak, static_cast<int64_t>(part.size()), 0);
  std::unordered_map<Set, int64_t, SetHash> seen{{states[0].done, states[0].peak}};  // least peak so far
  while (!open.empty()) {
    const auto [peak, left, at] = open.top();
    if (peak >= best.peak) return best.peak;
    if (static_cast<int64_t>(states.size()) > effort) return peak;
    open.pop();
    if (left == 0) {
      best = {order_to(states, at), peak};
      return peak;
    }
    const State state = states[at];
    for (const size_t op : part.choices(state)) {
      State next = part.after(state, op);
      next.parent = at;
      if (next.peak >= best.peak) continue;
      const auto [known, fresh] = seen.try_emplace(next.done, next.peak);
      if (!fresh && known->second <= next.peak) continue;
      known->second = next.peak;
      open.emplace(next.peak, static_cast<int64_t>(part.size() - next.count),
                   static_cast<int64_t>(states.size()));
      states.push_back(std::move(next));
    }
  }
  return best.peak;
}

}  // namespace

std::vector<std::vector<size_t>> alive_through(const MemoryGraph& graph, const std::vector<size_t>& order) {
  std::vector<size_t> left(graph.tensors.size(), 0);
  for (const MemoryGraph::Op& op : graph.ops)
    for (const size_t t : op.reads) ++left[t];
  std::vector<size_t> alive;
  const auto start = [&](size_t t) { alive.insert(std::upper_bound(alive.begin(), alive.end(), t), t); };
  const auto stop = [&](size_t t) {
    if (left[t] == 0 && !graph.tensors[t].output) std::erase(alive, t);
  };
  for (size_t t = 0; t < graph.tensors.size(); ++t)
    if (graph.tensors[t].input && (left[t] > 0 || graph.tensors[t].output)) start(t);
  std::vector<std::vector<size_t>> all{alive};
  for (const size_t op : order) {
    for (const size_t t : graph.ops[op].writes) start(t);
    all.push_back(alive);
    for (const size_t t : graph.ops[op].reads) --left[t];
    for (const size_t t : graph.ops[op].reads) stop(t);
    for (const size_t t : graph.ops[op].writes) stop(t);
  }
  return all;
}

Peak walk(const MemoryGraph& graph, const std::vector<size_t>& order) {
  Peak peak{0, graph.ops.size(), {}};
  const std::vector<std::vector<size_t>> all = alive_through(graph, order);
  for (size_t moment = 0; moment < all.size(); ++moment) {
    int64_t live = 0;
    for (const size_t t : all[moment]) live += graph.tensors[t].bytes;
    if (live <= peak.bytes) continue;
    peak = {live, moment == 0 ? graph.ops.size() : order[moment - 1], {}};
    for (const size_t t : all[moment])
      if (graph.tensors[t].bytes > 0) peak.tensors.push_back(t);
  }
  std::stable_sort(peak.tensors.begin(), peak.tensors.end(),
                   [&](size_t a, size_t b) { return graph.tensors[a].bytes > graph.tensors[b].bytes; });
  return peak;
}

Schedule schedule(const MemoryGraph& graph, int64_t effort) {
  const Links links(graph);
  std::vector<std::vector<size_t>> parts;
  const std::vector<int64_t> after = followers(links.before, links.after),
                             before = followers(links.after, links.before);
  const auto all = static_cast<int64_t>(graph.ops.size());
  bool open = false;
  for (size_t op = 0; op < graph.ops.size(); ++op) {
    // Every other op comes before or after it.
    const bool cut = after[op] != kUnknown && before[op] != kUnknown && after[op] + before[op] + 1 == all;
    if (cut || !open) parts.emplace_back();
    parts.back().push_back(op);
    open = !cut;
  }
  std::vector<size_t> file(graph.ops.size());
  std::iota(file.begin(), file.end(), size_t{0});

  Schedule best;
  std::vector<size_t> left(graph.tensors.size(), 0);
  for (size_t t = 0; t < left.size(); ++t)
    left[t] = links.readers[t].size() + (graph.tensors[t].output ? 1 : 0);
  int64_t live = 0;
  for (size_t t = 0; t < left.size(); ++t)
    if (graph.tensors[t].input && left[t] > 0) live += graph.tensors[t].bytes;
  for (std::vector<size_t>& ops : parts) {
    const Part part(graph, links, ops, live);
    PeakOrder found = beam_search(part, kBeam);
    // The order of the file is often good, and costs nothing to look at.
    State state = part.start();
    for (size_t i = 0; i < part.size(); ++i) state = part.after(state, i);
    if (state.peak < found.peak) {
      found.order.resize(part.size());
      std::iota(found.order.begin(), found.order.end(), size_t{0});
      found.peak = state.peak;
    }
    live = state.live;
    best.bound = std::max(best.bound, part.least());
    if (found.peak > best.bound && found.peak > best.peak)
      best.bound = std::max(best.bound, search(part, effort, found));
    best.peak = std::max(best.peak, found.peak);
    for (const size_t op : part.global(found.order)) best.order.push_back(op);
  }
  best.bound = std::min(std::max(best.bound, live), best.peak);
  best.peak = walk(graph, best.order).bytes;
  return best;
}

}  // namespace qc::budget
