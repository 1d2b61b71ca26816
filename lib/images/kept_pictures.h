// Pictures that are asked for again: judging and correcting look at the same few over and over, and decoding
// a JPEG takes as long as a small model does. Held as pixels, a quarter of the tensor's bytes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "images/apply.h"

namespace qc::images {

/// Thread-safe. The first time round everything is looked at once, so a picture is kept from its second time
/// on, as long as all of them stay within `most` bytes.
class KeptPictures {
 public:
  explicit KeptPictures(int64_t most) : most_(most) {}

  /// Null: not kept.
  std::shared_ptr<const Fitted> find(const std::string& name) const;
  void offer(const std::string& name, const std::shared_ptr<const Fitted>& fitted);

 private:
  mutable std::mutex mutex_;
  int64_t most_, bytes_ = 0;
  std::set<std::string> seen_;
  std::map<std::string, std::shared_ptr<const Fitted>> kept_;
};

}  // namespace qc::images
