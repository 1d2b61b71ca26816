// Pictures that are asked for again: judging and correcting look at the same few over and over, and decoding
// a JPEG takes as long as a small model does. Held as pixels, a quarter of the tensor's bytes, and all in one
// block: among the tensors that come and go they would leave holes in the heap for as long as the run lasts.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "images/apply.h"

namespace qc::images {

/// Thread-safe. The first time round everything is looked at once, so a picture is kept from its second time
/// on, as long as all of them stay within `most` bytes.
class KeptPictures {
 public:
  explicit KeptPictures(int64_t most) : most_(most) {}

  /// Nothing: not kept.
  std::optional<Fitted> find(const std::string& name) const;
  void offer(const std::string& name, const Fitted& fitted);

 private:
  struct Place {
    Fitted without_pixels;
    int64_t at = 0, size = 0;
  };

  mutable std::mutex mutex_;
  int64_t most_, bytes_ = 0;
  std::unique_ptr<uint8_t[]> block_;  // `most_` bytes, of which nobody has written the rest
  std::set<std::string> seen_;
  std::map<std::string, Place> kept_;
};

}  // namespace qc::images
