// What a folder of calibration data holds: which kind of files, in which order, which files make one image.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace qc::images {

enum class Kind { kPictures, kNpy, kNpz, kPb };

struct Item {
  std::string name;                          // of the file, or of a folder test_data_set_*
  std::vector<std::filesystem::path> files;  // one; for kPb one an input
};

struct Listing {
  Kind kind = Kind::kPictures;
  std::vector<Item> items;  // sorted by the bytes of their names, at most max_images
};

/// Throws Error(kInput): no such folder, nothing usable in it, two kinds of files. Files of no known kind are
/// listed in a warning, and so are subfolders with files of the kind, which are not searched. `apart` (may be
/// empty) is a file of the folder that is no image.
Listing list_folder(const std::filesystem::path& folder, int64_t max_images, int64_t input_count,
                    const std::filesystem::path& apart, Diagnostics& diagnostics);

/// ".jpg", ...: of pictures, or of tensors.
std::vector<std::string> known_endings(bool pictures);

/// "a, b, c and 12 more".
std::string some_of(const std::vector<std::string>& names);

}  // namespace qc::images
