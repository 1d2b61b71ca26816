// What the tests of lib/images share: the checked-in pictures with Pillow's pixels, and folders made for one
// test.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "images/tensor_files.h"

namespace qc::images {

std::filesystem::path data_folder();                 // tests/data/images_unit
std::string data_file(const std::string& relative);  // its bytes

/// Everything in expected.npz; keys as scripts/make_test_images.py describes them.
const NamedTensors& expected_all();
const ir::Tensor& expected(const std::string& key);
std::vector<std::string> split(const std::string& text, char separator);

/// The Error that `action` throws; fails the test if it throws none.
template <typename Action>
Error error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return Error(Exit::kBug, {"no-error", "", "nothing was thrown", ""});
}

bool contains(const std::string& text, const std::string& part);

/// A folder that goes away with the test, and ways to fill it.
class PictureFolder : public TemporaryFolder {
 public:
  /// Copies a file of data_folder() to `name` (default: its own name).
  void copy(const std::string& relative, const std::string& name = "");
  void write(const std::string& name, const std::string& bytes);
};

}  // namespace qc::images
