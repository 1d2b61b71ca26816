// See fixtures.h.
#include "unit/images/fixtures.h"

#include <catch2/catch.hpp>
#include <fstream>

namespace qc::images {

std::filesystem::path data_folder() {
  return std::filesystem::path(QCONVERT_TESTS) / "data/images_unit";
}

std::string data_file(const std::string& relative) {
  return read_file(data_folder() / relative);
}

const NamedTensors& expected_all() {
  static const NamedTensors all = read_npz(data_file("expected.npz"), "expected.npz");
  return all;
}

const ir::Tensor& expected(const std::string& key) {
  for (const auto& [name, tensor] : expected_all()) {
    if (name == key) return tensor;
  }
  FAIL("no expected array " << key);
  throw 0;  // FAIL does not return
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts{""};
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void PictureFolder::copy(const std::string& relative, const std::string& name) {
  const std::filesystem::path from = data_folder() / relative;
  const std::filesystem::path to = path() / (name.empty() ? from.filename().string() : name);
  std::filesystem::create_directories(to.parent_path());
  std::filesystem::copy_file(from, to);
}

void PictureFolder::write(const std::string& name, const std::string& bytes) {
  const std::filesystem::path to = path() / name;
  std::filesystem::create_directories(to.parent_path());
  std::ofstream(to, std::ios::binary) << bytes;
}

}  // namespace qc::images
