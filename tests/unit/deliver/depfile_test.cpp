// The words that make and ninja share.
#include "deliver/depfile.h"

#include <catch2/catch.hpp>

namespace qc {

TEST_CASE("names that make would read as its own are escaped as it wants them", "[depfile]") {
  CHECK(depfile_text("out/a.onnx", {"m.onnx", "pictures"}) ==
        "out/a.onnx: \\\n  m.onnx \\\n  pictures\n\nm.onnx:\n\npictures:\n");
  const std::string text = depfile_text("t", {"a b", "a#b", "a$b", "a%b", "a\\b", "a\\ b"});
  CHECK(text.find("  a%b \\\n") != std::string::npos);
  for (const char* name : {"a\\ b:\n", "a\\#b:\n", "a$$b:\n", "a\\b:\n", "a\\\\\\ b:\n"}) {
    INFO(name);
    CHECK(text.find(std::string("\n") + name) != std::string::npos);
  }
}

TEST_CASE("a rule begins with a name that make cannot read as a variable", "[depfile]") {
  CHECK(depfile_text("s", {"lr=0.1.onnx", "a:b", "c|d", "e;f", "g"}) ==
        "s: \\\n  a\\:b \\\n  g \\\n  lr=0.1.onnx\n\na\\:b:\n\ng:\n");
}

}  // namespace qc
