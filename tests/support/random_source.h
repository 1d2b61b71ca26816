// Images of random numbers, made on the fly: the same number of an index whenever it is asked for.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "images/image_source.h"
#include "support/tiny_models.h"

namespace qc::tiny {

class RandomSource : public images::ImageSource {
 public:
  explicit RandomSource(int64_t size = 12, Dims dims = {1, 3, 10, 10})
      : size_(size), dims_(std::move(dims)) {}
  int64_t size() const override { return size_; }
  std::string name(int64_t index) const override { return std::to_string(index); }
  std::vector<ir::Tensor> load(int64_t index) const override {
    return {random_tensor(dims_, 100 + static_cast<unsigned>(index), 0, 1)};
  }

 private:
  int64_t size_;
  Dims dims_;
};

}  // namespace qc::tiny
