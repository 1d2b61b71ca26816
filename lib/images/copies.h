// Which calibration files are the same file again: they count twice without teaching anything.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace qc::images {

/// Groups of two or more of `names` (files or folders of files in `folder`) with the same bytes, in the order
/// of the first of each. Only what has a companion of its size is read. Throws Error(kInput) for what cannot
/// be read.
std::vector<std::vector<std::string>> copies(const std::filesystem::path& folder,
                                             const std::vector<std::string>& names);

}  // namespace qc::images
