// Small text helpers that messages and reports lean on.
#include "base/text.h"

#include <catch2/catch.hpp>

#include <limits>

using namespace qc;

TEST_CASE("glob patterns match whole texts") {
  const auto [pattern, text, matches] = GENERATE(table<std::string, std::string, bool>({
      {"head/*", "head/box/conv", true},
      {"head/*", "ahead/box", false},
      {"*conv?", "block/conv1", true},
      {"*conv?", "block/conv12", false},
      {"", "", true},
      {"**", "x", true},
      {"a*b*c", "aXXbYYc", true},
      {"a*b*c", "aXXbYY", false},
  }));
  CAPTURE(pattern, text);
  CHECK(glob_match(pattern, text) == matches);
}

TEST_CASE("the nearest name is offered only when it can be meant") {
  const std::vector<std::string> names{"activation_error_method", "weights_error_method", "gates"};
  CHECK(nearest("activation_eror_method", names) == "activation_error_method");
  CHECK(nearest("GATES", names) == "gates");
  CHECK(nearest("somethingelse", names).empty());
  CHECK(nearest("activation", names) == "activation_error_method");
  CHECK(nearest("act", names).empty());
}

TEST_CASE("sizes are printed for people, and hashes tell contents apart") {
  CHECK(human_bytes(999) == "999 B");
  CHECK(human_bytes(45600) == "45.6 kB");
  CHECK(human_bytes(1234567) == "1.23 MB");
  CHECK(content_hash("") == "cbf29ce484222325");  // FNV-1a offset basis
  CHECK(content_hash("a") != content_hash("b"));
}

TEST_CASE("no figure is rounded until it says something else") {
  CHECK(human_bytes(999'949) == "999.9 kB");
  CHECK(human_bytes(999'950) == "1.00 MB");
  CHECK(human_bytes(999'994'999) == "999.99 MB");
  CHECK(human_bytes(999'995'000) == "1.00 GB");

  CHECK(human_ratio(0.514) == "0.51");
  CHECK(human_ratio(12.3456) == "12.35");
  CHECK(human_ratio(0.0999) == "0.10");
  CHECK(human_ratio(0.0434) == "0.043");
  CHECK(human_ratio(0.00434) == "0.0043");
  CHECK(human_ratio(-0.00434, 3) == "-0.0043");
  CHECK(human_ratio(0.0434, 3) == "0.043");
  CHECK(human_ratio(0) == "0.00");
  CHECK(human_ratio(1e-30) == "0.000000000");
  CHECK(human_ratio(std::numeric_limits<double>::quiet_NaN()) == "-");
  CHECK(human_ratio(std::numeric_limits<double>::infinity()) == "-");

  CHECK(human_share(0.9732) == "97.3 %");
  CHECK(human_share(1) == "100.0 %");
  CHECK(human_share(0) == "0.0 %");
  CHECK(human_share(0.9996) == "99.96 %");
  CHECK(human_share(0.99999) == "99.999 %");
  CHECK(human_share(0.0002) == "0.02 %");
  CHECK(human_share(0.004, 0) == "0.4 %");
  CHECK(human_share(1 - 1e-12) == "100.0 %");  // what sums of floats come to
  CHECK(human_share(std::numeric_limits<double>::quiet_NaN()) == "-");
}

TEST_CASE("JSON strings are UTF-8, whatever a file is called") {
  CHECK(json_quoted("a\"b\\c\n") == R"("a\"b\\c\u000a")");
  CHECK(json_quoted("gr\xc3\xbc\xc3\x9f, \xe2\x82\xac, \xf0\x9f\x98\x80") ==
        "\"gr\xc3\xbc\xc3\x9f, \xe2\x82\xac, \xf0\x9f\x98\x80\"");
  // Alone, cut short, longer than needed, half of a pair, beyond the last.
  for (const std::string wrong : {"\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    std::string expected = "\"x";
    for (size_t i = 0; i < wrong.size(); ++i) expected += "\\ufffd";
    CHECK(json_quoted("x" + wrong) == expected + "\"");
  }
}
