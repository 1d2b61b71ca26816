// Errors as data. A problem cannot be built without its place, its cause and a remedy; a stage collects all
// of its problems in Diagnostics and stops once, so that the user mends everything in one go (mold's
// "checkpoint").
#pragma once

#include <exception>
#include <string>
#include <vector>

namespace qc {

/// Process exit codes: a contract with scripts (README, "Exit codes").
enum class Exit : int {
  kDone = 0,
  kUsage = 1,        // command line or config
  kInput = 2,        // an input cannot be read
  kUnsupported = 3,  // not possible for this target or format
  kOutput = 4,       // an output cannot be written
  kBudget = 5,       // a budget is infeasible or a gate failed
  kBug = 70,
  kInterrupted = 130,
};

struct Problem {
  std::string code;    // short and stable, such as "unknown-key"
  std::string place;   // file and JSON pointer, node ("node 'a' (Conv)"), image path
  std::string cause;   // one sentence
  std::string remedy;  // one sentence, and it must work
};

/// "error[code] place\n  why:    cause\n  remedy: remedy\n"
std::string to_text(const Problem& problem, const char* severity);

class Error : public std::exception {
 public:
  Error(Exit exit, Problem problem);
  Error(Exit exit, std::vector<Problem> problems);
  const char* what() const noexcept override { return text_.c_str(); }

  Exit exit;
  std::vector<Problem> problems;

 private:
  std::string text_;
};

/// What one stage found wrong. Warnings ride along into the report.
class Diagnostics {
 public:
  void error(Problem problem) { errors.push_back(std::move(problem)); }
  void warning(Problem problem) { warnings.push_back(std::move(problem)); }
  /// Throws one Error with every collected problem; does nothing when there is none.
  void throw_if_errors(Exit exit) const;

  std::vector<Problem> errors;
  std::vector<Problem> warnings;
};

}  // namespace qc
