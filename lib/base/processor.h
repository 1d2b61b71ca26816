// What this machine's processor can do that integer kernels live on, and what that means for results.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace qc {

struct Processor {
  std::string architecture;  // "x86-64", "arm64", ...
  std::vector<std::pair<std::string, bool>>
      features;               // those that matter for integers, and whether they are here
  bool fast_int8 = false;     // sums products of bytes in 32 bits, in one instruction
  bool may_saturate = false;  // sums pairs of products in 16 bits: u8 x s8 can overflow
};
Processor this_processor();

/// One sentence: what to expect of speed and of results.
std::string meaning_of(const Processor& processor);

}  // namespace qc
