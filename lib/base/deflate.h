// How small a file gets in a package: the length of its zlib stream, for people who ship models compressed.
#pragma once

#include <cstdint>
#include <filesystem>

namespace qc {

/// Bytes of the file's zlib stream at its default level (6), gzip's too. Reads and packs piece by piece, so
/// memory does not grow with the file. Throws Error(kInput) when the file cannot be read.
int64_t deflated_size(const std::filesystem::path& path);

}  // namespace qc
