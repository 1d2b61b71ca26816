// Files inside the binary. A room that has some declares `std::span<const EmbeddedFile> embedded_files()`,
// sorted by name; qc_embed() in configs/cmake/embed.cmake generates it.
#pragma once

#include <span>
#include <string_view>

namespace qc {

struct EmbeddedFile {
  std::string_view name, text;  // name: with its ending, without folders
};

/// The text of the file with this name; empty when there is none.
inline std::string_view embedded_text(std::span<const EmbeddedFile> files, std::string_view name) {
  for (const EmbeddedFile& file : files)
    if (file.name == name) return file.text;
  return {};
}

}  // namespace qc
