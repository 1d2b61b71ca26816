// See kept_pictures.h.
#include "images/kept_pictures.h"

namespace qc::images {

std::shared_ptr<const Fitted> KeptPictures::find(const std::string& name) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto at = kept_.find(name);
  return at == kept_.end() ? nullptr : at->second;
}

void KeptPictures::offer(const std::string& name, const std::shared_ptr<const Fitted>& fitted) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (seen_.insert(name).second || kept_.contains(name)) return;
  const auto size = static_cast<int64_t>(fitted->pixels.pixels.size());
  if (bytes_ + size > most_) return;
  bytes_ += size;
  kept_[name] = fitted;
}

}  // namespace qc::images
