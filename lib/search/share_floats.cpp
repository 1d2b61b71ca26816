// See share_floats.h.
#include "search/share_floats.h"

#include <cmath>
#include <numeric>

#include "base/text.h"
#include "search/measured_noise.h"
#include "select/float_share.h"

namespace qc {
Placed share_floats(const PlacementScene& scene, const std::vector<int64_t>& elements, double share,
                    const std::vector<bool>& placed, Attempt first,
                    const std::function<Attempt(const std::vector<bool>& integer)>& retry) {
  Placed found{std::move(first), {}, {}, {}};
  const int64_t all = std::accumulate(elements.begin(), elements.end(), int64_t{0});
  const auto most = static_cast<int64_t>(std::floor(share * static_cast<double>(all)));
  if (most <= 0 || scene.answers.judged.empty()) return found;
  const simulate::Fidelity weights_only = of_weights(found.best, scene, {});
  found.probed = placed;
  found.noise = measured_noise(found.best, weights_only, scene);
  const std::vector<bool> chosen =
      select::spend_float_share(scene.graph, scene.capabilities, *found.noise, elements, placed, most);
  if (chosen == placed) return found;
  const double before = found.best.fidelity.worst_db();
  Attempt tried = retry(chosen);
  const bool better = tried.fidelity.worst_db() > before;
  const double part = static_cast<double>(select::floating_elements(scene.graph, elements, placed, chosen)) /
                      static_cast<double>(all);
  const report::Correction line{format("{:.1f} % of the activations in float", 100 * part),
                                better,
                                before,
                                tried.fidelity.worst_db(),
                                {}};
  if (better) found.best = std::move(tried);
  found.best.corrections.push_back(line);
  return found;
}

}  // namespace qc
