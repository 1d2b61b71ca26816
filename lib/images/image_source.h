// Where calibration and evaluation inputs come from: a folder of pictures (decoded, resized, cropped,
// normalised as Pillow would) or of tensors. Index access, thread-safe, the same for every thread count:
// files are listed in the order of their names' bytes and cut to max_images afterwards.
//   pictures  .jpg .jpeg .png .webp .bmp .ppm .pgm
//   .npy      one input, one file an image (or whatever the model runs on at once)
//   .npz      several inputs, keyed by their names, one file an image
//   .pb       ONNX TensorProtos: one input, one file an image; or folders test_data_set_* with input_0.pb,
//   ...
//             in the order of the model's inputs, one folder an image
// Tensors may come with or without the batch dimension; float64, integers and bools become float32 where the
// model takes float32. Names are not case-sensitive in their ending; hidden files are ignored; subfolders are
// not searched.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
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
  bool read = true;        // by any node; false: takes no picture, and zeros where nothing else is given
  bool free_rows = false;  // the model leaves its first dimension open, which only this conversion has fixed
};

struct SourceOptions {
  std::filesystem::path folder;
  int64_t max_images = 500;
  bool skip_bad = false;  // false: every unreadable file is listed in one Error(kInput)
  Preprocess preprocess;
  std::string image_input;  // "": the only input, or the only rank-4 input, or an error that lists them
  std::filesystem::path other_inputs;  // .npz with the inputs that a folder of pictures does not give, the
                                       // same for every picture; "": none
  int threads = 1;                     // for the checks of open_folder()
};

class ImageSource {
 public:
  virtual ~ImageSource() = default;
  virtual int64_t size() const = 0;
  virtual std::string name(int64_t index) const = 0;  // file name, for messages
  /// The tensors of one run, in the order of the InputSpecs: a picture with batch 1, what a file holds as it
  /// is, whatever a free first dimension counts (images, points, nodes of a graph). Thread-safe.
  /// Throws Error(kInput) if the file cannot be decoded although it could be listed; then all the others are
  /// tried as well, so that the error names every bad file.
  virtual std::vector<ir::Tensor> load(int64_t index) const = 0;

  /// Which of the tensors is the picture, and the axis that runs along its width.
  struct PictureAt {
    size_t input = 0, width_axis = 0;
  };
  /// Nothing where tensors are read from files: what they hold is not known.
  virtual std::optional<PictureAt> picture() const { return std::nullopt; }
  /// What is read and what is done to it, in one line for the report.
  virtual std::string description() const { return "tensors as they are"; }
};

/// What one of it is called: "image", or "sample" where tensors are read, which may be anything.
std::string unit_of(const ImageSource& source);

/// As load(), the picture turned left to right. For a source with a picture.
std::vector<ir::Tensor> load_mirrored(const ImageSource& source, int64_t index);

/// Lists the folder and checks every file's header and end (not its pixels, unless the end looks cut off or
/// `skip_bad` is set: then everything is read once). Throws Error(kInput): folder missing or empty, no
/// supported files or two kinds of them, unreadable files (all of them), channels or sizes that do not fit
/// the input, a tensor file without a needed key, inputs that nothing gives. Warnings (default preprocessing,
/// files skipped) go to `diagnostics`.
std::unique_ptr<ImageSource> open_folder(const SourceOptions& options, const std::vector<InputSpec>& inputs,
                                         Diagnostics& diagnostics);

}  // namespace qc::images
