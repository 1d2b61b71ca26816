// See local_error.h.
#include "simulate/local_error.h"

namespace qc::simulate {

Hook sampling(Samples& samples) {
  return [&samples](ir::ValueId value, int64_t slot, std::span<float> tensor, std::span<const int64_t>) {
    const size_t stride = tensor.size() / Samples::kSampled + 1;
    std::vector<float> some;
    for (size_t i = 0; i < tensor.size(); i += stride) some.push_back(tensor[i]);
    const std::lock_guard<std::mutex> lock(samples.mutex);
    samples.by_value[{value, slot}] = std::move(some);
  };
}

std::map<ir::ValueId, double> local_sqnr_db(const Samples& reference, const Samples& quantized) {
  std::map<ir::ValueId, Power> powers;
  for (const auto& [key, expected] : reference.by_value) {
    const auto found = quantized.by_value.find(key);
    if (found == quantized.by_value.end() || found->second.size() != expected.size()) continue;
    Power& power = powers[key.first];
    for (size_t i = 0; i < expected.size(); ++i) {
      const double error = static_cast<double>(expected[i]) - found->second[i];
      power.signal += static_cast<double>(expected[i]) * expected[i];
      power.noise += error * error;
    }
  }
  std::map<ir::ValueId, double> sqnr;
  for (const auto& [value, power] : powers) sqnr[value] = power.sqnr_db();
  return sqnr;
}

}  // namespace qc::simulate
