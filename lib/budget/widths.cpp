// See widths.h.
#include "budget/widths.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace qc::budget {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
constexpr size_t kSums = 4000;  // kept of a frontier: a step of bytes is then a tenth of a thousandth
constexpr int kShares = 32;     // of total bytes that results may get, tried
constexpr int kRaises = 40, kHalvings = 24;  // of the price of bit operations
constexpr int kTurns = 3;                    // of results and weights, at a price

int64_t bytes_of(int64_t elements, int bits) {
  return (elements * bits + 7) / 8;
}

const Width& width_at(const std::vector<WidthGroup>& groups, const std::vector<size_t>& picks, size_t g) {
  return groups[g].widths[picks[g]];
}

int64_t bytes_at(const std::vector<WidthGroup>& groups, const Moment& moment,
                 const std::vector<size_t>& picks) {
  int64_t bytes = moment.fixed;
  for (const auto& [group, elements] : moment.tensors)
    bytes += bytes_of(elements, width_at(groups, picks, group).bits);
  return bytes;
}

double cost_of(const std::vector<WidthGroup>& groups, const std::vector<size_t>& picks) {
  double cost = 0;
  for (size_t g = 0; g < groups.size(); ++g) cost += width_at(groups, picks, g).cost;
  return cost;
}

std::vector<size_t> cheapest(const std::vector<WidthGroup>& groups) {
  std::vector<size_t> picks;
  for (const WidthGroup& group : groups) {
    size_t best = group.widths.size() - 1;
    for (size_t w = best; w-- > 0;)
      if (group.widths[w].cost < group.widths[best].cost) best = w;
    picks.push_back(best);
  }
  return picks;
}

// One moment by itself: its groups, no wider than they are now.
struct Alone {
  std::vector<size_t> groups;
  std::vector<Item> items;
};

Alone alone(const std::vector<WidthGroup>& groups, const Moment& moment, const std::vector<size_t>& now) {
  Alone one;
  for (const auto& [group, elements] : moment.tensors) {
    auto at = std::find(one.groups.begin(), one.groups.end(), group);
    if (at == one.groups.end()) {
      one.groups.push_back(group);
      one.items.emplace_back();
      for (size_t w = 0; w <= now[group]; ++w)
        one.items.back().choices.push_back({0, groups[group].widths[w].cost, 0});
      at = one.groups.end() - 1;
    }
    Item& item = one.items[at - one.groups.begin()];
    for (size_t w = 0; w < item.choices.size(); ++w)
      item.choices[w].bytes += bytes_of(elements, groups[group].widths[w].bits);
  }
  return one;
}

// From the fullest moment on, each as well as it can be alone.
bool narrow_by_moments(const std::vector<WidthGroup>& groups, const std::vector<Moment>& moments,
                       int64_t bytes, std::vector<size_t>& picks) {
  for (;;) {
    int64_t most = bytes;
    const Moment* full = nullptr;
    for (const Moment& moment : moments)
      if (const int64_t now = bytes_at(groups, moment, picks); now > most) {
        most = now;
        full = &moment;
      }
    if (!full) return true;
    const Alone one = alone(groups, *full, picks);
    const auto sum = Frontier(one.items, kSums).within(bytes - full->fixed);
    if (!sum) return false;
    for (size_t i = 0; i < one.groups.size(); ++i) picks[one.groups[i]] = sum->picks[i];
  }
}

// Step by step, what costs least for the bytes that are too many.
bool narrow_by_steps(const std::vector<WidthGroup>& groups, const std::vector<Moment>& moments, int64_t bytes,
                     std::vector<size_t>& picks) {
  for (;;) {
    std::vector<std::vector<double>> relief(groups.size());
    for (size_t g = 0; g < groups.size(); ++g) relief[g].resize(picks[g], 0.0);
    bool over = false;
    for (const Moment& moment : moments) {
      const int64_t excess = bytes_at(groups, moment, picks) - bytes;
      if (excess <= 0) continue;
      over = true;
      const Alone one = alone(groups, moment, picks);
      for (size_t i = 0; i < one.groups.size(); ++i) {
        const std::vector<Choice>& choices = one.items[i].choices;
        for (size_t w = 0; w + 1 < choices.size(); ++w)
          relief[one.groups[i]][w] +=
              static_cast<double>(std::min(excess, choices.back().bytes - choices[w].bytes));
      }
    }
    if (!over) return true;
    double least = std::numeric_limits<double>::infinity();
    std::pair<size_t, size_t> best{groups.size(), 0};
    for (size_t g = 0; g < groups.size(); ++g)
      for (size_t w = 0; w < relief[g].size(); ++w) {
        if (relief[g][w] <= 0) continue;
        const double price = (groups[g].widths[w].cost - width_at(groups, picks, g).cost) / relief[g][w];
        if (price < least) {
          least = price;
          best = {g, w};
        }
      }
    if (best.first == groups.size()) return false;
    picks[best.first] = best.second;
  }
}

// What still fits, the largest gain first.
void widen(const std::vector<WidthGroup>& groups, const std::vector<Moment>& moments, int64_t bytes,
           std::vector<size_t>& picks) {
  for (;;) {
    double most = 0;
    std::pair<size_t, size_t> best{groups.size(), 0};
    for (size_t g = 0; g < groups.size(); ++g)
      for (size_t w = 0; w < groups[g].widths.size(); ++w) {
        const double gain = width_at(groups, picks, g).cost - groups[g].widths[w].cost;
        if (gain <= most) continue;
        std::vector<size_t> wider = picks;
        wider[g] = w;
        if (fullest(groups, moments, wider) > bytes) continue;
        most = gain;
        best = {g, w};
      }
    if (best.first == groups.size()) return;
    picks[best.first] = best.second;
  }
}

// --- results and weights together

class Joint {
 public:
  explicit Joint(const JointProblem& problem) : problem_(problem) {}

  std::optional<JointPicks> best() {
    for (const int64_t bytes : shares()) {
      if (!problem_.bops) {
        look(bytes, 0);
        continue;
      }
      double high = first_price();
      bool enough = look(bytes, 0);
      if (enough) continue;
      for (int step = 0; step < kRaises && !(enough = look(bytes, high)); ++step) high *= 4;
      double low = high / 4;
      if (high == first_price()) low = high * 1e-9;
      for (int step = 0; enough && step < kHalvings; ++step) {
        const double middle = std::sqrt(low * high);
        (look(bytes, middle) ? high : low) = middle;
      }
    }
    return best_;
  }

 private:
  std::vector<int64_t> shares() const {
    const int64_t most = problem_.group_bytes.value_or(kNoLimit);
    if (!problem_.total_bytes) return {most};
    const int64_t full = fullest(problem_.groups, problem_.moments, cheapest(problem_.groups)),
                  least = fullest(problem_.groups, problem_.moments,
                                  std::vector<size_t>(problem_.groups.size(), 0));
    std::vector<int64_t> all;
    for (int share = 0; share <= kShares; ++share)
      all.push_back(std::min(most, least + (full - least) * share / kShares));
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }

  double first_price() const {
    double cost = 1e-300;
    for (const WidthGroup& group : problem_.groups) cost += group.widths.front().cost;
    for (const Item& item : problem_.weights) cost += item.choices.front().cost;
    return cost / std::max(*problem_.bops, 1e-300) / 1024;
  }

  // At a price for bit operations; false: they are too many, or the bytes are. Keeps the best seen.
  bool look(int64_t bytes, double price) {
    JointPicks picks;
    picks.groups = cheapest(problem_.groups);
    picks.weights.assign(problem_.weights.size(), problem_.weight_bits.size() - 1);
    for (int turn = 0; turn < (price > 0 ? kTurns : 1); ++turn) {
      const auto groups = widths_within(priced_groups(picks, price), problem_.moments, bytes);
      if (!groups) return false;
      picks.groups = groups->picks;
      const auto weights = weights_for(picks, price);
      if (!weights) return false;
      picks.weights = *weights;
    }
    picks.cost = cost_of(problem_.groups, picks.groups) + sum_of(problem_.weights, picks.weights).cost;
    if (problem_.bops && bops_of(problem_, picks) > *problem_.bops) return false;
    if (!best_ || picks.cost < best_->cost) best_ = picks;
    return true;
  }

  std::vector<WidthGroup> priced_groups(const JointPicks& picks, double price) const {
    std::vector<WidthGroup> groups = problem_.groups;
    for (const Products& layer : problem_.products) {
      if (price <= 0 || !layer.group) continue;
      const double bits =
          layer.weight ? problem_.weight_bits[picks.weights[*layer.weight]] : layer.weight_bits;
      for (Width& width : groups[*layer.group].widths) width.cost += price * layer.count * bits * width.bits;
    }
    return groups;
  }

  std::optional<std::vector<size_t>> weights_for(const JointPicks& picks, double price) {
    int64_t bytes = problem_.weight_bytes.value_or(kNoLimit);
    if (problem_.total_bytes)
      bytes =
          std::min(bytes, *problem_.total_bytes - fullest(problem_.groups, problem_.moments, picks.groups));
    if (price <= 0) {
      if (!free_) free_.emplace(problem_.weights, kSums);
      const auto sum = free_->within(bytes);
      return sum ? std::optional(sum->picks) : std::nullopt;
    }
    std::vector<Item> items = problem_.weights;
    for (const Products& layer : problem_.products) {
      if (!layer.weight) continue;
      const double bits =
          layer.group ? width_at(problem_.groups, picks.groups, *layer.group).bits : layer.group_bits;
      std::vector<Choice>& choices = items[*layer.weight].choices;
      for (size_t w = 0; w < choices.size(); ++w)
        choices[w].cost += price * layer.count * bits * problem_.weight_bits[w];
    }
    if (bytes == kNoLimit) {
      std::vector<size_t> least;
      for (const Item& item : items)
        least.push_back(static_cast<size_t>(
            std::min_element(item.choices.begin(), item.choices.end(),
                             [](const Choice& a, const Choice& b) { return a.cost < b.cost; }) -
            item.choices.begin()));
      return least;
    }
    const auto sum = Frontier(items, kSums).within(bytes);
    return sum ? std::optional(sum->picks) : std::nullopt;
  }

  const JointProblem& problem_;
  std::optional<Frontier> free_;  // of weights, at no price
  std::optional<JointPicks> best_;
};

}  // namespace

int64_t fullest(const std::vector<WidthGroup>& groups, const std::vector<Moment>& moments,
                const std::vector<size_t>& picks) {
  int64_t most = 0;
  for (const Moment& moment : moments) most = std::max(most, bytes_at(groups, moment, picks));
  return most;
}

std::optional<GroupPicks> widths_within(const std::vector<WidthGroup>& groups,
                                        const std::vector<Moment>& moments, int64_t bytes) {
  if (fullest(groups, moments, std::vector<size_t>(groups.size(), 0)) > bytes) return std::nullopt;
  const std::vector<size_t> free = cheapest(groups);
  GroupPicks best{{}, std::numeric_limits<double>::infinity(), cost_of(groups, free)};
  const double rest = best.bound;
  for (const auto& narrow : {narrow_by_moments, narrow_by_steps}) {
    std::vector<size_t> picks = free;
    if (!narrow(groups, moments, bytes, picks)) continue;
    widen(groups, moments, bytes, picks);
    if (const double cost = cost_of(groups, picks); cost < best.cost) best = {picks, cost, rest};
  }
  for (const Moment& moment : moments) {
    if (bytes_at(groups, moment, free) <= bytes) continue;
    const Alone one = alone(groups, moment, free);
    double cost = rest;
    for (const size_t g : one.groups) cost -= width_at(groups, free, g).cost;
    if (const auto sum = Frontier(one.items, kSums).within(bytes - moment.fixed))
      best.bound = std::max(best.bound, cost + sum->cost);
  }
  best.bound = std::min(best.bound, best.cost);
  return best;
}

double bops_of(const JointProblem& problem, const JointPicks& picks) {
  double bops = 0;
  for (const Products& layer : problem.products) {
    const double results =
        layer.group ? width_at(problem.groups, picks.groups, *layer.group).bits : layer.group_bits;
    const double weights =
        layer.weight ? problem.weight_bits[picks.weights[*layer.weight]] : layer.weight_bits;
    bops += layer.count * results * weights;
  }
  return bops;
}

std::optional<JointPicks> solve(const JointProblem& problem) {
  return Joint(problem).best();
}

}  // namespace qc::budget
