// What is wrong with a text that is no JSON, and how to mend it.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace qc::json {

/// Where the parser stopped and what it said.
struct Stop {
  size_t position = 0;  // characters read
  std::string token;    // the last of them, as far as they belong together
  std::string message;  // the parser's own words
  char open = 0;        // innermost bracket still open: '{', '[' or 0
};

Problem syntax_problem(std::string_view text, const std::string& label, const Stop& stop);

}  // namespace qc::json
