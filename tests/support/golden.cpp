// See golden.h.
#include "support/golden.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>

#include "base/files.h"

namespace qc::test {

void check_golden(std::string_view name, const std::string& text) {
  const std::filesystem::path path = std::filesystem::path(QCONVERT_TESTS) / "golden" / name;
  if (std::getenv("QC_UPDATE_GOLDEN")) {
    std::filesystem::create_directories(path.parent_path());
    write_file_atomically(path, text);
  }
  INFO("golden file " << path << "; QC_UPDATE_GOLDEN=1 rewrites it");
  REQUIRE(std::filesystem::exists(path));
  CHECK(text == read_file(path));
}

}  // namespace qc::test
