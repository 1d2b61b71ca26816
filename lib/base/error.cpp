// See error.h.
#include "base/error.h"

namespace qc {

std::string to_text(const Problem& problem, const char* severity) {
  std::string text = std::string(severity) + "[" + problem.code + "] " + problem.place +
                     "\n  why:    " + problem.cause + "\n";
  if (!problem.remedy.empty()) text += "  remedy: " + problem.remedy + "\n";
  return text;
}

Error::Error(Exit exit_code, Problem problem) : Error(exit_code, std::vector<Problem>{std::move(problem)}) {}

Error::Error(Exit exit_code, std::vector<Problem> all) : exit(exit_code), problems(std::move(all)) {
  for (const Problem& problem : problems) text_ += to_text(problem, "error");
}

void Diagnostics::throw_if_errors(Exit exit) const {
  if (!errors.empty()) throw Error(exit, errors);
}

}  // namespace qc
