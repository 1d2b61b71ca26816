// See probe.h. Probes run side by side, each with its own set of rounded values: the simulator's table is the
// same for all runs, so values are rounded by a hook that knows which run it is in.
#include "simulate/probe.h"

#include <algorithm>
#include <utility>

#include "base/parallel.h"
#include "base/progress.h"

namespace qc::simulate {
namespace {

// Everything is looked at on the first image; what costs an output more than the average does then on the
// others as well, because the rest is too little to decide anything. Where groups are many, so many
// neighbours are rounded at once, and taken apart if they cost that much.
constexpr size_t kTogether = 4;

using Group = std::vector<ir::ValueId>;
using Outputs = std::vector<ir::Tensor>;
using Powers = std::vector<std::vector<Power>>;  // by probe and judged output

NoiseRatios ratios_of(const Powers& powers) {
  NoiseRatios ratios(powers.size());
  for (size_t p = 0; p < powers.size(); ++p) ratios[p] = noise_ratios(powers[p]);
  return ratios;
}

class Prober {
 public:
  Prober(Simulator& simulator, const std::vector<std::vector<ir::Tensor>>& inputs,
         const std::vector<Judged>& judged, int threads, const std::function<void()>& settle)
      : simulator_(simulator),
        inputs_(inputs),
        judged_(judged),
        threads_(threads),
        full_(simulator.table),
        base_(inputs.size()) {
    std::fill(simulator_.table.begin(), simulator_.table.end(), std::nullopt);
    parallel_for(static_cast<int64_t>(inputs_.size()), threads_,
                 [&](int64_t i, int worker) { base_[i] = outputs_of(inputs_[i], worker); });
    if (settle) {
      settle();
      full_ = std::exchange(simulator_.table, ActivationTable(full_.size()));
    }
    before_ = simulator_.before;
  }
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;
  ~Prober() {
    simulator_.table = full_;
    simulator_.before = before_;
  }

  /// By group and output, summed over images first to last - 1.
  Powers powers_of(const std::vector<Group>& groups, size_t first, size_t last) {
    return powers_of(groups.size(), first, last, [&](size_t g, Rounded& rounded) {
      for (const ir::ValueId v : groups[g])
        if (const auto& params = full_[v]) rounded[v] = &*params;
    });
  }

  Powers powers_of(const std::vector<RangeProbe>& probes) {
    return powers_of(probes.size(), 0, inputs_.size(), [&](size_t p, Rounded& rounded) {
      for (const ir::ValueId v : probes[p].values) rounded[v] = &probes[p].params;
    });
  }

 private:
  using Rounded = std::vector<const quant::QuantParams*>;  // by value; null: left in float

  // `choose` says what the probe of that number rounds.
  Powers powers_of(size_t count, size_t first, size_t last,
                   const std::function<void(size_t, Rounded&)>& choose) {
    Powers sums(count, no_powers(judged_));
    if (count == 0 || first >= last) return sums;
    Progress progress("probing", static_cast<int64_t>(count), "values");
    const size_t images = last - first;
    std::vector<Rounded> rounded(std::max(threads_, 1));  // by worker
    simulator_.before = [&](ir::ValueId value, int64_t slot, std::span<float> tensor,
                            std::span<const int64_t> dims) {
      if (before_) before_(value, slot, tensor, dims);
      const quant::QuantParams* params = rounded[slot][value];
      if (params) quant::fake_quantize(tensor, tensor, *params);
    };
    std::vector<std::vector<Power>> powers(count * images);
    parallel_for(static_cast<int64_t>(powers.size()), threads_, [&](int64_t job, int worker) {
      const size_t g = static_cast<size_t>(job) / images, image = first + static_cast<size_t>(job) % images;
      Rounded& mine = rounded[worker];
      mine.assign(full_.size(), nullptr);
      choose(g, mine);
      const Outputs outputs = outputs_of(inputs_[image], worker);
      for (size_t j = 0; j < judged_.size(); ++j)
        powers[job].push_back(compare(base_[image][j], outputs[j], judged_[j]));
      if (image == first) progress.advance();
    });
    simulator_.before = before_;
    for (size_t job = 0; job < powers.size(); ++job)
      for (size_t j = 0; j < judged_.size(); ++j) add(sums[job / images][j], powers[job][j]);
    return sums;
  }

  Outputs outputs_of(const std::vector<ir::Tensor>& input, int worker) {
    Outputs results = simulator_.runner->run(input, worker);
    results.erase(results.begin(), results.end() - static_cast<std::ptrdiff_t>(judged_.size()));
    return results;
  }

  Simulator& simulator_;
  const std::vector<std::vector<ir::Tensor>>& inputs_;
  const std::vector<Judged>& judged_;
  int threads_;
  ActivationTable full_;
  Hook before_;
  std::vector<Outputs> base_;  // by image, nothing rounded
};

std::vector<Group> in_sets(const std::vector<Group>& groups, size_t together) {
  std::vector<Group> sets((groups.size() + together - 1) / together);
  for (size_t g = 0; g < groups.size(); ++g)
    sets[g / together].insert(sets[g / together].end(), groups[g].begin(), groups[g].end());
  return sets;
}

// Which cost as much as the average one, or more, at some output.
std::vector<size_t> above_average(const NoiseRatios& ratios) {
  std::vector<bool> above(ratios.size());
  for (size_t o = 0; o < ratios[0].size(); ++o) {
    double sum = 0;
    for (const std::vector<double>& ratio : ratios) sum += ratio[o];
    for (size_t s = 0; s < ratios.size(); ++s)
      if (ratios[s][o] > 0 && ratios[s][o] * static_cast<double>(ratios.size()) >= sum) above[s] = true;
  }
  std::vector<size_t> list;
  for (size_t s = 0; s < above.size(); ++s)
    if (above[s]) list.push_back(s);
  return list;
}

}  // namespace

NoiseRatios rounding_noise(Simulator& simulator, const std::vector<std::vector<ir::ValueId>>& groups,
                           const std::vector<std::vector<ir::Tensor>>& inputs,
                           const std::vector<Judged>& judged, int threads, const ProbeOptions& options) {
  Prober prober(simulator, inputs, judged, threads, options.settle);
  if (groups.empty() || inputs.empty()) return NoiseRatios(groups.size(), noise_ratios(no_powers(judged)));
  const size_t together = groups.size() <= options.alone ? 1 : kTogether;
  const Powers seen = prober.powers_of(in_sets(groups, together), 0, 1);
  const NoiseRatios sets = ratios_of(seen);
  NoiseRatios ratios;
  for (size_t g = 0; g < groups.size(); ++g) {
    const size_t set = g / together;
    ratios.push_back(sets[set]);
    const size_t members = std::min(together, groups.size() - set * together);
    for (double& ratio : ratios.back()) ratio /= static_cast<double>(members);
  }
  std::vector<size_t> matter;
  std::vector<Group> alone;
  for (const size_t set : above_average(sets))
    for (size_t g = set * together; g < std::min(groups.size(), (set + 1) * together); ++g) {
      matter.push_back(g);
      alone.push_back(groups[g]);
    }
  Powers closer = prober.powers_of(alone, together == 1 ? 1 : 0, inputs.size());
  for (size_t i = 0; i < matter.size() && together == 1; ++i)
    for (size_t j = 0; j < judged.size(); ++j) add(closer[i][j], seen[matter[i]][j]);
  const NoiseRatios exact = ratios_of(closer);
  for (size_t i = 0; i < matter.size(); ++i) ratios[matter[i]] = exact[i];
  return ratios;
}

NoiseRatios range_noise(Simulator& simulator, const std::vector<RangeProbe>& probes,
                        const std::vector<std::vector<ir::Tensor>>& inputs, const std::vector<Judged>& judged,
                        int threads) {
  return ratios_of(Prober(simulator, inputs, judged, threads, {}).powers_of(probes));
}

}  // namespace qc::simulate
