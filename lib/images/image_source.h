// Where calibration and evaluation inputs come from: a folder of pictures (decoded, resized, cropped, normalised as
// Pillow and torchvision would) or of tensors (.npy, .npz, .pb). Index access, thread-safe, the same for every thread
// count: files are listed in sorted order and cut to max_images afterwards.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "images/preprocess.h"
#include "ir/tensor.h"

namespace qc::images {

/// What the model takes, one per graph input: name, type, dims (-1: free).
struct InputSpec {
  std::string name;
  ir::DType dtype = ir::DType::kFloat;
  std::vector<int64_t> dims;
};

struct SourceOptions {
  std::filesystem::path folder;
  int64_t max_images = 500;
  bool skip_bad = false;        // false: every unreadable file is listed in one Error(kInput)
  Preprocess preprocess;
  std::string image_input;      // "": the only input, or the only rank-4 input, or an error that lists them
};

class ImageSource {
 public:
  virtual ~ImageSource() = default;
  virtual int64_t size() const = 0;
  virtual std::string name(int64_t index) const = 0;  // file name, for messages
  /// The tensors of one image with batch 1, in the order of the InputSpecs. Thread-safe.
  /// Throws Error(kInput) naming the file if it cannot be decoded now although it could be listed.
  virtual std::vector<ir::Tensor> load(int64_t index) const = 0;
};

/// Lists the folder and checks every file's header (not its pixels). Throws Error(kInput): folder missing or empty, no
/// supported files, unreadable files (all of them), channels that do not fit the input, a tensor file without a needed
/// key, several image inputs. Warnings (default preprocessing, files skipped) go to `diagnostics`.
std::unique_ptr<ImageSource> open_folder(const SourceOptions& options, const std::vector<InputSpec>& inputs, Diagnostics& diagnostics);

}  // namespace qc::images
