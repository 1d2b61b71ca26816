// See probe.h. Probes run side by side, each with its own set of rounded values: the simulator's table is the
// same for all runs, so values are rounded by a hook that knows which run it is in.
#include "simulate/probe.h"

#include <algorithm>

#include "base/parallel.h"
#include "base/progress.h"

namespace qc::simulate {
namespace {

// Up to kAlone groups every one is probed by itself. Of more, kTogether neighbours are rounded at once, and
// only those sets that cost an output more than the average set does are taken apart: what the others cost is
// too little to decide anything, however it is shared among them.
constexpr size_t kAlone = 64, kTogether = 4;

using Group = std::vector<ir::ValueId>;
using Outputs = std::vector<ir::Tensor>;

class Prober {
 public:
  Prober(Simulator& simulator, const std::vector<std::vector<ir::Tensor>>& inputs,
         const std::vector<Judged>& judged, int threads)
      : simulator_(simulator),
        inputs_(inputs),
        judged_(judged),
        threads_(threads),
        full_(simulator.table),
        before_(simulator.before),
        base_(inputs.size()) {
    std::fill(simulator_.table.begin(), simulator_.table.end(), std::nullopt);
    parallel_for(static_cast<int64_t>(inputs_.size()), threads_, [&](int64_t i, int worker) {
      base_[static_cast<size_t>(i)] = outputs_of(inputs_[static_cast<size_t>(i)], worker);
    });
  }
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;
  ~Prober() {
    simulator_.table = full_;
    simulator_.before = before_;
  }

  NoiseRatios ratios_of(const std::vector<Group>& groups) {
    return ratios_of(groups.size(), [&](size_t g, Rounded& rounded) {
      for (const ir::ValueId v : groups[g])
        if (const auto& params = full_[static_cast<size_t>(v)]) rounded[static_cast<size_t>(v)] = &*params;
    });
  }

  NoiseRatios ratios_of(const std::vector<RangeProbe>& probes) {
    return ratios_of(probes.size(), [&](size_t p, Rounded& rounded) {
      for (const ir::ValueId v : probes[p].values) rounded[static_cast<size_t>(v)] = &probes[p].params;
    });
  }

 private:
  using Rounded = std::vector<const quant::QuantParams*>;  // by value; null: left in float

  // `choose` says what the probe of that number rounds.
  NoiseRatios ratios_of(size_t count, const std::function<void(size_t, Rounded&)>& choose) {
    Progress progress("probing", static_cast<int64_t>(count), "values");
    const size_t images = inputs_.size();
    std::vector<Rounded> rounded(static_cast<size_t>(std::max(threads_, 1)));  // by worker
    simulator_.before = [&](ir::ValueId value, int64_t slot, std::span<float> tensor,
                            std::span<const int64_t> dims) {
      if (before_) before_(value, slot, tensor, dims);
      const quant::QuantParams* params = rounded[static_cast<size_t>(slot)][static_cast<size_t>(value)];
      if (params) quant::fake_quantize(tensor, tensor, *params);
    };
    std::vector<std::vector<Power>> powers(count * images);
    parallel_for(static_cast<int64_t>(powers.size()), threads_, [&](int64_t job, int worker) {
      const size_t g = static_cast<size_t>(job) / images, image = static_cast<size_t>(job) % images;
      Rounded& mine = rounded[static_cast<size_t>(worker)];
      mine.assign(full_.size(), nullptr);
      choose(g, mine);
      const Outputs outputs = outputs_of(inputs_[image], worker);
      for (size_t j = 0; j < judged_.size(); ++j)
        powers[static_cast<size_t>(job)].push_back(
            compare(base_[image][j], outputs[j], judged_[j].mean_free));
      if (image == 0) progress.advance();
    });
    simulator_.before = before_;
    NoiseRatios ratios(count);
    for (size_t g = 0; g < count; ++g)
      for (size_t j = 0; j < judged_.size(); ++j) {
        Power sum;
        for (size_t i = 0; i < images; ++i) add(sum, powers[g * images + i][j]);
        ratios[g].push_back(sum.noise / std::max(sum.signal, 1e-300));
      }
    return ratios;
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

std::vector<Group> neighbours_together(const std::vector<Group>& groups) {
  std::vector<Group> sets((groups.size() + kTogether - 1) / kTogether);
  for (size_t g = 0; g < groups.size(); ++g)
    sets[g / kTogether].insert(sets[g / kTogether].end(), groups[g].begin(), groups[g].end());
  return sets;
}

// By set: more than the average one at some output.
std::vector<bool> above_average(const NoiseRatios& ratios) {
  std::vector<bool> above(ratios.size());
  for (size_t o = 0; o < ratios[0].size(); ++o) {
    double sum = 0;
    for (const std::vector<double>& ratio : ratios) sum += ratio[o];
    for (size_t s = 0; s < ratios.size(); ++s)
      if (ratios[s][o] * static_cast<double>(ratios.size()) > sum) above[s] = true;
  }
  return above;
}

}  // namespace

NoiseRatios rounding_noise(Simulator& simulator, const std::vector<std::vector<ir::ValueId>>& groups,
                           const std::vector<std::vector<ir::Tensor>>& inputs,
                           const std::vector<Judged>& judged, int threads) {
  Prober prober(simulator, inputs, judged, threads);
  if (groups.size() <= kAlone) return prober.ratios_of(groups);
  const NoiseRatios together = prober.ratios_of(neighbours_together(groups));
  const std::vector<bool> apart = above_average(together);
  std::vector<Group> alone;
  for (size_t g = 0; g < groups.size(); ++g)
    if (apart[g / kTogether]) alone.push_back(groups[g]);
  const NoiseRatios single = prober.ratios_of(alone);
  NoiseRatios ratios;
  for (size_t g = 0, next = 0; g < groups.size(); ++g) {
    const size_t set = g / kTogether;
    if (apart[set]) {
      ratios.push_back(single[next++]);
      continue;
    }
    ratios.push_back(together[set]);
    const size_t members = std::min(kTogether, groups.size() - set * kTogether);
    for (double& ratio : ratios.back()) ratio /= static_cast<double>(members);
  }
  return ratios;
}

NoiseRatios range_noise(Simulator& simulator, const std::vector<RangeProbe>& probes,
                        const std::vector<std::vector<ir::Tensor>>& inputs, const std::vector<Judged>& judged,
                        int threads) {
  return Prober(simulator, inputs, judged, threads).ratios_of(probes);
}

}  // namespace qc::simulate
