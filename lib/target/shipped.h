// The target files inside the binary; the table is generated at build time by embed.cmake.
#pragma once

#include <string_view>
#include <vector>

namespace qc::target {

struct ShippedFile {
  std::string_view name, text;
};

const std::vector<ShippedFile>& shipped_files();  // sorted by name

}  // namespace qc::target
