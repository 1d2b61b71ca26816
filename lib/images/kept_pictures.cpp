// See kept_pictures.h.
#include "images/kept_pictures.h"

#include <algorithm>

namespace qc::images {

std::optional<Fitted> KeptPictures::find(const std::string& name) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = kept_.find(name);
  if (found == kept_.end()) return std::nullopt;
  Fitted fitted = found->second.without_pixels;
  const uint8_t* from = block_.get() + found->second.at;
  fitted.pixels.pixels.assign(from, from + found->second.size);
  return fitted;
}

void KeptPictures::offer(const std::string& name, const Fitted& fitted) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (seen_.insert(name).second || kept_.contains(name)) return;
  const Picture& picture = fitted.pixels;
  const auto size = std::ssize(picture.pixels);
  if (bytes_ + size > most_) return;
  if (!block_) block_.reset(new uint8_t[most_]);  // left as it is: no page of it is touched
  std::copy(picture.pixels.begin(), picture.pixels.end(), block_.get() + bytes_);
  kept_[name] = {{{picture.width, picture.height, picture.channels, {}}, fitted.geometry}, bytes_, size};
  bytes_ += size;
}

}  // namespace qc::images
